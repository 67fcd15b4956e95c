"""Conversations by direct message, and reading positions."""

from __future__ import annotations

from typing import Any

from tests.conftest import World
from tests.timelines.walk import act, ids


async def conversations(world: World, who: str, **params: Any) -> list[dict[str, Any]]:
    await world.run_jobs()
    answer = await (await world.client(who)).get("/api/v1/conversations", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_conversation_moves_up_with_each_message(world: World) -> None:
    await world.account("bob")
    await world.account("carol")
    first = await world.post("alice", "@bob hello", visibility="direct")
    other = await world.post("carol", "@bob hi", visibility="direct")
    seen = await conversations(world, "bob")
    assert [one["last_status"]["id"] for one in seen] == [other["id"], first["id"]]
    assert [[account["username"] for account in one["accounts"]] for one in seen] == [["carol"], ["alice"]]
    assert all(one["unread"] for one in seen)
    reply = await world.post("bob", "@alice yes?", visibility="direct", in_reply_to_id=first["id"])
    seen = await conversations(world, "bob")
    assert [(one["last_status"]["id"], one["unread"]) for one in seen] == [(reply["id"], False), (other["id"], True)]
    hers = await conversations(world, "alice")
    assert [(one["last_status"]["id"], one["unread"]) for one in hers] == [(reply["id"], True)]
    read = await act(world, "alice", f"/api/v1/conversations/{hers[0]['id']}/read")
    assert read["unread"] is False
    assert await ids(world, "bob", "/api/v1/timelines/direct") == [reply["id"], other["id"], first["id"]]
    assert await conversations(world, "dan") == []


async def test_deleting_takes_the_conversation_off_ones_own_list_alone(world: World) -> None:
    await world.account("bob")
    post = await world.post("alice", "@bob hello", visibility="direct")
    mine = (await conversations(world, "bob"))[0]
    assert (await (await world.client("alice")).delete(f"/api/v1/conversations/{mine['id']}")).status_code == 404
    assert (await (await world.client("bob")).delete(f"/api/v1/conversations/{mine['id']}")).json() == {}
    assert await conversations(world, "bob") == []
    assert [one["last_status"]["id"] for one in await conversations(world, "alice")] == [post["id"]]


async def test_a_deleted_message_makes_way_for_the_one_before(world: World) -> None:
    await world.account("bob")
    first = await world.post("alice", "@bob one", visibility="direct")
    second = await world.post("alice", "@bob two", visibility="direct", in_reply_to_id=first["id"])
    assert (await conversations(world, "bob"))[0]["last_status"]["id"] == second["id"]
    await (await world.client("alice")).delete(f"/api/v1/statuses/{second['id']}")
    assert (await conversations(world, "bob"))[0]["last_status"]["id"] == first["id"]
    await (await world.client("alice")).delete(f"/api/v1/statuses/{first['id']}")
    assert await conversations(world, "bob") == []


async def test_messages_of_the_blocked_do_not_show(world: World) -> None:
    await world.account("bob")
    await world.post("alice", "@bob hello", visibility="direct")
    assert len(await conversations(world, "bob")) == 1
    await act(world, "bob", f"/api/v1/accounts/{world.ids['alice']}/block")
    assert await conversations(world, "bob") == []


async def test_markers_remember_how_far_one_has_read(world: World) -> None:
    client = await world.client("alice")
    assert (await client.get("/api/v1/markers", params={"timeline[]": ["home", "notifications"]})).json() == {}
    saved = await act(world, "alice", "/api/v1/markers", home={"last_read_id": "103206604258487607"})
    assert (saved["home"]["last_read_id"], saved["home"]["version"]) == ("103206604258487607", 1)
    form = await client.post("/api/v1/markers", data={"home[last_read_id]": "103206604258487608"})
    assert form.json()["home"]["version"] == 2
    read = (await client.get("/api/v1/markers", params={"timeline[]": ["home", "notifications"]})).json()
    assert list(read) == ["home"]
    assert read["home"]["last_read_id"] == "103206604258487608"
    assert (await (await world.client("bob")).get("/api/v1/markers", params={"timeline[]": "home"})).json() == {}
