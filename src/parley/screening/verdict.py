"""The verdict: what happens to a revision, under which clause, and why, in words for its author.

Plain frozen data and the one ordering of outcomes. This file must not measure or decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

SignalValue: TypeAlias = bool | int | float | str | list[str]


class Outcome(StrEnum):
    """What happens to the revision, from the mildest to the strongest.

    allow: published. allow_flag: published, and put before a moderator. limit: published, but kept out of
    public timelines, search and suggestions. hold: visible to its author alone until a moderator decides.
    reject: not stored as a post; the author is told. quarantine: kept as evidence, visible to nobody else,
    not even its author.
    """

    ALLOW = "allow"
    ALLOW_FLAG = "allow_flag"
    LIMIT = "limit"
    HOLD = "hold"
    REJECT = "reject"
    QUARANTINE = "quarantine"

    @property
    def rank(self) -> int:
        """0 for allow up to 5 for quarantine."""
        return _RANKS[self]

    @property
    def published(self) -> bool:
        """Whether others may see the revision."""
        return self.rank <= Outcome.LIMIT.rank


_RANKS = {outcome: rank for rank, outcome in enumerate(Outcome)}


def strongest(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the strongest of the given outcomes, or allow when there are none."""
    return max(outcomes, key=lambda outcome: outcome.rank, default=Outcome.ALLOW)


class Match(Struct, frozen=True, kw_only=True):
    """One entry of a bank that was found.

    `field` is the key of `Content.texts`, or `links`; `quote` is at most 120 characters of what the author
    wrote; `disguised` says that it was only found after undoing look-alikes, numbers for letters, spacing
    and the like; `background` entries are logged and never decide.
    """

    signal: str
    bank: str
    entry: str
    tier: str
    clause: str
    field: str
    quote: str
    disguised: bool = False
    background: bool = False


class RuleFired(Struct, frozen=True, kw_only=True):
    """One rule whose condition was true. `decides` is false for a BACKGROUND rule: it is only logged.

    `capped` says that the rule acted too often within the hour, and so does less than it says.
    """

    rule: str
    version: int
    outcome: Outcome
    clause: str | None
    because: str
    labels: tuple[str, ...] = ()
    decides: bool = True
    capped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The judge's answer for one revision under one ruleset.

    `clause` is the id of the clause that decided, None when nothing did. `sentence` is for the author and
    empty when there is nothing to tell. `because` explains to a moderator, strongest reason first.
    `signals` holds every measured value by its full name (`words.hold.count`). `ruleset` is the SHA-256 of
    the policy and of the versions of the signals. `degraded` says that something could not be measured, so
    that the policy's fail mode took part and the revision must be screened again. `latency_us` is the time
    taken in microseconds, `costs_us` what of it each signal took, by its name (what several signals need is computed
    by the first that asks); neither takes part in comparisons, so equal input gives equal verdicts.
    """

    outcome: Outcome
    clause: str | None = None
    sentence: str = ""
    because: tuple[str, ...] = ()
    matches: tuple[Match, ...] = ()
    signals: dict[str, SignalValue] = field(default_factory=dict)
    rules: tuple[RuleFired, ...] = ()
    labels: tuple[str, ...] = ()
    trust: str = "new"
    ruleset: str = ""
    degraded: bool = False
    failed_signals: tuple[str, ...] = ()
    latency_us: int = field(default=0, compare=False)
    costs_us: dict[str, int] = field(default_factory=dict, compare=False)
