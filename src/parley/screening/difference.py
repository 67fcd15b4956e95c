"""What changes from one ruleset to another, in plain words and as the names of what decides differently.

This file must not judge anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from parley.screening.account_banks import AccountEntry
from parley.screening.banks import LinkEntry, WordEntry
from parley.screening.rules import Rule, fill_in_limits
from parley.screening.ruleset import Ruleset
from parley.screening.verdict import Outcome

_STOPPING = ("reject", "hold")
_HEAD = (
    "review_hours",
    "trust",
    "fail_modes",
    "limits",
    "signals",
    "ladder",
    "clocks",
    "caps",
    "activation",
    "decisions",
    "retention",
)
_DECIDING_HEAD = ("trust", "fail_modes", "limits", "signals")
_FREEING_HEAD = (*_DECIDING_HEAD, "caps")


class Change(Struct, frozen=True, kw_only=True):
    """One difference. `part` and `name` say where: `rule` `words-hold`; `text` says what, in plain words.

    `stops` says that afterwards something may be refused, held or quarantined that was not before; `frees` that
    something may be let through, or looked at by nobody, that was not before.
    """

    part: str
    name: str
    text: str
    stops: bool = False
    frees: bool = False

    def __str__(self) -> str:
        return f"{self.part} {self.name}: {self.text}"


def compare_rulesets(old: Ruleset, new: Ruleset) -> list[Change]:
    """Return every difference between two rulesets, clauses first."""
    changes = _head(old, new)
    changes += _named("clause", old.clauses, new.clauses, _describe_clause)
    changes += _thresholds(old, new)
    changes += _rules(old, new)
    changes += _entries("words", old.words.entries, new.words.entries)
    changes += _entries("links", old.links.entries, new.links.entries)
    for bank in ("emails", "addresses", "names"):
        changes += _entries(
            bank,
            [entry for entry in old.accounts.entries if entry.bank == bank],
            [entry for entry in new.accounts.entries if entry.bank == bank],
        )
    changes += _shorteners(old, new)
    return changes


def _head(old: Ruleset, new: Ruleset) -> list[Change]:
    changes = []
    if (old.name, old.version) != (new.name, new.version):
        text = f"{old.name} {old.version} becomes {new.name} {new.version}"
        changes.append(Change(part="policy", name="version", text=text))
    for key in _HEAD:
        before, after = msgspec.to_builtins(getattr(old.head, key)), msgspec.to_builtins(getattr(new.head, key))
        if before != after:
            stops, frees = key in _DECIDING_HEAD, key in _FREEING_HEAD
            changes.append(Change(part="policy", name=key, text=_values(before, after), stops=stops, frees=frees))
    return changes


def _values(before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in (before | after) if before.get(key) != after.get(key)]
        return "; ".join(f"{key}: {_short(before.get(key))} becomes {_short(after.get(key))}" for key in keys)
    return f"{_short(before)} becomes {_short(after)}"


def _short(value: Any) -> str:
    text = "nothing" if value is None or value == [] else str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."


def _named(part: str, old: Mapping[str, Any], new: Mapping[str, Any], describe: Any) -> list[Change]:
    changes = [Change(part=part, name=name, text="is taken out") for name in old if name not in new]
    for name, after in new.items():
        before = old.get(name)
        if before is None:
            changes.append(Change(part=part, name=name, text=f"is new: {describe(after)}"))
        elif before != after:
            changes.append(Change(part=part, name=name, text=_fields(before, after)))
    return changes


def _describe_clause(clause: Any) -> str:
    return f"{clause.title} (severity {clause.severity})"


def _fields(before: Struct, after: Struct, skip: Iterable[str] = ()) -> str:
    parts = []
    for field in after.__struct_fields__:
        one, other = getattr(before, field), getattr(after, field)
        if field in skip or one == other:
            continue
        if isinstance(one, tuple) and isinstance(other, tuple):
            gone = [_item(item) for item in one if item not in other]
            come = [_item(item) for item in other if item not in one]
            parts += [f"{field} without {_short(', '.join(gone))}"] if gone else []
            parts += [f"{field} also {_short(', '.join(come))}"] if come else []
            parts += [] if gone or come else [f"{field} in another order"]
        else:
            parts.append(f"{field}: {_short(one)} becomes {_short(other)}")
    return "; ".join(parts)


def _item(item: Any) -> str:
    return repr(getattr(item, "written", item))


def _thresholds(old: Ruleset, new: Ruleset) -> list[Change]:
    before, after = old.head.thresholds, new.head.thresholds
    return [
        Change(part="threshold", name=name, text=f"{_short(before.get(name))} becomes {_short(after.get(name))}")
        for name in before | after
        if before.get(name) != after.get(name)
    ]


def _rules(old: Ruleset, new: Ruleset) -> list[Change]:
    before, after = {rule.id: rule for rule in old.rules}, {rule.id: rule for rule in new.rules}
    changes = [
        Change(part="rule", name=name, text="is taken out", frees=_acts(rule))
        for name, rule in before.items()
        if name not in after
    ]
    for name, rule in after.items():
        known = before.get(name)
        if known is None:
            text = f"is new ({_state(rule)}): {rule.outcome} when {_short(rule.when)}"
        else:
            text = _fields(known, rule, skip=("program", "decides"))
            if known.decides is not rule.decides:
                text = "; ".join(filter(None, [f"{_state(known)} becomes {_state(rule)}", text]))
            if _condition(known, old) != _condition(rule, new) and known.when == rule.when:
                text = "; ".join(filter(None, [text, "a threshold that it uses changes"]))
        if text:
            stops, frees = _stops(known, rule, old, new), _frees(known, rule, old, new)
            changes.append(Change(part="rule", name=name, text=text, stops=stops, frees=frees))
    return changes


def _state(rule: Rule) -> str:
    return "LIVE" if rule.decides else "BACKGROUND"


def _condition(rule: Rule, ruleset: Ruleset) -> str:
    return fill_in_limits(rule.when, ruleset.head.thresholds)[0]


def _stops(before: Rule | None, after: Rule, old: Ruleset, new: Ruleset) -> bool:
    if not after.decides or after.outcome.rank < Outcome.HOLD.rank:
        return False
    if before is None or not before.decides:
        return True
    return before.outcome is not after.outcome or not _fires_alike(before, after, old, new)


def _frees(before: Rule | None, after: Rule, old: Ruleset, new: Ruleset) -> bool:
    if before is None or not _acts(before):
        return False
    milder = not after.decides or after.outcome.rank < before.outcome.rank
    less = after.cap_per_hour < before.cap_per_hour or after.over_cap.rank < before.over_cap.rank
    return milder or less or not _fires_alike(before, after, old, new)


def _acts(rule: Rule) -> bool:
    return rule.decides and rule.outcome is not Outcome.ALLOW


def _fires_alike(before: Rule, after: Rule, old: Ruleset, new: Ruleset) -> bool:
    same = before.kinds == after.kinds and before.expires == after.expires
    return same and _condition(before, old) == _condition(after, new)


def _entries(
    bank: str,
    old: Iterable[WordEntry | LinkEntry | AccountEntry],
    new: Iterable[WordEntry | LinkEntry | AccountEntry],
) -> list[Change]:
    before, after = {entry.id: entry for entry in old}, {entry.id: entry for entry in new}
    changes = [
        Change(part=bank, name=name, text="is taken out", frees=not entry.background)
        for name, entry in before.items()
        if name not in after
    ]
    for name, entry in after.items():
        known = before.get(name)
        live = not entry.background and entry.tier in _STOPPING
        if known is None:
            text = f"is new ({'BACKGROUND' if entry.background else 'LIVE'}, {entry.tier}): {entry.title or name}"
            changes.append(Change(part=bank, name=name, text=text, stops=live))
        elif known != entry:
            text = _fields(known, entry)
            only_words = msgspec.structs.replace(known, title=entry.title, clause=entry.clause) == entry
            stops, frees = live and not only_words, not known.background and not only_words
            changes.append(Change(part=bank, name=name, text=text, stops=stops, frees=frees))
    return changes


def _shorteners(old: Ruleset, new: Ruleset) -> list[Change]:
    gone, come = old.links.shorteners - new.links.shorteners, new.links.shorteners - old.links.shorteners
    if not gone and not come:
        return []
    parts = [f"without {', '.join(sorted(gone))}"] if gone else []
    parts += [f"also {', '.join(sorted(come))}"] if come else []
    return [Change(part="links", name="shorteners", text="; ".join(parts), stops=bool(come), frees=bool(gone))]
