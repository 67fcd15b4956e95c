"""Whether what the judge sees and says has changed since a week when all was well: figures, and what to do. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import msgspec

from parley.safety.intervals import stability_index

Level = Literal["steady", "moving", "changed", "unknown"]
MOVING, CHANGED = 0.1, 0.25
"""The usual limits of the population stability index."""
LEAST = 200
"""Results in a week, below which its shape says nothing."""


class ScoreWeek(msgspec.Struct, frozen=True):
    """One score in one week, against the reference week."""

    week: datetime
    results: int
    mean: float
    above_half: float
    index: float | None
    level: Level


class OutcomeWeek(msgspec.Struct, frozen=True):
    """What was said in one week: shares of all results."""

    week: datetime
    results: int
    flagged: float
    stopped: float
    degraded: float
    labels: int
    agreed: float | None


class Drift(msgspec.Struct, frozen=True):
    """All of it, oldest week first, and what to do in plain words."""

    reference: datetime | None
    scores: dict[str, tuple[ScoreWeek, ...]]
    outcomes: tuple[OutcomeWeek, ...]
    advice: tuple[str, ...]


def compare_weeks(weeks: Mapping[datetime, list[int]], reference: datetime | None) -> tuple[ScoreWeek, ...]:
    """One score's weeks against the reference week, by equal bins of the score."""
    base = weeks.get(reference) if reference else None
    found: list[ScoreWeek] = []
    for week in sorted(weeks):
        counts = weeks[week]
        total = sum(counts)
        mean = sum((place + 0.5) / len(counts) * count for place, count in enumerate(counts)) / total if total else 0.0
        above = sum(counts[len(counts) // 2 :]) / total if total else 0.0
        index: float | None = None
        level: Level = "unknown"
        if base is not None and sum(base) >= LEAST and total >= LEAST:
            index = stability_index(base, counts)
            level = "changed" if index >= CHANGED else "moving" if index >= MOVING else "steady"
        found.append(ScoreWeek(week, total, mean, above, index, level))
    return tuple(found)


def choose_reference(weeks: Mapping[datetime, int], now_week: datetime) -> datetime | None:
    """The first whole week with enough results: all others are compared with it."""
    return next((week for week in sorted(weeks) if weeks[week] >= LEAST and week < now_week), None)


def describe_outcomes(
    weeks: Mapping[datetime, Mapping[str, tuple[int, int]]], agreement: Mapping[datetime, tuple[int, int]]
) -> tuple[OutcomeWeek, ...]:
    """Shares by week; `agreement` is labels and those that agreed, by the week of the label."""
    found: list[OutcomeWeek] = []
    for week in sorted(weeks):
        said = weeks[week]
        total = sum(count for count, _ in said.values()) or 1
        labels, agreed = agreement.get(week, (0, 0))
        found.append(
            OutcomeWeek(
                week,
                sum(count for count, _ in said.values()),
                said.get("allow_flag", (0, 0))[0] / total,
                sum(said.get(outcome, (0, 0))[0] for outcome in ("hold", "reject", "quarantine")) / total,
                sum(degraded for _, degraded in said.values()) / total,
                labels,
                agreed / labels if labels else None,
            )
        )
    return tuple(found)


def advise(scores: Mapping[str, tuple[ScoreWeek, ...]], outcomes: tuple[OutcomeWeek, ...]) -> tuple[str, ...]:
    """What to do, in plain words; the newest week decides."""
    advice: list[str] = []
    if not outcomes:
        return ("Nothing has been judged yet.",)
    last = outcomes[-1]
    for name, weeks in sorted(scores.items()):
        newest = weeks[-1] if weeks else None
        if newest is None or newest.week != last.week or newest.index is None:
            continue
        if newest.level == "changed":
            advice.append(
                f"{name}: what people write scores very differently than in the reference week (index "
                f"{newest.index:.2f}). Look at a sample of new posts. If they have changed, check the thresholds with "
                "`parley policy thresholds`; if they have not, a new language, a campaign or a fault may be behind it."
            )
        elif newest.level == "moving":
            advice.append(f"{name}: scores are moving (index {newest.index:.2f}). Look again next week.")
    if last.degraded > 0.01:
        advice.append(
            f"{last.degraded:.1%} of this week's posts could not be judged completely. Look at the server's log for "
            "signals that fail: those posts went by the fail mode."
        )
    if len(outcomes) > 1 and outcomes[-2].results >= LEAST and last.results >= LEAST:
        before, after = outcomes[-2].stopped, last.stopped
        if after > 2 * before + 0.002:
            advice.append(
                f"{after:.1%} of posts were stopped this week, {before:.1%} the week before. See `parley policy rules` "
                "for the rule that does it, and read some of its posts before you trust it."
            )
    if last.agreed is not None and last.labels >= 20 and last.agreed < 0.7:
        advice.append(
            f"Moderators agreed with {last.agreed:.0%} of {last.labels} verdicts this week. `parley model evaluate` "
            "says for which clause; try a milder rule with `parley policy backtest`."
        )
    if not advice:
        known = any(week.index is not None for weeks in scores.values() for week in weeks)
        advice.append(
            "Nothing needs doing: scores, flags and agreement are as they were."
            if known
            else f"Too little to tell yet: a week needs at least {LEAST} judged posts, and there must be two of them."
        )
    return tuple(advice)
