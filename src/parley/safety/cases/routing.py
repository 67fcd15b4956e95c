"""Into which queue a case goes: the first rule of the policy's `routing` that fits. Pure."""

from __future__ import annotations

from parley.safety.cases.views import Source
from parley.screening import Ruleset

QUEUES = ("war", "legal", "urgent", "flaggers", "main", "jury")
"""In the order in which they are shown. `jury`: put there by people, or by a rule."""

_GRAVITY: tuple[Source, ...] = (
    "automated",
    "user",
    "public_notice",
    "trusted_flagger",
    "provider_notice",
    "authority_order",
)


def rank_of_source(source: Source) -> int:
    """Higher for whom we must answer first: what the program found by itself has the lowest."""
    return _GRAVITY.index(source)


def graver_source(one: Source, other: Source) -> Source:
    """Of two sources the one that must be answered first."""
    return max(one, other, key=rank_of_source)


def queue_of(
    policy: Ruleset, source: Source, severity: int, clause: str | None = None, *, incident: bool = False
) -> str:
    """The queue of a case with this gravest source, severity and clause; `incident`: it is part of a crisis."""
    for rule in policy.head.routing.rules:
        if rule.incident is not None and rule.incident != incident:
            continue
        if rule.sources and source not in rule.sources:
            continue
        if rule.severity_at_most is not None and severity > rule.severity_at_most:
            continue
        if rule.clauses and clause not in rule.clauses:
            continue
        return rule.queue
    return "main"
