"""The tables of snapshots, captures and copied files. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class NewSnapshot(msgspec.Struct, frozen=True):
    """A snapshot to be stored; `content` is canonical JSON."""

    sha256: bytes
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int | None
    conversation_id: int | None
    content: str


INSERT_SNAPSHOTS = """
    INSERT INTO evidence_snapshots (sha256, subject_type, subject_id, revision, account_id, conversation_id, content,
                                    size_bytes, created_at)
    SELECT DISTINCT ON (n.sha256) n.sha256, n.subject_type, n.subject_id, n.revision, n.account_id, n.conversation_id,
        n.content, octet_length(n.content), $8
    FROM unnest($1::bytea[], $2::text[], $3::bigint[], $4::integer[], $5::bigint[], $6::bigint[], $7::text[])
        AS n (sha256, subject_type, subject_id, revision, account_id, conversation_id, content)
    ORDER BY n.sha256
    ON CONFLICT (sha256) WHERE purged_at IS NULL DO NOTHING
"""


async def insert_snapshots(tx: Tx, new: Sequence[NewSnapshot], moment: datetime) -> None:
    """Store what is not there yet, in one order always: no deadlock."""
    columns = [[getattr(one, name) for one in new] for name in NewSnapshot.__struct_fields__]
    await tx.execute(INSERT_SNAPSHOTS, *columns, moment)


LOCK_SNAPSHOTS = """
    SELECT id, sha256 FROM evidence_snapshots WHERE sha256 = ANY($1::bytea[]) AND purged_at IS NULL
    ORDER BY id FOR SHARE
"""


async def lock_snapshots(tx: Tx, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Snapshots by their hash; until `tx` ends nobody purges them."""
    return {row[1]: row[0] for row in await tx.fetch(LOCK_SNAPSHOTS, hashes)}


INSERT_CAPTURES = """
    INSERT INTO evidence_captures (snapshot_id, case_id, hold_id, why, facts, created_at)
    SELECT n.snapshot_id, $3, $4, $5, n.facts, $6 FROM unnest($1::bigint[], $2::jsonb[]) AS n (snapshot_id, facts)
    ON CONFLICT DO NOTHING
"""


async def insert_captures(
    tx: Tx,
    facts: dict[int, dict[str, Any]],
    *,
    case_id: int | None,
    hold_id: int | None,
    why: str,
    moment: datetime,
) -> None:
    """Note why these snapshots (with what was true of their authors) were taken; once for each case or hold."""
    await tx.execute(INSERT_CAPTURES, list(facts), list(facts.values()), case_id, hold_id, why, moment)


INSERT_SNAPSHOT_FILES = """
    INSERT INTO evidence_files (snapshot_id, file)
    SELECT n.snapshot_id, n.file FROM unnest($1::bigint[], $2::text[]) AS n (snapshot_id, file)
    ON CONFLICT DO NOTHING
    RETURNING snapshot_id
"""


async def insert_snapshot_files(tx: Tx, pairs: Sequence[tuple[int, str]]) -> list[int]:
    """Note which files must be copied; returns the snapshots for which there are new ones."""
    rows = await tx.fetch(INSERT_SNAPSHOT_FILES, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return sorted({row[0] for row in rows})


INSERT_REPORT_FILES = """
    INSERT INTO evidence_files (report_id, file) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING
"""


async def insert_report_files(tx: Tx, report_id: int, files: list[str]) -> None:
    """Note which files of a report must be copied."""
    await tx.execute(INSERT_REPORT_FILES, report_id, files)


class WaitingFile(msgspec.Struct, frozen=True):
    """A file that must be copied."""

    id: int
    file: str


LIST_WAITING_FILES = """
    SELECT id, file FROM evidence_files
    WHERE (report_id = $1 OR snapshot_id = ANY($2::bigint[])) AND kept_as IS NULL AND error IS NULL
        AND purged_at IS NULL
    ORDER BY id
"""


async def list_waiting_files(tx: Tx, *, report_id: int | None, snapshot_ids: Sequence[int]) -> list[WaitingFile]:
    """Files of a report or of snapshots that are not copied yet."""
    return [WaitingFile(*row) for row in await tx.fetch(LIST_WAITING_FILES, report_id, snapshot_ids)]


UPDATE_KEPT_FILE = """
    UPDATE evidence_files SET kept_as = $2, sha256 = $3, size_bytes = $4, error = NULL
    WHERE id = $1 AND purged_at IS NULL
"""


async def update_kept_file(tx: Tx, file_id: int, kept_as: str, sha256: bytes, size_bytes: int) -> None:
    """Note where the copy is, unless it is not wanted any more."""
    await tx.execute(UPDATE_KEPT_FILE, file_id, kept_as, sha256, size_bytes)


class CopyRow(msgspec.Struct, frozen=True):
    """A copy that is kept of a file with this public name."""

    file: str
    sha256: bytes
    size_bytes: int


LIST_COPIES_OF_FILES = """
    SELECT DISTINCT ON (file) file, sha256, size_bytes FROM evidence_files
    WHERE file = ANY($1::text[]) AND kept_as IS NOT NULL AND purged_at IS NULL ORDER BY file
"""


async def list_copies_of_files(tx: Tx, files: Sequence[str]) -> dict[str, CopyRow]:
    """Copies of stored files, made for whatever reason; what has one name never changes."""
    return {row[0]: CopyRow(*row) for row in await tx.fetch(LIST_COPIES_OF_FILES, files)}


LOCK_CONTENT = """SELECT pg_advisory_xact_lock(hashtextextended('evidence ' || encode($1::bytea, 'hex'), 0))"""


async def lock_content(tx: Tx, sha256: bytes) -> None:
    """Let nobody else decide where this content is kept, or that it is not, until `tx` ends."""
    await tx.execute(LOCK_CONTENT, sha256)


GET_KEPT_AS = """
    SELECT kept_as FROM evidence_files WHERE sha256 = $1 AND kept_as IS NOT NULL AND purged_at IS NULL LIMIT 1
"""


async def get_kept_as(tx: Tx, sha256: bytes) -> str | None:
    """Where this content is kept; lock it before."""
    name: str | None = await tx.fetchval(GET_KEPT_AS, sha256)
    return name


HAS_COPY = """SELECT EXISTS (SELECT FROM evidence_files WHERE kept_as = $1 AND purged_at IS NULL)"""


async def has_copy(tx: Tx, kept_as: str) -> bool:
    """Whether some row still speaks of this copy."""
    return bool(await tx.fetchval(HAS_COPY, kept_as))


UPDATE_LOST_FILE = """UPDATE evidence_files SET error = $2 WHERE id = $1"""


async def update_lost_file(tx: Tx, file_id: int, error: str) -> None:
    """Note why a file could not be copied."""
    await tx.execute(UPDATE_LOST_FILE, file_id, error)


class SnapshotRow(msgspec.Struct, frozen=True):
    """A snapshot with one of its captures."""

    id: int
    sha256: bytes
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int | None
    created_at: datetime
    purged_at: datetime | None
    content: str | None
    why: str
    captured_at: datetime
    facts: dict[str, Any]


LIST_CASE_SNAPSHOTS = """
    SELECT s.id, s.sha256, s.subject_type, s.subject_id, s.revision, s.account_id, s.created_at, s.purged_at,
        s.content, c.why, c.created_at, c.facts
    FROM evidence_captures c JOIN evidence_snapshots s ON s.id = c.snapshot_id
    WHERE c.case_id = $1 AND c.id > $2 ORDER BY c.id LIMIT $3
"""


async def list_case_snapshots(tx: Tx, case_id: int, after_id: int, limit: int) -> list[SnapshotRow]:
    """What was captured for a case, in order."""
    return [SnapshotRow(*row) for row in await tx.fetch(LIST_CASE_SNAPSHOTS, case_id, after_id, limit)]


class FileRow(msgspec.Struct, frozen=True):
    """A copied file of a snapshot."""

    id: int
    snapshot_id: int
    file: str
    kept_as: str | None
    sha256: bytes | None
    size_bytes: int | None
    error: str | None
    purged_at: datetime | None
    opening: bytes | None
    """Proves the hash to somebody who has the log."""


LIST_SNAPSHOT_FILES = """
    SELECT id, snapshot_id, file, kept_as, sha256, size_bytes, error, purged_at,
        moderation_opening(log_salt, 'sha256', '\\x' || encode(sha256, 'hex'))
    FROM evidence_files WHERE snapshot_id = ANY($1::bigint[]) ORDER BY id
"""


async def list_snapshot_files(tx: Tx, snapshot_ids: Sequence[int]) -> list[FileRow]:
    """The files of snapshots."""
    return [FileRow(*row) for row in await tx.fetch(LIST_SNAPSHOT_FILES, snapshot_ids)]


class KeptFileRow(msgspec.Struct, frozen=True):
    """A copy of a file, below the area of evidence."""

    kept_as: str
    size_bytes: int


GET_CASE_FILE = """
    SELECT f.kept_as, f.size_bytes
    FROM evidence_captures c JOIN evidence_files f ON f.snapshot_id = c.snapshot_id
    WHERE c.case_id = $1 AND f.file = $2 AND f.kept_as IS NOT NULL AND f.purged_at IS NULL
    LIMIT 1
"""


async def get_case_file(tx: Tx, case_id: int, file: str) -> KeptFileRow | None:
    """The copy of a file (by its public name) that was captured for a case."""
    row = await tx.fetchrow(GET_CASE_FILE, case_id, file)
    return KeptFileRow(*row) if row else None


class KeptRow(msgspec.Struct, frozen=True):
    """Where some content is kept."""

    kept_as: str
    sha256: bytes


LIST_COPIES = """
    SELECT DISTINCT ON (kept_as) kept_as, sha256 FROM evidence_files
    WHERE kept_as IS NOT NULL AND purged_at IS NULL AND kept_as > $1 ORDER BY kept_as LIMIT $2
"""


async def list_copies(tx: Tx, above: str, limit: int) -> list[KeptRow]:
    """Every kept file once, in pages by name."""
    return [KeptRow(*row) for row in await tx.fetch(LIST_COPIES, above, limit)]


COUNT_COPIES = """
    SELECT count(DISTINCT kept_as) FROM evidence_files WHERE kept_as IS NOT NULL AND purged_at IS NULL
"""


async def count_copies(tx: Tx) -> int:
    """How many files are kept."""
    return int(await tx.fetchval(COUNT_COPIES))


HAS_CASE = """SELECT EXISTS (SELECT FROM cases WHERE id = $1)"""


async def has_case(tx: Tx, case_id: int) -> bool:
    """Whether there is such a case."""
    return bool(await tx.fetchval(HAS_CASE, case_id))
