"""The lot: who sits on a jury, so that anybody can check that nobody chose. Pure.

Before, the hash of a random seed and the hash of the list of those who qualify go into the log. That entry's own hash
in the chain, which nobody knows before it is written, and the seed together order the list; the first sit, the others
replace those who do not answer. The seed is published with the draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from parley.safety.juries.states import Vote


def hash_pool(pool: Sequence[int]) -> str:
    """SHA-256 (hexadecimal) of the list of those who qualify: their ids as decimal text, one a line, in order."""
    return hashlib.sha256("\n".join(str(one) for one in pool).encode()).hexdigest()


def hash_seed(seed: bytes) -> str:
    """What is said of a seed before it is used: its SHA-256 (hexadecimal)."""
    return hashlib.sha256(seed).hexdigest()


def order_pool(pool: Sequence[int], seed: bytes, chained: bytes) -> list[int]:
    """Everybody who qualifies, in the order of the lot. `chained` is the hash of the entry that convened the jury."""
    key = hashlib.sha256(seed + chained).digest()
    return sorted(pool, key=lambda one: hashlib.sha256(key + str(one).encode()).digest())


def count_votes(votes: Sequence[Vote], seats: int, quorum: int, *, over: bool) -> Vote | None:
    """The verdict: `breaks` or `fine`; `unsure` when the time is over without one; None while it is open.

    A verdict needs more than half of those who were sure, and as many sure ones as the quorum; before the time is over
    everybody must have answered, or those who have not could no longer change it.
    """
    breaks, fine = votes.count("breaks"), votes.count("fine")
    missing = seats - len(votes)
    if not over and missing > 0 and max(breaks, fine) <= seats // 2:
        return None
    if breaks + fine < quorum or breaks == fine:
        return "unsure" if over or missing <= 0 else None
    return "breaks" if breaks > fine else "fine"


PRIOR_RIGHT, PRIOR_ALL = 2, 3
"""Of a juror of whom nothing is known: as if two of three known questions had been answered right."""
ENOUGH_KNOWN = 4
"""Fewer known questions than these say nothing against anybody."""


def reliability_of(right: int, answered: int) -> float:
    """How likely a juror's answer is right, 0 to 1, by the questions whose answer was known."""
    return (right + PRIOR_RIGHT) / (answered + PRIOR_ALL)
