"""What is planned is stored as it was cleaned, and posted for those alone who may post then."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now, time_travel
from parley.social.sessions.actions import set_disabled
from parley.social.statuses.jobs import publish_scheduled
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


async def test_a_member_who_was_shut_out_posts_no_more_plans(world: World) -> None:
    client = await world.client("alice")
    body = {"status": "later", "scheduled_at": (now() + timedelta(minutes=10)).isoformat()}
    assert (await client.post("/api/v1/statuses", json=body)).status_code == 200
    async with world.instance.db.write() as tx:
        await set_disabled(tx, None, world.ids["alice"], True)
    with time_travel(timedelta(minutes=11)):
        await publish_scheduled(world.instance, {})
    assert (await world.anonymous.get(f"/api/v1/accounts/{world.ids['alice']}/statuses")).json() == []
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT error FROM scheduled_statuses") == "Your account may not post now."
