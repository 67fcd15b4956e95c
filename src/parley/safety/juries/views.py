"""What jurors and the staff are shown of juries."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.safety.golden.views import Question
from parley.safety.juries.states import SeatState, State, Vote


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """One question to the juror who asks: words without names, and one rule. Whether its answer is known, nobody
    says."""

    seat_id: int
    clause: str
    clause_title: str
    clause_text: str
    questions: tuple[Question, ...]
    due_at: datetime


class DutyPage(msgspec.Struct, frozen=True, kw_only=True):
    """The page of a member: whether juries sit here, whether they take part, what waits, and how they do."""

    enabled: bool
    opted_in: bool
    why_not: str
    """Why they would not be drawn now, for people; empty when they may be."""
    duties: tuple[Duty, ...]
    answered: int
    known: int
    """Questions with a known answer among them, and how many of those were answered right."""
    right: int


class SeatView(msgspec.Struct, frozen=True, kw_only=True):
    """A seat, for the staff: by its rank in the lot, never by name while the jury sits."""

    rank: int
    state: SeatState
    vote: Vote | None
    reliability: float


class JuryView(msgspec.Struct, frozen=True, kw_only=True):
    """A jury, for the staff. Votes are shown once it has ended."""

    id: int
    case_id: int
    appeal_id: int | None
    account_id: int
    state: State
    seats: tuple[SeatView, ...]
    quorum: int
    pool: int
    """How many qualified."""
    verdict: Vote | None
    clause: str | None
    decision_id: int | None
    convened_at: datetime
    due_at: datetime
    ended_at: datetime | None
    drawn_as_logged: bool
    """Whether the draw is the one that seed, list and log ask for."""


class JuryFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How juries do: over all that have ended, and of members who opted in."""

    members: int
    decided: int
    hung: int
    dissolved: int
    open: int
    agreement: float | None
    """Krippendorff's alpha of the answers; None: too few."""
    known_right: int
    known_answered: int
    """Of the questions whose answer is known."""
