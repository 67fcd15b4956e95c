"""The tables of sweeps, of who approved them and of what they changed. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.safety.sweeps.states import Scope, State


class SweepRow(msgspec.Struct, frozen=True):
    """One sweep."""

    id: int
    state: State
    ruleset: str
    reason: str
    changed: list[str]
    automatic: bool
    planned_by: int | None
    release: bool
    per_second: int
    after_id: int
    until_id: int
    total: int
    counts: dict[str, Any]
    expected: int
    needs_second: bool
    cursor: int
    judged: int
    acted: int
    unclear: int
    note: str
    planned_at: datetime
    counted_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    undone_at: datetime | None
    scope: Scope
    approved_by: list[str]


INSERT_SWEEP = """
    INSERT INTO sweeps (id, ruleset, reason, changed, automatic, planned_by, release, per_second, after_id, until_id,
        total, cursor, scope)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $9, $12)
"""


async def insert_sweep(
    tx: Tx,
    sweep_id: int,
    ruleset: str,
    reason: str,
    changed: list[str],
    *,
    automatic: bool,
    planned_by: int | None,
    release: bool,
    per_second: int,
    span: tuple[int, int],
    total: int,
    scope: Scope = "history",
) -> None:
    """Plan a sweep over results with span[0] < id <= span[1], or such places of its own list."""
    values = (sweep_id, ruleset, reason, changed, automatic, planned_by, release, per_second, *span, total, scope)
    await tx.execute(INSERT_SWEEP, *values)


GET_SWEEP = """
    SELECT id, state, ruleset, reason, changed, automatic, planned_by, release, per_second, after_id, until_id, total,
        counts, expected, needs_second, cursor, judged, acted, unclear, note, planned_at, counted_at, started_at,
        ended_at, undone_at, scope,
        ARRAY(SELECT a.username FROM sweep_approvals a WHERE a.sweep_id = sweeps.id ORDER BY a.created_at)
    FROM sweeps WHERE id = $1
"""
GET_LOCKED_SWEEP = """SELECT id FROM sweeps WHERE id = $1 FOR UPDATE"""


async def get_sweep(tx: Tx, sweep_id: int) -> SweepRow | None:
    """One sweep."""
    row = await tx.fetchrow(GET_SWEEP, sweep_id)
    return SweepRow(*row) if row else None


async def get_locked_sweep(tx: Tx, sweep_id: int) -> SweepRow | None:
    """One sweep, locked until the transaction ends."""
    await tx.execute(GET_LOCKED_SWEEP, sweep_id)
    return await get_sweep(tx, sweep_id)


LIST_SWEEPS = """
    SELECT id, state, ruleset, reason, changed, automatic, planned_by, release, per_second, after_id, until_id, total,
        counts, expected, needs_second, cursor, judged, acted, unclear, note, planned_at, counted_at, started_at,
        ended_at, undone_at, scope,
        ARRAY(SELECT a.username FROM sweep_approvals a WHERE a.sweep_id = sweeps.id ORDER BY a.created_at)
    FROM sweeps WHERE $2 = false OR state NOT IN ('completed', 'aborted') ORDER BY id DESC LIMIT $1
"""


async def list_sweeps(tx: Tx, limit: int, *, only_open: bool = False) -> list[SweepRow]:
    """Sweeps, the newest first."""
    return [SweepRow(*row) for row in await tx.fetch(LIST_SWEEPS, limit, only_open)]


UPDATE_STATE = """
    UPDATE sweeps SET state = $2, note = CASE WHEN $3 = '' THEN note ELSE $3 END,
        ended_at = CASE WHEN $2 IN ('completed', 'aborted') THEN now() ELSE ended_at END
    WHERE id = $1
"""


async def update_state(tx: Tx, sweep_id: int, state: State, note: str = "") -> None:
    """Put a sweep into another state."""
    await tx.execute(UPDATE_STATE, sweep_id, state, note)


UPDATE_LISTED = """
    UPDATE sweeps SET until_id = $2, total = $2, state = 'planned',
        changed = (SELECT (array_agg(DISTINCT name))[:200] FROM unnest(changed || $3::text[]) AS names (name))
    WHERE id = $1
"""


async def update_listed(tx: Tx, sweep_id: int, last_place: int, changed: list[str]) -> None:
    """The list of a sweep reaches so far now; what was counted, and approved, was another list."""
    await tx.execute(DELETE_APPROVALS, sweep_id)
    await tx.execute(UPDATE_LISTED, sweep_id, last_place, changed)


UPDATE_STARTED = """
    UPDATE sweeps SET state = 'running', started_at = now(), until_id = $2 WHERE id = $1
"""


async def update_started(tx: Tx, sweep_id: int, until_id: int) -> None:
    """A sweep begins to act, on results up to `until_id`."""
    await tx.execute(UPDATE_STARTED, sweep_id, until_id)


UPDATE_COUNTED = """
    UPDATE sweeps SET state = 'counted', counts = $2, expected = $3, needs_second = $4, counted_at = now()
    WHERE id = $1
"""
DELETE_APPROVALS = """DELETE FROM sweep_approvals WHERE sweep_id = $1"""


async def update_counted(tx: Tx, sweep_id: int, counts: Any, expected: int, *, needs_second: bool) -> None:
    """Keep what counting found; approvals of earlier figures are void."""
    await tx.execute(DELETE_APPROVALS, sweep_id)
    await tx.execute(UPDATE_COUNTED, sweep_id, counts, expected, needs_second)


INSERT_APPROVAL = """
    INSERT INTO sweep_approvals (sweep_id, account_id, username, note) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING
"""
LIST_APPROVERS = """SELECT account_id FROM sweep_approvals WHERE sweep_id = $1"""


async def insert_approval(tx: Tx, sweep_id: int, account_id: int, username: str, note: str) -> None:
    """Note that somebody approved the sweep; once each."""
    await tx.execute(INSERT_APPROVAL, sweep_id, account_id, username, note)


async def list_approvers(tx: Tx, sweep_id: int) -> set[int]:
    """Accounts that approved it."""
    return {row[0] for row in await tx.fetch(LIST_APPROVERS, sweep_id)}


UPDATE_CURSOR = """
    UPDATE sweeps SET cursor = $2, judged = judged + $3, acted = acted + $4, unclear = unclear + $5 WHERE id = $1
"""


async def update_cursor(tx: Tx, sweep_id: int, cursor: int, *, judged: int, acted: int, unclear: int) -> None:
    """Everything up to `cursor` is done."""
    await tx.execute(UPDATE_CURSOR, sweep_id, cursor, judged, acted, unclear)


class NewChange(msgspec.Struct, frozen=True):
    """What a sweep has just done about one revision."""

    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    kind: str
    clause: str | None
    result_before: int
    result_after: int
    before: dict[str, Any]
    report_id: int | None
    decision_id: int | None = None
    sentence: str = ""
    """The judge's, for its author; not stored here."""


INSERT_CHANGE = """
    INSERT INTO sweep_changes (sweep_id, subject_type, subject_id, revision, account_id, kind, clause, result_before,
        result_after, before, report_id, decision_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""


async def insert_changes(tx: Tx, sweep_id: int, changes: Sequence[NewChange]) -> None:
    """Note what was done, in the order in which it was."""
    await tx.executemany(INSERT_CHANGE, [(sweep_id, *msgspec.structs.astuple(change)[:-1]) for change in changes])


class ChangeRow(msgspec.Struct, frozen=True):
    """What a sweep did about one revision."""

    id: int
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    kind: str
    clause: str | None
    result_before: int
    result_after: int
    before: dict[str, Any]
    report_id: int | None
    undo: str | None
    decision_id: int | None


LIST_CHANGES = """
    SELECT id, subject_type, subject_id, revision, account_id, kind, clause, result_before, result_after, before,
        report_id, undo, decision_id
    FROM sweep_changes WHERE sweep_id = $1 AND id > $2 ORDER BY id LIMIT $3
"""
LIST_CHANGES_BACK = """
    SELECT id, subject_type, subject_id, revision, account_id, kind, clause, result_before, result_after, before,
        report_id, undo, decision_id
    FROM sweep_changes WHERE sweep_id = $1 AND undone_at IS NULL ORDER BY id DESC LIMIT $2 FOR UPDATE
"""


async def list_changes(tx: Tx, sweep_id: int, after_id: int, limit: int) -> list[ChangeRow]:
    """What a sweep changed, in the order in which it did."""
    return [ChangeRow(*row) for row in await tx.fetch(LIST_CHANGES, sweep_id, after_id, limit)]


async def list_changes_to_undo(tx: Tx, sweep_id: int, limit: int) -> list[ChangeRow]:
    """The last changes that were not taken back yet, the newest first, locked."""
    return [ChangeRow(*row) for row in await tx.fetch(LIST_CHANGES_BACK, sweep_id, limit)]


UPDATE_UNDONE_CHANGE = """UPDATE sweep_changes SET undone_at = now(), undo = $2 WHERE id = $1"""


async def update_undone_changes(tx: Tx, undone: Sequence[tuple[int, str]]) -> None:
    """Changes were taken back, or the word beside each says why not."""
    await tx.executemany(UPDATE_UNDONE_CHANGE, undone)


UPDATE_UNDONE = """UPDATE sweeps SET undone_at = now() WHERE id = $1"""


async def update_undone(tx: Tx, sweep_id: int) -> None:
    """All that could be taken back of a sweep is."""
    await tx.execute(UPDATE_UNDONE, sweep_id)


UPDATE_ACTED = """UPDATE sweeps SET acted = acted + $2 WHERE id = $1"""


async def update_acted(tx: Tx, sweep_id: int, acted: int) -> None:
    """Something was done before the sweep runs: what could not wait."""
    await tx.execute(UPDATE_ACTED, sweep_id, acted)


COUNT_CHANGES = """
    SELECT kind, coalesce(undo, ''), count(*) FROM sweep_changes WHERE sweep_id = $1 GROUP BY 1, 2 ORDER BY 1, 2
"""


async def count_changes(tx: Tx, sweep_id: int) -> list[tuple[str, str, int]]:
    """How many changes there are by kind and by what became of taking them back."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(COUNT_CHANGES, sweep_id)]
