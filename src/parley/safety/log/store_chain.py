"""The whole log, for checking and handing it out: entries in order, the head, rows of tables, checkpoints. SQL only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx

BATCH = 2000

LIST_CHAIN = """
    SELECT seq, id, previous, hash, body, type, actor_type, actor_id, case_id, subject_type, subject_id
    FROM moderation_events WHERE seq > $1 OR seq IS NULL ORDER BY seq NULLS LAST, id
"""


async def list_chain(tx: Tx, after_seq: int = 0) -> AsyncIterator[Sequence[Any]]:
    """Every entry after one in order, in batches of rows; those without a place come last. Needs a transaction."""
    cursor = await tx.cursor(LIST_CHAIN, after_seq)
    while rows := await cursor.fetch(BATCH):
        yield rows


LIST_HASHES = """SELECT hash FROM moderation_events WHERE seq > $1 AND seq <= $2 ORDER BY seq"""


async def list_hashes(tx: Tx, after_seq: int, until_seq: int) -> AsyncIterator[Sequence[Any]]:
    """The hashes of entries in order, in batches. Needs a transaction."""
    cursor = await tx.cursor(LIST_HASHES, after_seq, until_seq)
    while rows := await cursor.fetch(BATCH * 5):
        yield rows


class Head(msgspec.Struct, frozen=True):
    """The newest entry of the chain; seq 0: there is none yet."""

    seq: int
    hash: bytes


GET_HEAD = """SELECT seq, hash FROM moderation_chain"""


async def get_head(tx: Tx) -> Head:
    """Where the chain ends, as the database keeps it."""
    row = await tx.fetchrow(GET_HEAD)
    return Head(*row) if row else Head(0, b"")


COUNT_ENTRIES = """SELECT count(*) FROM moderation_events"""


async def count_entries(tx: Tx) -> int:
    """How many entries there are."""
    return int(await tx.fetchval(COUNT_ENTRIES))


LIST_LOGGED_TABLES = """
    SELECT tgrelid::regclass::text, tgenabled <> 'O' FROM pg_trigger WHERE tgname = 'logged' ORDER BY 1
"""


async def list_logged_tables(tx: Tx) -> list[tuple[str, bool]]:
    """The tables whose changes the log has; true for one whose trigger was switched off."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_LOGGED_TABLES)]


LIST_ROWS = """SELECT id::bigint, contents FROM list_moderation_rows($1) ORDER BY id::bigint"""


async def list_rows(tx: Tx, table: str) -> AsyncIterator[Sequence[Any]]:
    """The rows of a table by id as the log must have them, in batches. Needs a transaction."""
    cursor = await tx.cursor(LIST_ROWS, table)
    while rows := await cursor.fetch(BATCH):
        yield rows


GET_OPENED_VALUE = """SELECT value, opening FROM open_moderation_value($1, $2, $3)"""


async def get_opened_value(tx: Tx, table: str, row_id: int, column: str) -> tuple[str, bytes] | None:
    """A hidden value of a row, as text, and what proves it; None for a column that is not hidden, or empty."""
    row = await tx.fetchrow(GET_OPENED_VALUE, table, row_id, column)
    return (row[0], row[1]) if row else None


class CheckpointRow(msgspec.Struct, frozen=True):
    """A signed head of the chain."""

    seq: int
    hash: bytes
    root: bytes
    peaks: list[bytes]
    signed: str
    public_key: bytes
    signature: bytes
    created_at: datetime


LIST_CHECKPOINTS = """
    SELECT seq, hash, root, peaks, signed, public_key, signature, created_at
    FROM moderation_checkpoints WHERE seq < $1 ORDER BY seq DESC LIMIT $2
"""


async def list_checkpoints(tx: Tx, before_seq: int, limit: int) -> list[CheckpointRow]:
    """Signed heads, newest first."""
    return [CheckpointRow(*row) for row in await tx.fetch(LIST_CHECKPOINTS, before_seq, limit)]


INSERT_CHECKPOINT = """
    INSERT INTO moderation_checkpoints (seq, hash, root, peaks, signed, public_key, signature)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (seq) DO NOTHING
"""


async def insert_checkpoint(
    tx: Tx, head: Head, tree: tuple[bytes, list[bytes]], signed: str, public_key: bytes, signature: bytes
) -> None:
    """Keep a signed head; `tree` is its root and its peaks."""
    await tx.execute(INSERT_CHECKPOINT, head.seq, head.hash, *tree, signed, public_key, signature)


GET_HASH = """SELECT hash FROM moderation_events WHERE seq = $1"""


async def get_hash(tx: Tx, seq: int) -> bytes | None:
    """The hash of one entry."""
    found: bytes | None = await tx.fetchval(GET_HASH, seq)
    return found
