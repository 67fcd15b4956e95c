"""Which states an appeal may go through. Pure: the one table, and nothing else."""

from __future__ import annotations

from typing import Literal

from parley.kit.errors import Conflict

State = Literal["received", "queued", "in_review", "upheld", "overturned", "modified"]
Outcome = Literal["upheld", "overturned", "modified"]

NEXT: dict[State, frozenset[State]] = {
    "received": frozenset({"queued"}),
    "queued": frozenset({"in_review"}),
    "in_review": frozenset({"queued", "upheld", "overturned", "modified"}),
    "upheld": frozenset(),
    "overturned": frozenset(),
    "modified": frozenset(),
}
"""From each state to those that may follow it. `in_review` goes back when a lease is given up or runs out."""

ENDS: frozenset[State] = frozenset(state for state, following in NEXT.items() if not following)
OUTCOMES: tuple[Outcome, ...] = ("upheld", "overturned", "modified")

WORDS: dict[State, str] = {
    "received": "received",
    "queued": "waits for somebody to look at it",
    "in_review": "somebody is looking at it",
    "upheld": "the decision stands",
    "overturned": "the decision was taken back",
    "modified": "the decision was replaced",
}
"""For people."""


def next_state(current: State, wanted: State) -> State:
    """`wanted`, when it may follow `current`; else Conflict with a sentence for people."""
    if wanted not in NEXT[current]:
        raise Conflict(f"This appeal cannot go on like that: {WORDS[current]}. Load the page again.")
    return wanted
