"""What is ours on top of Mastodon's shapes: why something of one's own is not public. Told to its author alone."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import iso

DECISION_WITHIN = timedelta(hours=24)
WAITING = ("held", "hidden_interim")


class Moderation(msgspec.Struct, frozen=True):
    """Why this is not public, by when to expect a decision, how to object."""

    state: str
    clause: str | None
    sentence: str
    decision_expected: str | None
    appeal: str | None


def moderation_entity(state: str, clause: str | None, sentence: str, *, since: datetime) -> Moderation:
    """`since` is when it was written; while it waits, a decision is due within a day of that."""
    waiting = state in WAITING
    return Moderation(
        state=state,
        clause=clause,
        sentence=sentence,
        decision_expected=iso(since + DECISION_WITHIN) if waiting else None,
        appeal="You can object within six months of the decision; another person than the first will look at it."
        if waiting
        else "You can object within six months; another person than the first will look at it.",
    )
