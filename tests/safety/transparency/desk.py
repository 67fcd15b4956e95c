"""Rows of the desk for tests of figures: written straight into the tables, with an entry in the log before them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from tests.conftest import World

DECISION = """
    INSERT INTO decisions (account_id, kind, decided_by, automated_detection, automated_decision, source, clause,
        severity, policy_sha256, ruleset, facts, reasons, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, 1, 'p', 'r', 'a secret fact', 'a secret reason', $8)
    RETURNING id
"""
ACTION = """
    INSERT INTO decision_actions (decision_id, account_id, kind, subject_type, subject_id, ends_at, applied_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


def today() -> date:
    """The day in UTC, asked when a test needs it: a run of the tests may begin before midnight and end after it."""
    return now().date()


def yesterday() -> date:
    """The newest day that is over."""
    return today() - timedelta(days=1)


async def insert_decision(
    tx: Tx,
    account_id: int,
    actions: list[tuple[str, str, int]],
    *,
    kind: str = "decision",
    decided_by: int | None = None,
    source: str = "user",
    clause: str | None = "1.1",
    detected: bool = False,
    alone: bool = False,
    ends_at: datetime | None = None,
) -> int:
    """A decision with its actions: each a kind, a type of subject and its id. Returns its id."""
    await append_event(tx, system("test"), "decision_made")
    moment = now()
    decision_id: int = await tx.fetchval(
        DECISION, account_id, kind, decided_by, detected, alone, source, clause, moment
    )
    for action, subject_type, subject_id in actions:
        await tx.execute(ACTION, decision_id, account_id, action, subject_type, subject_id, ends_at, moment)
    return decision_id


async def posted(world: World, name: str, text: str, **params: Any) -> tuple[int, int]:
    """Ids of an author and of a new status."""
    status = await world.post(name, text, **params)
    return int(status["account"]["id"]), int(status["id"])
