"""The gate: what every process of this host must know before it begins a write, in one small mapped file.

The host agent alone turns it (see parley.hosting); web processes and the worker read it, which costs no system call.
A host that has no agent has no such file, and its gate is always open. It knows no table and no other host.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import time
from collections.abc import Callable
from contextvars import ContextVar
from enum import IntEnum
from pathlib import Path

from parley.kit.errors import Unavailable
from parley.kit.settings import Settings

GATE_FILE = "gate"
HOSTS_FILE = "hosts.json"
EPOCH_HEADER = "X-Parley-Epoch"
"""With which epoch something was sent to outsiders: who receives two of the same can tell which host was right."""

SIZE = 4096
MAGIC = int.from_bytes(b"PARLEYG1", "little")
LOOK_EVERY = 0.005
"""Seconds between two looks of a write that waits."""

MOST_WAITING = 500
"""So many writes of one process wait while the gate is held; the next one is told to come back."""

RETRY_AFTER = 5


class State(IntEnum):
    """OPEN: writes may begin. HOLD: they wait, until `hold_until` at most. CLOSED: they are refused; this host may
    not write (a standby, a fenced host, one whose lease has run out). AWAY: the instance lives on another host now, to
    which requests are handed on."""

    OPEN = 0
    HOLD = 1
    CLOSED = 2
    AWAY = 3


class GateClosed(Unavailable):
    """No write may begin on this host now. Nothing has been written by the call that raises it."""

    code = "gate_closed"
    default_text = "This instance takes no changes right now. Please try again in a moment."


class GateHeld(GateClosed):
    """Likewise, and it is known why: the instance is just changing over, as planned, to another host."""

    default_text = (
        "This instance is changing over to another host, and takes no changes meanwhile. Please try again in a moment."
    )


class StaleEpoch(Unavailable):
    """The write was begun with an epoch that is not the instance's any more: nothing has been written."""

    code = "stale_epoch"
    default_text = "This instance has just changed over to another host. Please try again in a moment."


class NotAcknowledged(Unavailable):
    """The commit was sent, and nobody can say whether it will last. It must never be shown as done."""

    code = "not_acknowledged"
    default_text = (
        "We cannot say for sure that this was kept. Please send it again; with the same Idempotency-Key it is not done "
        "twice."
    )


class Crowded(Unavailable):
    """Every connection that this process may have is in use, and stayed so."""

    code = "crowded"
    default_text = "There is too much going on right now. Please try again in a moment."


class Journey:
    """What one request has done so far, for the door that may have to begin it again on another host.

    `wrote`: a commit was begun, whatever became of it. `handed_back`: why the application gave it up unanswered.
    """

    __slots__ = ("_takes_back", "handed_back", "wrote")

    def __init__(self, takes_back: Callable[[Journey], bool]) -> None:
        self.wrote = False
        self.handed_back: Exception | None = None
        self._takes_back = takes_back

    def hand_back(self, error: Exception) -> bool:
        """Whether the door will see to the request again, so that nothing is to be answered now."""
        if self.handed_back is None and self._takes_back(self):
            self.handed_back = error
        return self.handed_back is error


journey: ContextVar[Journey | None] = ContextVar("journey", default=None)


class Field(IntEnum):
    """Where each number lies, in words of eight bytes. A word is read and written at once."""

    MAGIC = 0
    STATE = 1
    EPOCH = 2
    HOLD_UNTIL = 3
    LEASE_UNTIL = 4
    FILES_WRITTEN = 5
    FILES_SAFE = 6
    FILES_WAIT = 7
    DOUBT = 8
    FENCED = 9


def clock_ns() -> int:
    """Nanoseconds of a clock that all processes of this machine share, and that goes on while it sleeps."""
    return time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Gate:
    """One process's view of the gate. `path` None: a host without an agent, always open."""

    def __init__(self, path: Path | None = None) -> None:
        self._map: mmap.mmap | None = None
        self._waiting = 0
        self._told_epoch = 0
        self._doubt = 0
        if path is not None:
            self._map = _map_file(path)

    def get(self, field: Field) -> int:
        """One number of the gate; 0 where there is no agent."""
        return 0 if self._map is None else int(struct.unpack_from("<Q", self._map, field * 8)[0])

    def put(self, field: Field, value: int) -> None:
        """Write one number. For the agent, and for the file log's own fields."""
        if self._map is None:
            raise RuntimeError("a host without an agent has no gate to turn")
        struct.pack_into("<Q", self._map, field * 8, value)

    def turn(self, state: State, *, epoch: int | None = None, hold: float = 0) -> None:
        """For the agent: change the state; `hold` seconds at most for HOLD."""
        if epoch is not None:
            self.put(Field.EPOCH, epoch)
        if state is State.HOLD:
            self.put(Field.HOLD_UNTIL, clock_ns() + int(hold * 1e9))
        else:
            self.put(Field.FENCED, 0)
        self.put(Field.STATE, state)

    def fence(self) -> None:
        """For the agent: what is held now waits for another host; this one has stopped writing."""
        self.put(Field.FENCED, 1)

    @property
    def is_fenced(self) -> bool:
        """Whether another host may go on at any moment with what was begun here."""
        return self.get(Field.FENCED) != 0

    @property
    def state(self) -> State:
        """What may be done now. A lease that has run out closes an open gate."""
        state = State(self.get(Field.STATE))
        until = self.get(Field.LEASE_UNTIL)
        if until and state in (State.OPEN, State.HOLD) and clock_ns() >= until:
            return State.CLOSED
        return state

    @property
    def has_agent(self) -> bool:
        """Whether somebody turns it."""
        return self._map is not None

    @property
    def epoch(self) -> int:
        """The epoch that this host writes with: the agent's word, or else what the database said last (0: nothing)."""
        return self._told_epoch if self._map is None else self.get(Field.EPOCH)

    def tell_epoch(self, epoch: int) -> None:
        """What the database says; believed only where there is no agent."""
        self._told_epoch = epoch

    @property
    def doubt(self) -> int:
        """When somebody last could not say whether a commit will last: grows. See Database.write."""
        return self._doubt if self._map is None else self.get(Field.DOUBT)

    def raise_doubt(self) -> None:
        """Tell all processes of this host that what the database shows may not last."""
        if self._map is None:
            self._doubt = clock_ns()
        else:
            self.put(Field.DOUBT, clock_ns())

    def may_end(self, epoch: int) -> bool:
        """Whether a write that was begun with `epoch` may still be committed, and its commit be acknowledged."""
        if self._map is None:
            return True
        return self.state in (State.OPEN, State.HOLD) and self.epoch == epoch

    def check(self) -> None:
        """Raise GateClosed unless writes, and everything that is sent to outsiders, may go on at this very moment."""
        if self.state is not State.OPEN:
            raise self.refusal()

    def refusal(self, *, retry_after: int = RETRY_AFTER) -> GateClosed:
        """Why nothing may be written here just now, as far as it is known. A gate that is closed knows no reason: this
        host may follow another one, or have lost sight of the others."""
        return (GateHeld if self.state is State.HOLD else GateClosed)(retry_after=retry_after)

    async def enter(self) -> int:
        """Wait until a write may begin and return the epoch to write with; raises GateClosed when it may not."""
        if self.state is State.OPEN:
            return self.epoch
        if self._waiting >= MOST_WAITING:
            raise self.refusal()
        self._waiting += 1
        try:
            while self._is_held():  # noqa: ASYNC110  another process turns it
                await asyncio.sleep(LOOK_EVERY)
        finally:
            self._waiting -= 1
        self.check()
        return self.epoch

    def _is_held(self) -> bool:
        return self.state is State.HOLD and clock_ns() < self.get(Field.HOLD_UNTIL)


def has_agent(settings: Settings) -> bool:
    """Whether this host has an agent that turns its gate: it listens for another host, or knows one."""
    return bool(settings.link_listen) or settings.path(HOSTS_FILE).exists()


_gates: dict[Path, Gate] = {}


def gate_of(settings: Settings) -> Gate:
    """This process's view of this host's gate, the same for all who ask. Whether there is an agent is settled once:
    one that is set up while the process runs takes effect with the next start."""
    path = settings.path(GATE_FILE)
    if path not in _gates:
        _gates[path] = Gate(path if has_agent(settings) else None)
    return _gates[path]


def check_out(settings: Settings) -> dict[str, str]:
    """Call right before anything is sent to outsiders; raises GateClosed when this host may not speak for the instance.

    Returns the header that says with which epoch it is sent.
    """
    gate = gate_of(settings)
    gate.check()
    return {EPOCH_HEADER: str(gate.epoch)}


def _map_file(path: Path) -> mmap.mmap:
    """The file, made when it is missing: closed, because whoever makes it must say first what this host is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        words = [0] * (SIZE // 8)
        words[Field.MAGIC], words[Field.STATE] = MAGIC, State.CLOSED
        fresh.write_bytes(struct.pack(f"<{len(words)}Q", *words))
        fresh.replace(path)
    with path.open("r+b") as file:
        mapped = mmap.mmap(file.fileno(), SIZE)
    if struct.unpack_from("<Q", mapped, 0)[0] != MAGIC:
        raise RuntimeError(f"{path} is not a gate of this version: stop Parley and delete it.")
    return mapped
