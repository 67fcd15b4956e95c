"""What second readers are asked, and what comes of it."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """One blind question: words without names. Nothing says what was decided, or by whom."""

    id: int
    words: tuple[tuple[str, str], ...]
    severe: bool
    leased_until: datetime


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A share with its confidence interval (95 %, Wilson): how often second readers disagreed."""

    stratum: str
    by: str
    severity: int
    waiting: int
    answered: int
    unsure: int
    disagreed: int
    share: float | None
    low: float
    high: float


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a second reader saw otherwise: worth another look."""

    check_id: int
    decision_id: int | None
    case_id: int | None
    screening_id: int | None
    stratum: str
    expected: str
    expected_clause: str | None
    answer: str
    clause: str | None
    answered_at: datetime


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """How one member of the staff does: blind checks, and those of them whose answer is known."""

    account_id: int
    username: str
    answered: int
    agreed: int
    known: int
    known_right: int
    second_guessed: int
    """Their own decisions that others judged again, and those that these saw otherwise."""
    disagreed: int


class QualityView(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the last `days`. `agreement` is Krippendorff's alpha of people's decisions and second opinions."""

    days: int
    rates: tuple[Rate, ...]
    people: Rate
    """All strata that people decided, together; `program` the others."""
    program: Rate
    agreement: float | None
    pairs: int
    disagreements: tuple[Disagreement, ...]
    readers: tuple[Reader, ...]
    waiting: int
    mine: int
    """Of those that wait, how many the viewer may answer."""
    golden_breaks: int
    golden_fine: int
    weeks: tuple[tuple[datetime, int, int], ...]
    """Week by week: when it began, agreed, disagreed."""
