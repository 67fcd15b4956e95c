"""Texts far beyond every limit: refused before anything is done with them, so that nobody else waits meanwhile."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.conftest import World

MANY = 900_000
STATUS, PROFILE, DOMAIN = "/api/v1/statuses", "/api/v1/accounts/update_credentials", "/api/v1/domain_blocks"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", STATUS, {"status": "http://" * (MANY // 7)}),
        ("POST", STATUS, {"status": "x", "spoiler_text": "\x01a" * (MANY // 8)}),
        ("POST", STATUS, {"status": "@a@" + "b." * (MANY // 2) + "c"}),
        ("POST", STATUS, {"status": "@a@" + "b" * 5000 + ".example"}),
        ("POST", STATUS, {"status": "x", "poll": {"options": ["", *["a"] * (MANY // 4)], "expires_in": 600}}),
        ("POST", STATUS, {"status": "x", "poll": {"options": ["a", "b" * MANY], "expires_in": 600}}),
        ("PATCH", PROFILE, {"note": "http://" * (MANY // 7)}),
        ("PATCH", PROFILE, {"fields_attributes": [{"name": "x", "value": "@a " * (MANY // 3)}]}),
        ("PATCH", PROFILE, {"attribution_domains": ["é." * (MANY // 8)]}),
        ("POST", DOMAIN, {"domain": "é." * (MANY // 8)}),
        ("POST", DOMAIN, {"domain": "é" * (MANY // 6)}),
    ],
)
async def test_a_text_without_end_is_refused_at_once(world: World, method: str, path: str, body: Any) -> None:
    client = await world.client("alice")
    await client.request(method, path, json={})
    began = time.process_time()
    answer = await client.request(method, path, json=body)
    assert answer.status_code == 422, answer.text
    assert time.process_time() - began < 0.25


async def test_what_counts_little_for_its_length_is_still_let_through(world: World) -> None:
    address = "https://example.org/" + "a" * 1900
    status = await world.post("alice", " ".join([address] * 40))
    assert status["content"].count("<a ") == 40
    await world.post("alice", f"@bob@{'b' * 60}.example " * 100)
