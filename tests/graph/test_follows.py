"""Following, from the first click to the counters: HTTP in, HTTP out."""

from __future__ import annotations

import asyncio
import re

import msgspec
import pytest

from parley.kit.settings import Settings
from tests.conftest import World, open_world
from tests.graph.people import act, counts, facts, names, relationship, remote_rei, set_state, try_to
from tests.oracle import assert_entity


async def test_a_follow_shows_on_both_sides_and_is_counted(world: World) -> None:
    alice, bob = await world.account("alice"), await world.account("bob")
    answer = await act(world, "alice", "follow", "bob")
    assert_entity("Relationship", answer)
    assert answer["following"] is True
    assert answer["showing_reblogs"] is True
    assert answer["notifying"] is False
    assert answer["languages"] is None
    assert (await relationship(world, "bob", "alice"))["followed_by"] is True
    assert await counts(world, "bob") == (1, 0)
    assert await counts(world, "alice") == (0, 1)
    assert await names(world.anonymous, f"/api/v1/accounts/{bob}/followers") == ["alice"]
    assert await names(world.anonymous, f"/api/v1/accounts/{alice}/following") == ["bob"]
    assert await facts(world, "Followed") == [(alice, bob)]


async def test_following_again_changes_the_options_and_counts_once(world: World) -> None:
    await act(world, "alice", "follow", "bob", reblogs=False, notify=True, languages=["en", "pt-BR"])
    kept = await act(world, "alice", "follow", "bob")
    assert (kept["showing_reblogs"], kept["notifying"], kept["languages"]) == (False, True, ["en", "pt-BR"])
    changed = await act(world, "alice", "follow", "bob", reblogs=True, notify=False, languages=[])
    assert (changed["showing_reblogs"], changed["notifying"], changed["languages"]) == (True, False, None)
    assert await counts(world, "bob") == (1, 0)
    assert len(await facts(world, "Followed")) == 1


async def test_options_are_read_from_forms_too(world: World) -> None:
    bob = await world.account("bob")
    answer = await (await world.client("alice")).post(
        f"/api/v1/accounts/{bob}/follow", data={"reblogs": "false", "notify": "1", "languages[]": "de"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["showing_reblogs"] is False
    assert answer.json()["notifying"] is True
    assert answer.json()["languages"] == ["de"]


async def test_a_language_that_is_none_is_refused(world: World) -> None:
    answer = await try_to(world, "alice", "follow", "bob", languages=["<b>"])
    assert answer.status_code == 422
    assert "ISO 639" in answer.json()["error"]


async def test_many_follows_at_once_count_once(world: World) -> None:
    await world.client("alice")
    await world.account("bob")
    answers = await asyncio.gather(*(try_to(world, "alice", "follow", "bob") for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert await counts(world, "bob") == (1, 0)
    assert await counts(world, "alice") == (0, 1)
    answers = await asyncio.gather(*(try_to(world, "alice", "unfollow", "bob") for _ in range(12)))
    assert {answer.status_code for answer in answers} == {200}
    assert await counts(world, "bob") == (0, 0)
    assert await counts(world, "alice") == (0, 0)
    assert len(await facts(world, "Followed")) == len(await facts(world, "Unfollowed")) == 1


async def test_two_who_follow_each_other_at_once_do_not_wait_for_each_other(world: World) -> None:
    await world.client("alice")
    await world.client("bob")
    for _ in range(5):
        answers = await asyncio.gather(try_to(world, "alice", "follow", "bob"), try_to(world, "bob", "follow", "alice"))
        assert [answer.status_code for answer in answers] == [200, 200]
        assert await counts(world, "alice") == (1, 1)
        await asyncio.gather(try_to(world, "alice", "unfollow", "bob"), try_to(world, "bob", "unfollow", "alice"))
        assert await counts(world, "alice") == (0, 0)


async def test_a_block_and_a_follow_at_once_never_both_stand(world: World) -> None:
    await world.client("alice")
    await world.client("bob")
    for _ in range(8):
        await asyncio.gather(
            try_to(world, "alice", "follow", "bob"),
            try_to(world, "bob", "block", "alice"),
            try_to(world, "alice", "follow", "bob"),
        )
        seen = await relationship(world, "alice", "bob")
        assert seen["blocked_by"] is True
        assert seen["following"] is False
        assert await counts(world, "bob") == (0, 0)
        await act(world, "bob", "unblock", "alice")


async def test_nobody_follows_across_a_block(world: World) -> None:
    await act(world, "alice", "block", "bob")
    for who, whom in (("alice", "bob"), ("bob", "alice")):
        answer = await try_to(world, who, "follow", whom)
        assert answer.status_code == 403
        assert answer.json() == {"error": "This action is not allowed"}
    assert await counts(world, "alice") == (0, 0)


async def test_one_cannot_follow_oneself_nobody_or_the_suspended(world: World) -> None:
    await world.account("spam_sam")
    await set_state(world, "spam_sam", "suspended")
    assert (await try_to(world, "alice", "follow", "alice")).status_code == 403
    assert (await try_to(world, "alice", "follow", "spam_sam")).status_code == 404
    await world.account("mod_mia", role="moderator")
    assert (await try_to(world, "mod_mia", "follow", "spam_sam")).status_code == 404
    client = await world.client("alice")
    assert (await client.post("/api/v1/accounts/1/follow")).status_code == 404
    assert (await client.post("/api/v1/accounts/none/follow")).status_code == 404


async def test_a_locked_account_is_asked_and_may_say_yes(world: World) -> None:
    bob = await world.account("bob", locked=True)
    alice = await world.account("alice")
    asked = await act(world, "alice", "follow", "bob", notify=True)
    assert (asked["requested"], asked["following"], asked["notifying"]) == (True, False, True)
    assert (await relationship(world, "bob", "alice"))["requested_by"] is True
    assert await counts(world, "bob") == (0, 0)
    await act(world, "alice", "follow", "bob", reblogs=False)
    assert await facts(world, "FollowRequested") == [(alice, bob)]

    client = await world.client("bob")
    listed = await client.get("/api/v1/follow_requests")
    assert [one["acct"] for one in listed.json()] == ["alice"]
    assert_entity("Account", listed.json()[0])
    answer = await client.post(f"/api/v1/follow_requests/{alice}/authorize")
    assert answer.status_code == 200
    assert_entity("Relationship", answer.json())
    assert answer.json()["followed_by"] is True
    now = await relationship(world, "alice", "bob")
    assert (now["following"], now["requested"], now["notifying"], now["showing_reblogs"]) == (True, False, True, False)
    assert await counts(world, "bob") == (1, 0)
    assert (await client.get("/api/v1/follow_requests")).json() == []
    assert (await client.post(f"/api/v1/follow_requests/{alice}/authorize")).status_code == 404


async def test_a_request_is_turned_down_or_taken_back(world: World) -> None:
    bob, alice = await world.account("bob", locked=True), await world.account("alice")
    client = await world.client("bob")
    await act(world, "alice", "follow", "bob")
    answer = await client.post(f"/api/v1/follow_requests/{alice}/reject")
    assert answer.status_code == 200
    assert answer.json()["requested_by"] is False
    assert (await relationship(world, "alice", "bob"))["requested"] is False
    assert (await client.post(f"/api/v1/follow_requests/{alice}/reject")).status_code == 404
    await act(world, "alice", "follow", "bob")
    assert (await act(world, "alice", "unfollow", "bob"))["requested"] is False
    assert await facts(world, "FollowRequestDeleted") == [(alice, bob), (alice, bob)]
    assert await counts(world, "bob") == (0, 0)


async def test_nobody_answers_a_request_that_is_not_theirs(world: World) -> None:
    await world.account("bob", locked=True)
    alice = await world.account("alice")
    await act(world, "alice", "follow", "bob")
    mallory = await world.client("mallory")
    assert (await mallory.post(f"/api/v1/follow_requests/{alice}/authorize")).status_code == 404
    assert (await mallory.get("/api/v1/follow_requests")).json() == []
    assert (await relationship(world, "alice", "bob"))["requested"] is True


async def test_those_who_wait_may_follow_once_the_account_is_open(world: World) -> None:
    await world.account("bob", locked=True)
    await act(world, "alice", "follow", "bob")
    await world.account("spam_sam")
    await act(world, "spam_sam", "follow", "bob")
    await set_state(world, "spam_sam", "limited")
    answer = await (await world.client("bob")).patch("/api/v1/accounts/update_credentials", json={"locked": False})
    assert answer.status_code == 200
    await world.run_jobs()
    assert (await relationship(world, "alice", "bob"))["following"] is True
    assert (await relationship(world, "spam_sam", "bob"))["requested"] is True
    assert await counts(world, "bob") == (1, 0)


async def test_a_limited_account_must_ask_everybody(world: World) -> None:
    await world.account("spam_sam")
    await set_state(world, "spam_sam", "limited")
    answer = await act(world, "spam_sam", "follow", "alice")
    assert (answer["following"], answer["requested"]) == (False, True)


async def test_a_remote_account_is_asked(world: World) -> None:
    await remote_rei(world)
    answer = await act(world, "alice", "follow", "remote_rei")
    assert (answer["following"], answer["requested"]) == (False, True)


async def test_a_follower_can_be_removed(world: World) -> None:
    await act(world, "alice", "follow", "bob")
    answer = await act(world, "bob", "remove_from_followers", "alice")
    assert_entity("Relationship", answer)
    assert answer["followed_by"] is False
    assert await counts(world, "bob") == (0, 0)
    assert await counts(world, "alice") == (0, 0)


async def test_hidden_collections_are_for_their_owner_alone(world: World) -> None:
    bob = await world.account("bob", hide_collections=True)
    await act(world, "alice", "follow", "bob")
    await act(world, "bob", "follow", "alice")
    for path in (f"/api/v1/accounts/{bob}/followers", f"/api/v1/accounts/{bob}/following"):
        assert await names(world.anonymous, path) == []
        assert await names(await world.client("alice"), path) == []
        assert await names(await world.client("bob"), path) == ["alice"]


async def test_lists_of_followers_leave_out_the_suspended_and_the_blocked(world: World) -> None:
    bob = await world.account("bob")
    for name in ("alice", "carol", "spam_sam", "mallory"):
        await act(world, name, "follow", "bob")
    await set_state(world, "spam_sam", "suspended")
    await act(world, "alice", "block", "mallory")
    path = f"/api/v1/accounts/{bob}/followers"
    assert await names(world.anonymous, path) == ["mallory", "carol", "alice"]
    assert await names(await world.client("alice"), path) == ["carol", "alice"]
    assert await names(await world.client("mallory"), path) == ["mallory", "carol"]
    await act(world, "bob", "block", "carol")
    assert await names(await world.client("carol"), path) == []


async def test_followers_are_paged_by_link_headers_both_ways(world: World) -> None:
    bob = await world.account("bob")
    people = [f"member{number}" for number in range(7)]
    for name in people:
        await act(world, name, "follow", "bob")
    path = f"/api/v1/accounts/{bob}/followers"
    seen: list[list[str]] = []
    url, links = f"{path}?limit=3", ""
    while url:
        answer = await world.anonymous.get(url)
        seen.append([account["acct"] for account in answer.json()])
        links = answer.headers.get("link", "")
        found = re.search(r'<([^>]+)>; rel="next"', links)
        url = found.group(1) if found else ""
    newest = people[::-1]
    assert seen == [newest[:3], newest[3:6], newest[6:], []]
    first = await world.anonymous.get(f"{path}?limit=3&max_id={2**62}")
    assert [account["acct"] for account in first.json()] == newest[:3]
    older = re.search(r'<([^>]+)>; rel="next"', first.headers["link"])
    assert older
    second = await world.anonymous.get(older.group(1))
    back = re.search(r'<([^>]+)>; rel="prev"', second.headers["link"])
    assert back
    assert "min_id=" in back.group(1)
    again = await world.anonymous.get(back.group(1))
    assert [account["acct"] for account in again.json()] == newest[:3]
    one = re.search(r"max_id=(\d+)", second.headers["link"])
    assert one
    assert await names(world.anonymous, path, since_id=one.group(1), limit=2) == newest[:2]
    assert await names(world.anonymous, path, min_id=one.group(1), limit=2) == newest[3:5]


async def test_an_author_with_very_many_followers_is_merged_at_read(settings: Settings, dsn: str) -> None:
    async with open_world(msgspec.structs.replace(settings, fanout_limit=1), dsn) as world:
        await act(world, "alice", "follow", "bob")
        await world.run_jobs()
        assert await _is_merged(world, "bob") is False
        await act(world, "carol", "follow", "bob")
        await world.run_jobs()
        assert await _is_merged(world, "bob") is True
        await act(world, "carol", "unfollow", "bob")
        await world.run_jobs()
        assert await _is_merged(world, "bob") is True


async def _is_merged(world: World, name: str) -> bool:
    async with world.instance.db.read() as tx:
        return await tx.fetchval("SELECT merge_on_read FROM accounts WHERE id = $1", world.ids[name])


@pytest.mark.parametrize("count", [2, 20])
async def test_relationships_take_the_same_queries_for_two_and_for_twenty(world: World, count: int) -> None:
    ids = [await world.account(f"member{number}") for number in range(count)]
    client = await world.client("alice")
    await client.post(f"/api/v1/accounts/{ids[0]}/follow")
    await client.get("/api/v1/accounts/relationships", params={"id[]": ids})
    with world.queries() as seen:
        answer = await client.get("/api/v1/accounts/relationships", params={"id[]": ids})
    assert [one["id"] for one in answer.json()] == [str(id_) for id_ in ids]
    assert len(seen) == 2, seen


async def test_relationships_ignore_what_names_nobody(world: World) -> None:
    bob = await world.account("bob")
    await world.account("spam_sam")
    await set_state(world, "spam_sam", "suspended")
    client = await world.client("alice")
    asked = {"id[]": ["x", "-1", str(2**70), "5", str(bob), str(bob), str(world.ids["spam_sam"])]}
    answer = await client.get("/api/v1/accounts/relationships", params=asked)
    assert [one["id"] for one in answer.json()] == [str(bob)]
    answer = await client.get("/api/v1/accounts/relationships", params={**asked, "with_suspended": "true"})
    assert [one["id"] for one in answer.json()] == [str(bob), str(world.ids["spam_sam"])]
    assert (await client.get("/api/v1/accounts/relationships", params={"id": bob})).json()[0]["id"] == str(bob)
    assert (await client.get("/api/v1/accounts/relationships")).json() == []
