"""Confidence intervals and the like: small statistics that figures are printed with. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log, sqrt

Z95 = 1.959964


def wilson(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """The interval (0 to 1) in which a share lies with 95 % confidence (Wilson's score interval); (0, 1) for none."""
    if trials <= 0:
        return 0.0, 1.0
    share = successes / trials
    middle = share + z * z / (2 * trials)
    width = z * sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    whole = 1 + z * z / trials
    return max((middle - width) / whole, 0.0), min((middle + width) / whole, 1.0)


def stability_index(reference: list[int], counts: list[int]) -> float:
    """The population stability index of two histograms with equal bins: 0 for equal shares, above .25 a great change.

    Empty bins count as half an observation. 0.0 where either histogram is empty.
    """
    one, other = sum(reference), sum(counts)
    if not one or not other:
        return 0.0
    index = 0.0
    for before, after in zip(reference, counts, strict=True):
        expected, actual = max(before, 0.5) / one, max(after, 0.5) / other
        index += (actual - expected) * log(actual / expected)
    return index


def describe_share(successes: int, trials: int) -> str:
    """`0.83 (0.71 to 0.91, 40 of 48)`."""
    low, high = wilson(successes, trials)
    if not trials:
        return "unknown (nothing to count)"
    return f"{successes / trials:.2f} ({low:.2f} to {high:.2f}, {successes} of {trials})"


def krippendorff_alpha(units: Sequence[Sequence[str]]) -> float | None:
    """Krippendorff's alpha of nominal data: how far people agree beyond chance. 1 is always, 0 as by chance.

    Each unit holds the answers that were given about one thing, in no order; missing ones are left out. None where
    nothing can be compared. Source: Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), sections A to C.
    """
    pairable = [Counter(unit) for unit in units if len(unit) > 1]
    totals: Counter[str] = Counter()
    for unit in pairable:
        totals.update(unit)
    count = sum(totals.values())
    if count < 2:
        return None
    observed = sum(
        sum(one * (sum(unit.values()) - one) for one in unit.values()) / (sum(unit.values()) - 1) for unit in pairable
    )
    expected = sum(one * (count - one) for one in totals.values()) / (count - 1)
    return 1.0 if expected == 0 else 1.0 - observed / expected
