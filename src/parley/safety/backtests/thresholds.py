"""From which score on texts should be looked at, if so many can be looked at in a day.

Only a ranking by the model's score is used; which kinds of harm come first is for the policy's authors to say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.social.verdicts.reads import list_scores

LEAST_DAYS = 7.0
LEAST_POSTS = 1000
HISTORY = timedelta(days=60)


class Threshold(msgspec.Struct, frozen=True):
    """From `score` on, `per_day` texts a day would have been looked at."""

    head: str
    score: float
    per_day: float


class Thresholds(msgspec.Struct, frozen=True):
    """What the budget leads to, and from how much history that is known."""

    reviews_per_day: float
    days: float
    posts: int
    heads: tuple[Threshold, ...]


def find_thresholds(
    scores: Mapping[str, Sequence[float]], days: float, posts: int, reviews_per_day: float
) -> Thresholds:
    """Share the budget equally between the heads; each gets the lowest score that keeps within its part. A head of
    which more texts than that are quite certain (1.0) gets none.

    `scores` holds, by head, every score above zero, of `posts` texts in `days` days. Raises Invalid, saying what is
    missing, for a history from which nothing can be learnt.
    """
    if days < LEAST_DAYS or posts < LEAST_POSTS:
        raise Invalid(
            f"History is too short: {posts} texts in {days:.1f} days. At least {LEAST_POSTS} texts in {LEAST_DAYS:.0f} "
            "days are needed; until then use the thresholds of the policy that ships."
        )
    if reviews_per_day <= 0:
        raise Invalid("Give how many reviews a day are possible: a number above 0.")
    if not scores:
        raise Invalid("No text of this history was scored by the model.")
    allowed = int(reviews_per_day / len(scores) * days)
    heads = []
    for head in sorted(scores):
        ranked = sorted(scores[head], reverse=True)
        if len(ranked) <= allowed:
            score = ranked[-1] if ranked else 1.0
        else:
            # The first that does not fit any more must stay below, with all that have its score.
            score = min((one for one in ranked[:allowed] if one > ranked[allowed]), default=1.0)
        count = sum(one >= score for one in ranked)
        if count <= allowed:
            heads.append(Threshold(head, score, count / days))
    return Thresholds(reviews_per_day, days, posts, tuple(heads))


async def suggest_thresholds(tx: Tx, reviews_per_day: float) -> Thresholds:
    """The thresholds that this instance's own history of the last 60 days leads to. Raises Invalid."""
    scores, posts, days = await list_scores(tx, now() - HISTORY)
    return find_thresholds(scores, days, posts, reviews_per_day)
