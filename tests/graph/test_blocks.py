"""Blocks, mutes, blocked domains and private notes."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import time_travel
from tests.conftest import World
from tests.graph.people import act, counts, facts, names, relationship, remote_rei, try_to
from tests.oracle import assert_entity


async def test_a_block_ends_everything_between_two_people(world: World) -> None:
    alice, bob = await world.account("alice"), await world.account("bob")
    await act(world, "alice", "follow", "bob")
    await act(world, "bob", "follow", "alice")
    await act(world, "alice", "endorse", "bob")
    client = await world.client("alice")
    made = (await client.post("/api/v1/lists", json={"title": "Friends"})).json()
    await client.post(f"/api/v1/lists/{made['id']}/accounts", json={"account_ids": [str(bob)]})
    theirs = await world.client("bob")
    other = (await theirs.post("/api/v1/lists", json={"title": "Others"})).json()
    await theirs.post(f"/api/v1/lists/{other['id']}/accounts", json={"account_ids": [str(alice)]})

    answer = await act(world, "bob", "block", "alice")
    assert_entity("Relationship", answer)
    assert (answer["blocking"], answer["following"], answer["followed_by"]) == (True, False, False)
    seen = await relationship(world, "alice", "bob")
    assert (seen["blocked_by"], seen["endorsed"]) == (True, False)
    assert await counts(world, "alice") == await counts(world, "bob") == (0, 0)
    assert await names(client, f"/api/v1/lists/{made['id']}/accounts") == []
    assert await names(theirs, f"/api/v1/lists/{other['id']}/accounts") == []
    assert await facts(world, "Blocked") == [(bob, alice)]
    assert sorted(await facts(world, "Unfollowed")) == sorted([(alice, bob), (bob, alice)])

    await act(world, "bob", "block", "alice")
    assert await facts(world, "Blocked") == [(bob, alice)]
    assert (await act(world, "bob", "unblock", "alice"))["blocking"] is False
    assert (await relationship(world, "alice", "bob"))["following"] is False


async def test_a_block_ends_a_pending_request(world: World) -> None:
    await world.account("bob", locked=True)
    await act(world, "alice", "follow", "bob")
    await act(world, "bob", "block", "alice")
    assert await names(await world.client("bob"), "/api/v1/follow_requests") == []
    await act(world, "bob", "unblock", "alice")
    assert (await relationship(world, "alice", "bob"))["requested"] is False


async def test_blocks_are_listed_for_the_one_who_blocks(world: World) -> None:
    await act(world, "alice", "block", "bob")
    await act(world, "alice", "block", "carol")
    client = await world.client("alice")
    assert await names(client, "/api/v1/blocks") == ["carol", "bob"]
    page = await client.get("/api/v1/blocks", params={"limit": 1})
    assert 'rel="next"' in page.headers["link"]
    assert_entity("Account", page.json()[0])
    assert await names(await world.client("bob"), "/api/v1/blocks") == []


async def test_nobody_blocks_or_mutes_themselves(world: World) -> None:
    assert (await try_to(world, "alice", "block", "alice")).status_code == 403
    assert (await try_to(world, "alice", "mute", "alice")).status_code == 403


async def test_a_mute_keeps_the_follow_and_can_leave_notifications(world: World) -> None:
    await act(world, "alice", "follow", "bob")
    answer = await act(world, "alice", "mute", "bob")
    assert_entity("Relationship", answer)
    assert (answer["muting"], answer["muting_notifications"], answer["following"]) == (True, True, True)
    assert answer["muting_expires_at"] is None
    answer = await act(world, "alice", "mute", "bob", notifications=False)
    assert (answer["muting"], answer["muting_notifications"]) == (True, False)
    assert (await relationship(world, "bob", "alice"))["muting"] is False
    answer = await act(world, "alice", "unmute", "bob")
    assert (answer["muting"], answer["muting_notifications"]) == (False, False)
    assert len(await facts(world, "Muted")) == len(await facts(world, "Unmuted")) == 1


async def test_a_mute_with_a_duration_ends_by_itself(world: World) -> None:
    await world.account("alice")
    await world.account("bob")
    await act(world, "alice", "mute", "bob", duration=3600)
    client = await world.client("alice")
    listed = (await client.get("/api/v1/mutes")).json()
    assert [one["acct"] for one in listed] == ["bob"]
    assert_entity("MutedAccount", listed[0])
    assert listed[0]["mute_expires_at"] is not None
    with time_travel(timedelta(hours=2)):
        assert (await relationship(world, "alice", "bob"))["muting"] is False
        assert (await client.get("/api/v1/mutes")).json() == []
        from parley.social.graph.jobs import expire_mutes

        await expire_mutes(world.instance, {})
        await expire_mutes(world.instance, {})
    assert len(await facts(world, "Unmuted")) == 1
    assert (await relationship(world, "alice", "bob"))["muting"] is False


async def test_a_mute_without_end_shows_no_end(world: World) -> None:
    await act(world, "alice", "mute", "bob", duration=0)
    listed = (await (await world.client("alice")).get("/api/v1/mutes")).json()
    assert listed[0]["mute_expires_at"] is None


async def test_a_duration_that_makes_no_sense_is_refused(world: World) -> None:
    for duration in (-1, 10**12, 10**30, "soon"):
        assert (await try_to(world, "alice", "mute", "bob", duration=duration)).status_code == 422


async def test_a_note_is_private_and_an_empty_one_is_forgotten(world: World) -> None:
    answer = await act(world, "alice", "note", "bob", comment="met at the fair")
    assert_entity("Relationship", answer)
    assert answer["note"] == "met at the fair"
    assert (await relationship(world, "bob", "alice"))["note"] == ""
    assert (await relationship(world, "carol", "bob"))["note"] == ""
    assert (await try_to(world, "alice", "note", "bob", comment="x" * 2001)).status_code == 422
    assert (await act(world, "alice", "note", "bob"))["note"] == ""


async def test_a_blocked_domain_ends_follows_with_its_people(world: World) -> None:
    rei, alice = await remote_rei(world), await world.account("alice")
    async with world.instance.db.write() as tx:
        from parley.social.accounts.views import Viewer
        from parley.social.graph.actions import authorize_follow, follow_account

        await follow_account(tx, Viewer(account_id=rei, username="rei"), alice)
        await follow_account(tx, Viewer(account_id=alice, username="alice"), rei)
        await authorize_follow(tx, Viewer(account_id=rei, username="rei"), alice)
    assert await counts(world, "alice") == (1, 1)
    client = await world.client("alice")
    answer = await client.post("/api/v1/domain_blocks", data={"domain": "Remote.Example"})
    assert answer.status_code == 200
    assert answer.json() == {}
    await world.run_jobs()
    assert await counts(world, "alice") == (0, 0)
    assert (await relationship(world, "alice", "remote_rei"))["domain_blocking"] is True
    assert (await try_to(world, "alice", "follow", "remote_rei")).status_code == 403
    assert (await client.get("/api/v1/domain_blocks")).json() == ["remote.example"]
    assert (await (await world.client("bob")).get("/api/v1/domain_blocks")).json() == []
    answer = await client.request("DELETE", "/api/v1/domain_blocks", data={"domain": "remote.example"})
    assert answer.status_code == 200
    assert (await client.get("/api/v1/domain_blocks")).json() == []
    assert (await relationship(world, "alice", "remote_rei"))["domain_blocking"] is False


async def test_what_is_no_domain_is_refused(world: World) -> None:
    client = await world.client("alice")
    for domain in ("", "no spaces.example", "x" * 300, "javascript:alert(1)", "..", "a"):
        answer = await client.post("/api/v1/domain_blocks", json={"domain": domain})
        assert answer.status_code == 422, domain
    assert (await client.post("/api/v1/domain_blocks", json={"domain": "bücher.example"})).status_code == 200
    assert (await client.get("/api/v1/domain_blocks")).json() == ["xn--bcher-kva.example"]
