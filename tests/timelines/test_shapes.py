"""Answers have the shapes of Mastodon's API: timelines, notifications, conversations, markers, tags, search, trends."""

from __future__ import annotations

from typing import Any

from tests.conftest import World
from tests.oracle import assert_matches
from tests.timelines.walk import act


async def full_world(world: World) -> dict[str, Any]:
    """bob follows alice; a picture-less post, a poll, an answer, a boost, marks, a message, a list, a filter."""
    await world.follow("bob", "alice")
    post = await world.post("alice", "Hello #cats @bob", spoiler_text="Greeting")
    await world.post("alice", "Which?", poll={"options": ["A", "B"], "expires_in": 3600})
    await world.post("bob", "@alice an answer", in_reply_to_id=post["id"])
    other = await world.post("carol", "From carol #cats")
    await act(world, "alice", f"/api/v1/statuses/{other['id']}/reblog")
    await act(world, "bob", f"/api/v1/statuses/{other['id']}/favourite")
    for verb in ("favourite", "bookmark", "reblog"):
        await act(world, "bob", f"/api/v1/statuses/{post['id']}/{verb}")
    await act(world, "carol", f"/api/v1/statuses/{post['id']}/favourite")
    await world.post("alice", "@bob between us", visibility="direct")
    chosen = await act(world, "bob", "/api/v1/lists", title="Friends")
    await act(world, "bob", f"/api/v1/lists/{chosen['id']}/accounts", account_ids=[str(world.ids["alice"])])
    await act(
        world, "bob", "/api/v2/filters", title="Cats", context=["home"], keywords_attributes=[{"keyword": "hello"}]
    )
    await act(world, "bob", "/api/v1/tags/cats/follow")
    await act(world, "alice", "/api/v1/featured_tags", name="cats")
    await act(world, "bob", "/api/v1/markers", home={"last_read_id": post["id"]})
    await world.run_jobs()
    return {"post": post, "list": chosen}


async def test_every_answer_has_the_published_shape(world: World) -> None:
    made = await full_world(world)
    bob, alice = await world.client("bob"), await world.client("alice")
    paths: list[tuple[str, dict[str, Any]]] = [
        ("/api/v1/timelines/home", {}),
        ("/api/v1/timelines/public", {}),
        ("/api/v1/timelines/tag/cats", {}),
        (f"/api/v1/timelines/list/{made['list']['id']}", {}),
        ("/api/v1/timelines/direct", {}),
        ("/api/v1/conversations", {}),
        ("/api/v1/markers", {"timeline[]": "home"}),
        ("/api/v1/notifications", {}),
        ("/api/v1/notifications/unread_count", {}),
        ("/api/v2/notifications", {}),
        ("/api/v2/notifications/unread_count", {}),
        ("/api/v2/notifications/policy", {}),
        ("/api/v1/notifications/requests", {}),
        ("/api/v1/tags/cats", {}),
        ("/api/v1/followed_tags", {}),
        ("/api/v1/featured_tags", {}),
        ("/api/v1/featured_tags/suggestions", {}),
        (f"/api/v1/accounts/{world.ids['alice']}/featured_tags", {}),
        ("/api/v2/search", {"q": "alice"}),
        ("/api/v2/search", {"q": "#cats"}),
        ("/api/v2/search", {"q": "hello"}),
        ("/api/v1/trends/tags", {}),
        ("/api/v1/trends/statuses", {}),
        ("/api/v1/trends/links", {}),
        ("/api/v1/announcements", {}),
        ("/api/v2/filters", {}),
    ]
    empty_by_nature = {"/api/v1/trends/links", "/api/v1/announcements", "/api/v1/notifications/requests"}
    for client in (bob, alice):
        for path, params in paths:
            if client is alice and "/list/" in path:
                continue
            answer = await client.get(path, params=params)
            assert answer.status_code == 200, (path, answer.text)
            value = assert_matches(None, answer)
            if client is bob and path not in empty_by_nature and "featured" not in path:
                assert value, f"{path} shows nothing, so its shape is not proved"


async def test_one_notification_and_one_group_have_the_published_shape(world: World) -> None:
    await full_world(world)
    client = await world.client("alice")
    for one in (await client.get("/api/v1/notifications")).json():
        assert_matches(None, await client.get(f"/api/v1/notifications/{one['id']}"))
    for group in (await client.get("/api/v2/notifications")).json()["notification_groups"]:
        assert_matches(None, await client.get(f"/api/v2/notifications/{group['group_key']}"))
        assert_matches(None, await client.get(f"/api/v2/notifications/{group['group_key']}/accounts"))
