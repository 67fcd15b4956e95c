"""What is due to be purged, and that it is. SQL only; no rule lives here (see `due_evidence` in the migrations)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from parley.kit.db import Tx

LOCK_OLD_SNAPSHOTS = """
    SELECT id FROM evidence_snapshots
    WHERE purged_at IS NULL AND id > $1 AND (created_at < $2 OR subject_type = 'subscriber')
    ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
"""
LIST_DUE = """SELECT id FROM due_evidence($1, $2, $3)"""


async def lock_old_snapshots(tx: Tx, above: int, before: datetime, limit: int) -> list[int]:
    """Snapshots that may be due, in pages by id; locked, but for those that somebody captures right now."""
    return [row[0] for row in await tx.fetch(LOCK_OLD_SNAPSHOTS, above, before, limit)]


async def list_due(tx: Tx, ids: Sequence[int], closed_before: datetime, loose_before: datetime) -> list[int]:
    """Those of these snapshots that nobody needs any more. Lock them before, in a statement of its own."""
    return [row[0] for row in await tx.fetch(LIST_DUE, ids, closed_before, loose_before)]


LIST_DUE_KNOWN_FILES = """SELECT id FROM due_known_files($1, $2, $3)"""


async def list_due_known_files(tx: Tx, taken_before: datetime, closed_before: datetime, limit: int) -> list[int]:
    """Files that a bank of hashes took away and that nobody needs any more."""
    return [row[0] for row in await tx.fetch(LIST_DUE_KNOWN_FILES, taken_before, closed_before, limit)]


UPDATE_PURGED = """UPDATE evidence_snapshots SET content = NULL, purged_at = $2 WHERE id = ANY($1::bigint[])"""


async def update_purged(tx: Tx, ids: Sequence[int], moment: datetime) -> None:
    """Forget what these snapshots hold; their hashes stay."""
    await tx.execute(UPDATE_PURGED, ids, moment)


LOCK_PURGED_CONTENTS = """
    SELECT pg_advisory_xact_lock(hashtextextended('evidence ' || encode(f.sha256, 'hex'), 0))
    FROM (SELECT DISTINCT sha256 FROM evidence_files
          WHERE (snapshot_id = ANY($1::bigint[]) OR report_id = ANY($2::bigint[])) AND sha256 IS NOT NULL
          ORDER BY sha256) f
"""
UPDATE_PURGED_FILES = """
    UPDATE evidence_files SET purged_at = $3
    WHERE (snapshot_id = ANY($1::bigint[]) OR report_id = ANY($2::bigint[])) AND purged_at IS NULL
    RETURNING kept_as
"""


async def update_purged_files(
    tx: Tx, moment: datetime, *, snapshot_ids: Sequence[int] = (), report_ids: Sequence[int] = ()
) -> list[str]:
    """The files of these are not wanted for them any more; returns the names of their copies."""
    await tx.execute(LOCK_PURGED_CONTENTS, snapshot_ids, report_ids)
    rows = await tx.fetch(UPDATE_PURGED_FILES, snapshot_ids, report_ids, moment)
    return sorted({row[0] for row in rows if row[0]})


LOCK_DUE_REPORTS = """
    SELECT r.id FROM reports r JOIN cases k ON k.id = r.case_id
    WHERE k.state = 'closed' AND k.closed_at < $1 AND r.state = 'closed' AND NOT r.evidence ? 'purged'
      AND NOT EXISTS (SELECT FROM appeals a WHERE a.case_id = k.id AND a.ended_at IS NULL)
      AND NOT has_hold('case', k.id) AND NOT has_hold('account', r.target_account_id)
      AND NOT EXISTS (SELECT FROM unnest(r.status_ids) AS s (id) WHERE has_hold('status', s.id))
      AND NOT EXISTS (
        SELECT FROM statuses t WHERE t.id = ANY(r.status_ids) AND has_hold('conversation', t.conversation_id))
    ORDER BY r.id LIMIT $2 FOR UPDATE OF r SKIP LOCKED
"""
UPDATE_PURGED_REPORTS = """UPDATE reports SET evidence = '{"purged": true}' WHERE id = ANY($1::bigint[])"""


async def lock_due_reports(tx: Tx, closed_before: datetime, limit: int) -> list[int]:
    """Reports of cases that are long over, whose evidence nobody needs any more; locked."""
    return [row[0] for row in await tx.fetch(LOCK_DUE_REPORTS, closed_before, limit)]


async def update_purged_reports(tx: Tx, ids: Sequence[int]) -> None:
    """Forget what these reports hold; the hashes stay."""
    await tx.execute(UPDATE_PURGED_REPORTS, ids)
