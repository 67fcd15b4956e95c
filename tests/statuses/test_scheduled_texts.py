"""What is planned is stored as it was cleaned."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from tests.conftest import World


async def test_what_no_database_takes_does_not_break_a_plan(world: World) -> None:
    client = await world.client("alice")
    poll = {"options": ["ye\x00s", "no"], "expires_in": 600}
    body = {"status": "he\x00llo", "spoiler_text": "a\x00", "poll": poll}
    answer = await client.post(
        "/api/v1/statuses", json={**body, "scheduled_at": (now() + timedelta(hours=1)).isoformat()}
    )
    assert answer.status_code == 200, answer.text
    params = answer.json()["params"]
    assert (params["text"], params["spoiler_text"], params["poll"]["options"]) == ("hello", "a", ["yes", "no"])
