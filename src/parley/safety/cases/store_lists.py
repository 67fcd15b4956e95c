"""Pages of cases for the staff, and the count of all that waits. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

from parley.kit.db import Tx
from parley.safety.cases.views import Source, State


class ListedRow(msgspec.Struct, frozen=True):
    """A case in a list."""

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
    closed_at: datetime | None
    due_at: datetime | None
    reports_count: int
    reporters_count: int
    reach: int
    reach_per_hour: float
    confidence: float
    priority: float


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which open cases; None or False: whatever they are."""

    queue: str | None = None
    source: str | None = None
    severity: int | None = None
    assigned_to: int | None = None
    escalated: bool = False
    clause: str | None = None
    overdue_at: datetime | None = None
    free_at: datetime | None = None
    """Those that nobody works on at this moment."""
    automated: bool | None = None
    """Those that screening brought up alone, or those that somebody reported."""
    below: float = float("inf")
    after_id: int = 0


Lead = Literal["queue", "source", "severity", "assigned", "escalated", "any"]

# One statement for each filter that an index leads with; the others are looked at along the way. `priority <= $1` is
# the part of the keyset that an index can use.
LIST_CASES = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, closed_at, due_at, reports_count, reporters_count, reach, reach_per_hour, confidence, priority
    FROM cases
    WHERE state <> 'closed' AND priority <= $1 AND (priority < $1 OR id > $2)
      AND ($3::text IS NULL OR queue = $3) AND ($4::text IS NULL OR source = $4)
      AND ($5::integer IS NULL OR severity = $5) AND ($6::bigint IS NULL OR assigned_to = $6)
      AND (NOT $7::boolean OR state = 'escalated') AND ($8::text IS NULL OR clause = $8)
      AND ($9::timestamptz IS NULL OR due_at < $9)
      AND ($10::timestamptz IS NULL OR leased_until IS NULL OR leased_until <= $10)
      AND ($11::boolean IS NULL OR (source = 'automated') = $11)
    ORDER BY priority DESC, id LIMIT $12
"""
LISTS: dict[Lead, str] = {
    "any": LIST_CASES,
    "queue": LIST_CASES.replace("($3::text IS NULL OR queue = $3)", "queue = $3::text"),
    "source": LIST_CASES.replace("($4::text IS NULL OR source = $4)", "source = $4::text"),
    "severity": LIST_CASES.replace("($5::integer IS NULL OR severity = $5)", "severity = $5::integer"),
    "assigned": LIST_CASES.replace("($6::bigint IS NULL OR assigned_to = $6)", "assigned_to = $6::bigint"),
    "escalated": LIST_CASES.replace("(NOT $7::boolean OR state = 'escalated')", "state = 'escalated' AND $7::boolean"),
}


async def list_open_cases(tx: Tx, wanted: Wanted, limit: int) -> list[ListedRow]:
    """Open cases in their order, from (`below`, `after_id`) on."""
    lead: Lead = "any"
    if wanted.assigned_to is not None:
        lead = "assigned"
    elif wanted.escalated:
        lead = "escalated"
    elif wanted.queue is not None:
        lead = "queue"
    elif wanted.severity is not None:
        lead = "severity"
    elif wanted.source is not None:
        lead = "source"
    rows = await tx.fetch(
        LISTS[lead],
        wanted.below,
        wanted.after_id,
        wanted.queue,
        wanted.source,
        wanted.severity,
        wanted.assigned_to,
        wanted.escalated,
        wanted.clause,
        wanted.overdue_at,
        wanted.free_at,
        wanted.automated,
        limit,
    )
    return [ListedRow(*row) for row in rows]


LIST_CLOSED_CASES = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, closed_at, due_at, reports_count, reporters_count, reach, reach_per_hour, confidence, priority
    FROM cases WHERE closed_at IS NOT NULL AND (closed_at, id) < ($1, $2) ORDER BY closed_at DESC, id DESC LIMIT $3
"""


async def list_closed_cases(tx: Tx, before: datetime, before_id: int, limit: int) -> list[ListedRow]:
    """Closed cases, the latest first."""
    return [ListedRow(*row) for row in await tx.fetch(LIST_CLOSED_CASES, before, before_id, limit)]


GET_CASE = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, closed_at, due_at, reports_count, reporters_count, reach, reach_per_hour, confidence, priority
    FROM cases WHERE id = $1
"""


async def get_listed_case(tx: Tx, case_id: int) -> ListedRow | None:
    """One case."""
    row = await tx.fetchrow(GET_CASE, case_id)
    return ListedRow(*row) if row else None


LIST_CASES_ABOUT = """
    SELECT id, account_id, state, queue, source, clause, severity, incident_id, assigned_to, leased_until, escalated_to,
        opened_at, closed_at, due_at, reports_count, reporters_count, reach, reach_per_hour, confidence, priority
    FROM cases WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""


async def list_cases_about(tx: Tx, account_id: int, limit: int) -> list[ListedRow]:
    """Cases of an account, newest first."""
    return [ListedRow(*row) for row in await tx.fetch(LIST_CASES_ABOUT, account_id, limit)]


LIST_ACCOUNT_CASES = """
    SELECT id FROM cases WHERE account_id = $1 AND id <> $2 ORDER BY id DESC LIMIT $3
"""


async def list_account_cases(tx: Tx, account_id: int, but: int, limit: int) -> list[int]:
    """Other cases of an account, newest first."""
    return [row[0] for row in await tx.fetch(LIST_ACCOUNT_CASES, account_id, but, limit)]


class GistRow(msgspec.Struct, frozen=True):
    """How much a case is about, and its gravest status that waits."""

    case_id: int
    subjects: int
    waiting: int
    status_id: int | None
    revision: int | None


LIST_GISTS = """
    SELECT wanted.id, counted.subjects, counted.waiting, gravest.subject_id, gravest.revision
    FROM unnest($1::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT count(*) AS subjects, count(*) FILTER (WHERE settled_at IS NULL) AS waiting
        FROM case_subjects WHERE case_id = wanted.id) counted
    LEFT JOIN LATERAL (
        SELECT subject_id, revision FROM case_subjects
        WHERE case_id = wanted.id AND subject_type = 'status'
        ORDER BY settled_at IS NOT NULL, severity, id LIMIT 1) gravest ON true
"""


async def list_gists(tx: Tx, case_ids: Sequence[int]) -> dict[int, GistRow]:
    """What these cases are about, by case."""
    return {row[0]: GistRow(*row) for row in await tx.fetch(LIST_GISTS, list(case_ids))}


class BacklogRow(msgspec.Struct, frozen=True):
    """How much waits in one queue at one severity."""

    queue: str
    severity: int
    cases: int
    overdue: int
    unassigned: int
    escalated: int
    mine: int
    oldest: datetime | None
    next_due: datetime | None


# From the index cases_backlog alone: it holds every column that is read here.
COUNT_BACKLOG = """
    SELECT queue, severity, count(*), count(*) FILTER (WHERE due_at < $1),
        count(*) FILTER (WHERE leased_until IS NULL OR leased_until <= $1),
        count(*) FILTER (WHERE state = 'escalated'), count(*) FILTER (WHERE assigned_to = $2),
        min(opened_at), min(due_at) FILTER (WHERE due_at >= $1)
    FROM cases WHERE state <> 'closed' GROUP BY queue, severity
"""


async def count_backlog(tx: Tx, moment: datetime, account_id: int) -> list[BacklogRow]:
    """All that waits, by queue and severity."""
    return [BacklogRow(*row) for row in await tx.fetch(COUNT_BACKLOG, moment, account_id)]


class CaseReportRow(msgspec.Struct, frozen=True):
    """A report in a case, with what is known of its reporter."""

    id: int
    source: Source
    account_id: int | None
    reliability: float | None
    trusted: bool
    notice_id: int | None
    category: str
    clause: str | None
    rule_ids: list[str]
    comment: str
    subject_ids: list[int]
    state: str
    outcome: str | None
    times: int
    created_at: datetime


LIST_CASE_REPORTS = """
    SELECT r.id, r.source, r.account_id, w.reliability, w.flagger_since IS NOT NULL, r.notice_id, r.category, r.clause,
        r.rule_ids, r.comment, r.subject_ids, r.state, r.outcome, r.times, r.created_at
    FROM reports r LEFT JOIN reporters w ON w.account_id = r.account_id
    WHERE r.case_id = $1 AND r.id < $2 ORDER BY r.id DESC LIMIT $3
"""


async def list_case_reports(tx: Tx, case_id: int, below: int, limit: int) -> list[CaseReportRow]:
    """Reports of a case, the newest first, from an id down."""
    return [CaseReportRow(*row) for row in await tx.fetch(LIST_CASE_REPORTS, case_id, below, limit)]


COUNT_SUBJECT_REPORTS = """
    SELECT named, count(*) FROM reports CROSS JOIN LATERAL unnest(subject_ids) AS named
    WHERE case_id = $1 GROUP BY named
"""


async def count_subject_reports(tx: Tx, case_id: int) -> dict[int, int]:
    """How many reports name each subject of a case."""
    return {row[0]: row[1] for row in await tx.fetch(COUNT_SUBJECT_REPORTS, case_id)}


LIST_SEEN = """SELECT id, content FROM evidence_snapshots WHERE id = ANY($1::bigint[]) AND content IS NOT NULL"""


async def list_seen(tx: Tx, snapshot_ids: Sequence[int]) -> dict[int, str]:
    """The contents of snapshots, by id; purged ones are left out."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_SEEN, list(snapshot_ids))}
