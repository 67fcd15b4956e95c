"""Reading others: by id, by address, by name, and who is not there to be read."""

from __future__ import annotations

import pytest

from tests.accounts.people import account, change, set_state
from tests.conftest import World
from tests.oracle import assert_matches


async def test_an_account_has_mastodons_shape(world: World) -> None:
    alice = await world.account("alice", role="moderator")
    await change(world, "alice", note="Hello", fields_attributes=[{"name": "a", "value": "b"}])
    found = assert_matches("getAccount", await world.anonymous.get(f"/api/v1/accounts/{alice}"))
    assert found["id"] == str(alice)
    assert found["roles"] == [{"id": "1", "name": "Moderator", "color": "#0a6557"}]
    assert found["created_at"].endswith("T00:00:00.000Z")
    assert found["last_status_at"] is None
    assert "role" not in found
    assert "email" not in str(found)


async def test_several_accounts_come_in_the_order_asked_for(world: World) -> None:
    alice, bob = await world.account("alice"), await world.account("bob")
    answer = await world.anonymous.get("/api/v1/accounts", params={"id[]": [bob, 5, alice, "x", bob]})
    assert [one["username"] for one in assert_matches("getAccounts", answer)] == ["bob", "alice"]


@pytest.mark.parametrize("address", ["alice", "ALICE", "@alice", "alice@localhost:3000", "@Alice@LOCALHOST:3000"])
async def test_an_address_is_looked_up_in_every_spelling(world: World, address: str) -> None:
    await world.account("alice")
    answer = await world.anonymous.get("/api/v1/accounts/lookup", params={"acct": address})
    assert assert_matches("getAccountLookup", answer)["username"] == "alice"


@pytest.mark.parametrize(
    "address", ["", "@", "nobody", "alice@elsewhere.example", "alice@", "al%ice", "a" * 5000, "\x00"]
)
async def test_an_address_that_nobody_has_is_not_found(world: World, address: str) -> None:
    await world.account("alice")
    answer = await world.anonymous.get("/api/v1/accounts/lookup", params={"acct": address})
    assert answer.status_code == (200 if address == "alice@" else 404), answer.text


@pytest.mark.parametrize("text", ["0", "-1", "abc", "9" * 30, "1' OR 1=1", "%00"])
async def test_an_id_that_nobody_has_is_not_found(world: World, text: str) -> None:
    answer = await world.anonymous.get(f"/api/v1/accounts/{text}")
    assert answer.status_code == 404
    assert answer.json()["error"] == "Record not found"


@pytest.mark.parametrize("state", ["pending", "suspended", "deleted"])
async def test_who_is_not_there_is_found_by_no_way(world: World, state: str) -> None:
    alice = await world.account("alice")
    missing = await world.anonymous.get("/api/v1/accounts/1")
    await change(world, "alice", display_name="Alice Liddell")
    await set_state(world, "alice", state)
    bob = await world.client("bob")
    for client in (world.anonymous, bob):
        answer = await client.get(f"/api/v1/accounts/{alice}")
        assert (answer.status_code, answer.json()) == (404, missing.json())
        assert (await client.get("/api/v1/accounts/lookup", params={"acct": "alice"})).status_code == 404
        assert (await client.get("/api/v1/accounts", params={"id[]": alice})).json() == []
        assert (await client.get("/api/v1/directory", params={"order": "new"})).json() in (
            [],
            _only_bob(await _bob(bob)),
        )
        assert (await client.get(f"/api/v1/accounts/{alice}/statuses")).status_code == 404
        resource = {"resource": "acct:alice@localhost:3000"}
        assert (await client.get("/.well-known/webfinger", params=resource)).status_code == 404
    found = await bob.get("/api/v1/accounts/search", params={"q": "alice"})
    assert found.json() == []


async def _bob(client) -> dict[str, object]:
    own = (await client.get("/api/v1/accounts/verify_credentials")).json()
    return (await client.get(f"/api/v1/accounts/{own['id']}")).json()


def _only_bob(bob: dict[str, object]) -> list[dict[str, object]]:
    return [bob]


async def test_a_limited_account_says_so(world: World) -> None:
    await world.account("alice")
    assert "limited" not in await account(world, "alice")
    await set_state(world, "alice", "limited")
    assert (await account(world, "alice"))["limited"] is True


async def test_accounts_are_searched_by_address_and_by_name(world: World) -> None:
    for name, shown in (("alice", "Alice Liddell"), ("alina", "White Rabbit"), ("bob", "Bob the ALICE fan")):
        await world.account(name)
        await change(world, name, display_name=shown)
    carol = await world.client("carol")

    async def found(**params: object) -> list[str]:
        answer = await carol.get("/api/v1/accounts/search", params=params)
        return [one["username"] for one in assert_matches("getAccountSearch", answer)]

    assert (await found(q="alice"))[0] == "alice"
    assert set(await found(q="alice")) == {"alice", "bob"}
    assert set(await found(q="@ali")) == {"alice", "alina"} | {"bob"}
    assert await found(q="white rab") == ["alina"]
    assert await found(q="alice@localhost:3000") == ["alice"]
    assert await found(q="alice@elsewhere.example") == []
    assert await found(q="") == []
    assert await found(q="al_ce") == []
    assert await found(q="%") == []
    assert await found(q="'); DROP TABLE accounts; --") == []
    assert len(await found(q="ali", limit=1)) == 1
    assert await found(q="ali", offset=99999999) == []


async def test_followed_accounts_come_first_and_blocked_ones_not_at_all(world: World) -> None:
    for name in ("sam_one", "sam_two", "sam_three"):
        await world.account(name)
    await world.follow("alice", "sam_three")
    alice = await world.client("alice")
    await alice.post(f"/api/v1/accounts/{world.ids['sam_two']}/block")
    found = (await alice.get("/api/v1/accounts/search", params={"q": "sam_"})).json()
    assert [one["username"] for one in found] == ["sam_three", "sam_one"]
    found = (await alice.get("/api/v1/accounts/search", params={"q": "sam_", "following": "true"})).json()
    assert [one["username"] for one in found] == ["sam_three"]


async def test_who_does_not_want_to_be_found_is_found_by_address_alone(world: World) -> None:
    await world.account("alice")
    await change(world, "alice", display_name="Rabbit", discoverable=False)
    bob = await world.client("bob")
    assert (await bob.get("/api/v1/accounts/search", params={"q": "rabbit"})).json() == []
    assert len((await bob.get("/api/v1/accounts/search", params={"q": "alice"})).json()) == 1
    names = [one["username"] for one in (await bob.get("/api/v1/directory?order=new")).json()]
    assert names == ["bob"]


async def test_searching_takes_a_token(world: World) -> None:
    assert (await world.anonymous.get("/api/v1/accounts/search", params={"q": "a"})).status_code == 401


async def test_the_directory_has_the_newest_and_the_most_active(world: World) -> None:
    for name in ("alice", "bob", "carol"):
        await world.account(name)
    answer = await world.anonymous.get("/api/v1/directory", params={"order": "new", "limit": 2})
    assert [one["username"] for one in assert_matches("getDirectory", answer)] == ["carol", "bob"]
    answer = await world.anonymous.get("/api/v1/directory", params={"order": "new", "offset": 2})
    assert [one["username"] for one in answer.json()] == ["alice"]
    assert (await world.anonymous.get("/api/v1/directory")).json() == []
    await world.post("alice", "Hello")
    assert [one["username"] for one in (await world.anonymous.get("/api/v1/directory?local=true")).json()] == ["alice"]


async def test_a_change_is_seen_at_once_though_accounts_are_kept_in_memory(world: World) -> None:
    alice = await world.account("alice")
    path = f"/api/v1/accounts/{alice}"
    assert (await world.anonymous.get(path)).json()["display_name"] == ""
    for number in range(3):
        await change(world, "alice", display_name=f"Alice {number}")
        assert (await world.anonymous.get(path)).json()["display_name"] == f"Alice {number}"
    await world.follow("bob", "alice")
    assert (await world.anonymous.get(path)).json()["followers_count"] == 1
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE accounts SET display_name = 'Straight in' WHERE id = $1", alice)
    assert (await world.anonymous.get(path)).json()["display_name"] == "Straight in"


async def test_what_a_rolled_back_transaction_read_is_not_kept(world: World) -> None:
    from parley.social.accounts.reads import get_account_views

    alice = await world.account("alice")

    async def change_and_fail() -> None:
        async with world.instance.db.write() as tx:
            await tx.execute("UPDATE accounts SET display_name = 'Never' WHERE id = $1", alice)
            assert (await get_account_views(tx, [alice]))[alice].display_name == "Never"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await change_and_fail()
    await change(world, "alice", display_name="Always")
    assert (await account(world, "alice"))["display_name"] == "Always"


async def test_a_profile_page_takes_the_same_few_queries_however_much_there_is(world: World) -> None:
    alice = await world.account("alice")
    bob = await world.client("bob")
    await change(world, "alice", note="@bob " + "#tag " * 40, fields_attributes=[{"name": "a", "value": "@bob"}] * 4)
    counted = []
    for posts in (1, 12):
        for number in range(posts):
            await world.post("alice", f"Post {number}")
        await bob.get(f"/api/v1/accounts/{alice}")
        with world.queries() as seen:
            assert (await bob.get(f"/api/v1/accounts/{alice}")).status_code == 200
        with world.queries() as listed:
            assert (await bob.get(f"/api/v1/accounts/{alice}/statuses")).status_code == 200
        counted.append((len(seen), len(listed)))
    assert counted[0][0] == counted[1][0] == 1, counted
    assert counted[1][1] <= 10, counted


async def test_an_accounts_statuses_are_paged_by_links(world: World) -> None:
    alice = await world.account("alice")
    ids = [(await world.post("alice", f"Post {number}"))["id"] for number in range(5)]
    path = f"/api/v1/accounts/{alice}/statuses"
    first = await world.anonymous.get(path, params={"limit": 2})
    assert [one["id"] for one in assert_matches("getAccountStatuses", first)] == ids[:2:-1]
    older = await world.anonymous.get(first.links["next"]["url"])
    assert [one["id"] for one in older.json()] == ids[2:0:-1]
    newer = await world.anonymous.get(older.links["prev"]["url"])
    assert [one["id"] for one in newer.json()] == ids[:2:-1]
