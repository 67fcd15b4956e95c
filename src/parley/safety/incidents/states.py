"""Which states an incident may go through. Pure."""

from __future__ import annotations

from typing import Literal

from parley.kit.errors import Conflict

State = Literal["declared", "active", "concluded", "debriefed"]

NEXT: dict[State, frozenset[State]] = {
    "declared": frozenset({"active"}),
    "active": frozenset({"concluded"}),
    "concluded": frozenset({"debriefed"}),
    "debriefed": frozenset(),
}


def next_state(current: State, wanted: State) -> State:
    """`wanted`, when it may follow `current`; else Conflict with a sentence that says what may be done."""
    if wanted not in NEXT[current]:
        after = {"declared": "made active", "active": "concluded", "concluded": "debriefed"}.get(current)
        more = f" It can be {after}." if after else ""
        raise Conflict(f"This incident is {current} and cannot become {wanted}.{more}")
    return wanted
