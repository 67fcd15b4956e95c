"""Favourites, bookmarks, boosts, pins, muted threads, quotes: who may, how often, and what is counted."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import World
from tests.oracle import assert_matches
from tests.statuses.cast import act, ask, count, read, sees


@pytest.mark.parametrize(
    ("do", "undo", "mark", "counter"),
    [
        ("favourite", "unfavourite", "favourited", "favourites_count"),
        ("bookmark", "unbookmark", "bookmarked", None),
        ("mute", "unmute", "muted", None),
    ],
)
async def test_marks_are_a_members_own_and_count_once(
    world: World, do: str, undo: str, mark: str, counter: str | None
) -> None:
    status = await world.post("alice", "hello")
    for _ in range(2):
        marked = await act(world, "bob", status["id"], do)
        assert marked[mark] is True
        assert counter is None or marked[counter] == 1
    assert (await read(world, "alice", status["id"]))[mark] is False
    for _ in range(2):
        unmarked = await act(world, "bob", status["id"], undo)
        assert unmarked[mark] is False
        assert counter is None or unmarked[counter] == 0


@pytest.mark.parametrize(
    "verb", ["favourite", "unfavourite", "bookmark", "reblog", "unreblog", "mute", "pin", "unpin", "translate"]
)
async def test_nothing_can_be_done_with_what_one_cannot_see(world: World, verb: str) -> None:
    status = await world.post("alice", "secret", visibility="direct")
    hidden = await ask(world, "bob", "POST", f"/statuses/{status['id']}/{verb}")
    missing = await ask(world, "bob", "POST", f"/statuses/99/{verb}")
    assert (hidden.status_code, hidden.json()) == (404, missing.json())
    assert (await ask(world, None, "POST", f"/statuses/{status['id']}/{verb}")).status_code == 401


async def test_a_boost_wraps_its_original_and_is_made_once(world: World) -> None:
    status = await world.post("alice", "hello")
    boost = await act(world, "bob", status["id"], "reblog")
    assert boost["reblog"]["id"] == status["id"]
    assert boost["reblog"]["reblogged"] is True
    assert (await act(world, "bob", status["id"], "reblog"))["id"] == boost["id"]
    assert (await act(world, "remi", boost["id"], "reblog"))["reblog"]["id"] == status["id"], "a boost of a boost"
    assert (await read(world, None, status["id"]))["reblogs_count"] == 2
    people = assert_matches(None, await ask(world, None, "GET", f"/statuses/{status['id']}/reblogged_by"))
    assert [person["username"] for person in people] == ["remi", "bob"]
    original = await act(world, "bob", status["id"], "unreblog")
    assert (original["id"], original["reblogs_count"], original["reblogged"]) == (status["id"], 1, False)
    assert not await sees(world, "bob", boost["id"])


async def test_what_is_shared_with_few_is_not_boosted_by_others(world: World) -> None:
    await world.follow("bob", "alice")
    status = await world.post("alice", "for followers", visibility="private")
    assert (await ask(world, "bob", "POST", f"/statuses/{status['id']}/reblog")).status_code == 403
    boost = await act(world, "alice", status["id"], "reblog", json={"visibility": "public"})
    assert boost["visibility"] == "private"
    assert not await sees(world, "remi", boost["id"])
    assert await sees(world, "bob", boost["id"])


async def test_a_boost_vanishes_for_whom_the_original_is_hidden(world: World) -> None:
    status = await world.post("alice", "hello")
    boost = await act(world, "bob", status["id"], "reblog")
    await ask(world, "remi", "POST", f"/accounts/{await world.account('alice')}/block")
    assert not await sees(world, "remi", boost["id"])


async def test_counters_are_exact_when_many_act_at_once(world: World) -> None:
    status = await world.post("alice", "hello")
    names = [f"member{n}" for n in range(8)]
    for name in names:
        await world.client(name)
    for verb, number in (("favourite", 8), ("reblog", 8), ("unfavourite", 0), ("unreblog", 0)):
        await asyncio.gather(*(act(world, name, status["id"], verb) for name in names for _ in range(2)))
        counter = "favourites_count" if "favourite" in verb else "reblogs_count"
        assert (await read(world, None, status["id"]))[counter] == number, verb


async def test_favourited_by_is_paged_by_links(world: World) -> None:
    status = await world.post("alice", "hello")
    for name in ("bob", "remi", "carol"):
        await act(world, name, status["id"], "favourite")
    first = await ask(world, None, "GET", f"/statuses/{status['id']}/favourited_by?limit=2")
    assert [person["username"] for person in assert_matches(None, first)] == ["carol", "remi"]
    second = await world.anonymous.get(first.links["next"]["url"])
    assert [person["username"] for person in second.json()] == ["bob"]
    back = await world.anonymous.get(second.links["prev"]["url"])
    assert [person["username"] for person in back.json()] == ["carol", "remi"]


@pytest.mark.parametrize(("verb", "place"), [("favourite", "favourites"), ("bookmark", "bookmarks")])
async def test_own_lists_are_paged_newest_first(world: World, verb: str, place: str) -> None:
    await world.account("bob")
    posts = [await world.post("alice", f"post {n}") for n in range(3)]
    secret = await world.post("alice", "@bob psst", visibility="direct")
    for status in (*posts, secret):
        await act(world, "bob", status["id"], verb)
    await ask(world, "alice", "DELETE", f"/statuses/{posts[1]['id']}")
    first = await ask(world, "bob", "GET", f"/{place}?limit=2")
    assert [status["id"] for status in assert_matches(None, first)] == [secret["id"], posts[2]["id"]]
    bob = await world.client("bob")
    rest = (await bob.get(first.links["next"]["url"])).json()
    assert [status["id"] for status in rest] == [posts[0]["id"]]
    assert (await ask(world, "alice", "GET", f"/{place}")).json() == []


async def test_at_most_five_own_posts_are_pinned(world: World) -> None:
    posts = [await world.post("alice", f"post {n}") for n in range(6)]
    answers = await asyncio.gather(*(ask(world, "alice", "POST", f"/statuses/{status['id']}/pin") for status in posts))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [422]
    alice = await world.account("alice")
    pinned = (await ask(world, None, "GET", f"/accounts/{alice}/statuses?pinned=true")).json()
    assert len(pinned) == 5
    theirs = await world.post("bob", "hello")
    direct = await world.post("alice", "x", visibility="direct")
    boost = await act(world, "alice", theirs["id"], "reblog")
    for status in (theirs, direct, boost):
        assert (await ask(world, "alice", "POST", f"/statuses/{status['id']}/pin")).status_code == 422
    unpinned = await act(world, "alice", pinned[0]["id"], "unpin")
    assert unpinned["pinned"] is False


async def test_a_quote_shows_what_it_quotes(world: World) -> None:
    status = await world.post("alice", "hello")
    quote = await world.post("bob", "so true", quoted_status_id=status["id"])
    assert (quote["quote"]["state"], quote["quote"]["quoted_status"]["id"]) == ("accepted", status["id"])
    again = await world.post("remi", "see", quoted_status_id=quote["id"])
    shallow = again["quote"]["quoted_status"]["quote"]
    assert shallow == {"state": "accepted", "quoted_status_id": status["id"]}
    assert (await read(world, None, status["id"]))["quotes_count"] == 1
    quotes = assert_matches(None, await ask(world, "alice", "GET", f"/statuses/{status['id']}/quotes"))
    assert [one["id"] for one in quotes] == [quote["id"]]
    boost = await act(world, "carol", quote["id"], "reblog")
    assert boost["reblog"]["quote"]["quoted_status"]["id"] == status["id"]


@pytest.mark.parametrize(
    ("policy", "visibility", "stranger", "follower"),
    [
        ("public", "public", 200, 200),
        ("followers", "public", 422, 200),
        ("nobody", "public", 422, 422),
        ("public", "private", 404, 422),
        ("public", "direct", 404, 404),
    ],
)
async def test_who_may_quote(world: World, policy: str, visibility: str, stranger: int, follower: int) -> None:
    await world.follow("bob", "alice")
    status = await world.post("alice", "hello", quote_approval_policy=policy, visibility=visibility)
    codes = {}
    for name in ("remi", "bob"):
        answer = await ask(world, name, "POST", "/statuses", json={"status": "x", "quoted_status_id": status["id"]})
        codes[name] = answer.status_code
        if stranger == follower == 200 or (name == "bob" and follower == 200):
            assert (await read(world, name, status["id"]))["quote_approval"]["current_user"] == "automatic"
    assert codes == {"remi": stranger, "bob": follower}


async def test_quoting_the_own_private_post_stays_private(world: World) -> None:
    status = await world.post("alice", "hello", visibility="private")
    quote = await world.post("alice", "as I said", quoted_status_id=status["id"], visibility="public")
    assert quote["visibility"] == "private"


async def test_a_quote_can_be_revoked_by_the_quoted_alone(world: World) -> None:
    status = await world.post("alice", "hello")
    quote = await world.post("bob", "so true", quoted_status_id=status["id"])
    path = f"/statuses/{status['id']}/quotes/{quote['id']}/revoke"
    assert (await ask(world, "bob", "POST", path)).status_code == 403
    answer = assert_matches(None, await ask(world, "alice", "POST", path))
    assert answer["quote"] == {"state": "revoked", "quoted_status": None}
    assert (await read(world, "bob", quote["id"]))["quote"]["state"] == "revoked"
    assert (await read(world, None, status["id"]))["quotes_count"] == 0
    assert (await ask(world, "alice", "POST", path)).status_code == 200, "twice is once"
    assert (await read(world, None, status["id"]))["quotes_count"] == 0


async def test_a_quote_of_something_gone_or_hidden_shows_nothing_of_it(world: World) -> None:
    status = await world.post("alice", "a secret word")
    quote = await world.post("bob", "so true", quoted_status_id=status["id"])
    await ask(world, "remi", "POST", f"/accounts/{await world.account('alice')}/block")
    seen = await read(world, "remi", quote["id"])
    assert seen["quote"] == {"state": "unauthorized", "quoted_status": None}
    await ask(world, "alice", "DELETE", f"/statuses/{status['id']}")
    seen = await read(world, "carol", quote["id"])
    assert seen["quote"] == {"state": "deleted", "quoted_status": None}
    assert await count(world, "SELECT count(*) FROM statuses WHERE id = $1", int(status["id"])) == 1


async def test_the_quote_policy_can_be_changed_by_the_author(world: World) -> None:
    status = await world.post("alice", "hello")
    path = f"/statuses/{status['id']}/interaction_policy"
    changed = await ask(world, "alice", "PUT", path, json={"quote_approval_policy": "nobody"})
    assert assert_matches(None, changed)["quote_approval"]["automatic"] == []
    assert (await ask(world, "bob", "PUT", path, json={"quote_approval_policy": "public"})).status_code == 403
    assert (await ask(world, "alice", "PUT", path, json={"quote_approval_policy": "x"})).status_code == 422
