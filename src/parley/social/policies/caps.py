"""How often each rule acts in an hour: what this process remembers of it, for the judge's facts.

Kept in memory, for it is asked for every post. The job in `watching.py` adds up what all processes did and says when a
rule is over its cap; a process that alone lets a rule act that often notices by itself. Nothing here reads a database.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from parley import screening
from parley.screening import Facts, Outcome, Ruleset, Verdict

TOPIC = "capped"
"""Of the message that tells every process that a rule reached its cap."""

ACTING = frozenset({Outcome.LIMIT, Outcome.HOLD, Outcome.REJECT, Outcome.QUARANTINE})
"""Outcomes that count: what a rule does to somebody's post by itself."""

_capped: dict[str, datetime] = {}
_acted: dict[str, int] = {}
_hour = datetime.min
_caps: dict[str, int] = {}
_caps_of: Ruleset | None = None


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour of a moment."""
    return moment.replace(minute=0, second=0, microsecond=0)


def use_capped(rules: Iterable[tuple[str, datetime]]) -> None:
    """Remember which rules are over their caps, and until when: what the job found."""
    _capped.update(rules)


def with_caps(facts: Facts) -> Facts:
    """The facts together with the rules that acted too often within the hour."""
    if not _capped:
        return facts
    for rule in [rule for rule, until in _capped.items() if until <= facts.now]:
        del _capped[rule]
    return msgspec.structs.replace(facts, capped_rules=tuple(sorted(_capped))) if _capped else facts


def count_verdict(verdict: Verdict, moment: datetime) -> None:
    """Count what rules did in this process; a rule that reaches its cap here is capped here at once."""
    global _hour, _caps, _caps_of
    if verdict.outcome not in ACTING:
        return
    hour = hour_of(moment)
    if hour != _hour:
        _hour = hour
        _acted.clear()
    ruleset = screening.live_ruleset()
    if ruleset is not _caps_of:
        _caps, _caps_of = {rule.id: rule.cap_per_hour for rule in ruleset.rules}, ruleset
    for fired in verdict.rules:
        if fired.decides and fired.outcome in ACTING:
            count = _acted[fired.rule] = _acted.get(fired.rule, 0) + 1
            if count >= _caps.get(fired.rule, count + 1):
                _capped.setdefault(fired.rule, hour + timedelta(hours=1))


def forget() -> None:
    """Begin anew, for tests."""
    _capped.clear()
    _acted.clear()
