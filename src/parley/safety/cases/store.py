"""The table of cases, and of what a crisis does with them. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.cases.views import Source, State

LOCK_ACCOUNT_CASES = """SELECT pg_advisory_xact_lock(hashtextextended('cases', $1))"""


async def lock_account_cases(tx: Tx, account_id: int) -> None:
    """Let nobody else open or join a case of this account until `tx` ends. Take it before any row of a case."""
    await tx.execute(LOCK_ACCOUNT_CASES, account_id)


class StateRow(msgspec.Struct, frozen=True):
    """Where a case stands, locked until the transaction ends."""

    id: int
    account_id: int
    state: State
    queue: str
    source: Source
    clause: str | None
    severity: int
    incident_id: int | None
    assigned_to: int | None
    leased_until: datetime | None
    escalated_to: str | None
    opened_at: datetime
    due_at: datetime | None


GET_OPEN_CASE = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases WHERE account_id = $1 AND state <> 'closed' FOR UPDATE
"""


async def get_open_case(tx: Tx, account_id: int) -> StateRow | None:
    """The one open case of an account, locked."""
    row = await tx.fetchrow(GET_OPEN_CASE, account_id)
    return StateRow(*row) if row else None


GET_LOCKED_CASE = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases WHERE id = $1 FOR UPDATE
"""


async def get_locked_case(tx: Tx, case_id: int) -> StateRow | None:
    """One case, locked."""
    row = await tx.fetchrow(GET_LOCKED_CASE, case_id)
    return StateRow(*row) if row else None


# What somebody else is about to take is passed over, so that two who ask at once get two cases.
GET_NEXT_CASE = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases
    WHERE state <> 'closed' AND ($1::text IS NULL OR queue = $1) AND (queue <> 'jury' OR $1 = 'jury')
      AND (leased_until IS NULL OR leased_until <= $2 OR assigned_to = $3)
      AND (escalated_to IS NULL OR escalated_to = ANY($4::text[]))
      AND NOT id = ANY($5::bigint[]) AND severity >= $6 AND account_id <> $3
    ORDER BY priority DESC, id LIMIT 1
    FOR UPDATE SKIP LOCKED
"""


async def get_next_case(
    tx: Tx,
    queue: str | None,
    moment: datetime,
    account_id: int,
    names: Sequence[str],
    passed: Sequence[int],
    least_severity: int,
) -> StateRow | None:
    """The first case that nobody works on, locked; `names`: to whom an escalation may be addressed."""
    row = await tx.fetchrow(GET_NEXT_CASE, queue, moment, account_id, list(names), list(passed), least_severity)
    return StateRow(*row) if row else None


LIST_ESCALATED_CASES = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases WHERE state <> 'closed' AND escalated_to <> 'staff' AND id > $1 ORDER BY id LIMIT $2
    FOR UPDATE
"""


async def list_escalated_cases(tx: Tx, above: int, limit: int) -> list[StateRow]:
    """Open cases that were escalated to some of the staff, locked, by id."""
    return [StateRow(*row) for row in await tx.fetch(LIST_ESCALATED_CASES, above, limit)]


INSERT_CASE = """
    INSERT INTO cases (id, account_id, state, queue, source, clause, severity, incident_id, opened_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


async def insert_case(
    tx: Tx,
    case_id: int,
    account_id: int,
    state: State,
    queue: str,
    gravity: tuple[Source, str | None, int],
    incident_id: int | None,
    opened_at: datetime,
) -> None:
    """Open a case; `gravity` is source, clause and severity."""
    await tx.execute(INSERT_CASE, case_id, account_id, state, queue, *gravity, incident_id, opened_at)


UPDATE_CASE_GRAVITY = """
    UPDATE cases SET queue = $2, source = $3, clause = $4, severity = $5, incident_id = $6 WHERE id = $1
"""


async def update_case_gravity(
    tx: Tx, case_id: int, queue: str, gravity: tuple[Source, str | None, int], incident_id: int | None
) -> None:
    """How grave it is, and where it waits."""
    await tx.execute(UPDATE_CASE_GRAVITY, case_id, queue, *gravity, incident_id)


UPDATE_CASE_WORK = """
    UPDATE cases SET state = $2, assigned_to = $3, leased_until = $4, escalated_to = $5 WHERE id = $1
"""


async def update_case_work(
    tx: Tx,
    case_id: int,
    state: State,
    assigned_to: int | None,
    leased_until: datetime | None,
    escalated_to: str | None,
) -> None:
    """Who works on it, until when, and who is asked for."""
    await tx.execute(UPDATE_CASE_WORK, case_id, state, assigned_to, leased_until, escalated_to)


UPDATE_CASE_QUEUE = """UPDATE cases SET queue = $2, state = $3 WHERE id = $1"""


async def update_case_queue(tx: Tx, case_id: int, queue: str, state: State) -> None:
    """Put it into another queue."""
    await tx.execute(UPDATE_CASE_QUEUE, case_id, queue, state)


UPDATE_CASE_CLOSED = """
    UPDATE cases
    SET state = 'closed', closed_at = $2, assigned_to = NULL, leased_until = NULL, escalated_to = NULL, due_at = NULL
    WHERE id = $1
"""


async def update_case_closed(tx: Tx, case_id: int, moment: datetime) -> None:
    """Nothing is left to decide."""
    await tx.execute(UPDATE_CASE_CLOSED, case_id, moment)


UPDATE_CASE_REOPENED = """UPDATE cases SET state = 'open', closed_at = NULL WHERE id = $1"""


async def update_case_reopened(tx: Tx, case_id: int) -> None:
    """Something is to be decided again."""
    await tx.execute(UPDATE_CASE_REOPENED, case_id)


# What was promised for something that still waits counts on after its time is over: the case stays overdue. A promise
# of a first action is kept once the program has hidden the subject.
UPDATE_CASE_DUE = """
    UPDATE cases c SET due_at = due.first
    FROM (
        SELECT min(k.due_at) AS first
        FROM sla_clocks k LEFT JOIN case_subjects s ON s.id = k.case_subject_id
        WHERE k.case_id = $1
          AND (k.state = 'running'
               OR (k.state = 'breached' AND s.settled_at IS NULL
                   AND (k.kind = 'resolve' OR s.interim_decision_id IS NULL)))) due
    WHERE c.id = $1 AND c.state <> 'closed' AND c.due_at IS DISTINCT FROM due.first
"""
GET_DUE = """SELECT due_at FROM cases WHERE id = $1"""


async def update_case_due(tx: Tx, case_id: int) -> datetime | None:
    """Set when the first of its running clocks ends; returns it."""
    await tx.execute(UPDATE_CASE_DUE, case_id)
    due: datetime | None = await tx.fetchval(GET_DUE, case_id)
    return due


UPDATE_PRIORITY = """UPDATE cases SET priority = $2 WHERE id = $1 AND (priority < $2 OR $3)"""


async def update_priority(tx: Tx, case_id: int, priority: float, *, new: bool) -> None:
    """At least where it stands in the queue, until it is weighed with everything else that counts."""
    await tx.execute(UPDATE_PRIORITY, case_id, priority, new)


LIST_EXPIRED_LEASES = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases WHERE leased_until IS NOT NULL AND leased_until <= $1
    ORDER BY leased_until LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def list_expired_leases(tx: Tx, moment: datetime, limit: int) -> list[StateRow]:
    """Cases whose lease is over, locked; those that somebody else holds are left out."""
    return [StateRow(*row) for row in await tx.fetch(LIST_EXPIRED_LEASES, moment, limit)]


LIST_WAITING_CASES = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, due_at
    FROM cases WHERE state <> 'closed' AND id > $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
"""


async def list_waiting_cases(tx: Tx, above: int, limit: int) -> list[StateRow]:
    """A page of the open cases, by id, locked."""
    return [StateRow(*row) for row in await tx.fetch(LIST_WAITING_CASES, above, limit)]


class WarRow(msgspec.Struct, frozen=True):
    """Which incident sends which cases into the war queue."""

    incident_id: int
    severity_at_most: int
    clauses: list[str]


GET_WAR = """SELECT incident_id, severity_at_most, clauses FROM war_queue"""


async def get_war(tx: Tx) -> WarRow | None:
    """The crisis that is on, if one is."""
    row = await tx.fetchrow(GET_WAR)
    return WarRow(*row) if row else None


UPSERT_WAR = """
    INSERT INTO war_queue (incident_id, severity_at_most, clauses) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE
    SET incident_id = excluded.incident_id, severity_at_most = excluded.severity_at_most, clauses = excluded.clauses
"""


async def upsert_war(tx: Tx, incident_id: int, severity_at_most: int, clauses: Sequence[str]) -> None:
    """Open the war queue."""
    await tx.execute(UPSERT_WAR, incident_id, severity_at_most, list(clauses))


DELETE_WAR = """DELETE FROM war_queue WHERE incident_id = $1"""


async def delete_war(tx: Tx, incident_id: int) -> None:
    """Close the war queue."""
    await tx.execute(DELETE_WAR, incident_id)
