"""A threat is sent through every door that takes words, and then looked for in the whole database.

Where others could read it, it must not lie but in what screening holds back. Each door is also tested by itself; this
one test asks the routes themselves, so that a door that comes later is asked as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import World
from tests.openapi_calls import Stage, prepare
from tests.statuses.cast import THREAT

WORDS = (
    *("status", "text", "spoiler_text", "title", "description", "note", "display_name", "name", "comment", "content"),
    *("reason", "body", "message", "label", "summary", "about", "caption", "keyword", "client_name", "value"),
)
"""Names under which doors take words."""

PRIVATE = {
    "screening_results": "what was refused is on record",
    "scheduled_statuses": "is judged when its time has come, and shown to its author alone until then",
    "filters": "the author's own",
    "filter_keywords": "the author's own",
    "lists": "the author's own",
    "reports": "for moderators",
}
"""Tables in which such words may lie, and why nobody else reads them."""


def _bodies() -> Iterator[dict[str, Any]]:
    plain: dict[str, Any] = dict.fromkeys(WORDS, THREAT)
    yield plain
    yield {**plain, "visibility": "direct"}
    yield {"status": "hello", "poll": {"options": [THREAT, "tea"], "expires_in": 600}}
    yield {"fields_attributes": {"0": {"name": THREAT, "value": THREAT}}}


def _doors(world: World) -> list[tuple[str, str]]:
    """Every route of the API that writes, but for those that take things away."""
    found = {
        (method, re.sub(r"\{(\w+)(:\w+)?\}", r"{\1}", route.path_format))
        for route in world.app.routes
        for method in getattr(route, "methods", ())
        if method in ("POST", "PUT", "PATCH") and route.path_format.startswith("/api/")
    }
    return sorted(found)


def _address(stage: Stage, path: str) -> str:
    """A path with the ids of what alice has, whatever its placeholders are called."""

    def fill(found: re.Match[str]) -> str:
        before = path[: found.start()] + "{"
        return next((made for key, made in stage.ids.items() if key.startswith(before)), "1")

    return re.sub(r"\{\w+\}", fill, path)


async def _tables_with(world: World, words: str) -> dict[str, int]:
    """In which tables a text lies, and in how many rows."""
    tables = """
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    """
    found = {}
    async with world.instance.db.read() as tx:
        for (table,) in await tx.fetch(tables):
            asked = f"SELECT count(*) FROM {table} AS t WHERE to_jsonb(t)::text ILIKE $1"
            if count := await tx.fetchval(asked, f"%{words}%"):
                found[str(table)] = int(count)
    return found


@pytest.mark.timeout(300)
async def test_no_door_gets_round_the_judge(world: World) -> None:
    stage: Stage = await prepare(world)
    client = await world.client("alice")
    tried: dict[int, int] = {}
    for method, path in _doors(world):
        for body in _bodies():
            answer = await client.request(method, _address(stage, path), json=body)
            assert answer.status_code < 500 or answer.status_code == 503, f"{method} {path}: {answer.text[:300]}"
            tried[answer.status_code] = tried.get(answer.status_code, 0) + 1
    await world.run_jobs()
    assert tried.get(422, 0) > 20, "the judge was asked"
    assert 429 not in tried, "nobody was sent away before the judge was asked"
    found = await _tables_with(world, THREAT)
    assert "screening_results" in found, "refusals are on record"
    assert found.keys() - PRIVATE.keys() == set(), found
