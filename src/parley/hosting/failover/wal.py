"""Reading what a stopped server had written last: PostgreSQL's own `pg_waldump`, segment by segment.

Finds the transactions that committed after a point, and the tables' blocks that they touched. It reads rows nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess

import msgspec

from parley.hosting.failover.errors import FailoverError

SEGMENT = 16 * 1024 * 1024
OVERLAP = 1024 * 1024
"""So many bytes of the next segment are read with each, or records that reach over its end would be missed."""

BEFORE = 4 * SEGMENT
"""So many bytes before the point are read as well: what committed after it may have begun before."""

RECORD = re.compile(
    r"rmgr: (?P<rmgr>\w+)\s.*?tx:\s+(?P<tx>\d+), lsn: (?P<lsn>[0-9A-F]+/[0-9A-F]+), prev \S+ desc: (?P<desc>.*)"
)
BLOCK = re.compile(r"blkref #(\d+): rel \d+/\d+/(\d+)(?: fork (\w+))? blk (\d+)")
SUBXACTS = re.compile(r"subxacts: ([\d ]+)")
DELETED = re.compile(r"DELETE .*?off: (\d+)")
SEGMENT_NAME = re.compile(r"[0-9A-F]{24}")
MISSING = re.compile(r'could not find file "([0-9A-F]{24})"')
CANNOT_READ = ("could not open", "could not read", "Permission denied", "invalid WAL segment size", "invalid argument")

Waldump = Callable[..., "CompletedProcess[str]"]
"""Runs `pg_waldump` with some arguments."""


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """What was committed after a point."""

    transactions: list[str]
    """Their numbers, those of their parts too, in order."""
    commits: int
    first_new: str
    """The lowest number that was first seen after the point; empty when there is none."""
    end: str
    """Where the last record begins; empty when there is none after the point."""
    blocks: dict[int, list[int]]
    """Touched blocks by table file, in order."""
    deleted: dict[int, list[str]]
    """Places of deleted rows by table file, `(block,offset)`."""


def lsn_of(text: str) -> int:
    """`0/3000148` as a number; raises ValueError."""
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def lsn_text(number: int) -> str:
    """A position as PostgreSQL writes it."""
    return f"{number >> 32:X}/{number & 0xFFFFFFFF:X}"


def divergence_of(history: str, timeline: int) -> str | None:
    """Where a timeline was left, by the history of a later one (timeline, position, reason in each line); None when
    it is no ancestor: then the two servers have nothing in common."""
    for line in history.splitlines():
        parts = line.split()
        if len(parts) >= 2 and parts[0] == str(timeline):
            return parts[1]
    return None


def read_tail(waldump: Waldump, folder: Path, timeline: int, after: str) -> Tail:
    """What the server whose WAL lies in `folder` committed after the position `after`.

    Raises FailoverError when what came after the position is not all there.
    """
    point, oldest = lsn_of(after), _oldest(folder, timeline)
    if oldest is None or oldest > point:
        raise FailoverError(f"The old server's WAL of timeline {timeline} does not reach back to {after}.")
    gathering = _Gathering(point)
    for line in _lines(waldump, folder, timeline, max(point - BEFORE, oldest), point):
        gathering.take(line)
    return gathering.tail()


def newest_timeline(folder: Path) -> int:
    """The timeline that a stopped server wrote last, by its files; raises FailoverError when it has none."""
    found = [int(one.name[:8], 16) for one in folder.iterdir() if SEGMENT_NAME.fullmatch(one.name)]
    if not found:
        raise FailoverError(f"There is no write-ahead log in {folder}.")
    return max(found)


def _oldest(folder: Path, timeline: int) -> int | None:
    """Where the first segment of a timeline begins."""
    names = sorted(one.name for one in folder.iterdir() if SEGMENT_NAME.fullmatch(one.name))
    mine = [name for name in names if int(name[:8], 16) == timeline]
    return _begins(mine[0]) if mine else None


def _begins(name: str) -> int:
    """Where the segment of this name begins."""
    return (int(name[8:16], 16) << 32) + int(name[16:], 16) * SEGMENT


def _lines(waldump: Waldump, folder: Path, timeline: int, start: int, point: int) -> Iterator[str]:
    """Every record from `start` to the end, read in pieces so that no output grows without limit."""
    at, seen_end = start, False
    while not seen_end:
        until = (at // SEGMENT + 1) * SEGMENT
        done = waldump(
            *("-p", str(folder), "-t", str(timeline), "-s", lsn_text(at), "-e", lsn_text(until + OVERLAP)),
            *("-r", "Transaction", "-r", "Heap", "-r", "Heap2"),
        )
        yield from done.stdout.splitlines()
        # The end of a log is where no whole record follows. That is an error to the program, and none to us.
        seen_end = done.returncode != 0
        cannot_read = any(words in done.stderr for words in CANNOT_READ)
        missing = MISSING.search(done.stderr)
        if seen_end and (cannot_read or (missing and _begins(missing[1]) < point)):
            raise FailoverError(f"The old server's WAL at {lsn_text(at)} cannot be read: {done.stderr.strip()[-300:]}")
        at = until


class _Gathering:
    """What has been read so far."""

    def __init__(self, point: int) -> None:
        self._point = point
        self._blocks: dict[str, set[tuple[int, int]]] = {}
        self._deleted: dict[str, set[tuple[int, str]]] = {}
        self._committed: set[str] = set()
        self._commits: set[str] = set()
        self._old: set[str] = set()
        self._new: set[str] = set()
        self._end = ""

    def take(self, line: str) -> None:
        """One record."""
        found = RECORD.match(line)
        if found is None:
            return
        tx, after = found["tx"], lsn_of(found["lsn"]) >= self._point
        if tx != "0":
            if after and tx not in self._old:
                self._new.add(tx)
            elif not after:
                self._old.add(tx)
        if after:
            self._end = found["lsn"]
        if found["rmgr"] == "Transaction":
            self._end_of_transaction(tx, found["desc"], after=after)
        elif tx != "0":
            self._touched(tx, found["desc"])

    def _end_of_transaction(self, tx: str, said: str, *, after: bool) -> None:
        if not said.startswith(("COMMIT", "ABORT")):
            return
        parts = SUBXACTS.search(said)
        all_parts = {tx, *(parts[1].split() if parts else ())}
        if after and said.startswith("COMMIT"):
            self._committed |= all_parts
            self._commits.add(tx)
            return
        for one in all_parts:  # given up, or before the point: everybody has it
            self._blocks.pop(one, None)
            self._deleted.pop(one, None)

    def _touched(self, tx: str, said: str) -> None:
        for number, node, fork, block in BLOCK.findall(said):
            if fork in ("", "main"):
                self._blocks.setdefault(tx, set()).add((int(node), int(block)))
                gone = DELETED.match(said) if number == "0" else None
                if gone:
                    self._deleted.setdefault(tx, set()).add((int(node), f"({block},{gone[1]})"))

    def tail(self) -> Tail:
        """The result."""
        blocks: dict[int, set[int]] = {}
        deleted: dict[int, set[str]] = {}
        for tx in self._committed:
            for node, block in self._blocks.get(tx, ()):
                blocks.setdefault(node, set()).add(block)
            for node, place in self._deleted.get(tx, ()):
                deleted.setdefault(node, set()).add(place)
        return Tail(
            transactions=sorted(self._committed, key=int),
            commits=len(self._commits),
            first_new=min(self._new, key=int, default=""),
            end=self._end,
            blocks={node: sorted(found) for node, found in sorted(blocks.items())},
            deleted={node: sorted(found) for node, found in sorted(deleted.items())},
        )
