"""Within how many hours what must have happened, by who asks and how grave it is: the promises of the policy. Pure.

Hours stand in the policy (`clocks`, and `clock_hours` beside each clause); which promises there are stands here.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from parley.safety.cases.views import Source
from parley.screening import Ruleset

ClockKind = Literal["acknowledge", "first_action", "resolve", "interim", "appeal", "preserve"]

BEFORE_THE_END = 0.75
"""An authority's order has one clock only. When three quarters of it are over and nobody has acted, the content is
hidden until somebody has: not at the very minute, which would be too late."""


class Promise(msgspec.Struct, frozen=True):
    """What is promised for one subject: `kind` within `hours`."""

    kind: ClockKind
    hours: float


def list_promises(
    policy: Ruleset, source: Source, severity: int, clause: str | None, *, calm: bool = False
) -> list[Promise]:
    """The promises for a subject of a case. `calm`: it need not be hidden while it waits, for nobody can see it anyway,
    or nobody but an unsure machine found fault with it."""
    clocks = policy.head.clocks
    resolve = hours_of(policy, "resolve", source, severity, clause)
    promises = [Promise("resolve", resolve)]
    if source == "provider_notice":
        promises.append(Promise("first_action", min(clocks.provider_first_action, resolve)))
    if source == "authority_order":
        promises.append(Promise("interim", clocks.authority_order * BEFORE_THE_END))
    elif severity == 0 and not calm:
        promises.append(Promise("interim", min(clocks.severity_0_interim, resolve)))
    return promises


def hours_of(policy: Ruleset, kind: ClockKind, source: Source, severity: int = 2, clause: str | None = None) -> float:
    """How many hours one promise gives."""
    clocks = policy.head.clocks
    if kind == "acknowledge":
        return clocks.provider_acknowledge
    if kind == "first_action":
        return clocks.provider_first_action
    if kind == "appeal":
        return clocks.appeal_target
    if kind == "preserve":
        return clocks.authority_order
    if kind == "interim":
        return clocks.authority_order * BEFORE_THE_END if source == "authority_order" else clocks.severity_0_interim
    if source == "authority_order":
        return clocks.authority_order
    if source == "provider_notice":
        # A clause's own clock is for reports of members. What is grave in a notice is hidden long before it ends.
        return clocks.provider_notice
    if source == "automated":
        return float(policy.head.review_hours)  # what members are told; a clause's own clock is for what people report
    known = policy.clauses.get(clause) if clause is not None else None
    own = known.clock_hours if known is not None else None
    return min(clocks.user_report, float(own)) if own is not None else clocks.user_report


def severity_of(policy: Ruleset, clause: str | None, *, unknown: int = 2) -> int:
    """How grave a breach of `clause` is: 0 threat to life to 3 nuisance."""
    known = policy.clauses.get(clause) if clause is not None else None
    return known.severity if known is not None else unknown


def gravest_clause(policy: Ruleset, clauses: tuple[str, ...]) -> str | None:
    """The clause of the lowest severity, the first named where several are equal."""
    known = [clause for clause in clauses if clause in policy.clauses]
    return min(known, key=lambda clause: policy.clauses[clause].severity, default=None)
