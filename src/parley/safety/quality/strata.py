"""How much of what is judged again: by severity, and by who decided. Pure.

Rare and grave things are looked at more often than their share, and what no person saw more often than what one did;
figures are shown by stratum, so that this bends none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from math import ceil

SHARES: Mapping[str, tuple[float, float, float, float]] = {
    "person": (0.20, 0.10, 0.05, 0.03),
    "rule": (0.30, 0.15, 0.08, 0.05),
    "hold": (0.20, 0.10, 0.05, 0.03),
    "reject": (0.30, 0.15, 0.08, 0.05),
}
"""Share of a day that is judged again, by severity 0 to 3. person: a moderator or a jury decided; rule: the program did
by itself; hold and reject: screening stopped it and nobody has decided."""

MOST_OF_A_STRATUM = 12
"""In a day: people have other work."""
BY = ("person", "rule", "hold", "reject", "golden")
WORDS = {
    "person": "decided by people",
    "rule": "decided by the program",
    "hold": "held by screening",
    "reject": "refused by screening",
    "golden": "questions with a known answer",
}


def stratum_of(severity: int | None, by: str) -> str:
    """`severity-2-rule`."""
    return f"severity-{3 if severity is None else severity}-{by}"


def severity_of(stratum: str) -> int:
    """The severity in the name of a stratum."""
    return int(stratum.split("-")[1])


def by_of(stratum: str) -> str:
    """Who decided, in the name of a stratum."""
    return stratum.split("-")[2]


def size_of(stratum: str, count: int) -> int:
    """How many of `count` are drawn: the share, at least one where there is any, and no more than people can bear."""
    if count <= 0:
        return 0
    share = SHARES[by_of(stratum)][severity_of(stratum)]
    return min(max(ceil(count * share), 1), MOST_OF_A_STRATUM, count)


def draw(ids: Sequence[int], size: int, seed: bytes) -> list[int]:
    """`size` of the ids by chance: the same for the same seed, which stands in the log."""
    return sorted(ids, key=lambda one: hashlib.sha256(seed + str(one).encode()).digest())[:size]
