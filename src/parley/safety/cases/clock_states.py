"""The states of a clock, and the one table of what may follow what. Pure.

A clock that is paused cannot be breached: it goes on with as much time as was left. What was met or breached stays so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, get_args

from parley.kit.errors import Invalid

ClockState = Literal["running", "paused", "met", "breached"]
CLOCK_STATES: tuple[ClockState, ...] = get_args(ClockState)

FOLLOWS: dict[ClockState, frozenset[ClockState]] = {
    "running": frozenset({"paused", "met", "breached"}),
    "paused": frozenset({"running", "met"}),
    "met": frozenset(),
    "breached": frozenset(),
}


def can_follow(state: ClockState, following: ClockState) -> bool:
    """Whether a clock in `state` may go on to `following`."""
    return following in FOLLOWS[state]


def check_clock(state: ClockState, following: ClockState) -> None:
    """Raise Invalid unless a clock in `state` may go on to `following`."""
    if not can_follow(state, following):
        raise Invalid(f"A clock that is {state} cannot become {following}.")


def due_after_pause(due_at: datetime, paused_at: datetime, moment: datetime) -> datetime:
    """When a clock that was paused is due: as much later as it stood still."""
    return due_at + max(moment - paused_at, moment - moment)


def end_of(due_at: datetime, moment: datetime) -> ClockState:
    """What became of a promise that is answered, or looked at, at `moment`: met until it is due, breached after."""
    return "met" if moment <= due_at else "breached"
