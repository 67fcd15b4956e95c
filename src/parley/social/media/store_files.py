"""The table of files: what may be served, and as what. No rule lives here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class FileRow(msgspec.Struct, frozen=True):
    """One stored file."""

    name: str
    mime_type: str
    size_bytes: int
    content_hash: bytes


GET_FILE = """
    SELECT name, mime_type, size_bytes, content_hash FROM files
    WHERE name = $1 AND NOT hidden AND NOT withdrawn
"""


async def get_file(tx: Tx, name: str) -> FileRow | None:
    """A file that may be served."""
    row = await tx.fetchrow(GET_FILE, name)
    return FileRow(*row) if row else None


INSERT_FILE = """
    INSERT INTO files (name, account_id, content_hash, mime_type, size_bytes) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_file(tx: Tx, file: FileRow, *, account_id: int | None) -> None:
    """Let a stored file be served; `account_id` is whose it is (None: the instance's)."""
    await tx.execute(INSERT_FILE, file.name, account_id, file.content_hash, file.mime_type, file.size_bytes)


DELETE_FILES = """DELETE FROM files WHERE name = ANY($1)"""


async def delete_files(tx: Tx, names: list[str]) -> None:
    """Serve these files no more."""
    await tx.execute(DELETE_FILES, names)


UPDATE_HIDDEN = """UPDATE files SET hidden = $2 WHERE name = ANY($1)"""


async def update_hidden(tx: Tx, names: list[str], *, hidden: bool) -> None:
    """Withhold files, or serve them again."""
    await tx.execute(UPDATE_HIDDEN, names, hidden)


# Attachments name their files in `media`; what is neither there nor in `used` was a profile picture.
LIST_UNUSED_FILES = """
    SELECT f.name FROM files f
    WHERE f.account_id = $1 AND NOT f.hidden AND f.created_at < $3 AND f.name <> ALL($2::text[])
      AND NOT EXISTS (SELECT FROM media m WHERE m.account_id = $1 AND f.name IN (m.file, m.preview_file))
"""


async def list_unused_files(tx: Tx, account_id: int, used: list[str], before: datetime) -> list[str]:
    """The account's files that no attachment has and that are not among `used`, stored before a time."""
    return [row[0] for row in await tx.fetch(LIST_UNUSED_FILES, account_id, used, before)]


UPDATE_WITHDRAWN = """UPDATE files SET withdrawn = $2 WHERE name = ANY($1) AND withdrawn <> $2"""


async def update_withdrawn(tx: Tx, names: list[str], *, withdrawn: bool) -> None:
    """Take files out of the public because their post went, or bring them back with a new post."""
    await tx.execute(UPDATE_WITHDRAWN, names, withdrawn)
