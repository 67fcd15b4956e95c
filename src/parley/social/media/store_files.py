"""The table of files: what may be served, and as what. No rule lives here."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class FileRow(msgspec.Struct, frozen=True):
    """One stored file."""

    name: str
    mime_type: str
    size_bytes: int
    content_hash: bytes


GET_FILE = """
    SELECT name, mime_type, size_bytes, content_hash FROM files WHERE name = $1 AND NOT hidden
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
