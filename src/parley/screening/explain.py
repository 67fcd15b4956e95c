"""Puts a verdict into words: one sentence for the author, and reasons for the moderator.

Every sentence names the clause and what to change. This file must not decide anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from parley.screening.content import Kind
from parley.screening.rules import Rule
from parley.screening.ruleset import Clause
from parley.screening.signal import Signal
from parley.screening.text_signals import describe_scores
from parley.screening.verdict import Match, Outcome, SignalValue

_NOUNS: dict[Kind, str] = {
    "status": "post",
    "poll": "poll",
    "media": "media description",
    "profile": "profile",
    "message": "message",
}
_AGAIN: dict[Kind, str] = {
    "status": "post again",
    "poll": "post again",
    "media": "save again",
    "profile": "save again",
    "message": "send again",
}
_FIELDS = {
    "text": "the text",
    "spoiler_text": "the content warning",
    "description": "the description",
    "display_name": "the display name",
    "note": "the profile's text",
    "links": "the links",
    "all_texts": "its texts taken together",
}

_FIELD = re.compile(r"[a-z]\w*(?:\.[a-z_]\w*)+")
_AT_REST: dict[str, SignalValue] = {"context.cluster_size": 1}
_EVEN_AT_NOUGHT = frozenset({"account.age_hours", "account.age_days", "account.followers", "account.published"})


def author_sentence(outcome: Outcome, kind: Kind, clause: Clause | None, hours: int, *, degraded: bool) -> str:
    """Return what the author is told; empty when the revision is simply published."""
    noun = _NOUNS[kind]
    rule = f"rule {clause.id} ({clause.title})" if clause else ""
    if outcome is Outcome.HOLD:
        why = f": {rule}, usually within {_hours(hours)}." if rule else f", usually within {_hours(hours)}."
        tail = " It could not be checked completely." if degraded and not rule else ""
        return f"This {noun} is visible only to you until a moderator has looked at it{why}{tail}"
    if outcome is Outcome.REJECT:
        verb = "was not sent" if kind == "message" else "was not saved" if kind in ("media", "profile") else ""
        verb = verb or "was not published"
        if not clause:
            return f"This {noun} {verb}: it could not be checked. Please try again later."
        return f"This {noun} {verb}: it breaks {rule}. {clause.remedy.rstrip('.')} and {_AGAIN[kind]}."
    if outcome is Outcome.LIMIT:
        why = f": {rule}" if rule else ""
        return f"This {noun} was published, but it is left out of public timelines, search and suggestions{why}."
    if outcome is Outcome.QUARANTINE:
        why = f": {rule}" if rule else ""
        tail = "You can ask them to look at it again."
        return f"This {noun} was not published and is kept for the moderators{why}. {tail}"
    return ""


def _hours(hours: int) -> str:
    return "an hour" if hours == 1 else f"{hours} hours"


def rule_reason(
    rule: Rule, matches: Sequence[Match], values: Mapping[str, SignalValue], signals: tuple[Signal, ...]
) -> str:
    """Return why a rule fired: the figures that it asks for, what was found if it speaks of a bank, and how sure the
    text model is."""
    found = [describe_match(match) for match in matches if f"{match.bank}.{match.tier}" == rule.matches]
    shown = f": {'; '.join(found[:3])}" if found else ""
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    scores = describe_scores(rule.when, values)
    sure = f": {', '.join(scores)}" if scores else ""
    figures = describe_figures(rule.when, values, signals)
    known = f" ({', '.join(figures)})" if figures else ""
    return f"{rule.because.rstrip('.')}{known}{sure}{shown}{more}."


def describe_figures(expression: str, values: Mapping[str, SignalValue], signals: tuple[Signal, ...]) -> list[str]:
    """Return what was measured of the fields that a rule's expression asks for, in words: `people mentioned: 9`.

    What is at rest is left out, but for what tells something at nought.
    """
    found = []
    for name in dict.fromkeys(_FIELD.findall(expression)):
        words = next((signal.says[name] for signal in signals if name in signal.says), "")
        value = values.get(name)
        at_rest = not value or value == _AT_REST.get(name)
        if not words or value is None or (at_rest and name not in _EVEN_AT_NOUGHT):
            continue
        found.append(words if value is True else f"{words}: {value}")
    return found


def describe_match(match: Match) -> str:
    """Return one match in words: what was written, where, and the entry that it matches."""
    disguise = ", disguised," if match.disguised else ""
    return f'"{match.quote}"{disguise} in {_field(match.field)} ({match.entry}, rule {match.clause})'


def _field(name: str) -> str:
    if name in _FIELDS:
        return _FIELDS[name]
    if name.startswith("poll_option_"):
        return f"poll option {name.removeprefix('poll_option_')}"
    return name.replace("_", " ")
