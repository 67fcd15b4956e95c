"""People of the staff, and something that was decided, for tests of what comes after."""

from __future__ import annotations

from typing import Any

from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import DecisionView, NewAction, NewDecision
from parley.safety.log.views import Subject
from parley.social.accounts.views import Viewer
from tests.conftest import World


async def viewer_of(world: World, name: str, role: str = "member") -> Viewer:
    """Somebody as reads and actions know them, made if there is no such account yet."""
    account_id = await world.account(name, role=role)
    return Viewer(account_id=account_id, username=name, role=role)


async def report(world: World, name: str, target: str, status_id: str) -> int:
    """`name` reports a status of `target`; returns the report's id."""
    answer = await (await world.client(name)).post(
        "/api/v1/reports",
        json={"account_id": str(world.ids[target]), "status_ids": [status_id], "comment": "look", "category": "spam"},
    )
    assert answer.status_code == 200, answer.text
    return int(answer.json()["id"])


async def decide_about(world: World, viewer: Viewer, status: dict[str, Any], kind: str, **options: Any) -> DecisionView:
    """One decision about a status, by `viewer`, in the open case of its author."""
    clause = options.pop("clause", "7.1" if kind not in ("no_action", "publish") else None)
    new = NewDecision(
        account_id=int(status["account"]["id"]),
        actions=(NewAction(kind, Subject("status", int(status["id"]))), *options.pop("more", ())),  # type: ignore[arg-type]
        clause=clause,
        facts="It advertises.",
        **options,
    )
    async with world.instance.db.write() as tx:
        made = await decide(tx, world.settings, viewer, new)
    assert isinstance(made, DecisionView)
    return made
