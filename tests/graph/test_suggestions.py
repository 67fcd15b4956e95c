"""Whom to follow: friends of friends, familiar followers, featured accounts."""

from __future__ import annotations

from tests.conftest import World
from tests.graph.people import act, names, relationship, set_state, try_to
from tests.oracle import assert_entity


async def _suggested(world: World, name: str) -> list[str]:
    answer = await (await world.client(name)).get("/api/v2/suggestions")
    assert answer.status_code == 200, answer.text
    for one in answer.json():
        assert_entity("Suggestion", one)
        assert one["sources"] == ["friends_of_friends"]
    return [one["account"]["acct"] for one in answer.json()]


async def test_friends_of_friends_are_suggested_those_with_most_friends_first(world: World) -> None:
    for friend in ("bob", "carol"):
        await act(world, "alice", "follow", friend)
        await act(world, friend, "follow", "dave")
        await act(world, friend, "follow", "alice")
    await act(world, "carol", "follow", "erin")
    await act(world, "bob", "follow", "carol")
    assert await _suggested(world, "alice") == ["dave", "erin"]
    v1 = await (await world.client("alice")).get("/api/v1/suggestions", params={"limit": 1})
    assert [one["acct"] for one in v1.json()] == ["dave"]
    assert await _suggested(world, "dave") == []


async def test_who_follows_nobody_is_shown_the_most_followed_of_the_active(world: World) -> None:
    for name in ("bob", "carol", "dave"):
        await world.post(name, "hello")
    await act(world, "bob", "follow", "carol")
    await act(world, "dave", "follow", "carol")
    await act(world, "dave", "follow", "bob")
    await world.account("silent")
    answer = await (await world.client("alice")).get("/api/v2/suggestions")
    found = [(one["account"]["acct"], one["sources"]) for one in answer.json()]
    assert found == [("carol", ["most_followed"]), ("bob", ["most_followed"]), ("dave", ["most_followed"])]
    await act(world, "alice", "block", "carol")
    await act(world, "dave", "block", "alice")
    assert await _names_of(world, "alice") == ["bob"]


async def _names_of(world: World, name: str) -> list[str]:
    answer = await (await world.client(name)).get("/api/v1/suggestions")
    return [account["acct"] for account in answer.json()]


async def test_some_people_are_never_suggested(world: World) -> None:
    await act(world, "alice", "follow", "bob")
    await world.account("shy", discoverable=False)
    await world.account("locked_lou", locked=True)
    people = ("shy", "blocked", "blocker", "muted", "dismissed", "spam_sam", "locked_lou", "dave")
    for name in people:
        await act(world, "bob", "follow", name)
    async with world.instance.db.write() as tx:
        await tx.execute(
            "INSERT INTO follows (account_id, target_id) VALUES ($1, $2)", world.ids["bob"], world.ids["locked_lou"]
        )
    await act(world, "alice", "block", "blocked")
    await act(world, "blocker", "block", "alice")
    await act(world, "alice", "mute", "muted")
    await act(world, "alice", "follow", "locked_lou")
    await set_state(world, "spam_sam", "suspended")
    assert await _suggested(world, "alice") == ["dave", "dismissed"]
    client = await world.client("alice")
    answer = await client.delete(f"/api/v1/suggestions/{world.ids['dismissed']}")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await client.delete("/api/v1/suggestions/12345")).status_code == 200
    assert await _suggested(world, "alice") == ["dave"]


async def test_whom_a_friend_follows_in_private_is_not_given_away(world: World) -> None:
    await act(world, "alice", "follow", "bob")
    await act(world, "bob", "follow", "dave")
    client = await world.client("bob")
    await client.patch("/api/v1/accounts/update_credentials", json={"hide_collections": True})
    assert await _suggested(world, "alice") == []
    answer = await (await world.client("alice")).get(
        "/api/v1/accounts/familiar_followers", params={"id[]": [world.ids["dave"]]}
    )
    assert answer.json() == [{"id": str(world.ids["dave"]), "accounts": []}]


async def test_familiar_followers_are_followers_whom_one_follows(world: World) -> None:
    for name in ("bob", "carol"):
        await act(world, "alice", "follow", name)
    for name in ("bob", "mallory"):
        await act(world, name, "follow", "dave")
    await world.account("hidden", hide_collections=True)
    await act(world, "bob", "follow", "hidden")
    ids = [world.ids["dave"], world.ids["hidden"], world.ids["bob"], 12345]
    client = await world.client("alice")
    answer = await client.get("/api/v1/accounts/familiar_followers", params={"id[]": ids})
    assert answer.status_code == 200
    for one in answer.json():
        assert_entity("FamiliarFollowers", one)
    found = {one["id"]: [account["acct"] for account in one["accounts"]] for one in answer.json()}
    assert found == {str(world.ids["dave"]): ["bob"], str(world.ids["hidden"]): [], str(world.ids["bob"]): []}


async def test_a_followed_account_can_be_featured_under_both_names(world: World) -> None:
    alice = await world.account("alice")
    assert (await try_to(world, "alice", "endorse", "bob")).status_code == 422
    await act(world, "alice", "follow", "bob")
    await act(world, "alice", "follow", "carol")
    answer = await act(world, "alice", "endorse", "bob")
    assert_entity("Relationship", answer)
    assert answer["endorsed"] is True
    await act(world, "alice", "pin", "carol")
    assert await names(world.anonymous, f"/api/v1/accounts/{alice}/endorsements") == ["carol", "bob"]
    assert await names(await world.client("alice"), "/api/v1/endorsements") == ["carol", "bob"]
    assert await names(await world.client("bob"), "/api/v1/endorsements") == []
    assert (await act(world, "alice", "unendorse", "bob"))["endorsed"] is False
    assert (await act(world, "alice", "unpin", "carol"))["endorsed"] is False
    assert await names(world.anonymous, f"/api/v1/accounts/{alice}/endorsements") == []


async def test_features_are_hidden_across_a_block(world: World) -> None:
    alice = await world.account("alice")
    await act(world, "alice", "follow", "bob")
    await act(world, "alice", "endorse", "bob")
    await act(world, "alice", "block", "mallory")
    path = f"/api/v1/accounts/{alice}/endorsements"
    assert await names(await world.client("mallory"), path) == []
    await act(world, "bob", "block", "carol")
    assert await names(await world.client("carol"), path) == []
    assert (await relationship(world, "alice", "bob"))["endorsed"] is True
