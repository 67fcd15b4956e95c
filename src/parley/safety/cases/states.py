"""The states of reports and cases, and the one table of what may follow what. Pure.

A report waits as its case waits: its own row says `open` or `closed`, and a reader is told its case's state.
"""

from __future__ import annotations

from typing import get_args

from parley.kit.errors import Invalid
from parley.safety.cases.views import State

STATES: tuple[State, ...] = get_args(State)

FOLLOWS: dict[State, frozenset[State]] = {
    "open": frozenset({"closed", "escalated", "queued", "assigned"}),
    "queued": frozenset({"assigned", "open", "closed"}),
    "assigned": frozenset({"open", "closed", "escalated", "queued"}),
    "escalated": frozenset({"open", "closed"}),
    "closed": frozenset({"open"}),
}


def can_follow(state: State, following: State) -> bool:
    """Whether something in `state` may go on to `following`."""
    return following in FOLLOWS[state]


def check_transition(state: State, following: State) -> None:
    """Raise Invalid, with what may be done instead, unless `following` may come after `state`."""
    if not can_follow(state, following):
        allowed = ", ".join(sorted(FOLLOWS[state]))
        raise Invalid(f"What is {state} cannot become {following}; after {state} comes {allowed}.")


def state_when_claimed(state: State) -> State:
    """The state of a case that somebody works on: an escalated one stays escalated, whoever holds it."""
    if state in ("assigned", "escalated"):
        return state
    check_transition(state, "assigned")
    return "assigned"


def state_when_let_go(state: State, queue: str) -> State:
    """The state of a case that nobody works on any more."""
    if state == "escalated":
        return state
    back: State = "queued" if queue == "jury" else "open"
    if state != back:
        check_transition(state, back)
    return back
