"""The table of reports. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class ReportRow(msgspec.Struct, frozen=True):
    """A stored report without its evidence."""

    id: int
    account_id: int | None
    target_account_id: int
    status_ids: list[int]
    comment: str
    category: str
    rule_ids: list[str]
    forward: bool
    state: str
    action_taken_at: datetime | None
    created_at: datetime


INSERT_REPORT = """
    INSERT INTO reports (account_id, target_account_id, status_ids, comment, category, rule_ids, forward, source,
        clause, notice_id, muted, evidence, evidence_sha256, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    RETURNING id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
              action_taken_at, created_at
"""


async def insert_report(
    tx: Tx,
    parties: tuple[int | None, int],
    status_ids: Sequence[int],
    said: tuple[str, str, list[str], bool],
    origin: tuple[str, str | None, int | None, bool],
    evidence: tuple[dict[str, Any], bytes],
    moment: datetime,
) -> ReportRow:
    """Store a report: `parties` are reporter (None: no account) and target; `said` is comment, category, rules and
    forward; `origin` is source, gravest clause, notice, and whether its reporter is muted."""
    row = await tx.fetchrow(INSERT_REPORT, *parties, list(status_ids), *said, *origin, *evidence, moment)
    return ReportRow(*row)


LIST_REPORTS = """
    SELECT id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
           action_taken_at, created_at
    FROM reports WHERE id = ANY($1::bigint[])
"""


async def list_reports(tx: Tx, ids: Sequence[int]) -> list[ReportRow]:
    """Reports by id, in no order; missing ones are left out."""
    return [ReportRow(*row) for row in await tx.fetch(LIST_REPORTS, list(ids))]


# The same things, or some of them: no status at all is the account itself.
GET_REPORT_AGAIN = """
    SELECT id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
           action_taken_at, created_at
    FROM reports
    WHERE account_id = $1 AND target_account_id = $2 AND state <> 'closed'
      AND status_ids @> $3::bigint[] AND (cardinality($3::bigint[]) > 0 OR cardinality(status_ids) = 0)
    ORDER BY id DESC LIMIT 1 FOR UPDATE
"""


async def get_report_again(tx: Tx, account_id: int, target_id: int, status_ids: Sequence[int]) -> ReportRow | None:
    """What the same reporter has already said about all of these things, and that waits; locked."""
    row = await tx.fetchrow(GET_REPORT_AGAIN, account_id, target_id, list(status_ids))
    return ReportRow(*row) if row else None


UPDATE_REPORT_AGAIN = """
    UPDATE reports SET times = times + 1, comment = $2, category = $3, rule_ids = $4, clause = $5, forward = $6
    WHERE id = $1
    RETURNING id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
              action_taken_at, created_at
"""


async def update_report_again(tx: Tx, report_id: int, said: tuple[str, str, list[str], str | None, bool]) -> ReportRow:
    """It was said once more; `said` is comment, category, rules, gravest clause and forward, as they are now."""
    return ReportRow(*await tx.fetchrow(UPDATE_REPORT_AGAIN, report_id, *said))


UPDATE_REPORT_CASE = """UPDATE reports SET case_id = $2, subject_ids = $3 WHERE id = $1"""


async def update_report_case(tx: Tx, report_id: int, case_id: int, case_subject_ids: Sequence[int]) -> None:
    """It is part of a case, and about these of its subjects."""
    await tx.execute(UPDATE_REPORT_CASE, report_id, case_id, list(case_subject_ids))


class WaitingReport(msgspec.Struct, frozen=True):
    """A report that can be closed, for all that it names is settled; `decided`: by people's decisions (or a rule's)."""

    id: int
    decided: bool
    acted: bool


# Only reports that name one of the subjects in $2 can have been waiting for them alone. Subjects are found by their
# keys: a case may have thousands of reports and hundreds of subjects.
LIST_SETTLED_REPORTS = """
    SELECT r.id,
        coalesce(bool_or(s.settled_as = 'decided'), false),
        coalesce(bool_or(EXISTS (
            SELECT FROM decision_actions a
            WHERE a.decision_id = s.decision_id AND a.kind NOT IN ('no_action', 'publish')
              AND (a.subject_type = 'account'
                   OR (a.subject_type, a.subject_id) = (s.subject_type, s.subject_id)))), false)
    FROM (SELECT id, subject_ids FROM reports
          WHERE case_id = $1 AND state <> 'closed' AND subject_ids && $2::bigint[]) r
    CROSS JOIN LATERAL (
        SELECT settled_at, settled_as, decision_id, subject_type, subject_id
        FROM case_subjects WHERE id = ANY(r.subject_ids) OFFSET 0) s
    GROUP BY r.id
    HAVING count(*) FILTER (WHERE s.settled_at IS NULL) = 0
"""


async def list_settled_reports(tx: Tx, case_id: int, case_subject_ids: Sequence[int]) -> list[WaitingReport]:
    """Reports of a case about (some of) these subjects of which nothing is left to decide."""
    return [WaitingReport(*row) for row in await tx.fetch(LIST_SETTLED_REPORTS, case_id, list(case_subject_ids))]


UPDATE_REPORTS_CLOSED = """
    UPDATE reports SET state = 'closed', closed_at = $2, outcome = $3,
        action_taken_at = CASE WHEN $3 = 'acted' THEN $2 ELSE action_taken_at END
    WHERE id = ANY($1::bigint[])
"""


async def update_reports_closed(tx: Tx, ids: Sequence[int], moment: datetime, outcome: str | None) -> None:
    """Close reports; `outcome` is acted, not_acted, or None where nobody had to decide."""
    await tx.execute(UPDATE_REPORTS_CLOSED, list(ids), moment, outcome)


UPDATE_REPORTS_REOPENED = """
    UPDATE reports SET state = 'open', closed_at = NULL, outcome = NULL, action_taken_at = NULL
    WHERE case_id = $1 AND state = 'closed' AND subject_ids && $2::bigint[]
    RETURNING id
"""


async def update_reports_reopened(tx: Tx, case_id: int, case_subject_ids: Sequence[int]) -> list[int]:
    """Reports about these subjects wait again."""
    return [row[0] for row in await tx.fetch(UPDATE_REPORTS_REOPENED, case_id, list(case_subject_ids))]


COUNT_REPORTERS = """
    SELECT count(DISTINCT account_id) FROM reports WHERE target_account_id = $1 AND id > $2 AND NOT muted
"""


async def count_reporters(tx: Tx, target_id: int, since_id: int) -> int:
    """How many different accounts, muted ones aside, reported the target since an id."""
    return int(await tx.fetchval(COUNT_REPORTERS, target_id, since_id))


class OrphanRow(msgspec.Struct, frozen=True):
    """A report that the program made and that is in no case yet."""

    id: int
    target_account_id: int
    status_ids: list[int]
    rule_ids: list[str]
    evidence: dict[str, Any]


LIST_ORPHANS = """
    SELECT id, target_account_id, status_ids, rule_ids, evidence FROM reports
    WHERE source = 'automated' AND state <> 'closed' AND case_id IS NULL
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""


async def list_orphans(tx: Tx, limit: int) -> list[OrphanRow]:
    """Reports of sweeps that are in no case yet, the oldest first, locked."""
    return [OrphanRow(*row) for row in await tx.fetch(LIST_ORPHANS, limit)]


UPDATE_REPORT_WITHDRAWN = """
    UPDATE reports SET state = 'closed', closed_at = $2 WHERE id = $1 AND source = 'automated' AND state <> 'closed'
"""


async def update_report_withdrawn(tx: Tx, report_id: int, moment: datetime) -> None:
    """Close a report that no person made and whose reason is gone. Its evidence stays."""
    await tx.execute(UPDATE_REPORT_WITHDRAWN, report_id, moment)


class EvidenceRow(msgspec.Struct, frozen=True):
    """The evidence of a report, and the hash that it was stored with."""

    evidence: dict[str, Any]
    evidence_sha256: bytes


GET_EVIDENCE = """SELECT evidence, evidence_sha256 FROM reports WHERE id = $1"""


async def get_evidence(tx: Tx, report_id: int) -> EvidenceRow | None:
    """What was kept with a report."""
    row = await tx.fetchrow(GET_EVIDENCE, report_id)
    return EvidenceRow(*row) if row else None


COUNT_OPEN_REPORTS = """SELECT count(*) FROM reports WHERE state <> 'closed'"""


async def count_open_reports(tx: Tx) -> int:
    """How many reports wait."""
    return int(await tx.fetchval(COUNT_OPEN_REPORTS))


class MyReportRow(msgspec.Struct, frozen=True):
    """A report of somebody's own; `case_state` is where its case stands."""

    id: int
    target_account_id: int
    status_ids: list[int]
    category: str
    comment: str
    state: str
    outcome: str | None
    muted: bool
    case_state: str | None
    created_at: datetime
    closed_at: datetime | None


LIST_OWN_REPORTS = """
    SELECT r.id, r.target_account_id, r.status_ids, r.category, r.comment, r.state, r.outcome, r.muted, c.state,
        r.created_at, r.closed_at
    FROM reports r LEFT JOIN cases c ON c.id = r.case_id
    WHERE r.account_id = $1 AND r.id < $2 AND r.source IN ('user', 'trusted_flagger')
    ORDER BY r.id DESC LIMIT $3
"""


async def list_own_reports(tx: Tx, account_id: int, below: int, limit: int) -> list[MyReportRow]:
    """What somebody reported, the newest first."""
    return [MyReportRow(*row) for row in await tx.fetch(LIST_OWN_REPORTS, account_id, below, limit)]
