"""The lines of the file log, and how one file of them is read. Knows neither the lock nor the gate: see filelog.py.

A line is the change as JSON, a space, and the chain hash: the SHA-256 of the chain hash before it and of that JSON. The
first line of each file is a `base`, which says where the file before it ended.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

log = logging.getLogger(__name__)

MOST_LINE = 4096
START = hashlib.sha256(b"").hexdigest()
"""The chain hash before the first change."""

encode_change = msgspec.json.Encoder().encode


class FileLogError(Exception):
    """The log is not what it should be; the text says how."""


class TooOld(FileLogError):
    """What was asked for is not kept any more, or is of another history: compare everything."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One change. `base` is no change: it begins a file of the log and says where the one before ended."""

    n: int
    """Position: grows by one with every change, for ever."""
    at: float
    """Seconds since 1970, by the clock of the host that wrote it."""
    op: Literal["put", "delete", "move", "base"]
    area: str = ""
    name: str = ""
    target: str = ""
    """The new name of what was moved."""
    size: int = 0
    sha256: str = ""
    """In hexadecimal, of what was put or moved."""
    total: int = 0
    """Bytes of everything that was put since the log began, with this."""


class Mark(msgspec.Struct, frozen=True):
    """A place in the log: its position, its chain hash in hexadecimal, and the bytes that were put until there."""

    position: int = 0
    root: str = START
    total: int = 0


class Line(msgspec.Struct, frozen=True):
    """One line as it stands in the log, and what it says."""

    raw: bytes
    change: Change
    root: str

    @property
    def mark(self) -> Mark:
        """The place after this line."""
        return Mark(self.change.n, self.root, self.change.total)


class NewChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be appended."""

    op: Literal["put", "delete", "move"]
    area: str
    name: str
    target: str = ""
    size: int = 0
    sha256: str = ""


def chain(root: str, said: bytes) -> str:
    """The chain hash after a line that says `said`, when it was `root` before."""
    return hashlib.sha256(bytes.fromhex(root) + said).hexdigest()


def parse_line(raw: bytes) -> Line:
    """Read one line without its newline; raises FileLogError for anything else."""
    said, _, root = raw.rpartition(b" ")
    try:
        if len(root) != 64 or len(raw) > MOST_LINE:
            raise ValueError("no chain hash")
        bytes.fromhex(root.decode())
        return Line(raw, msgspec.json.decode(said, type=Change), root.decode())
    except (msgspec.DecodeError, ValueError) as error:
        raise FileLogError(f"a line of the file log is damaged: {error}") from error


def check_follows(before: Mark, line: Line) -> None:
    """Raise FileLogError unless `line` is the very next one after `before`."""
    said = line.raw.rpartition(b" ")[0]
    if line.change.op == "base":
        raise FileLogError("a change was expected, and not the beginning of a file")
    if line.change.n != before.position + 1 or chain(before.root, said) != line.root:
        raise FileLogError(f"change {line.change.n} does not follow {before.position}")


def lines_in(path: Path) -> Iterator[Line]:
    """Every change in a file, without its first line."""
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):
                return
            line = parse_line(raw[:-1])
            if line.change.op != "base":
                yield line


def base_of(path: Path) -> Line | None:
    """The first line of a file; None when it has no whole one."""
    with path.open("rb") as file:
        raw = file.readline(MOST_LINE)
    return parse_line(raw[:-1]) if raw.endswith(b"\n") else None


def first_of(path: Path) -> int:
    """The position that a file goes on from."""
    first = base_of(path) if path.exists() else None
    return 0 if first is None else first.change.n


def last_mark(path: Path) -> tuple[Mark, int] | None:
    """The place after the last whole line of a file, and where that line ends; None for a file without one."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 2 * MOST_LINE))
        data = file.read()
    whole, _, torn = data.rpartition(b"\n")
    raw = whole.rpartition(b"\n")[2]
    return (parse_line(raw).mark, size - len(torn)) if raw else None


def cut_damage(path: Path) -> None:
    """Cut a file off before its first line that is torn, damaged or does not follow the one before it."""
    good, before = 0, None
    with path.open("rb") as file:
        for raw in file:
            try:
                line = parse_line(raw[:-1]) if raw.endswith(b"\n") else None
                if line is None:
                    break
                if before is not None:
                    check_follows(before, line)
            except FileLogError:
                break
            before, good = line.mark, good + len(raw)
    size = path.stat().st_size
    if good < size:
        log.warning("%s: cut off %d bytes that a crash left unfinished", path, size - good)
        os.truncate(path, good)
    if before is None:
        path.unlink()


def offset_after(file: BinaryIO, position: int) -> int:
    """Where the first change after `position` begins: found by halving, for lines stand in order."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while low < high:
        middle = (low + high) // 2
        file.seek(middle)
        if middle:
            file.readline()
        start, raw = file.tell(), file.readline()
        if not raw.endswith(b"\n") or start >= high:
            high = middle
        elif (line := parse_line(raw[:-1])).change.n <= position or line.change.op == "base":
            low = start + len(raw)
        else:
            high = middle
    file.seek(low)
    while (raw := file.readline()).endswith(b"\n"):
        line = parse_line(raw[:-1])
        if line.change.n > position and line.change.op != "base":
            break
        low += len(raw)
    return low


def read_after(path: Path, after: int, most: int, end: int) -> list[Line]:
    """At most `most` changes of one file whose positions are above `after` and not above `end`."""
    found: list[Line] = []
    if not path.exists():
        return found
    with path.open("rb") as file:
        file.seek(offset_after(file, after))
        while len(found) < most and (raw := file.readline()).endswith(b"\n"):
            line = parse_line(raw[:-1])
            if line.change.n > end:
                break
            if line.change.n > after and line.change.op != "base":
                found.append(line)
    return found
