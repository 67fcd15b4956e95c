"""Journals of what is done to the hosts: append-only files, one line an entry, each chained to the one before it and
signed by the instance, so that the course of a move can be shown to anybody.

Every host keeps a copy. An entry is taken only where the last one is what its writer believes it to be, so that two
commands never carry on the same journal side by side. What the entries mean, this file does not know.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from parley.hosting.errors import SnapshotError
from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of, sign

FOLDER = "moves"
PURPOSE = b"parley journal 1\n"
CLOSED = "closed"
"""The kind of the last entry of a journal that is over."""

MOST_BYTES = 4 * 1024 * 1024
"""A journal has some thirty entries; one that is larger is not a journal."""

NAMED = re.compile(r"[0-9]{6}-[a-z0-9-]{1,100}")
_canonical = msgspec.json.Encoder(order="sorted")


class JournalError(SnapshotError):
    """A journal cannot be read or carried on; the text says why and what to do."""


class JournalMoved(JournalError):
    """Somebody else has carried the journal on: read it again before anything is done."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line. `before` is the SHA-256 of the line before it, empty in the first."""

    seq: int
    at: datetime
    kind: str
    step: str = ""
    detail: dict[str, Any] = {}
    by: str
    """The host on which the command ran."""
    before: str
    signature: str = ""
    """Ed25519, by the instance's key, over the journal's name and the canonical JSON of all the others; hexadecimal."""

    @property
    def line(self) -> bytes:
        """What stands in the file, without the end of the line."""
        return _canonical.encode(self)

    @property
    def digest(self) -> str:
        """What the next entry calls `before`."""
        return hashlib.sha256(self.line).hexdigest()


def make_entry(
    settings: Settings,
    name: str,
    last: Entry | None,
    kind: str,
    *,
    by: str,
    step: str = "",
    detail: dict[str, Any] | None = None,
) -> Entry:
    """A signed entry of the journal `name` that follows `last`."""
    bare = Entry(
        seq=last.seq + 1 if last else 0,
        at=now(),
        kind=kind,
        step=step,
        detail=detail or {},
        by=by,
        before=last.digest if last else "",
    )
    return msgspec.structs.replace(bare, signature=sign(settings, _said(name, bare)).hex())


def append_entries(
    settings: Settings, name: str, entries: Sequence[Entry], *, instead: bool = False
) -> tuple[Entry, ...]:
    """Write entries to the end of the journal `name`, and to the disk; returns the whole of it.

    What is there already is passed over. Raises JournalMoved when the journal was carried on otherwise, and
    JournalError when an entry is not the instance's own, or another journal is not closed yet. `instead`: where the two
    differ, `entries` (the whole chain) replace what is here, which is kept beside it.
    """
    path = _path_of(settings, name)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        here = read_entries(settings, name)
        if not here:
            _refuse_second(settings, name)
        if instead and [one.digest for one in here] != [one.digest for one in entries[: len(here)]]:
            path.replace(path.with_name(f"{name}.replaced-{len(here)}-{os.getpid()}"))
            here = ()
        fresh = _fresh_of(here, entries)
        whole = (*here, *fresh)
        _check_chain(settings, name, whole, since=len(here))
        if fresh:
            _write(path, fresh)
        return whole


def _fresh_of(here: Sequence[Entry], entries: Sequence[Entry]) -> list[Entry]:
    """Those of `entries` that are not here; raises JournalMoved when one of them is another one here."""
    fresh = []
    for one in entries:
        if one.seq < len(here):
            if here[one.seq].digest != one.digest:
                raise JournalMoved("Another command has carried this move on meanwhile: see `parley move status`.")
        else:
            fresh.append(one)
    return fresh


def _refuse_second(settings: Settings, name: str) -> None:
    for other in list_journals(settings):
        entries = read_entries(settings, other)
        if other != name and entries and entries[-1].kind != CLOSED:
            raise JournalError(
                f"The move {other} is not over: `parley move run` goes on with it, `parley move abort` ends it."
            )


def _check_chain(settings: Settings, name: str, entries: Sequence[Entry], *, since: int) -> None:
    key = public_key_of(settings)
    for place in range(since, len(entries)):
        one = entries[place]
        before = entries[place - 1].digest if place else ""
        if one.seq != place or one.before != before:
            raise JournalMoved(f"The journal {name} has a gap before entry {one.seq}: read it again.")
        if not _is_signed(name, one, key):
            raise JournalError(f"Entry {one.seq} of the journal {name} is not signed by this instance's key.")


def _is_signed(name: str, one: Entry, key: bytes) -> bool:
    try:
        signature = bytes.fromhex(one.signature)
    except ValueError:
        return False
    return is_signed_by(key, signature, _said(name, one))


def _said(name: str, one: Entry) -> bytes:
    """What is signed: that it is an entry of this journal, and all of it but the signature."""
    return PURPOSE + name.encode() + b"\n" + msgspec.structs.replace(one, signature="").line


def _write(path: Path, entries: Sequence[Entry]) -> None:
    is_new = not path.exists()
    with path.open("ab") as file:
        os.fchmod(file.fileno(), 0o600)
        _cut_torn_line(path, file.fileno())
        file.write(b"".join(one.line + b"\n" for one in entries))
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _cut_torn_line(path: Path, descriptor: int) -> None:
    """A line without its end was being written when the machine went down: nobody was told of it."""
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.ftruncate(descriptor, data.rfind(b"\n") + 1)


def append_note(settings: Settings, path: Path, kind: str, *, by: str, detail: dict[str, Any]) -> None:
    """Write one entry to the end of a journal of this host alone, which is never over, and to the disk."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with _locked(path.parent, f"{path.name}.lock"):
        here = read_notes(path)
        _write(path, [make_entry(settings, path.stem, here[-1] if here else None, kind, by=by, detail=detail)])


def read_notes(path: Path) -> tuple[Entry, ...]:
    """Such a journal; empty when there is none yet. Raises JournalError when it is damaged."""
    try:
        return tuple(msgspec.json.decode(line, type=Entry) for line in path.read_bytes().split(b"\n")[:-1])
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as error:
        raise JournalError(f"{path} is damaged: {error}. Put it aside; a new one is begun.") from error


def read_entries(settings: Settings, name: str) -> tuple[Entry, ...]:
    """The journal `name` as this host has it; empty when it has none. Raises JournalError when it is damaged."""
    path = _path_of(settings, name)
    if not path.exists():
        return ()
    if path.stat().st_size > MOST_BYTES:
        raise JournalError(f"{path} is too large to be a journal.")
    try:
        return tuple(msgspec.json.decode(line, type=Entry) for line in path.read_bytes().split(b"\n")[:-1])
    except msgspec.DecodeError as error:
        raise JournalError(f"{path} is damaged: {error}. Take the other host's copy of it.") from error


def check_entries(settings: Settings, name: str, entries: Sequence[Entry]) -> None:
    """Raise JournalError unless the chain is whole and the instance signed each entry."""
    _check_chain(settings, name, entries, since=0)


def list_journals(settings: Settings) -> list[str]:
    """The names of all journals of this host, the oldest first: a name begins with a number."""
    return sorted(path.name.removesuffix(".jsonl") for path in settings.path(FOLDER).glob("*.jsonl"))


def newest_journal(settings: Settings) -> tuple[str, tuple[Entry, ...]]:
    """The newest journal and its name; an empty name when there never was one."""
    names = list_journals(settings)
    return (names[-1], read_entries(settings, names[-1])) if names else ("", ())


def ordered_epoch(settings: Settings) -> int:
    """The epoch that the newest journal was begun with, by whichever move: nobody else may take it. 0: no journal."""
    _, entries = newest_journal(settings)
    return int(entries[0].detail.get("epoch", 0)) if entries else 0


def _path_of(settings: Settings, name: str) -> Path:
    if NAMED.fullmatch(name) is None:
        raise JournalError("A journal's name is a number of six digits and two hosts, such as 000001-a-b.")
    return settings.path(FOLDER, f"{name}.jsonl")


@contextmanager
def _locked(folder: Path, name: str = "lock") -> Iterator[None]:
    with (folder / name).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
