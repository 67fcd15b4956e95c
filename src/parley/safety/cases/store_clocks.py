"""The table of clocks. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.cases.clock_states import ClockState
from parley.safety.cases.sla import ClockKind
from parley.safety.cases.views import Source


class ClockRow(msgspec.Struct, frozen=True):
    """One clock."""

    id: int
    kind: ClockKind
    source: Source
    severity: int
    state: ClockState
    case_id: int | None
    case_subject_id: int | None
    notice_id: int | None
    appeal_id: int | None
    started_at: datetime
    due_at: datetime
    paused_at: datetime | None
    ended_at: datetime | None


INSERT_CLOCK = """
    INSERT INTO sla_clocks (kind, source, severity, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    RETURNING id
"""


async def insert_clock(
    tx: Tx,
    kind: ClockKind,
    source: Source,
    severity: int,
    about: tuple[int | None, int | None, int | None, int | None],
    started_at: datetime,
    due_at: datetime,
) -> int:
    """Start a clock; `about` is case, subject of the case, notice, appeal."""
    return int(await tx.fetchval(INSERT_CLOCK, kind, source, severity, *about, started_at, due_at))


LIST_SUBJECT_CLOCKS = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE case_subject_id = ANY($1::bigint[]) AND state IN ('running', 'paused')
"""


async def list_subject_clocks(tx: Tx, case_subject_ids: Sequence[int]) -> list[ClockRow]:
    """The clocks of these subjects that have not ended."""
    return [ClockRow(*row) for row in await tx.fetch(LIST_SUBJECT_CLOCKS, list(case_subject_ids))]


LIST_LIVE_OF_CASE = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE case_id = $1 AND state IN ('running', 'paused') FOR UPDATE
"""
LIST_LIVE_OF_NOTICE = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE notice_id = $1 AND state IN ('running', 'paused') FOR UPDATE
"""
LIST_LIVE_OF_APPEAL = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE appeal_id = $1 AND state IN ('running', 'paused') FOR UPDATE
"""


async def list_live_clocks(
    tx: Tx, *, case_id: int | None = None, notice_id: int | None = None, appeal_id: int | None = None
) -> list[ClockRow]:
    """The clocks of one case, notice or appeal that have not ended, locked."""
    if case_id is not None:
        rows = await tx.fetch(LIST_LIVE_OF_CASE, case_id)
    elif notice_id is not None:
        rows = await tx.fetch(LIST_LIVE_OF_NOTICE, notice_id)
    else:
        rows = await tx.fetch(LIST_LIVE_OF_APPEAL, appeal_id)
    return [ClockRow(*row) for row in rows]


LIST_CASE_CLOCKS = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE case_id = $1
    ORDER BY state NOT IN ('running', 'paused'), due_at, id LIMIT $2
"""


async def list_case_clocks(tx: Tx, case_id: int, limit: int) -> list[ClockRow]:
    """Clocks of a case: those that run first, the earliest first."""
    return [ClockRow(*row) for row in await tx.fetch(LIST_CASE_CLOCKS, case_id, limit)]


GET_LOCKED_CLOCK = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE id = $1 FOR UPDATE
"""


async def get_locked_clock(tx: Tx, clock_id: int) -> ClockRow | None:
    """One clock, locked."""
    row = await tx.fetchrow(GET_LOCKED_CLOCK, clock_id)
    return ClockRow(*row) if row else None


LIST_CLOCKS = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE id = ANY($1::bigint[]) ORDER BY id
"""


async def list_clocks(tx: Tx, clock_ids: Sequence[int]) -> list[ClockRow]:
    """Clocks by id."""
    return [ClockRow(*row) for row in await tx.fetch(LIST_CLOCKS, list(clock_ids))]


# What was promised to the sender of a notice and may wait for what they know: the decision. Not about a threat to life,
# not what hides content in the interim, and not about what somebody else has named too.
LIST_PAUSABLE = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks
    WHERE notice_id = $1 AND case_id IS NULL AND kind = 'resolve' AND state = 'running' AND severity > 0 AND due_at > $3
    UNION ALL
    SELECT k.id, k.kind, k.source, k.severity, k.state, k.case_id, k.case_subject_id, k.notice_id, k.appeal_id,
        k.started_at, k.due_at, k.paused_at, k.ended_at
    FROM reports r
    JOIN case_subjects s ON s.id = ANY(r.subject_ids) AND s.settled_at IS NULL AND s.severity > 0
    JOIN sla_clocks k ON k.case_subject_id = s.id AND k.kind = 'resolve' AND k.state = 'running' AND k.severity > 0
        AND k.source = $2 AND k.due_at > $3
    WHERE r.notice_id = $1 AND r.state <> 'closed' AND NOT EXISTS (
        SELECT FROM reports o WHERE o.case_id = s.case_id AND o.state <> 'closed'
          AND s.id = ANY(o.subject_ids) AND o.notice_id IS DISTINCT FROM $1)
    ORDER BY id
"""


async def list_pausable(tx: Tx, notice_id: int, source: str, moment: datetime) -> list[ClockRow]:
    """Running clocks that may stand still while the sender of a notice is asked."""
    return [ClockRow(*row) for row in await tx.fetch(LIST_PAUSABLE, notice_id, source, moment)]


UPDATE_CLOCKS_ENDED = """UPDATE sla_clocks SET state = $2, ended_at = $3 WHERE id = ANY($1::bigint[])"""


async def update_clocks_ended(tx: Tx, clock_ids: Sequence[int], state: ClockState, moment: datetime) -> None:
    """These were met or breached at `moment`."""
    await tx.execute(UPDATE_CLOCKS_ENDED, list(clock_ids), state, moment)


UPDATE_CLOCK_PAUSED = """UPDATE sla_clocks SET state = 'paused', paused_at = $2 WHERE id = $1"""


async def update_clock_paused(tx: Tx, clock_id: int, moment: datetime) -> None:
    """It stands still."""
    await tx.execute(UPDATE_CLOCK_PAUSED, clock_id, moment)


UPDATE_CLOCK_RESUMED = """UPDATE sla_clocks SET state = 'running', paused_at = NULL, due_at = $2 WHERE id = $1"""


async def update_clock_resumed(tx: Tx, clock_id: int, due_at: datetime) -> None:
    """It goes on."""
    await tx.execute(UPDATE_CLOCK_RESUMED, clock_id, due_at)


# A case that somebody decides just now is passed over, with its clock: locks are never waited for here, so that this
# cannot stand in the way of a decision, nor end in a deadlock with one.
LIST_DUE_CASE_CLOCKS = """
    SELECT k.id, k.kind, k.source, k.severity, k.state, k.case_id, k.case_subject_id, k.notice_id, k.appeal_id,
        k.started_at, k.due_at, k.paused_at, k.ended_at
    FROM sla_clocks k JOIN cases c ON c.id = k.case_id
    WHERE k.state = 'running' AND k.due_at < $1
    ORDER BY k.due_at LIMIT $2
    FOR UPDATE OF c, k SKIP LOCKED
"""
LIST_DUE_OTHER_CLOCKS = """
    SELECT id, kind, source, severity, state, case_id, case_subject_id, notice_id, appeal_id, started_at, due_at,
        paused_at, ended_at
    FROM sla_clocks WHERE state = 'running' AND due_at < $1 AND case_id IS NULL
    ORDER BY due_at LIMIT $2
    FOR UPDATE SKIP LOCKED
"""


async def list_due_clocks(tx: Tx, moment: datetime, limit: int, *, of_cases: bool) -> list[ClockRow]:
    """Running clocks whose time is over, locked with their cases; what somebody else holds is left out."""
    statement = LIST_DUE_CASE_CLOCKS if of_cases else LIST_DUE_OTHER_CLOCKS
    return [ClockRow(*row) for row in await tx.fetch(statement, moment, limit)]


# Clocks that the program can keep by itself, shortly before their time is over.
LIST_NEARLY_DUE = """
    SELECT DISTINCT k.case_id
    FROM sla_clocks k JOIN cases c ON c.id = k.case_id
    WHERE k.state = 'running' AND k.kind IN ('interim', 'first_action') AND k.due_at < $1 AND c.state <> 'closed'
    LIMIT $2
"""


async def list_nearly_due(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Cases in which a first action or an interim measure is due before a moment."""
    return [row[0] for row in await tx.fetch(LIST_NEARLY_DUE, before, limit)]


LIST_UNMEASURED = """
    SELECT DISTINCT k.case_id
    FROM sla_clocks k JOIN case_subjects s ON s.id = k.case_subject_id
    WHERE k.state = 'breached' AND k.ended_at > $1 AND k.kind IN ('interim', 'first_action')
      AND s.settled_at IS NULL AND s.interim_decision_id IS NULL
    LIMIT $2
"""


async def list_unmeasured(tx: Tx, since: datetime, limit: int) -> list[int]:
    """Cases in which something should have been hidden since a moment, and was not."""
    return [row[0] for row in await tx.fetch(LIST_UNMEASURED, since, limit)]


class MeasureRow(msgspec.Struct, frozen=True):
    """A subject that the program hides until somebody decides."""

    id: int
    subject_type: str
    subject_id: int
    revision: int | None
    clause: str | None
    severity: int
    source: Source
    screening_id: int | None


LIST_TO_MEASURE = """
    SELECT s.id, s.subject_type, s.subject_id, s.revision, s.clause, s.severity, s.source, s.screening_id
    FROM case_subjects s
    WHERE s.case_id = $1 AND s.settled_at IS NULL AND s.interim_decision_id IS NULL
      AND (s.severity = 0 OR s.source IN ('provider_notice', 'authority_order'))
      AND EXISTS (
        SELECT FROM sla_clocks k
        WHERE k.case_subject_id = s.id
          AND (k.state = 'breached'
               OR (k.state = 'running' AND k.kind IN ('interim', 'first_action') AND k.due_at < $2)))
    ORDER BY s.subject_type, s.subject_id LIMIT $3
"""


async def list_to_measure(tx: Tx, case_id: int, before: datetime, limit: int) -> list[MeasureRow]:
    """Subjects of a case that must be hidden now: their time is over, or nearly so, and nobody has acted."""
    return [MeasureRow(*row) for row in await tx.fetch(LIST_TO_MEASURE, case_id, before, limit)]


UPDATE_MEASURING = """
    UPDATE sla_clocks SET measured_at = $2
    WHERE case_subject_id = ANY($1::bigint[]) AND kind IN ('interim', 'first_action') AND state = 'running'
"""


async def update_measuring(tx: Tx, case_subject_ids: Sequence[int], moment: datetime) -> None:
    """The program acts on these, before their time is over."""
    await tx.execute(UPDATE_MEASURING, list(case_subject_ids), moment)


class BreachRow(msgspec.Struct, frozen=True):
    """A promise that was not kept, or that the program had to keep, for the mail about it."""

    id: int
    kind: str
    source: str
    severity: int
    state: str
    case_id: int | None
    notice_id: int | None
    appeal_id: int | None
    due_at: datetime
    assigned_to: int | None


LIST_UNTOLD_BREACHES = """
    SELECT k.id, k.kind, k.source, k.severity, k.state, k.case_id, k.notice_id, k.appeal_id, k.due_at, c.assigned_to
    FROM sla_clocks k LEFT JOIN cases c ON c.id = k.case_id
    WHERE k.told_at IS NULL AND (k.state = 'breached' OR k.measured_at IS NOT NULL)
    ORDER BY k.ended_at, k.id LIMIT $1
"""


async def list_untold_breaches(tx: Tx, limit: int) -> list[BreachRow]:
    """Breaches and measures of which nobody has been told by mail, the oldest first."""
    return [BreachRow(*row) for row in await tx.fetch(LIST_UNTOLD_BREACHES, limit)]


UPDATE_TOLD = """UPDATE sla_clocks SET told_at = $2 WHERE id = ANY($1::bigint[])"""


async def update_told(tx: Tx, clock_ids: Sequence[int], moment: datetime) -> None:
    """The mail about these has gone out."""
    await tx.execute(UPDATE_TOLD, list(clock_ids), moment)


LIST_NOTICE_CASES = """
    SELECT DISTINCT r.case_id FROM reports r JOIN cases c ON c.id = r.case_id
    WHERE r.notice_id = $1 AND c.state <> 'closed'
"""


async def list_notice_cases(tx: Tx, notice_id: int) -> list[int]:
    """The open cases that a notice led to."""
    return [row[0] for row in await tx.fetch(LIST_NOTICE_CASES, notice_id)]
