"""The file log: every change of what the file store keeps, in order, for the host that follows this one.

One line for each change, in `<data_dir>/files.log`; see filelog_lines.py for what it says. Each carries a chain hash:
whoever has the same hash at the same position has seen the same changes. Several processes append at the same time,
under one lock. A host without an agent has no such log. It knows no store and no network: bytes are stored before a
line speaks of them.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from parley.kit.errors import Unavailable
from parley.kit.filelog_lines import (
    Change,
    FileLogError,
    Line,
    Mark,
    NewChange,
    TooOld,
    base_of,
    chain,
    check_follows,
    cut_damage,
    encode_change,
    first_of,
    last_mark,
    lines_in,
    offset_after,
    parse_line,
    read_after,
)
from parley.kit.gate import Field, Gate, GateClosed, State, gate_of

if TYPE_CHECKING:
    from parley.kit.settings import Settings

log = logging.getLogger(__name__)

LOG_FILE = "files.log"
LOCK_FILE = "files.log.lock"
GAP_FILE = "files.log.gap"
"""There when files were changed while no log was kept: whoever follows must compare everything."""

SEGMENT = 8 * 2**20
"""Bytes after which a new file of the log begins; about 30,000 changes."""

MOST_SEGMENTS = 8
"""So many full files are kept for a host that is behind; one that is further behind compares everything instead."""

SAFE_WITHIN = 8.0
"""Seconds that a put waits for the other host, where it must."""

MOST_READ_ON = 64 * 1024
"""Bytes that others appended and that are read line by line; of more than these only the end is."""

LOOK_EVERY = 0.004
RETRY_AFTER = 5


class Held(Exception):
    """Nothing may be appended while the gate is held; wait for it, and try again."""


class NotSafe(Unavailable):
    """The other host did not confirm in time that it has a file, so nobody may be told that it is stored."""

    code = "not_acknowledged"
    default_text = "This file could not be stored safely right now. Please try again in a moment."


class FileLog:
    """One process's hold on the log in `folder`. Its methods block: call them in a thread."""

    def __init__(self, folder: Path, gate: Gate, *, segment: int = SEGMENT) -> None:
        self.folder = folder
        self.gate = gate
        self._segment = segment
        self._guard = threading.Lock()
        self._file: BinaryIO | None = None
        self._end = 0
        self._mark = Mark()

    # ---- What anybody may ask ----------------------------------------------------------------------------------------
    def mark(self) -> Mark:
        """Where the log ends. What is held at the gate now cannot come before this any more."""
        with self._locked():
            if self.gate.get(Field.FILES_WRITTEN) < self._mark.position and self._file is not None:
                # Somebody is about to say so, or died before that.
                os.fdatasync(self._file.fileno())
                self.gate.put(Field.FILES_WRITTEN, self._mark.position)
            return self._mark

    def read(self, after: int, *, root: str | None = None, most: int = 500) -> list[Line]:
        """At most `most` lines after a position, only such as are on disk; raises TooOld.

        With `root`, the chain hash there must be this one; what differs is of another history.
        """
        with self._locked():
            end = self.gate.get(Field.FILES_WRITTEN)
            if after > self._mark.position:
                raise TooOld(f"the log ends at {self._mark.position}, before {after}")
            known = self._mark_at(after) if root is not None else None
            if root is not None and (known is None or known.root != root):
                raise TooOld(f"position {after} is of another history")
            found: list[Line] = []
            for path in self._segments():
                found += read_after(path, after, most - len(found), end)
                if len(found) >= most:
                    break
        if after < end and (not found or found[0].change.n != after + 1):
            raise TooOld(f"what followed {after} is not kept any more")
        return found

    def mark_at(self, position: int) -> Mark | None:
        """The place at a position; None when it is not known any more, or not yet."""
        with self._locked():
            return self._mark_at(position)

    @property
    def oldest(self) -> int:
        """The first position that is still known."""
        with self._locked():
            return min((first_of(path) for path in self._segments()), default=0)

    # ---- The host that writes ----------------------------------------------------------------------------------------
    def append(self, new: Sequence[NewChange]) -> int:
        """Write changes down and return the position of the last, once they are on disk.

        Raises Held while the gate is held and GateClosed when this host may not write: then nothing was written.
        """
        with self._locked():
            state = self.gate.state
            if state is State.HOLD:
                raise Held
            if state is not State.OPEN:
                raise GateClosed(retry_after=RETRY_AFTER)
            file = self._written(self._lines_of(new))
            position = self._mark.position
        os.fdatasync(file.fileno())
        with self._locked():
            self.gate.put(Field.FILES_WRITTEN, max(position, self.gate.get(Field.FILES_WRITTEN)))
        return position

    def _lines_of(self, new: Sequence[NewChange]) -> list[Line]:
        lines, mark = [], self._mark
        for one in new:
            total = mark.total + (one.size if one.op == "put" else 0)
            fields = msgspec.structs.asdict(one)
            change = Change(n=mark.position + 1, at=round(time.time(), 3), total=total, **fields)
            said = encode_change(change)
            root = chain(mark.root, said)
            lines.append(Line(said + b" " + root.encode(), change, root))
            mark = lines[-1].mark
        return lines

    async def note(self, *new: NewChange) -> int:
        """Append changes once the gate lets them pass; returns the position. Raises GateClosed."""
        while True:
            await self.gate.enter()
            try:
                return await asyncio.to_thread(self.append, new)
            except Held:
                continue

    async def wait_safe(self, position: int, *, within: float = SAFE_WITHIN) -> None:
        """Where commits wait for the other host: until it has everything up to `position`.

        Raises NotSafe when that takes too long, GateClosed when this host may write no more meanwhile.
        """
        until = time.monotonic() + within
        while self.gate.get(Field.FILES_WAIT) and self.gate.get(Field.FILES_SAFE) < position:
            if self.gate.state not in (State.OPEN, State.HOLD):
                raise GateClosed(retry_after=RETRY_AFTER)
            if time.monotonic() >= until:
                raise NotSafe(retry_after=RETRY_AFTER, detail=f"the standby did not confirm file change {position}")
            await asyncio.sleep(LOOK_EVERY)

    # ---- The host that follows ---------------------------------------------------------------------------------------
    def follow(self, lines: Sequence[Line]) -> Mark:
        """Take over lines of the other host's log, whose files are here; raises FileLogError if they do not follow."""
        with self._locked():
            mark = self._mark
            for line in lines:
                check_follows(mark, line)
                mark = line.mark
            if lines:
                os.fdatasync(self._written(lines).fileno())
                self.gate.put(Field.FILES_WRITTEN, mark.position)
            return self._mark

    def begin_at(self, mark: Mark) -> None:
        """Forget everything and go on from `mark`: all that was before was compared file by file."""
        with self._locked():
            self._begin_file(mark)
            for path in self._segments()[:-1]:
                path.unlink()
            self._tell_end()

    def cut_after(self, position: int) -> list[Line]:
        """Cut off what follows `position` and return it; raises TooOld when that is not known any more."""
        with self._locked():
            mark = self._mark_at(position)
            if mark is None:
                raise TooOld(f"position {position} is not known any more")
            lost = [line for path in self._segments() for line in lines_in(path) if line.change.n > position]
            self._begin_file(mark)
            self._drop_overlaps()
            self._tell_end()
            return lost

    def _tell_end(self) -> None:
        """Tell the gate where a log ends that went back: nobody has confirmed anything of what will come."""
        self.gate.put(Field.FILES_SAFE, 0)
        self.gate.put(Field.FILES_WRITTEN, self._mark.position)

    def _drop_overlaps(self) -> None:
        """Let each full file end where the next one begins, and drop those that do not lead there: the newer holds."""
        *old, newest = self._segments()
        begins, leads = base_of(newest), True
        for path in reversed(old):
            if leads and begins is not None and first_of(path) < begins.change.n:
                with path.open("r+b") as file:
                    file.truncate(offset_after(file, begins.change.n))
                end = last_mark(path)
                leads = end is not None and (end[0].position, end[0].root) == (begins.change.n, begins.root)
                if leads:
                    begins = base_of(path)
                    continue
            path.unlink()

    # ---- The agent, when it starts -----------------------------------------------------------------------------------
    def recover(self) -> Mark:
        """Check every line, cut off what a crash left torn or damaged, and tell the gate where the log ends."""
        with self._locked():
            for path in self._segments():
                cut_damage(path)
            self._reopen()
            self._drop_overlaps()
            gap, known = self.folder / GAP_FILE, self.gate.get(Field.FILES_WRITTEN)
            if gap.exists() or self._mark.position < known:
                # What is missing was told to nobody who could tell us, so who follows must compare everything.
                position = max(self._mark.position, known) + 1
                self._begin_file(Mark(position, chain(self._mark.root, b"gap"), self._mark.total))
                for path in self._segments()[:-1]:
                    path.unlink()
                gap.unlink(missing_ok=True)
            self.gate.put(Field.FILES_WRITTEN, self._mark.position)
            return self._mark

    # ---- Files -------------------------------------------------------------------------------------------------------
    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock of all processes, and know what stands at the log's end."""
        with self._guard:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with (self.folder / LOCK_FILE).open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._load()
                yield

    def _load(self) -> None:
        """Read what other processes appended since, and cut off a last line that one of them did not finish."""
        path = self.folder / LOG_FILE
        try:
            if self._file is None or not path.exists() or os.fstat(self._file.fileno()).st_ino != path.stat().st_ino:
                self._reopen()
            assert self._file is not None
            size = os.fstat(self._file.fileno()).st_size
            if size - self._end > MOST_READ_ON:
                self._reopen()
            if size != self._end:
                self._read_on(size)
        except FileLogError:
            cut_damage(path)
            self._reopen()

    def _reopen(self) -> None:
        path = self.folder / LOG_FILE
        if self._file is not None:
            self._file.close()
            self._file = None
        last = last_mark(path) if path.exists() else None
        if last is None:
            self._begin_file(self._end_of_segments())
            return
        self._file = path.open("r+b", buffering=0)
        self._mark, self._end = last

    def _read_on(self, size: int) -> None:
        assert self._file is not None
        self._file.seek(self._end)
        data = self._file.read(size - self._end) or b""
        for raw in data.splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                log.warning("the file log had an unfinished last line, which is cut off")
                os.ftruncate(self._file.fileno(), self._end)
                break
            self._mark = parse_line(raw[:-1]).mark
            self._end += len(raw)

    def _written(self, lines: Sequence[Line]) -> BinaryIO:
        """Write lines at the end, not yet on disk; returns the file."""
        if self._end >= self._segment:
            self._begin_file(self._mark)
            self._forget_old()
        assert self._file is not None
        data = b"".join(line.raw + b"\n" for line in lines)
        self._file.seek(self._end)
        try:
            if self._file.write(data) != len(data):
                raise OSError("the disk is full")
        except OSError:
            os.ftruncate(self._file.fileno(), self._end)
            raise
        self._end += len(data)
        self._mark = lines[-1].mark
        return self._file

    def _begin_file(self, mark: Mark) -> None:
        """A new file that goes on from `mark`; the one so far stays beside it."""
        path = self.folder / LOG_FILE
        base = Change(n=mark.position, at=round(time.time(), 3), op="base", total=mark.total)
        raw = encode_change(base) + b" " + mark.root.encode() + b"\n"
        fresh = self.folder / f"{LOG_FILE}.new"
        with fresh.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            if self._file is not None:
                os.fdatasync(self._file.fileno())
                self._file.close()
            path.rename(self._segment_path(path))
        fresh.rename(path)
        sync_folder(self.folder)
        self._file = path.open("r+b", buffering=0)
        self._end, self._mark = len(raw), mark

    def _segment_path(self, path: Path) -> Path:
        """A name for a full file that sorts by when it began."""
        numbers = [int(one.suffix[1:]) for one in self.folder.glob(f"{LOG_FILE}.*") if one.suffix[1:].isdigit()]
        return self.folder / f"{LOG_FILE}.{max(numbers, default=0) + 1:08d}"

    def _segments(self) -> list[Path]:
        """The files of the log, oldest first."""
        old = sorted(one for one in self.folder.glob(f"{LOG_FILE}.*") if one.suffix[1:].isdigit())
        return [*old, self.folder / LOG_FILE]

    def _end_of_segments(self) -> Mark:
        """Where the newest full file ends: a crash came between two files."""
        for path in reversed(self._segments()[:-1]):
            last = last_mark(path)
            if last is not None:
                return last[0]
        return Mark()

    def _forget_old(self) -> None:
        """Delete full files beyond what is kept, and such as the other host has long seen; one always stays."""
        old = self._segments()[:-1]
        safe = self.gate.get(Field.FILES_SAFE)
        while len(old) > 1 and (len(old) > MOST_SEGMENTS or first_of(old[1]) <= safe):
            old.pop(0).unlink()

    def _mark_at(self, position: int) -> Mark | None:
        if position == self._mark.position:
            return self._mark
        for path in reversed(self._segments()):
            if path.exists() and first_of(path) <= position:
                found = read_after(path, position - 1, 1, position)
                if found and found[0].change.n == position:
                    return found[0].mark
                base = base_of(path)
                return base.mark if base is not None and base.change.n == position else None
        return None


def open_file_log(settings: Settings) -> FileLog | None:
    """The log of this host; None where it has no agent. A log that is not kept any more is marked as such."""
    gate = gate_of(settings)
    if gate.has_agent:
        return FileLog(settings.path(), gate)
    if settings.path(LOG_FILE).exists():
        settings.path(GAP_FILE).touch()
    return None


def sync_folder(folder: Path) -> None:
    """Let what was renamed or made in a folder outlive a loss of power."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
