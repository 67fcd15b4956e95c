"""Lists: their owner's alone."""

from __future__ import annotations

from typing import Any

from tests.conftest import World
from tests.graph.people import act, names
from tests.oracle import assert_entity


async def make_list(world: World, who: str, title: str = "Friends", **params: Any) -> str:
    answer = await (await world.client(who)).post("/api/v1/lists", json={"title": title, **params})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


async def test_a_list_is_made_changed_and_deleted(world: World) -> None:
    client = await world.client("alice")
    made = (await client.post("/api/v1/lists", data={"title": " Friends ", "replies_policy": "followed"})).json()
    assert_entity("List", made)
    assert (made["title"], made["replies_policy"], made["exclusive"]) == ("Friends", "followed", False)
    assert (await client.get("/api/v1/lists")).json() == [made]
    assert (await client.get(f"/api/v1/lists/{made['id']}")).json() == made
    changed = (await client.put(f"/api/v1/lists/{made['id']}", json={"title": "Old friends", "exclusive": True})).json()
    assert changed == {**made, "title": "Old friends", "exclusive": True}
    answer = await client.delete(f"/api/v1/lists/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, {})
    assert (await client.get(f"/api/v1/lists/{made['id']}")).status_code == 404
    assert (await client.get("/api/v1/lists")).json() == []


async def test_a_wrong_list_is_refused_with_a_sentence(world: World) -> None:
    client = await world.client("alice")
    for body in ({}, {"title": "  "}, {"title": "x" * 257}, {"title": "a", "replies_policy": "all"}):
        answer = await client.post("/api/v1/lists", json=body)
        assert answer.status_code == 422
        assert answer.json()["error"].startswith("Validation failed: ")
        assert_entity("ValidationError", answer.json())


async def test_there_is_a_limit_on_lists(world: World) -> None:
    for number in range(50):
        await make_list(world, "alice", f"List {number}")
    answer = await (await world.client("alice")).post("/api/v1/lists", json={"title": "One more"})
    assert answer.status_code == 422
    assert "50 lists" in answer.json()["error"]


async def test_followed_accounts_and_oneself_go_into_a_list(world: World) -> None:
    list_id = await make_list(world, "alice")
    client = await world.client("alice")
    bob, carol = await world.account("bob"), await world.account("carol")
    path = f"/api/v1/lists/{list_id}/accounts"
    await act(world, "alice", "follow", "bob")
    both = {"account_ids": [str(bob), str(carol)]}
    assert (await client.post(path, json=both)).status_code == 404
    assert await names(client, path) == []
    await act(world, "alice", "follow", "carol")
    assert (await client.post(path, json=both)).json() == {}
    assert (await client.post(path, data={"account_ids[]": [world.ids["alice"]]})).status_code == 200
    assert sorted(await names(client, path)) == ["alice", "bob", "carol"]
    assert (await client.post(path, json={"account_ids": [str(bob)]})).status_code == 422
    assert (await client.get(f"/api/v1/accounts/{bob}/lists")).json()[0]["id"] == list_id
    assert await names(client, path, limit=0) == await names(client, path)
    page = await client.get(path, params={"limit": 2})
    assert len(page.json()) == 2
    assert 'rel="next"' in page.headers["link"]
    answer = await client.request("DELETE", path, json={"account_ids": [str(bob)]})
    assert (answer.status_code, answer.json()) == (200, {})
    assert sorted(await names(client, path)) == ["alice", "carol"]
    assert (await client.get(f"/api/v1/accounts/{bob}/lists")).json() == []


async def test_unfollowing_takes_out_of_lists_and_muting_does_not(world: World) -> None:
    list_id = await make_list(world, "alice")
    client = await world.client("alice")
    bob = await world.account("bob")
    path = f"/api/v1/lists/{list_id}/accounts"
    await act(world, "alice", "follow", "bob")
    await client.post(path, json={"account_ids": [str(bob)]})
    await act(world, "alice", "mute", "bob")
    assert await names(client, path) == ["bob"]
    await act(world, "alice", "unfollow", "bob")
    assert await names(client, path) == []


async def test_a_list_does_not_exist_for_anybody_else(world: World) -> None:
    list_id = await make_list(world, "alice", "Secret")
    bob = await world.account("bob")
    await act(world, "alice", "follow", "bob")
    await (await world.client("alice")).post(f"/api/v1/lists/{list_id}/accounts", json={"account_ids": [str(bob)]})
    other = await world.client("bob")
    await act(world, "bob", "follow", "alice")
    path = f"/api/v1/lists/{list_id}"
    members = {"account_ids": [str(world.ids["alice"])]}
    missing = await other.get("/api/v1/lists/12345")
    answers = [
        await other.get(path),
        await other.put(path, json={"title": "Mine"}),
        await other.delete(path),
        await other.get(f"{path}/accounts"),
        await other.post(f"{path}/accounts", json=members),
        await other.request("DELETE", f"{path}/accounts", json=members),
    ]
    for answer in answers:
        assert (answer.status_code, answer.json()) == (404, missing.json())
    assert (await other.get("/api/v1/lists")).json() == []
    assert (await other.get(f"/api/v1/accounts/{bob}/lists")).json() == []
    assert (await (await world.client("alice")).get(path)).json()["title"] == "Secret"
