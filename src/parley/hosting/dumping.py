"""The database into a snapshot: every table as PostgreSQL's own text format, in one view of the database.

The schema is not copied: the migrations make it, on whatever PostgreSQL the instance is restored to. That is why a
snapshot of an embedded server can be restored into a system's PostgreSQL and the other way round, and between versions
of PostgreSQL (https://www.postgresql.org/docs/current/sql-copy.html, text format).
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from parley.hosting import store
from parley.hosting.manifest import Stored, TableEntry
from parley.hosting.places import Place
from parley.hosting.sealing import seal_file

PART_BYTES = 64 * 1024 * 1024
"""Rows are cut into parts of this size, before compression: what is on this machine's disk at one time."""

Progress = Callable[[int, int], None]
"""Told how many bytes are done, and of how many about."""


class Tally:
    """How far long work is, in bytes."""

    def __init__(self, progress: Progress | None = None, total: int = 0) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def add(self, size: int) -> None:
        """So many more are done."""
        self._done += size
        if self._progress:
            self._progress(self._done, max(self._total, self._done))

    def expect(self, total: int) -> None:
        """So many there will be."""
        self._total = total


class Writing:
    """Where the objects of one snapshot go: counts them, and keeps each until it is stored."""

    def __init__(self, place: Place, recipient: str, scratch: Path, tally: Tally) -> None:
        self.place = place
        self.recipient = recipient
        self.scratch = scratch
        self.tally = tally
        self.objects: dict[str, Stored] = {}

    async def add(self, plain: BinaryIO, *, compress: bool) -> str:
        """Encrypt and store what `plain` holds from where it stands; returns the object's name."""
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="sealing-") as folder:
            sealed = Path(folder) / "sealed"
            stored = await asyncio.to_thread(seal_file, plain, sealed, self.recipient, compress=compress)
            await self.place.put(stored.name, sealed)
        self.objects[stored.name] = stored
        self.tally.add(plain.tell())
        return stored.name


async def dump_tables(connection: Any, writing: Writing) -> list[TableEntry]:
    """Copy every table; `connection` is in the one transaction in which everything is read."""
    return [await _dump_table(connection, writing, row) for row in await store.list_tables(connection)]


async def _dump_table(connection: Any, writing: Writing, row: store.TableRow) -> TableEntry:
    """One table. asyncpg hands over pieces of a few KiB; they are cut into parts without regard to rows."""
    digest = hashlib.sha256()
    parts: list[str] = []
    with tempfile.TemporaryFile(dir=writing.scratch) as file:

        async def take(data: bytes) -> None:
            digest.update(data)
            file.write(data)
            if file.tell() >= PART_BYTES:
                await finish_part()

        async def finish_part() -> None:
            if file.tell():
                file.seek(0)
                parts.append(await writing.add(file, compress=True))
                file.seek(0)
                file.truncate()

        answer = await connection.copy_from_table(row.name, output=take, columns=row.columns, format="text")
        await finish_part()
    return TableEntry(
        name=row.name,
        columns=tuple(row.columns),
        rows=int(answer.removeprefix("COPY ")),
        sha256=digest.hexdigest(),
        parts=tuple(parts),
        partition_of=row.partition_of,
        bound=row.bound,
    )
