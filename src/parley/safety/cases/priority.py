"""In which order cases are looked at. Pure.

A case's priority is the hour at which it is due, moved forward by what makes it graver: hours for severity, reach and
confidence. Because that does not change as time passes, the queue is in order without being counted again each minute,
and nothing waits for ever: a case that is due `LONGEST_HEAD_START` hours earlier always comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""From where hours are counted; a priority is the negative of them."""
NO_PROMISE = timedelta(hours=72)
"""When a case without a running clock is counted as due, after it was opened."""

SEVERITY_HOURS = (72.0, 24.0, 6.0, 0.0)
REACH_HOURS = 3.0
"""For each power of ten of people who may have seen it."""
GROWTH_HOURS = 4.0
"""For each power of ten of people who see it in an hour."""
CONFIDENCE_HOURS = 8.0
MOST_REACH = 10**8
LONGEST_HEAD_START = SEVERITY_HOURS[0] + (REACH_HOURS + GROWTH_HOURS) * 8 + CONFIDENCE_HOURS

REPORT_WEIGHT = 0.4
"""How sure one report of a reporter who was always right makes us."""
SOURCE_WEIGHTS = {"trusted_flagger": 0.6, "provider_notice": 0.8, "authority_order": 0.9, "public_notice": 0.1}
OUTCOME_WEIGHTS = {"hold": 0.5, "quarantine": 0.7, "reject": 0.7, "allow_flag": 0.25, "limit": 0.3}

PRIOR_RIGHT, PRIOR_WRONG = 2.0, 2.0
"""Of a reporter of whom nothing is known: as if two reports had been right and two wrong."""
FLAGGER_RIGHT = 8.0
HALF_LIFE_DAYS = 180.0
"""After so many days an outcome counts half."""
SURE_ENOUGH = {"automated": 0.5, "user": 0.15, "public_notice": 0.15}
"""How sure we must be of what each source says before it is hidden without people; of others their word is enough."""
NEWCOMER = 0.5
"""What the word of an account counts that the policy calls new, of that of others."""
UNRELIABLE = 0.25
"""Below this, a reporter's word alone neither rings the alarm nor hides anything."""


def priority_of(
    severity: int,
    due_at: datetime | None,
    opened_at: datetime,
    *,
    reach: int = 0,
    reach_per_hour: float = 0.0,
    confidence: float = 0.0,
) -> float:
    """The priority of a case, in hours; the highest comes first."""
    due = due_at if due_at is not None else opened_at + NO_PROMISE
    hours = (due - EPOCH).total_seconds() / 3600
    head_start = SEVERITY_HOURS[severity]
    head_start += REACH_HOURS * math.log10(1 + min(max(reach, 0), MOST_REACH - 1))
    head_start += GROWTH_HOURS * math.log10(1 + min(max(reach_per_hour, 0.0), MOST_REACH - 1))
    head_start += CONFIDENCE_HOURS * min(max(confidence, 0.0), 1.0)
    return round(head_start - hours, 3)


def reliability_of(right: float, wrong: float, *, trusted: bool = False) -> float:
    """How likely a reporter is right, 0 to 1: the mean of a Beta distribution over decayed outcomes."""
    prior = FLAGGER_RIGHT if trusted else PRIOR_RIGHT
    return (prior + right) / (prior + PRIOR_WRONG + right + wrong)


def may_hide(source: str, confidence: float) -> bool:
    """Whether a threat to life that `source` named may be hidden by itself when nobody acts.

    The word of one member who has been here a while, or who was right before, is enough; one made-up account, an
    anonymous notice, or a machine that is not sure, is not: then people are called instead.
    """
    return confidence >= SURE_ENOUGH.get(source, 0.0)


def decayed(age: timedelta) -> float:
    """How much an outcome of this age still counts, 0 to 1."""
    return float(0.5 ** (max(age.total_seconds(), 0.0) / 86400 / HALF_LIFE_DAYS))


def confidence_of(
    reliabilities: Iterable[float], sources: Iterable[str], findings: Iterable[tuple[str, float]]
) -> float:
    """How sure we are, 0 to 1, that something is wrong: each voice leaves less doubt, none removes it.

    `reliabilities`: one for each reporter (of accounts that signed up alike, one for all). `sources`: of notices from
    outside. `findings`: outcome and highest score (0 to 1) of what the judge found.
    """
    doubt = 1.0
    for reliability in reliabilities:
        doubt *= 1 - REPORT_WEIGHT * max(reliability, 0.0) if reliability >= UNRELIABLE else 1.0
    for source in set(sources):
        doubt *= 1 - SOURCE_WEIGHTS.get(source, 0.0)
    for outcome, score in findings:
        doubt *= 1 - max(OUTCOME_WEIGHTS.get(outcome, 0.0), min(max(score, 0.0), 1.0) * 0.9)
    return round(1 - doubt, 4)
