"""Short ways to the desk for tests: who works there, what is reported, what stands in the tables."""

from __future__ import annotations

from typing import Any

from parley.safety.cases.reads import get_case
from parley.safety.cases.views import CaseView
from parley.social.accounts.views import Viewer
from tests.conftest import World


async def staff(world: World, name: str = "mod_mia", role: str = "moderator") -> Viewer:
    """Somebody of the staff."""
    return Viewer(account_id=await world.account(name, role=role), username=name, role=role)


async def report(world: World, who: str, whom: str, **params: Any) -> dict[str, Any]:
    """`who` reports `whom` through the API; returns the report."""
    target = await world.account(whom)
    answer = await (await world.client(who)).post("/api/v1/reports", json={"account_id": str(target), **params})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def rows(world: World, query: str, *values: Any) -> list[Any]:
    """What the database says."""
    async with world.instance.db.read() as tx:
        return list(await tx.fetch(query, *values))


async def value(world: World, query: str, *values: Any) -> Any:
    """One value that the database says."""
    async with world.instance.db.read() as tx:
        return await tx.fetchval(query, *values)


async def case_of(world: World, name: str) -> int:
    """The open case of an account."""
    found = await value(
        world, "SELECT id FROM cases WHERE account_id = $1 AND state <> 'closed'", await world.account(name)
    )
    assert found is not None, f"{name} has no open case"
    return int(found)


async def view(world: World, case_id: int, name: str = "mod_mia") -> CaseView:
    """A case as a moderator reads it."""
    viewer = await staff(world, name)
    async with world.instance.db.read() as tx:
        return await get_case(tx, viewer, case_id)


async def events(world: World, case_id: int) -> list[str]:
    """The names of what happened with a case, oldest first."""
    found = await rows(
        world, "SELECT type FROM moderation_events WHERE case_id = $1 AND type <> 'row_changed' ORDER BY id", case_id
    )
    return [row["type"] for row in found]
