"""The states of a move and what may follow what: one table, and pure functions over a journal.

Whoever carries a move on asks `standing_of` where its journal stands and `next_action` what comes now. This file does
nothing itself and knows no host.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

import msgspec

from parley.hosting.hosts.views import Fence
from parley.hosting.journals import CLOSED, Entry, JournalError


class State(StrEnum):
    """Where a move is. After PROMOTED there is no way back, only another move."""

    IDLE = "idle"
    SEEDED = "seeded"
    READY = "ready"
    DRAINING = "draining"
    FENCED = "fenced"
    VERIFIED = "verified"
    PROMOTED = "promoted"
    SERVING = "serving"
    CONVERGED = "converged"
    REVERSED = "reversed"
    ABORTED = "aborted"
    OVERTAKEN = "overtaken"


Failing = Literal["abort", "stop", "note"]
"""What follows when a step fails. abort: the old host opens again. stop: the command ends and can be run again; the
instance works. note: it is written down, and done later."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the table. `begins` and `ends` are the states before and after it."""

    name: str
    begins: State
    ends: State
    fails: Failing
    doing: str
    """What is said while it is done. {source} and {target} are the two hosts, {name} the instance's name."""


STEPS: tuple[Step, ...] = (
    Step(
        name="seed",
        begins=State.IDLE,
        ends=State.SEEDED,
        fails="abort",
        doing="Look whether {target} has everything",
    ),
    Step(
        name="prepare",
        begins=State.SEEDED,
        ends=State.READY,
        fails="abort",
        doing="Wait until {target} follows closely",
    ),
    Step(name="announce", begins=State.READY, ends=State.READY, fails="note", doing="Announce the move"),
    Step(
        name="hold",
        begins=State.READY,
        ends=State.DRAINING,
        fails="abort",
        doing="Let writes wait on {source}",
    ),
    Step(
        name="fence",
        begins=State.DRAINING,
        ends=State.FENCED,
        fails="abort",
        doing="Stop {source}'s database, and sign where",
    ),
    Step(
        name="verify",
        begins=State.FENCED,
        ends=State.VERIFIED,
        fails="abort",
        doing="See that {target} has every row and file",
    ),
    Step(
        name="promote",
        begins=State.VERIFIED,
        ends=State.PROMOTED,
        fails="abort",
        doing="Let {target} take over",
    ),
    Step(
        name="forward",
        begins=State.PROMOTED,
        ends=State.SERVING,
        fails="note",
        doing="Let {source} hand requests on to {target}",
    ),
    Step(
        name="rejoin",
        begins=State.SERVING,
        ends=State.SERVING,
        fails="note",
        doing="Let {source} follow {target}",
    ),
    Step(name="flip", begins=State.SERVING, ends=State.SERVING, fails="stop", doing="Let {name} point to {target}"),
    Step(
        name="converge",
        begins=State.SERVING,
        ends=State.CONVERGED,
        fails="stop",
        doing="Wait until the world has seen it",
    ),
    Step(name="welcome", begins=State.CONVERGED, ends=State.CONVERGED, fails="note", doing="Announce the end"),
    Step(
        name="settle",
        begins=State.CONVERGED,
        ends=State.REVERSED,
        fails="stop",
        doing="See that {source} is the standby now",
    ),
)
"""The way forward, in order."""

UNDO: tuple[Step, ...] = (
    Step(
        name="promise",
        begins=State.VERIFIED,
        ends=State.FENCED,
        fails="stop",
        doing="Have {target}'s word that it will not take over",
    ),
    Step(name="release", begins=State.FENCED, ends=State.ABORTED, fails="stop", doing="Open {source} again"),
    Step(name="retract", begins=State.ABORTED, ends=State.ABORTED, fails="note", doing="Announce that it was put off"),
)
"""The way back, which is open until the new host has taken over. Which of them are needed, `needed_undo` says."""

ANNOUNCEMENTS = ("announce", "welcome")
"""Steps that are done only when the operator wishes."""

PLACE = {step.name: place for place, step in enumerate(STEPS)}
HOLD, PROMOTE = PLACE["hold"], PLACE["promote"]

Outcome = Literal["moved", "aborted", "overtaken"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the first entry of a journal says: who moves where, and how."""

    source: str
    target: str
    epoch: int
    """The epoch with which the target will write."""
    hold: float
    """Seconds from `hold` to `promote` after which the move is aborted."""
    announced: bool = False
    commits: Literal["async", "sync"] = "async"
    """What was wanted before, and will be again once the old host is the standby."""
    domain: str = ""
    addresses: tuple[str, ...] = ()
    """The target's; empty: the DNS is somebody else's business."""
    expected: tuple[str, ...] = ()
    """The source's: where the name must point before it is changed."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a move stands, as its journal tells."""

    order: Order
    state: State = State.IDLE
    place: int = 0
    """Which step of STEPS is next."""
    begun: str = ""
    """The step that was begun and of which nobody knows yet what came of it."""
    tried: frozenset[str] = frozenset()
    """Every step that was ever begun."""
    undoing: bool = False
    undone: frozenset[str] = frozenset()
    reason: str = ""
    fence: Fence | None = None
    details: dict[str, dict[str, Any]] = {}
    """What each step found, by its name."""
    late: frozenset[str] = frozenset()
    """Steps that failed, were written down, and are made good by the last one."""
    outcome: Outcome | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def is_promoted(self) -> bool:
        """Whether the point of no return is behind."""
        return self.place > PROMOTE and not self.undoing

    @property
    def is_closed(self) -> bool:
        """Whether nothing is left to be done."""
        return self.outcome is not None


class Action(msgspec.Struct, frozen=True):
    """What comes next: a step forward, a step back, the last entry, or nothing."""

    what: Literal["do", "undo", "close", "nothing"]
    step: Step | None = None
    outcome: Outcome | None = None


def next_action(standing: Standing) -> Action:
    """What has to be done now. Doing again what was done already is never wrong: every operation allows it."""
    if standing.is_closed:
        return Action("nothing")
    if standing.undoing:
        for step in needed_undo(standing):
            if step.name not in standing.undone:
                return Action("undo", step)
        return Action("close", outcome="aborted")
    place = standing.place
    while place < len(STEPS) and _is_left_out(standing.order, STEPS[place]):
        place += 1
    return Action("do", STEPS[place]) if place < len(STEPS) else Action("close", outcome="moved")


def needed_undo(standing: Standing) -> tuple[Step, ...]:
    """The steps back from here: each undoes, or makes sure of, something that was tried."""
    reasons = {"promise": "promote", "release": "hold", "retract": "announce"}
    return tuple(step for step in UNDO if reasons[step.name] in standing.tried)


def may_undo(standing: Standing) -> bool:
    """Whether the way back is open, as far as the journal knows."""
    return not standing.is_closed and not standing.is_promoted


def standing_of(entries: Sequence[Entry]) -> Standing:
    """Where the journal stands. Raises JournalError for one that cannot be: it names the entry."""
    if not entries or entries[0].kind != "opened":
        raise JournalError("A journal begins with the order of a move.")
    try:
        order = msgspec.convert(entries[0].detail, Order)
    except msgspec.ValidationError as error:
        raise JournalError(f"The order of this move cannot be read: {error}.") from error
    standing = Standing(order=order, began_at=entries[0].at)
    for entry in entries[1:]:
        standing = follow(standing, entry)
    return standing


def follow(standing: Standing, entry: Entry) -> Standing:
    """The standing after one entry more. Raises JournalError when that may not follow."""
    known = _FOLLOWING.get(entry.kind)
    if known is None or standing.is_closed:
        raise JournalError(f"Entry {entry.seq} ({entry.kind} {entry.step}) cannot follow: the journal is not ours.")
    return known(standing, entry)


def _begin(standing: Standing, entry: Entry) -> Standing:
    action = next_action(standing)
    if action.step is None or action.step.name != entry.step:
        raise JournalError(f"Entry {entry.seq} begins {entry.step}, which is not next.")
    place = PLACE[entry.step] if action.what == "do" else standing.place
    tried = standing.tried | {entry.step}
    return msgspec.structs.replace(standing, begun=entry.step, tried=tried, place=place)


def _done(standing: Standing, entry: Entry) -> Standing:
    if standing.begun != entry.step:
        raise JournalError(f"Entry {entry.seq} says that {entry.step} is done, which was not begun.")
    details = {**standing.details, entry.step: {**entry.detail, "at": entry.at.isoformat()}}
    if standing.undoing:
        undone = standing.undone | {entry.step}
        state = State.ABORTED if entry.step == "release" else standing.state
        return msgspec.structs.replace(standing, begun="", undone=undone, state=state, details=details)
    fence = msgspec.convert(entry.detail["fence"], Fence) if entry.step == "fence" else standing.fence
    return msgspec.structs.replace(
        standing,
        begun="",
        place=standing.place + 1,
        state=STEPS[standing.place].ends,
        details=details,
        fence=fence,
    )


def _failed(standing: Standing, entry: Entry) -> Standing:
    if standing.begun != entry.step:
        raise JournalError(f"Entry {entry.seq} says that {entry.step} failed, which was not begun.")
    return msgspec.structs.replace(standing, begun="", reason=str(entry.detail.get("error", "")))


def _noted(standing: Standing, entry: Entry) -> Standing:
    """A step that may wait has failed: go on, and come back to it at the end."""
    step = next_action(standing).step
    if step is None or standing.begun != entry.step or step.name != entry.step or step.fails != "note":
        raise JournalError(f"Entry {entry.seq} passes over {entry.step}, which may not be.")
    if standing.undoing:
        return msgspec.structs.replace(standing, begun="", undone=standing.undone | {entry.step})
    return msgspec.structs.replace(
        standing,
        begun="",
        place=standing.place + 1,
        state=STEPS[standing.place].ends,
        late=standing.late | {entry.step},
    )


def _undoing(standing: Standing, entry: Entry) -> Standing:
    if not may_undo(standing):
        raise JournalError(f"Entry {entry.seq} turns back after the other host has taken over.")
    return msgspec.structs.replace(
        standing, begun="", undoing=True, reason=str(entry.detail.get("reason", standing.reason))
    )


def _found(standing: Standing, entry: Entry) -> Standing:
    """The target was asked and has taken over already, whatever the journal had been told. It is never undone."""
    if standing.is_promoted:
        return standing
    return msgspec.structs.replace(
        standing,
        begun="",
        undoing=False,
        place=PROMOTE + 1,
        state=State.PROMOTED,
        tried=standing.tried | {"hold", "promote"},
        details={**standing.details, "promote": {**entry.detail, "at": entry.at.isoformat()}},
    )


def _resumed(standing: Standing, entry: Entry) -> Standing:
    return standing


def _closed(standing: Standing, entry: Entry) -> Standing:
    outcome: Outcome = entry.detail.get("outcome", "overtaken")
    action = next_action(standing)
    if outcome != "overtaken" and (action.what != "close" or action.outcome != outcome):
        raise JournalError(f"Entry {entry.seq} closes a move that is not over.")
    state = {"moved": State.REVERSED, "aborted": State.ABORTED, "overtaken": State.OVERTAKEN}[outcome]
    reason = str(entry.detail.get("reason", standing.reason)) if outcome != "moved" else ""
    return msgspec.structs.replace(standing, outcome=outcome, state=state, begun="", ended_at=entry.at, reason=reason)


_FOLLOWING = {
    "begin": _begin,
    "done": _done,
    "failed": _failed,
    "noted": _noted,
    "undoing": _undoing,
    "found": _found,
    "resumed": _resumed,
    CLOSED: _closed,
}


def _is_left_out(order: Order, step: Step) -> bool:
    return step.name in ANNOUNCEMENTS and not order.announced
