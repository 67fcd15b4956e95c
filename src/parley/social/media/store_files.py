"""The table of files: what may be served, and as what. No rule lives here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class FileRow(msgspec.Struct, frozen=True):
    """One stored file: its public name, what it is, and where its bytes lie."""

    name: str
    mime_type: str
    size_bytes: int
    content_hash: bytes
    content_key: str


class ServedRow(FileRow, frozen=True):
    """One stored file that may be served; when `withheld`, to those alone who may see what carries it."""

    withheld: bool


GET_FILE = """
    SELECT name, mime_type, size_bytes, content_hash, content_key, withheld FROM files
    WHERE name = $1 AND NOT hidden AND NOT withdrawn AND removed_at IS NULL
"""


async def get_file(tx: Tx, name: str) -> ServedRow | None:
    """A file that may be served."""
    row = await tx.fetchrow(GET_FILE, name)
    return ServedRow(*row) if row else None


GET_OWN_FILE = """
    SELECT name, mime_type, size_bytes, content_hash, content_key, withheld FROM files
    WHERE name = $1 AND account_id = $2 AND NOT hidden AND NOT withdrawn AND removed_at IS NULL
"""


async def get_own_file(tx: Tx, account_id: int, name: str) -> ServedRow | None:
    """A file that `account_id` sent and that nobody took down."""
    row = await tx.fetchrow(GET_OWN_FILE, name, account_id)
    return ServedRow(*row) if row else None


GET_KEY = """SELECT content_key FROM files WHERE name = $1"""


async def get_key(tx: Tx, name: str) -> str | None:
    """Where the bytes of a file lie, also of one that is served no more."""
    key: str | None = await tx.fetchval(GET_KEY, name)
    return key


LOCK_CONTENTS = """
    SELECT pg_advisory_xact_lock(hashtextextended('media ' || encode(one, 'hex'), 0)) FROM unnest($1::bytea[]) AS one
"""


async def lock_contents(tx: Tx, hashes: Iterable[bytes]) -> None:
    """Let one transaction at a time decide which names share these contents."""
    await tx.execute(LOCK_CONTENTS, sorted(set(hashes)))


GET_USED_KEY = """SELECT content_key FROM files WHERE content_hash = $1 AND removed_at IS NULL LIMIT 1"""


async def get_used_key(tx: Tx, content_hash: bytes) -> str | None:
    """Where this content lies already, for a name that was not removed."""
    key: str | None = await tx.fetchval(GET_USED_KEY, content_hash)
    return key


INSERT_FILE = """
    INSERT INTO files (name, account_id, content_hash, content_key, mime_type, size_bytes, withheld)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def insert_file(tx: Tx, file: FileRow, *, account_id: int | None, withheld: bool) -> None:
    """Let a stored file be served; `account_id` is whose it is (None: the instance's)."""
    content = (file.content_hash, file.content_key, file.mime_type, file.size_bytes)
    await tx.execute(INSERT_FILE, file.name, account_id, *content, withheld)


HAS_HIDDEN = """SELECT EXISTS (SELECT FROM hidden_contents WHERE content_hash = ANY($1::bytea[]))"""
INSERT_HIDDEN = """
    INSERT INTO hidden_contents (content_hash) SELECT content_hash FROM files WHERE name = ANY($1)
    ON CONFLICT DO NOTHING
"""
DELETE_HIDDEN = """
    DELETE FROM hidden_contents WHERE content_hash IN (SELECT content_hash FROM files WHERE name = ANY($1))
"""


async def has_hidden(tx: Tx, hashes: Iterable[bytes]) -> bool:
    """Whether one of these contents was hidden by people."""
    return bool(await tx.fetchval(HAS_HIDDEN, list(hashes)))


async def insert_hidden(tx: Tx, names: list[str]) -> None:
    """Remember what these files hold as hidden."""
    await tx.execute(INSERT_HIDDEN, names)


async def delete_hidden(tx: Tx, names: list[str]) -> None:
    """Forget that what these files hold was hidden."""
    await tx.execute(DELETE_HIDDEN, names)


# What waits to be cleaned counts as it was sent.
COUNT_STORED_BYTES = """
    SELECT coalesce((SELECT sum(size_bytes) FROM files WHERE account_id = $1 AND removed_at IS NULL), 0)
         + coalesce((SELECT sum(size_bytes) FROM media WHERE account_id = $1 AND state = 'processing'), 0)
"""


async def count_stored_bytes(tx: Tx, account_id: int) -> int:
    """How much an account stores."""
    return int(await tx.fetchval(COUNT_STORED_BYTES, account_id))


UPDATE_REMOVED = """UPDATE files SET removed_at = now() WHERE name = ANY($1) AND removed_at IS NULL"""


async def update_removed(tx: Tx, names: list[str]) -> None:
    """Serve these files never again; their rows say where the bytes are until those are deleted."""
    await tx.execute(UPDATE_REMOVED, names)


LIST_HASHES = """SELECT DISTINCT content_hash FROM files WHERE name = ANY($1)"""


async def list_hashes(tx: Tx, names: list[str]) -> list[bytes]:
    """The contents of files."""
    return [row[0] for row in await tx.fetch(LIST_HASHES, names)]


LIST_UNPRESERVED = """
    SELECT name FROM files WHERE name = ANY($1) AND (account_id IS NULL OR NOT is_preserved(account_id))
"""


async def list_unpreserved(tx: Tx, names: list[str]) -> list[str]:
    """Those of these files whose account need not be preserved: its conduct is under no review, and no hold."""
    return [row[0] for row in await tx.fetch(LIST_UNPRESERVED, names)]


DELETE_SHARING = """
    DELETE FROM files f
    WHERE f.name = ANY($1) AND f.removed_at IS NOT NULL AND EXISTS (
        SELECT FROM files o
        WHERE o.content_key = f.content_key AND (o.removed_at IS NULL OR o.name <> ALL($1))
    )
"""


async def delete_sharing(tx: Tx, names: list[str]) -> None:
    """Forget those removed names whose bytes a name outside of `names` still has."""
    await tx.execute(DELETE_SHARING, names)


LIST_REMOVED_KEYS = """
    SELECT DISTINCT content_key FROM files WHERE name = ANY($1) AND removed_at IS NOT NULL
"""


async def list_removed_keys(tx: Tx, names: list[str]) -> list[str]:
    """Where the bytes of removed names lie."""
    return [row[0] for row in await tx.fetch(LIST_REMOVED_KEYS, names)]


DELETE_REMOVED = """DELETE FROM files WHERE name = ANY($1) AND removed_at IS NOT NULL"""


async def delete_removed(tx: Tx, names: list[str]) -> None:
    """Forget removed names."""
    await tx.execute(DELETE_REMOVED, names)


LIST_LEFT_REMOVED = """
    SELECT name FROM files WHERE removed_at < $1 AND (account_id IS NULL OR NOT is_preserved(account_id))
    ORDER BY removed_at LIMIT $2
"""


async def list_left_removed(tx: Tx, before: datetime, limit: int) -> list[str]:
    """Names that were removed before a time, are still there, and need not be preserved."""
    return [row[0] for row in await tx.fetch(LIST_LEFT_REMOVED, before, limit)]


LIST_KNOWN_KEYS = """SELECT DISTINCT content_key FROM files WHERE content_key = ANY($1)"""


async def list_known_keys(tx: Tx, keys: list[str]) -> set[str]:
    """Which of the stored contents have a name, removed or not."""
    return {row[0] for row in await tx.fetch(LIST_KNOWN_KEYS, keys)}


LIST_HIDDEN_NAMES = """SELECT name FROM files WHERE name = ANY($1) AND hidden"""


async def list_hidden_names(tx: Tx, names: list[str]) -> set[str]:
    """Those of the files that are withheld from everybody."""
    return {row[0] for row in await tx.fetch(LIST_HIDDEN_NAMES, names)}


UPDATE_HIDDEN = """UPDATE files SET hidden = $2 WHERE name = ANY($1)"""


async def update_hidden(tx: Tx, names: list[str], *, hidden: bool) -> None:
    """Withhold files, or serve them again."""
    await tx.execute(UPDATE_HIDDEN, names, hidden)


# Attachments name their files in `media`; what is neither there nor in `used` was a profile picture.
LIST_UNUSED_FILES = """
    SELECT f.name FROM files f
    WHERE f.account_id = $1 AND NOT f.hidden AND f.removed_at IS NULL AND f.created_at < $3
      AND f.name <> ALL($2::text[])
      AND NOT EXISTS (SELECT FROM media m WHERE m.account_id = $1 AND f.name IN (m.file, m.preview_file))
"""


async def list_unused_files(tx: Tx, account_id: int, used: list[str], before: datetime) -> list[str]:
    """The account's files that no attachment has and that are not among `used`, stored before a time."""
    return [row[0] for row in await tx.fetch(LIST_UNUSED_FILES, account_id, used, before)]


UPDATE_WITHDRAWN = """UPDATE files SET withdrawn = $2 WHERE name = ANY($1) AND withdrawn <> $2"""


async def update_withdrawn(tx: Tx, names: list[str], *, withdrawn: bool) -> None:
    """Take files out of the public because their post went, or bring them back with a new post."""
    await tx.execute(UPDATE_WITHDRAWN, names, withdrawn)


UPDATE_WITHHELD = """UPDATE files SET withheld = $2 WHERE name = ANY($1) AND withheld <> $2"""


async def update_withheld(tx: Tx, names: list[str], *, withheld: bool) -> None:
    """Serve files to those alone who may see what carries them, or to everybody again."""
    await tx.execute(UPDATE_WITHHELD, names, withheld)
