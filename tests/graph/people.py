"""What tests of the graph do again and again."""

from __future__ import annotations

from typing import Any

import httpx

from tests.conftest import World


async def act(world: World, who: str, verb: str, whom: str, **params: Any) -> dict[str, Any]:
    """`who` does `verb` to `whom`; returns the relationship."""
    answer = await try_to(world, who, verb, whom, **params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def try_to(world: World, who: str, verb: str, whom: str, **params: Any) -> httpx.Response:
    """Like `act`, whatever the answer."""
    target = await world.account(whom)
    return await (await world.client(who)).post(f"/api/v1/accounts/{target}/{verb}", json=params)


async def relationship(world: World, who: str, whom: str) -> dict[str, Any]:
    """How `who` stands to `whom`."""
    target = await world.account(whom)
    answer = await (await world.client(who)).get("/api/v1/accounts/relationships", params={"id[]": [target]})
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


async def counts(world: World, name: str) -> tuple[int, int]:
    """How many follow `name`, and how many `name` follows, as the API shows it."""
    answer = await world.anonymous.get(f"/api/v1/accounts/{await world.account(name)}")
    assert answer.status_code == 200, answer.text
    return answer.json()["followers_count"], answer.json()["following_count"]


async def names(client: httpx.AsyncClient, path: str, **params: Any) -> list[str]:
    """The addresses in a list of accounts."""
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return [account["acct"] for account in answer.json()]


async def remote_rei(world: World) -> int:
    """A person on another server, as federation would have stored them."""
    if "remote_rei" not in world.ids:
        async with world.instance.db.write() as tx:
            world.ids["remote_rei"] = await tx.fetchval(
                "INSERT INTO accounts (username, domain, display_name, uri, url)"
                " VALUES ('rei', 'remote.example', 'Rei', 'https://remote.example/u/rei', 'https://remote.example/@rei')"
                " RETURNING id"
            )
            await tx.execute("INSERT INTO account_stats (account_id) VALUES ($1)", world.ids["remote_rei"])
    return world.ids["remote_rei"]


async def set_state(world: World, name: str, state: str) -> None:
    """Put an account into a state, as a moderator would."""
    from parley.social.accounts.actions import set_account_state

    async with world.instance.db.write() as tx:
        await set_account_state(tx, None, await world.account(name), state)


async def facts(world: World, kind: str) -> list[tuple[int, int]]:
    """Who and whom of every recorded fact of `kind`, in order."""
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT payload FROM events WHERE type = $1 ORDER BY id", kind)
    return [(row[0]["account_id"], row[0]["target_id"]) for row in rows]
