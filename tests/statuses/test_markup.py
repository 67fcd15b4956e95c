"""Markup cannot hide from the judge what readers see."""

from __future__ import annotations

import pytest

from tests.conftest import World

MARKDOWN = "text/markdown"


@pytest.mark.parametrize(
    "text",
    ["I will &#107;ill you", "I will ki[ll](https://a.example) you", "I will ki**ll** you", "I w&#x69;ll &#75;ill you"],
)
async def test_what_is_shown_is_judged_when_posted_and_when_edited(world: World, text: str) -> None:
    await world.account("alice", age_days=60)
    client = await world.client("alice")
    body = {"status": text, "content_type": MARKDOWN}
    assert (await client.post("/api/v1/statuses", json=body)).status_code == 422
    status = await world.post("alice", "a **lovely** day", content_type=MARKDOWN)
    assert "<strong>lovely</strong>" in status["content"]
    assert (await client.put(f"/api/v1/statuses/{status['id']}", json=body)).status_code == 422
    answer = await client.get(f"/api/v1/statuses/{status['id']}")
    assert "lovely" in answer.json()["content"]
