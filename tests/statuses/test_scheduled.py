"""Statuses that are written now and posted later."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.clock import now, time_travel
from parley.social.statuses.jobs import clean_idempotency_keys, publish_scheduled
from tests.conftest import World
from tests.oracle import assert_entity, assert_matches
from tests.statuses.cast import ask, count, upload


def ahead(minutes: int) -> str:
    return (now() + timedelta(minutes=minutes)).isoformat()


async def plan(world: World, name: str, **params: Any) -> dict[str, Any]:
    answer = await ask(world, name, "POST", "/statuses", json={"scheduled_at": ahead(10), **params})
    assert answer.status_code == 200, answer.text
    assert_entity("ScheduledStatus", answer.json())
    return answer.json()


async def posted(world: World, name: str) -> list[dict[str, Any]]:
    return (await ask(world, name, "GET", f"/accounts/{await world.account(name)}/statuses")).json()


async def test_a_planned_post_is_posted_when_its_time_comes(world: World) -> None:
    media = await upload(world, "alice", "a square")
    first = await world.post("bob", "first")
    await plan(
        world,
        "alice",
        status="later #soon",
        media_ids=[media],
        in_reply_to_id=first["id"],
        spoiler_text="cw",
        visibility="unlisted",
    )
    await publish_scheduled(world.instance, {})
    assert await posted(world, "alice") == []
    with time_travel(timedelta(minutes=11)):
        await publish_scheduled(world.instance, {})
        await publish_scheduled(world.instance, {})
    (status,) = await posted(world, "alice")
    assert (status["spoiler_text"], status["visibility"]) == ("cw", "unlisted")
    assert status["in_reply_to_id"] == first["id"]
    assert [one["id"] for one in status["media_attachments"]] == [media]
    assert status["application"]["name"] == "Test app"
    assert (await ask(world, "alice", "GET", "/scheduled_statuses")).json() == []


async def test_planned_posts_are_their_authors_own(world: World) -> None:
    one = await plan(world, "alice", status="one")
    two = await plan(world, "alice", status="two", poll={"options": ["a", "b"], "expires_in": 600})
    answer = await ask(world, "alice", "GET", "/scheduled_statuses?limit=1")
    assert [each["id"] for each in assert_matches(None, answer)] == [two["id"]]
    alice = await world.client("alice")
    assert [each["id"] for each in (await alice.get(answer.links["next"]["url"])).json()] == [one["id"]]
    for method, params in (("GET", {}), ("PUT", {"json": {"scheduled_at": ahead(20)}}), ("DELETE", {})):
        assert (await ask(world, "bob", method, f"/scheduled_statuses/{one['id']}", **params)).status_code == 404
    assert (await ask(world, "bob", "GET", "/scheduled_statuses")).json() == []


async def test_a_planned_post_can_be_moved_and_cancelled(world: World) -> None:
    media = await upload(world, "alice")
    one = await plan(world, "alice", status="one", media_ids=[media])
    taken = await ask(world, "alice", "POST", "/statuses", json={"status": "now", "media_ids": [media]})
    assert taken.status_code == 422, "its media wait for it"
    path = f"/scheduled_statuses/{one['id']}"
    moved = await ask(world, "alice", "PUT", path, json={"scheduled_at": ahead(60)})
    assert assert_matches(None, moved)["scheduled_at"] > one["scheduled_at"]
    assert (await ask(world, "alice", "PUT", path, json={"scheduled_at": ahead(1)})).status_code == 422
    with time_travel(timedelta(minutes=30)):
        await publish_scheduled(world.instance, {})
    assert await posted(world, "alice") == []
    assert (await ask(world, "alice", "DELETE", path)).json() == {}
    assert (await ask(world, "alice", "GET", path)).status_code == 404
    await world.post("alice", "now", media_ids=[media])


async def test_what_cannot_be_posted_says_why_and_does_not_stop_the_rest(world: World) -> None:
    first = await world.post("bob", "first")
    await plan(world, "alice", status="an answer", in_reply_to_id=first["id"])
    await plan(world, "alice", status="another")
    await ask(world, "bob", "DELETE", f"/statuses/{first['id']}")
    with time_travel(timedelta(minutes=11)):
        await publish_scheduled(world.instance, {})
    assert ["another" in status["content"] for status in await posted(world, "alice")] == [True]
    (left,) = (await ask(world, "alice", "GET", "/scheduled_statuses")).json()
    assert left["error"]


async def test_a_suspended_member_posts_nothing_later(world: World) -> None:
    await plan(world, "alice", status="later")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET state = 'suspended', version = version + 1")
    with time_travel(timedelta(minutes=11)):
        await publish_scheduled(world.instance, {})
    assert await count(world, "SELECT count(*) FROM statuses") == 0


async def test_rules_hold_when_a_post_is_planned(world: World) -> None:
    secret = await world.post("bob", "psst", visibility="direct")
    for params, code in (
        ({"status": ""}, 422),
        ({"status": "x" * 1001}, 422),
        ({"status": "x", "in_reply_to_id": secret["id"]}, 404),
        ({"status": "x", "scheduled_at": ahead(4)}, 422),
        ({"status": "x", "scheduled_at": "2031-01-01T00:00:00"}, 422),
    ):
        answer = await ask(world, "alice", "POST", "/statuses", json={"scheduled_at": ahead(10), **params})
        assert answer.status_code == code, answer.text


async def test_a_key_plans_once(world: World) -> None:
    client = await world.client("alice")
    ids = set()
    for _ in range(2):
        answer = await client.post(
            "/api/v1/statuses",
            json={"status": "later", "scheduled_at": ahead(10)},
            headers={"Idempotency-Key": "once"},
        )
        ids.add(answer.json()["id"])
    assert len(ids) == 1
    with time_travel(timedelta(hours=25)):
        await clean_idempotency_keys(world.instance, {})
    assert await count(world, "SELECT count(*) FROM idempotency_keys") == 0
