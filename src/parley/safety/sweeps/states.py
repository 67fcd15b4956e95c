"""The states of a sweep, and the one table of what may follow what. Pure."""

from __future__ import annotations

from typing import Literal

from parley.kit.errors import Invalid

State = Literal["planned", "counted", "approved", "running", "completed", "aborted"]
Scope = Literal["history", "files"]
"""What is gone through: all of history, or a list of what carries certain files."""
STATES: tuple[State, ...] = ("planned", "counted", "approved", "running", "completed", "aborted")

FOLLOWS: dict[State, frozenset[State]] = {
    "planned": frozenset({"counted", "aborted"}),
    # Counted again: more is known; what was approved was approved for other figures. Planned again: its list grew.
    "counted": frozenset({"planned", "counted", "approved", "aborted"}),
    "approved": frozenset({"running", "counted", "aborted"}),
    "running": frozenset({"completed", "aborted"}),
    "completed": frozenset(),
    "aborted": frozenset(),
}
UNDOABLE: frozenset[State] = frozenset({"completed", "aborted"})
"""What a sweep did may be taken back once it has ended."""


def can_follow(state: State, following: State) -> bool:
    """Whether a sweep in `state` may go on to `following`."""
    return following in FOLLOWS[state]


def check_transition(state: State, following: State) -> None:
    """Raise Invalid, with what may be done instead, unless a sweep in `state` may go on to `following`."""
    if not can_follow(state, following):
        allowed = ", ".join(sorted(FOLLOWS[state])) or "nothing more"
        raise Invalid(f"A sweep that is {state} cannot become {following}; after {state} comes {allowed}.")
