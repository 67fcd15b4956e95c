"""Which states a jury and a seat on it may go through. Pure."""

from __future__ import annotations

from typing import Literal

from parley.kit.errors import Conflict

State = Literal["convened", "sitting", "decided", "hung", "dissolved"]
SeatState = Literal["called", "answered", "declined", "expired"]
Vote = Literal["breaks", "fine", "unsure"]
VOTES: tuple[Vote, ...] = ("breaks", "fine", "unsure")

NEXT: dict[State, frozenset[State]] = {
    "convened": frozenset({"sitting", "dissolved"}),
    "sitting": frozenset({"decided", "hung", "dissolved"}),
    "decided": frozenset(),
    "hung": frozenset(),
    "dissolved": frozenset(),
}
"""`convened`: who qualifies is fixed, the lot is not drawn. `hung`: no majority in time. `dissolved`: somebody of the
staff decided first, or too few qualify."""

NEXT_SEAT: dict[SeatState, frozenset[SeatState]] = {
    "called": frozenset({"answered", "declined", "expired"}),
    "answered": frozenset(),
    "declined": frozenset(),
    "expired": frozenset(),
}


def next_state(current: State, wanted: State) -> State:
    """`wanted`, when it may follow `current`; else Conflict."""
    if wanted not in NEXT[current]:
        raise Conflict(f"This jury is {current} and cannot become {wanted}.")
    return wanted


def next_seat_state(current: SeatState, wanted: SeatState) -> SeatState:
    """`wanted`, when it may follow `current`; else Conflict with a sentence for the juror."""
    if wanted not in NEXT_SEAT[current]:
        raise Conflict("This question is closed: it was answered, or its time is over. Thank you all the same.")
    return wanted
