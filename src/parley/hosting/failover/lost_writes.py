"""What only an overtaken host has: its rows compared with those of the host that took over, and written to a folder.

The old server runs privately meanwhile and is only read. Nothing is changed on either side; nothing of the old host may
be given up before `report.json`, which is written last, is on the disk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from parley.hosting.failover import store
from parley.hosting.failover.lost_summary import Summary
from parley.hosting.failover.store import TouchedRow
from parley.hosting.failover.wal import Tail
from parley.hosting.hosts.records import write_durably

FOLDER = "lost-writes"
REPORT = "report.json"
SUMMARY = "summary.txt"
ROWS = "rows"
FILES = "files"
BLOCKS_AT_ONCE = 64
ROWS_AT_ONCE = 500

What = Literal["only_here", "changed_here", "deleted_here"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A row that is not the same on the two hosts, by the old one's doing."""

    table: str
    what: What
    key: dict[str, Any]
    here: dict[str, Any] | None
    """As the old host has it; None when it has deleted it."""
    there: dict[str, Any] | None
    """As the new host has it now."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The head of a report, in `report.json`."""

    host: str
    new_host: str
    old_epoch: int
    epoch: int
    waited: bool
    """Whether the old host waited for its standby before it acknowledged anything: then none of this was."""
    left_at: str
    """Where the new host's history left the old one's."""
    transactions: int
    """How many were committed after that; -1 where the old host's WAL was not all there any more: then every table was
    compared as a whole, and rows that it had only deleted are not among these."""
    rows: dict[str, dict[str, int]]
    """Differences by table and kind. A row that both have alike is none."""
    files: int
    """Files that only the old host had; they are in `files/`."""
    missing_files: tuple[str, ...] = ()
    """Files that a row names and that were nowhere on the old host."""
    seconds: float
    made_at: str

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was lost."""
        return not self.files and not any(count for kinds in self.rows.values() for count in kinds.values())


class Writing:
    """A report while it is written: rows as JSON lines by table, and the summary for people."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: dict[str, dict[str, int]] = {}
        self.summary = Summary()
        self._open: dict[str, Any] = {}
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / ROWS).mkdir(mode=0o700, exist_ok=True)

    def take(self, one: Difference) -> None:
        """Write one row down."""
        if one.table not in self._open:
            path = self.folder / ROWS / f"{one.table.replace('/', '_')}.jsonl"
            self._open[one.table] = path.open("wb")
            path.chmod(0o600)
        self._open[one.table].write(msgspec.json.encode(one) + b"\n")
        kinds = self.counts.setdefault(one.table, {})
        kinds[one.what] = kinds.get(one.what, 0) + 1
        self.summary.take(one.table, one.what, one.here if one.here is not None else one.there or {}, one.there)

    def finish(self, report: Report, names: dict[str, str]) -> None:
        """Bring everything to the disk, the report's head last. `names` are usernames by account id."""
        import os

        for file in self._open.values():
            file.flush()
            os.fsync(file.fileno())
            file.close()
        text = self.summary.text(msgspec.to_builtins(report), names)
        write_durably(self.folder / SUMMARY, text.encode())
        for folder in (self.folder / ROWS, self.folder):
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        write_durably(self.folder / REPORT, msgspec.json.format(msgspec.json.encode(report)))


async def list_differences(old: Any, new: Any, tail: Tail) -> AsyncIterator[Difference]:
    """Every row that the transactions of `tail` left different on the connection `old` from what `new` has."""
    touched = await store.list_touched(old, sorted({*tail.blocks, *tail.deleted}))
    for table in touched:
        async for one in _left_behind(old, new, table, tail):
            yield one
        async for one in _deleted(old, new, table, tail):
            yield one


async def list_differences_since(old: Any, new: Any, first: str) -> AsyncIterator[Difference]:
    """The same where the old host's WAL is not all there: every table is read as a whole. `first` is the new host's
    first transaction; rows that the old one only deleted are not found."""
    for table in await store.list_all_tables(old):
        offset = 0
        while rows := await store.list_since(old, table.name, first, offset, ROWS_AT_ONCE):
            offset += len(rows)
            for one in await _compared(new, table, rows):
                yield one


async def _compared(new: Any, table: TouchedRow, rows: list[dict[str, Any]]) -> list[Difference]:
    """Those of the old host's rows that the new one does not have, or has otherwise."""
    keys = [_key_of(table, row) for row in rows]
    there = {} if not table.keys else _by_key(table, await store.list_like(new, table.root, keys))
    found = []
    for key, row in zip(keys, rows, strict=True):
        other = there.get(_text_of(key))
        if other != row:
            what: What = "only_here" if other is None else "changed_here"
            found.append(Difference(table=table.root, what=what, key=key, here=row, there=other))
    return found


async def _left_behind(old: Any, new: Any, table: TouchedRow, tail: Tail) -> AsyncIterator[Difference]:
    for first, last in _ranges(tail.blocks.get(table.node, [])):
        rows = await store.list_written(old, table.name, tail.transactions, first, last)
        for some in _pieces(rows, ROWS_AT_ONCE):
            for one in await _compared(new, table, some):
                yield one


async def _deleted(old: Any, new: Any, table: TouchedRow, tail: Tail) -> AsyncIterator[Difference]:
    """Rows that the old host deleted and the new one still has where it lay when they parted."""
    if not table.keys:
        return
    for places in _pieces(tail.deleted.get(table.node, []), ROWS_AT_ONCE):
        rows = await store.list_at(new, table.name, list(places), tail.first_new)
        keys = [_key_of(table, row) for row in rows]
        still = _by_key(table, await store.list_like(old, table.root, keys))
        for key, row in zip(keys, rows, strict=True):
            if _text_of(key) not in still:
                yield Difference(table=table.root, what="deleted_here", key=key, here=None, there=row)


def list_reports(data_dir: Path) -> list[tuple[Path, Report]]:
    """The reports that are on this host's disk, oldest first; unfinished ones are none."""
    found = []
    for path in sorted((data_dir / FOLDER).glob(f"*/{REPORT}")):
        found.append((path.parent, msgspec.json.decode(path.read_bytes(), type=Report)))
    return found


def _ranges(blocks: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Neighbouring blocks together, so that each is read in one go."""
    first = last = None
    for block in blocks:
        if first is None or last is None:
            first = last = block
        elif block == last + 1 and block - first < BLOCKS_AT_ONCE:
            last = block
        else:
            yield first, last
            first = last = block
    if first is not None and last is not None:
        yield first, last


def _pieces(items: Sequence[Any], size: int) -> Iterator[list[Any]]:
    walking = iter(items)
    while piece := list(islice(walking, size)):
        yield piece


def _key_of(table: TouchedRow, row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in table.keys}


def _text_of(key: dict[str, Any]) -> str:
    return msgspec.json.encode(key, order="sorted").decode()


def _by_key(table: TouchedRow, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {_text_of(_key_of(table, row)): row for row in rows}
