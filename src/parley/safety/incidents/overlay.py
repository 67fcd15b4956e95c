"""What an incident changes about a policy, as a change of its files: numbers drop, newcomers wait, words are flagged.

Pure: files in, files out. The judge stays what it is; a changed policy has another hash, and every result names it, so
that whatever was judged in an incident can be judged again in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec
import yaml

from parley.kit.errors import Invalid
from parley.screening.yaml_files import Document

Kind = Literal["riot", "mass_shooting", "custom"]
WORDS_FILE = "words.inc.yaml"
"""A bank of words of its own: the others stay as they are, to the byte."""
NEVER = "zzyx quokka"
_SAYS_SOMETHING = (
    '!(content.kind == "profile" && content.media == 0 && text.words <= 1)'
    ' && !(content.kind == "media" && text.characters == 0)'
)
"""A profile that has a username alone, as each has at sign-up, and a file without words say nothing yet: the account
could not be used, or its post would wait twice."""
_DROPPING = ("_flag", "_hold", "_urgent")
_SCOPE_ITEM = re.compile(r"[^\W_][\w '’.-]*")


class Template(msgspec.Struct, frozen=True):
    """What a kind of incident begins with: which scores of the text model count earlier (empty: all), and by how
    much."""

    words: str
    heads: tuple[str, ...]
    factor: float


TEMPLATES: dict[Kind, Template] = {
    "riot": Template("Riot or unrest", ("violence", "hate", "harassment"), 0.6),
    "mass_shooting": Template("Mass shooting or attack", ("violence", "hate"), 0.5),
    "custom": Template("Something else", (), 0.7),
}


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What is to change."""

    incident_id: int
    kind: Kind
    factor: float
    hold_new: bool
    scope: tuple[str, ...]
    clause: str
    ends_at: datetime


class _Dumper(yaml.SafeDumper):
    """Writes every value out: policies know no aliases."""

    def ignore_aliases(self, data: Any) -> bool:
        """Never an alias."""
        return True


def clean_scope(written: Sequence[str]) -> tuple[str, ...]:
    """Words, hashtags and places as banks hold them: without `#`, small letters, each once.

    Raises Invalid for what is no plain word or name.
    """
    found = []
    for text in written:
        item = " ".join(text.strip().removeprefix("#").lower().split())
        if not item:
            continue
        if len(item) > 60 or len(item) < 3 or not _SCOPE_ITEM.fullmatch(item):
            raise Invalid(f"{text.strip()!r} cannot be looked for: give words, hashtags or names of 3 to 60 letters.")
        found.append(item)
    if len(found) > 100:
        raise Invalid("Name at most 100 words, hashtags and places.")
    return tuple(dict.fromkeys(found))


def lower_thresholds(head: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """`policy.yaml` with the thresholds of the kind's scores multiplied by the factor."""
    heads = TEMPLATES[change.kind].heads
    lowered = dict(head.get("thresholds") or {})
    for name, value in lowered.items():
        if not isinstance(value, float) or not name.endswith(_DROPPING):
            continue
        if not heads or name.rpartition("_")[0] in heads:
            lowered[name] = round(value * change.factor, 4)
    return {**head, "thresholds": lowered} if lowered else dict(head)


def _newcomers(change: Change, clause: str, but: str) -> dict[str, Any]:
    new = {"account_age_days": 0, "published_statuses": 0}
    bare = {"username": "newcomer"}
    named, described = {**bare, "display_name": "Ann"}, {"description": "a house"}
    return {
        "id": "incident-newcomers",
        "state": "LIVE",
        "expires": f"{change.ends_at + timedelta(days=1):%Y-%m-%d}",
        "cap_per_hour": 1_000_000,
        "title": "In an incident, what new accounts write waits for a moderator",
        "when": f'account.trust == "new" && {_SAYS_SOMETHING}{but}',
        "outcome": "hold",
        "clause": clause,
        "because": "There is an incident, and everything by new accounts is looked at first",
        "labels": ["incident", "new-account"],
        "tests": [
            {"name": "by a new account", "text": "hello there", "account": new, "expect": "hold"},
            {"name": "a name", "kind": "profile", "texts": named, "account": new, "expect": "hold"},
            {"name": "a portrait", "kind": "profile", "texts": bare, "media": 1, "account": new, "expect": "hold"},
            {"name": "only signed up", "kind": "profile", "texts": bare, "account": new, "expect": "allow"},
            {"name": "a description", "kind": "media", "texts": described, "account": new, "expect": "hold"},
            {"name": "a file alone", "kind": "media", "media": 1, "account": new, "expect": "allow"},
            {"name": "by a known account", "text": "hello there", "expect": "allow"},
        ],
    }


def _scope_words(change: Change) -> dict[str, Any]:
    entry = {
        "id": "incident-scope",
        "tier": "flag",
        "clause": change.clause,
        "title": "What the incident is about",
        "expires": f"{change.ends_at + timedelta(days=1):%Y-%m-%d}",
        "match": [item.replace("-", " ").replace("'", "").replace("’", "").replace(".", " ") for item in change.scope],
        "hits": list(change.scope),
        "misses": [NEVER],
    }
    return {"words": [entry]}


def apply_incident(files: Mapping[str, bytes], change: Change) -> dict[str, bytes]:
    """The files of the policy during an incident; all but `policy.yaml`, `rules.yaml` and the incident's own words are
    the same bytes."""
    changed = dict(files)
    head = Document("policy.yaml", files.get("policy.yaml")).value
    rules = Document("rules.yaml", files.get("rules.yaml")).value
    if not isinstance(head, dict) or not isinstance(rules, dict) or not isinstance(rules.get("rules"), list):
        raise Invalid("The live policy cannot be read, so it cannot be changed for an incident.")
    note = f"# incident {change.incident_id}\n"
    changed["policy.yaml"] = (note + _dump(lower_thresholds(head, change))).encode()
    if change.hold_new:
        clause, but = _mildest(rules["rules"], change.clause), _but_for_help(rules["rules"], head)
        own = [*rules["rules"], _newcomers(change, clause, but)]
        changed["rules.yaml"] = (note + _dump({**rules, "rules": own})).encode()
    if change.scope:
        changed[WORDS_FILE] = (note + _dump(_scope_words(change))).encode()
    return changed


def _mildest(rules: Sequence[Any], clause: str) -> str:
    """Under which clause newcomers wait: the one that the policy itself uses for new accounts, so that nobody who wrote
    something harmless is told of threats."""
    for rule in rules:
        labels = rule.get("labels") if isinstance(rule, dict) else None
        if isinstance(labels, list) and "new-account" in labels and rule.get("clause") != "of-match":
            return str(rule["clause"])
    return clause


def _but_for_help(rules: Sequence[Any], head: Mapping[str, Any]) -> str:
    """Who may be in danger stays where friends can see it, in an incident too: what the policy answers with help is not
    held."""
    helped = {
        str(rule.get("clause"))
        for rule in rules
        if isinstance(rule, dict) and "support" in (rule.get("labels") or []) and rule.get("clause") != "of-match"
    }
    but = "".join(f' && !("{clause}" in words.flag.clauses)' for clause in sorted(helped))
    if "self_harm_flag" in (head.get("thresholds") or {}):
        but += " && text.self_harm.score < limit.self_harm_flag"
    return but


def _dump(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=1_000_000)
    return text
