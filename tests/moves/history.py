"""What happened, as those outside saw it: lines of JSON that writers and receivers leave, and their types.

Times are seconds of this machine's monotonic clock, which all its processes share.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

SETS = ("post", "message", "upload")
"""Kinds of which each operation adds one element."""

REGISTERS = ("follow", "favourite")
"""Kinds that turn something on and off; one writer at a time."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One moment of one operation.

    An operation begins with `invoke` and ends with `ok`, `fail` (it surely did not happen) or `unknown` (nobody can
    know). Before that it may have been tried several times: each `try` says how one went wrong. `seen` is what a read
    found.
    """

    at: float
    type: Literal["invoke", "try", "ok", "fail", "unknown", "seen"]
    writer: str
    number: int
    kind: str
    key: str
    """What the operation is about: its own text for a set, the name of the switch for a register."""

    value: bool = True
    id: str = ""
    status: int = 0
    host: str = ""
    error: str = ""
    on_purpose: bool = False
    """This try was given up by the client itself, so that its going wrong is no error of the instance."""

    began: float = 0.0
    """Of a read: when it was asked."""

    found: tuple[str, ...] = ()
    """Of a read: the keys that were there. It could have found everything of its writer from `number` on."""

    sha256: str = ""
    url: str = ""
    """Of an upload: where its file is served, and the hash of what was served first."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Something that left the instance for other people."""

    at: float
    kind: str
    epoch: int | None
    what: str = ""


def write_line(one: Event | Delivery) -> bytes:
    """As it stands in a log."""
    return msgspec.json.encode(one) + b"\n"


def read_events(path: Path) -> list[Event]:
    """All of a log, but a last line that was cut off."""
    return [msgspec.json.decode(line, type=Event) for line in _lines(path)]


def read_deliveries(path: Path) -> list[Delivery]:
    """All of a log of deliveries."""
    return [msgspec.json.decode(line, type=Delivery) for line in _lines(path)]


def _lines(path: Path) -> Iterable[bytes]:
    if not path.exists():
        return []
    whole = path.read_bytes()
    return [line for line in whole[: whole.rfind(b"\n") + 1].splitlines() if line]
