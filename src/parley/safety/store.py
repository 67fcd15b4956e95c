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


INSERT_EVIDENCE_FILES = """
    INSERT INTO evidence_files (report_id, file) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING
"""


async def insert_evidence_files(tx: Tx, report_id: int, files: list[str]) -> None:
    """Note which files must be copied."""
    await tx.execute(INSERT_EVIDENCE_FILES, report_id, files)


LIST_WAITING_FILES = """
    SELECT file FROM evidence_files WHERE report_id = $1 AND kept_as IS NULL AND error IS NULL ORDER BY file
"""


async def list_waiting_files(tx: Tx, report_id: int) -> list[str]:
    """Files of a report that are not copied yet."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_FILES, report_id)]


UPDATE_KEPT_FILE = """
    UPDATE evidence_files SET kept_as = $3, sha256 = $4, size_bytes = $5, error = NULL
    WHERE report_id = $1 AND file = $2
"""


async def update_kept_file(tx: Tx, report_id: int, file: str, kept_as: str, sha256: bytes, size_bytes: int) -> None:
    """Note where the copy is."""
    await tx.execute(UPDATE_KEPT_FILE, report_id, file, kept_as, sha256, size_bytes)


UPDATE_LOST_FILE = """
    UPDATE evidence_files SET error = $3 WHERE report_id = $1 AND file = $2
"""


async def update_lost_file(tx: Tx, report_id: int, file: str, error: str) -> None:
    """Note why a file could not be copied."""
    await tx.execute(UPDATE_LOST_FILE, report_id, file, error)


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
