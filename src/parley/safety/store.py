"""The tables of reports and of the files kept with them. SQL only; no rule lives here."""

from __future__ import annotations

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
    INSERT INTO reports (account_id, target_account_id, status_ids, comment, category, rule_ids, forward,
                         evidence, evidence_sha256)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    RETURNING id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
              action_taken_at, created_at
"""


async def insert_report(
    tx: Tx,
    parties: tuple[int, int],
    status_ids: list[int],
    said: tuple[str, str, list[str], bool],
    evidence: dict[str, Any],
    evidence_sha256: bytes,
) -> ReportRow:
    """Store a report: `parties` are reporter and target; `said` is comment, category, rules and forward."""
    row = await tx.fetchrow(INSERT_REPORT, *parties, status_ids, *said, evidence, evidence_sha256)
    return ReportRow(*row)


LIST_REPORTS = """
    SELECT id, account_id, target_account_id, status_ids, comment, category, rule_ids, forward, state,
           action_taken_at, created_at
    FROM reports WHERE id = ANY($1::bigint[])
"""


async def list_reports(tx: Tx, ids: list[int]) -> list[ReportRow]:
    """Reports by id, in no order; missing ones are left out."""
    return [ReportRow(*row) for row in await tx.fetch(LIST_REPORTS, ids)]


class EvidenceRow(msgspec.Struct, frozen=True):
    """The evidence of a report, and the hash that it was stored with."""

    evidence: dict[str, Any]
    evidence_sha256: bytes


GET_EVIDENCE = """
    SELECT evidence, evidence_sha256 FROM reports WHERE id = $1
"""


async def get_evidence(tx: Tx, report_id: int) -> EvidenceRow | None:
    """What was kept with a report."""
    row = await tx.fetchrow(GET_EVIDENCE, report_id)
    return EvidenceRow(*row) if row else None


COUNT_REPORTERS = """
    SELECT count(DISTINCT account_id) FROM reports WHERE target_account_id = $1 AND id > $2
"""


async def count_reporters(tx: Tx, target_id: int, since_id: int) -> int:
    """How many different accounts reported the target since an id."""
    return int(await tx.fetchval(COUNT_REPORTERS, target_id, since_id))


INSERT_AUTOMATIC_REPORT = """
    INSERT INTO reports (target_account_id, status_ids, comment, category, rule_ids, evidence, evidence_sha256, source)
    VALUES ($1, $2, $3, 'violation', $4, $5, $6, 'automated')
    RETURNING id
"""


async def insert_automatic_report(
    tx: Tx,
    target_id: int,
    status_ids: list[int],
    comment: str,
    rule_ids: list[str],
    evidence: dict[str, Any],
    evidence_sha256: bytes,
) -> int:
    """Store a report that no person made; returns its id."""
    values = (target_id, status_ids, comment, rule_ids, evidence, evidence_sha256)
    return int(await tx.fetchval(INSERT_AUTOMATIC_REPORT, *values))


UPDATE_REPORT_WITHDRAWN = """
    UPDATE reports SET state = 'closed' WHERE id = $1 AND source = 'automated' AND state <> 'closed'
"""


async def update_report_withdrawn(tx: Tx, report_id: int) -> None:
    """Close a report that no person made and whose reason is gone. Its evidence stays."""
    await tx.execute(UPDATE_REPORT_WITHDRAWN, report_id)
