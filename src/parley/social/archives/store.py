"""The table of archives that members take away. No rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx
from parley.social.archives.views import ArchiveView

LIST_ARCHIVES = """
    SELECT id, account_id, state, alias, file, size_bytes, sha256, done, total, created_at, ready_at, expires_at
    FROM archives WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""
GET_ARCHIVE = """
    SELECT id, account_id, state, alias, file, size_bytes, sha256, done, total, created_at, ready_at, expires_at
    FROM archives WHERE id = $1
"""


def _view(row: tuple[object, ...]) -> ArchiveView:
    names = ArchiveView.__struct_fields__
    return ArchiveView(**dict(zip(names, row, strict=True)))  # type: ignore[arg-type]


async def list_archives(tx: Tx, account_id: int, limit: int) -> list[ArchiveView]:
    """The archives of an account, newest first."""
    return [_view(tuple(row)) for row in await tx.fetch(LIST_ARCHIVES, account_id, limit)]


async def get_archive(tx: Tx, archive_id: int) -> ArchiveView | None:
    """One archive, whosever."""
    row = await tx.fetchrow(GET_ARCHIVE, archive_id)
    return _view(tuple(row)) if row else None


LOCK_ARCHIVES = """SELECT pg_advisory_xact_lock(hashtextextended('archives ' || $1::bigint, 0))"""


async def lock_archives(tx: Tx, account_id: int) -> None:
    """Let one transaction at a time ask for an archive of an account."""
    await tx.execute(LOCK_ARCHIVES, account_id)


INSERT_ARCHIVE = """INSERT INTO archives (account_id, alias, created_at) VALUES ($1, $2, $3) RETURNING id"""


async def insert_archive(tx: Tx, account_id: int, alias: str | None, moment: datetime) -> int:
    """Ask for an archive; returns its id."""
    return int(await tx.fetchval(INSERT_ARCHIVE, account_id, alias, moment))


UPDATE_PROGRESS = """
    UPDATE archives SET state = 'writing', done = $2, total = $3 WHERE id = $1 AND state IN ('waiting', 'writing')
"""


async def update_progress(tx: Tx, archive_id: int, done: int, total: int) -> bool:
    """It is being written; False when nobody wants it any more."""
    return str(await tx.execute(UPDATE_PROGRESS, archive_id, done, total)) == "UPDATE 1"


UPDATE_READY = """
    UPDATE archives SET state = 'ready', file = $2, size_bytes = $3, sha256 = $4, ready_at = $5, expires_at = $6,
        done = total
    WHERE id = $1 AND state IN ('waiting', 'writing')
"""


async def update_ready(
    tx: Tx, archive_id: int, file: str, size: int, sha256: str, ready_at: datetime, expires_at: datetime
) -> bool:
    """It can be fetched; False when nobody wants it any more."""
    return str(await tx.execute(UPDATE_READY, archive_id, file, size, sha256, ready_at, expires_at)) == "UPDATE 1"


UPDATE_FAILED = """UPDATE archives SET state = 'failed' WHERE id = $1 AND state IN ('waiting', 'writing')"""


async def update_failed(tx: Tx, archive_id: int) -> None:
    """It could not be made."""
    await tx.execute(UPDATE_FAILED, archive_id)


UPDATE_LOST = """UPDATE archives SET state = 'failed', file = NULL WHERE id = $1 AND state = 'ready'"""


async def update_lost(tx: Tx, archive_id: int) -> None:
    """Its file is gone."""
    await tx.execute(UPDATE_LOST, archive_id)


UPDATE_STUCK = """
    UPDATE archives SET state = 'failed' WHERE state IN ('waiting', 'writing') AND created_at < $1
"""


async def update_stuck(tx: Tx, before: datetime) -> None:
    """Give up those that were asked for long ago."""
    await tx.execute(UPDATE_STUCK, before)


UPDATE_EXPIRED = """
    UPDATE archives SET state = 'expired', file = NULL WHERE id = ANY($1::bigint[]) AND state = 'ready'
"""
LIST_EXPIRED = """
    SELECT id, file FROM archives WHERE file IS NOT NULL AND expires_at < $1 ORDER BY expires_at LIMIT $2
"""
LIST_OTHERS = """SELECT id, file FROM archives WHERE account_id = $1 AND id <> $2 AND file IS NOT NULL"""


async def list_expired(tx: Tx, moment: datetime, limit: int) -> list[tuple[int, str]]:
    """Archives whose time is over, with their files."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_EXPIRED, moment, limit)]


async def list_others(tx: Tx, account_id: int, archive_id: int) -> list[tuple[int, str]]:
    """Other archives of an account that still have their files."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_OTHERS, account_id, archive_id)]


async def update_expired(tx: Tx, ids: list[int]) -> None:
    """They cannot be fetched any more."""
    await tx.execute(UPDATE_EXPIRED, ids)


LIST_KNOWN_FILES = """
    SELECT file FROM archives WHERE file = ANY($1::text[])
    UNION SELECT upload FROM imports WHERE upload = ANY($1::text[])
"""


async def list_known_files(tx: Tx, names: list[str]) -> set[str]:
    """Which files of the area of archives somebody still needs."""
    return {row[0] for row in await tx.fetch(LIST_KNOWN_FILES, names)}
