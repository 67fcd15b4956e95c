"""What goes into an evidence package. SQL only; no rule lives here.

Decisions are read here as they are stored: a package tells them to outsiders, and this room stands below theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class PackedSnapshot(msgspec.Struct, frozen=True):
    """A snapshot for a package."""

    id: int
    sha256: bytes
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int | None
    created_at: datetime
    content: str
    opening: bytes
    """Proves the hash to somebody who has the log."""


LIST_PACKED_SNAPSHOTS = """
    SELECT s.id, s.sha256, s.subject_type, s.subject_id, s.revision, s.account_id, s.created_at, s.content,
        moderation_opening(s.log_salt, 'sha256', '\\x' || encode(s.sha256, 'hex'))
    FROM evidence_snapshots s
    WHERE s.id > $3 AND s.content IS NOT NULL
      AND ($1::bigint IS NULL OR EXISTS (
        SELECT FROM evidence_captures c WHERE c.snapshot_id = s.id AND c.case_id = $1))
      AND ($2::bigint IS NULL OR s.account_id = $2)
      AND ($5 OR s.subject_type <> 'subscriber')
    ORDER BY s.id LIMIT $4
"""


async def list_packed_snapshots(
    tx: Tx, case_id: int | None, account_id: int | None, above: int, limit: int, *, subscriber: bool
) -> list[PackedSnapshot]:
    """Snapshots of a case, or of all that an account is or wrote (`subscriber`: and who it belongs to), in pages by
    id."""
    rows = await tx.fetch(LIST_PACKED_SNAPSHOTS, case_id, account_id, above, limit, subscriber)
    return [PackedSnapshot(*row) for row in rows]


class PackedCapture(msgspec.Struct, frozen=True):
    """Why and when a snapshot was taken."""

    snapshot_id: int
    why: str
    facts: dict[str, Any]
    created_at: datetime


LIST_PACKED_CAPTURES = """
    SELECT snapshot_id, why, facts, created_at FROM evidence_captures
    WHERE snapshot_id = ANY($1::bigint[]) AND ($2::bigint IS NULL OR case_id = $2) ORDER BY id
"""


async def list_packed_captures(tx: Tx, snapshot_ids: Sequence[int], case_id: int | None) -> list[PackedCapture]:
    """Why and when these snapshots were taken (for one case, or at all)."""
    return [PackedCapture(*row) for row in await tx.fetch(LIST_PACKED_CAPTURES, snapshot_ids, case_id)]


class Entry(msgspec.Struct, frozen=True):
    """An entry of the log, whole."""

    seq: int
    id: int
    previous: bytes
    hash: bytes
    body: str


# Rows have no index of their own in the log: it is read through once for a package, as for the proofs.
LIST_ROW_ENTRIES = """
    SELECT seq, id, previous, hash, body FROM moderation_events
    WHERE seq <= $1 AND type = 'row_changed' AND body LIKE '%"table": "' || $2 || '"%'
      AND body::jsonb ->> 'id' = ANY($3::text[])
    ORDER BY seq
"""


async def list_row_entries(tx: Tx, until_seq: int, table: str, ids: Sequence[int]) -> list[Entry]:
    """Every change of these rows of a table."""
    return [Entry(*row) for row in await tx.fetch(LIST_ROW_ENTRIES, until_seq, table, [str(one) for one in ids])]


LIST_CASE_ENTRIES = """
    SELECT seq, id, previous, hash, body FROM moderation_events
    WHERE seq <= $1 AND case_id = $2 AND actor_type = ANY($3::text[]) ORDER BY seq
"""


async def list_case_entries(tx: Tx, until_seq: int, case_id: int, actor_types: Sequence[str]) -> list[Entry]:
    """What these kinds of actors did about a case."""
    return [Entry(*row) for row in await tx.fetch(LIST_CASE_ENTRIES, until_seq, case_id, actor_types)]


LIST_PACKED_DECISIONS = """
    SELECT d.id, d.kind, d.clause, d.severity, d.facts, d.reasons, d.automated_detection, d.automated_decision,
        d.source, d.policy_sha256, d.reversed_by_id IS NOT NULL, d.created_at
    FROM decisions d
    WHERE ($1::bigint IS NULL OR d.case_id = $1) AND ($2::bigint IS NULL OR d.account_id = $2)
    ORDER BY d.id
"""


class PackedDecision(msgspec.Struct, frozen=True):
    """A decision for a package; who decided is not part of it."""

    id: int
    kind: str
    clause: str | None
    severity: int | None
    facts: str
    reasons: str
    automated_detection: bool
    automated_decision: bool
    source: str
    policy_sha256: str
    reversed: bool
    created_at: datetime


async def list_packed_decisions(tx: Tx, case_id: int | None, account_id: int | None) -> list[PackedDecision]:
    """Decisions in a case, or about an account, in order."""
    return [PackedDecision(*row) for row in await tx.fetch(LIST_PACKED_DECISIONS, case_id, account_id)]


class PackedAction(msgspec.Struct, frozen=True):
    """What a decision did, to what."""

    id: int
    decision_id: int
    kind: str
    subject_type: str
    subject_id: int
    applied_at: datetime
    ends_at: datetime | None
    reversed_at: datetime | None


LIST_PACKED_ACTIONS = """
    SELECT id, decision_id, kind, subject_type, subject_id, applied_at, ends_at, reversed_at
    FROM decision_actions WHERE decision_id = ANY($1::bigint[]) ORDER BY id
"""


async def list_packed_actions(tx: Tx, decision_ids: Sequence[int]) -> list[PackedAction]:
    """What decisions did."""
    return [PackedAction(*row) for row in await tx.fetch(LIST_PACKED_ACTIONS, decision_ids)]


GET_CASE_ACCOUNT = """SELECT account_id FROM cases WHERE id = $1"""


async def get_case_account(tx: Tx, case_id: int) -> int | None:
    """Whose conduct a case is about."""
    found: int | None = await tx.fetchval(GET_CASE_ACCOUNT, case_id)
    return found


LIST_SNAPSHOT_CAPTURE_IDS = """SELECT id FROM evidence_captures WHERE snapshot_id = ANY($1::bigint[]) ORDER BY id"""


async def list_snapshot_capture_ids(tx: Tx, snapshot_ids: Sequence[int]) -> list[int]:
    """Ids of the captures of snapshots."""
    return [row[0] for row in await tx.fetch(LIST_SNAPSHOT_CAPTURE_IDS, snapshot_ids)]
