"""Streaming: what arrives while a client listens, and what never does."""

from __future__ import annotations

import asyncio

import pytest

from parley.social.timelines import live
from tests.conftest import World
from tests.streaming.ears import events, next_event, next_message, opened, say, socket, token_of
from tests.timelines.walk import act


async def test_health_answers(world: World) -> None:
    answer = await world.anonymous.get("/api/v1/streaming/health")
    assert (answer.status_code, answer.text) == (200, "OK")


async def test_a_new_post_its_edit_and_its_deletion_arrive_at_home(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    async with events(world, "bob", "user") as ear:
        post = await world.post("alice", "Live")
        await world.run_jobs()
        name, status = await next_event(ear)
        assert (name, status["id"], status["favourited"]) == ("update", post["id"], False)
        answer = await (await world.client("alice")).put(f"/api/v1/statuses/{post['id']}", json={"status": "Edited"})
        assert answer.status_code == 200
        await world.run_jobs()
        name, status = await next_event(ear)
        assert (name, status["id"]) == ("status.update", post["id"])
        assert "Edited" in status["content"]
        await (await world.client("alice")).delete(f"/api/v1/statuses/{post['id']}")
        await world.run_jobs()
        assert await next_event(ear) == ("delete", post["id"])


async def test_a_notification_arrives_with_its_status(world: World) -> None:
    await world.account("bob")
    async with events(world, "bob", "user/notification") as ear:
        post = await world.post("alice", "@bob hello")
        await world.run_jobs()
        name, told = await next_event(ear)
        assert name == "notification"
        assert (told["type"], told["status"]["id"], told["account"]["username"]) == ("mention", post["id"], "alice")
        await ear.nothing()


async def test_a_direct_message_moves_its_conversation(world: World) -> None:
    await world.account("bob")
    async with events(world, "bob", "direct") as ear:
        post = await world.post("alice", "@bob psst", visibility="direct")
        await world.run_jobs()
        name, conversation = await next_event(ear)
        assert name == "conversation"
        assert (conversation["unread"], conversation["last_status"]["id"]) == (True, post["id"])
        await ear.nothing()


async def test_public_streams_get_public_posts_alone(world: World) -> None:
    await world.account("bob")
    async with events(world, "bob", "public/local") as ear, events(world, "bob", "public/remote") as remote:
        await world.post("alice", "unlisted", visibility="unlisted")
        await world.post("alice", "private", visibility="private")
        await world.post("alice", "@bob direct", visibility="direct")
        seen = [await world.post("alice", "public"), await world.post("carol", "first")]
        await world.post("alice", "an answer", in_reply_to_id=seen[1]["id"])
        await world.run_jobs()
        assert [(await next_event(ear))[1]["id"] for _ in range(2)] == [status["id"] for status in seen]
        await ear.nothing()
        await remote.nothing()


async def test_hashtags_and_lists_have_streams(world: World) -> None:
    await world.follow("bob", "alice")
    chosen = await act(world, "bob", "/api/v1/lists", title="Friends")
    await act(world, "bob", f"/api/v1/lists/{chosen['id']}/accounts", account_ids=[str(world.ids["alice"])])
    await world.run_jobs()
    async with (
        events(world, "bob", "hashtag", tag="Cats") as tag,
        events(world, "bob", "list", list=chosen["id"]) as ear,
    ):
        await world.post("carol", "Look #cats")
        await world.post("carol", "Look #dogs")
        post = await world.post("alice", "On the list", visibility="private")
        await world.run_jobs()
        assert "cats" in (await next_event(tag))[1]["content"]
        assert (await next_event(ear))[1]["id"] == post["id"]
        await tag.nothing()
        await ear.nothing()


@pytest.mark.parametrize(
    ("who", "verb", "whom"), [("bob", "mute", "alice"), ("bob", "block", "alice"), ("alice", "block", "bob")]
)
async def test_nothing_of_the_muted_and_blocked_arrives(world: World, who: str, verb: str, whom: str) -> None:
    await world.follow("bob", "alice")
    await world.follow("bob", "carol")
    await act(world, who, f"/api/v1/accounts/{world.ids[whom]}/{verb}")
    await world.run_jobs()
    async with events(world, "bob", "user") as home, events(world, "bob", "public") as public:
        post = await world.post("alice", "@bob do you hear me?")
        await act(world, "carol", f"/api/v1/statuses/{post['id']}/reblog")
        await world.run_jobs()
        await home.nothing()
        await public.nothing()


async def test_nothing_of_a_held_post_arrives(world: World) -> None:
    await world.follow("bob", "alice")
    post = await world.post("alice", "Fine, for now")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE statuses SET state = 'held' WHERE id = $1", int(post["id"]))
    async with events(world, "bob", "user") as home, events(world, "bob", "public") as public:
        await world.run_jobs()
        await home.nothing()
        await public.nothing()


async def test_posts_of_merged_authors_arrive_too(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET merge_on_read = true WHERE id = $1", world.ids["alice"])
    async with events(world, "bob", "user") as ear:
        post = await world.post("alice", "From a stage")
        await world.run_jobs()
        assert (await next_event(ear))[1]["id"] == post["id"]


async def test_one_socket_listens_to_many_streams_and_says_which(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    async with socket(world, "bob", stream="user") as ear:
        await say(ear, type="subscribe", stream="hashtag", tag="cats")
        post = await world.post("alice", "A cat #cats")
        await world.run_jobs()
        heard = [await next_message(ear), await next_message(ear)]
        assert sorted(message["stream"] for message in heard) == [["hashtag", "cats"], ["user"]]
        assert {message["event"] for message in heard} == {"update"}
        assert {message["payload"]["id"] for message in heard} == {post["id"]}
        await say(ear, type="unsubscribe", stream="user")
        await world.post("alice", "No tag")
        await world.run_jobs()
        await ear.nothing()
        await say(ear, type="subscribe", stream="nonsense")
        assert (await next_message(ear))["status"] == 400
        await say(ear, type="subscribe", stream="list", list="12345")
        assert (await next_message(ear))["status"] == 404


async def test_a_socket_takes_its_token_from_query_or_protocol(world: World) -> None:
    await world.account("bob")
    token = await token_of(world, "bob")
    async with opened(world, "websocket", "/api/v1/streaming", access_token=token) as ear:
        assert (await ear.take())["type"] == "websocket.accept"
    async with opened(world, "websocket", "/api/v1/streaming", {"Sec-WebSocket-Protocol": token}) as ear:
        accepted = await ear.take()
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", token)


@pytest.mark.parametrize("path", ["user", "public", "hashtag", "direct", "list"])
async def test_nobody_listens_without_a_token(world: World, path: str) -> None:
    assert (await world.anonymous.get(f"/api/v1/streaming/{path}")).status_code == 401
    async with opened(world, "websocket", "/api/v1/streaming", stream=path) as ear:
        assert (await ear.take())["type"] == "websocket.close"


async def test_scopes_are_asked_for(world: World) -> None:
    narrow = await world.client("bob", scopes="read:accounts")
    assert (await narrow.get("/api/v1/streaming/user")).status_code == 403
    statuses = await world.client("bob", scopes="read:statuses")
    assert (await statuses.get("/api/v1/streaming/user/notification")).status_code == 403
    other = await world.client("bob")
    assert (await other.get("/api/v1/streaming/nonsense")).status_code == 400
    assert (await other.get("/api/v1/streaming/list", params={"list": "42"})).status_code == 404


async def test_anothers_list_cannot_be_listened_to(world: World) -> None:
    chosen = await act(world, "alice", "/api/v1/lists", title="Mine")
    answer = await (await world.client("bob")).get("/api/v1/streaming/list", params={"list": chosen["id"]})
    assert answer.status_code == 404


async def test_a_revoked_token_ends_its_streams(world: World) -> None:
    await world.account("bob")
    token = await token_of(world, "bob")
    from parley.social.sessions.tokens import publish_revoked, viewer_of_token

    grant = await viewer_of_token(world.instance, token)
    async with socket(world, "bob", stream="user") as ear:
        async with world.instance.db.write() as tx:
            await tx.execute("UPDATE access_tokens SET revoked_at = now() WHERE id = $1", grant.token_id)
            await publish_revoked(tx, [grant.token_id], grant.account_id)
        closed = await ear.take()
        assert (closed["type"], closed["code"]) == ("websocket.close", 4001)


async def test_silence_is_broken_by_a_heartbeat(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    original = live.Listener.next_event

    async def impatient(self: live.Listener, *, patience: float = 0.05) -> live.LiveEvent:
        return await original(self, patience=patience)

    monkeypatch.setattr(live.Listener, "next_event", impatient)
    async with events(world, "bob", "user") as ear:
        assert (await ear.take())["body"] == b":thump\n\n"


async def test_a_home_can_be_followed_from_inside(world: World) -> None:
    await world.follow("bob", "alice")
    await world.run_jobs()
    from parley.social.accounts.views import Viewer

    viewer = Viewer(account_id=world.ids["bob"], username="bob")
    heard: list[live.LiveEvent] = []

    async def listen() -> None:
        async for event in live.follow_home(world.instance, viewer):
            heard.append(event)
            if event.kind == "update":
                return

    task = asyncio.create_task(listen())
    async with asyncio.timeout(20):
        while not (hub := live._hubs.get(world.instance.live)) or not hub._listeners:
            await asyncio.sleep(0.01)
    post = await world.post("alice", "Hello pages")
    await world.run_jobs()
    await asyncio.wait_for(task, 20)
    assert heard[-1].status is not None
    assert str(heard[-1].status.id) == post["id"]
