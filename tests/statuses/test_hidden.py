"""What is not for everybody stays out of histories, lists of people and counts too."""

from __future__ import annotations

from typing import Any

import pytest

from parley import screening
from parley.social.verdicts.jobs import rescreen_degraded
from tests.conftest import World
from tests.streaming.ears import events, next_event

THREAT = "I will kill you"


async def _get(world: World, who: str | None, path: str) -> Any:
    client = await world.client(who) if who else world.anonymous
    answer = await client.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_edited_post_does_not_keep_in_its_history_what_a_second_screening_refuses(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.account("alice", age_days=60)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE account_stats SET statuses_count = 100")
    judge = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    monkeypatch.setattr(screening, "judge", broken)
    status = await world.post("alice", THREAT)
    monkeypatch.setattr(screening, "judge", judge)
    client = await world.client("alice")
    edited = await client.put(f"/api/v1/statuses/{status['id']}", json={"status": "a lovely day"})
    assert edited.status_code == 200
    path = f"/statuses/{status['id']}/history"
    assert len(await _get(world, None, path)) == 2, "as long as nobody knows better"
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()
    assert [one["content"] for one in await _get(world, None, path)] == ["<p>a lovely day</p>"]
    assert "kill" not in (await world.browser().get(f"/statuses/{status['id']}/history")).text
    assert len(await _get(world, "alice", path)) == 2, "its author may know what it is about"
    assert (await _get(world, None, f"/statuses/{status['id']}"))["content"] == "<p>a lovely day</p>"


async def test_who_boosts_for_followers_alone_is_not_named_to_others(world: World) -> None:
    status = await world.post("alice", "hello")
    for name, visibility in (("bob", "public"), ("mod_mia", "private")):
        client = await world.client(name)
        answer = await client.post(f"/api/v1/statuses/{status['id']}/reblog", json={"visibility": visibility})
        assert answer.status_code == 200
    path = f"/statuses/{status['id']}/reblogged_by"
    for reader, expected in ((None, ["bob"]), ("alice", ["bob"]), ("mod_mia", ["mod_mia", "bob"])):
        assert [one["username"] for one in await _get(world, reader, path)] == expected
    page = await world.browser().get(f"/statuses/{status['id']}/boosts")
    assert "@bob" in page.text and "mod_mia" not in page.text


async def test_private_answers_quotes_and_messages_are_counted_for_nobody(world: World) -> None:
    status = await world.post("alice", "hello")
    public = await world.post("bob", "@alice yes", in_reply_to_id=status["id"])
    for visibility in ("private", "direct"):
        await world.post("bob", "@alice psst", in_reply_to_id=status["id"], visibility=visibility)
    assert (await _get(world, None, f"/statuses/{status['id']}"))["replies_count"] == 1
    bob = await _get(world, None, f"/accounts/{world.ids['bob']}")
    assert bob["statuses_count"] == 2, "messages are nobody's business; followers-only posts are known to exist"
    client = await world.client("bob")
    for one in await _get(world, "bob", "/timelines/direct") or []:
        await client.delete(f"/api/v1/statuses/{one['id']}")
    await client.delete(f"/api/v1/statuses/{public['id']}")
    assert (await _get(world, None, f"/statuses/{status['id']}"))["replies_count"] == 0


async def test_open_pages_drop_what_a_second_screening_hides(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.account("alice", age_days=60)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE account_stats SET statuses_count = 100")
    judge = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    monkeypatch.setattr(screening, "judge", broken)
    status = await world.post("alice", THREAT)
    await world.run_jobs()
    monkeypatch.setattr(screening, "judge", judge)
    async with events(world, "bob", "public") as ear:
        await rescreen_degraded(world.instance, {})
        await world.run_jobs()
        assert await next_event(ear) == ("delete", status["id"])


async def test_a_result_that_cannot_be_read_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    await world.account("alice", age_days=0)
    monkeypatch.setattr(screening, "judge", broken)
    first, second = [await world.post("alice", text) for text in ("hello", "good morning")]
    monkeypatch.setattr(screening, "judge", judge)
    async with world.instance.db.write() as tx:
        await tx.execute(
            "UPDATE screening_results SET detail = jsonb_set(detail, '{again,content}', '7') WHERE subject_id = $1",
            int(first["id"]),
        )
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{first['id']}")).status_code == 404
    assert (await world.anonymous.get(f"/api/v1/statuses/{second['id']}")).status_code == 200
