"""Signals: what is measured of a revision. Each has a name, a version, typed fields and a plain description.

A signal is one function from a `Frame` to values and matches. To add one, write the function and add a line
to `SIGNALS`: rules can name its fields at once, and no caller changes. Signals must not decide anything, read
anything outside the frame, or depend on the clock: equal input gives equal values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from msgspec import Struct

from parley.screening.banks import TIERS, Link, LinkBank, WordBank, find_links, read_link
from parley.screening.content import Content, Facts, Trust
from parley.screening.documents import Limits
from parley.screening.normalise import View, count_stacked_marks, join_views
from parley.screening.rules import FieldType
from parley.screening.verdict import Match, SignalValue

_PROGRAMS = (".apk", ".bat", ".cmd", ".dmg", ".exe", ".hta", ".iso", ".jar", ".msi", ".ps1", ".scr", ".vbs")
ALL_TEXTS = "all_texts"
"""The field of a match whose words are spread over several texts."""
_SAFE_SCHEMES = frozenset({"http", "https", "mailto", "xmpp", "gemini", "ipfs", "magnet", "dat", "dweb", "ssb"})


@dataclass(frozen=True)
class Frame:
    """Everything that a signal may look at. What several signals need is computed once, when asked for."""

    content: Content
    facts: Facts
    trust: Trust
    words: WordBank
    link_bank: LinkBank
    limits: Limits
    texts: dict[str, str]

    @cached_property
    def views(self) -> dict[str, View]:
        """The word bank's view of each text."""
        return {name: self.words.view(text) for name, text in self.texts.items() if text}

    @property
    def joined_view(self) -> View | None:
        """All texts as one, a content warning first; None when there is only one."""
        if len(self.views) < 2:
            return None
        return join_views([self.views[name] for name in sorted(self.views, key=lambda name: name != "spoiler_text")])

    @cached_property
    def links(self) -> list[Link]:
        """Links given by the caller and links that stand in the texts, each once, in order of appearance."""
        found: dict[str, Link] = {}
        limit = self.limits.links
        for written in self.content.links[:limit]:
            link = read_link(written[:4000])
            found.setdefault(link.href, link)
        for text in self.texts.values():
            for link in find_links(text, limit=limit):
                found.setdefault(link.href, link)
        return list(found.values())[:limit]


class Measured(Struct, frozen=True):
    """What one signal found. The keys of `values` are the signal's declared fields."""

    values: Mapping[str, SignalValue]
    matches: tuple[Match, ...] = ()


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal. `about` says in a few plain words what it measures, for the page that lists signals."""

    name: str
    version: int
    about: str
    fields: Mapping[str, FieldType]
    measure: Callable[[Frame], Measured]


def measure_content(frame: Frame) -> Measured:
    """The form of the revision: its kind, its setting and how much of what is in it."""
    content, facts = frame.content, frame.facts
    return Measured(
        {
            "content.kind": content.kind,
            "content.visibility": facts.visibility,
            "content.language": content.language or "",
            "content.mentions": max(content.mentions_count, 0),
            "content.tags": len(content.tags),
            "content.media": max(content.media_count, 0),
            "content.has_poll": content.has_poll,
            "content.sensitive": content.sensitive,
            "content.is_edit": facts.is_edit,
            "content.is_reply": facts.is_reply,
        }
    )


def measure_account(frame: Frame) -> Measured:
    """Who the author is: age, history, standing."""
    facts = frame.facts
    return Measured(
        {
            "account.age_hours": int(max(facts.account_age_days, 0.0) * 24),
            "account.age_days": int(max(facts.account_age_days, 0.0)),
            "account.published": max(facts.published_statuses, 0),
            "account.trust": frame.trust,
            "account.role": facts.role,
            "account.local": facts.local,
            "account.domain": facts.domain or "",
            "account.followers": max(facts.followers, 0),
            "account.following": max(facts.following, 0),
            "account.strikes": max(facts.strikes, 0),
            "account.posts_last_hour": max(facts.posts_last_hour, 0),
            "account.first_contact": facts.first_contact,
        }
    )


def measure_text(frame: Frame) -> Measured:
    """The shape of the words: length, capitals, repetition, stacked marks."""
    letters = capitals = characters = marks = 0
    words: list[str] = []
    for text in frame.texts.values():
        characters += len(text)
        marks += count_stacked_marks(text)
        letters += sum(map(str.isalpha, text))
        capitals += sum(map(str.isupper, text))
        words += text.split()
    return Measured(
        {
            "text.characters": characters,
            "text.words": len(words),
            "text.capitals_percent": round(100 * capitals / letters) if letters else 0,
            "text.repeated_percent": round(100 * (1 - len(set(words)) / len(words))) if words else 0,
            "text.stacked_marks": marks,
        }
    )


def measure_words(frame: Frame) -> Measured:
    """Phrases of the word bank, found through the usual disguises."""
    matches: list[Match] = []
    seen: set[tuple[str, str, str]] = set()
    views = list(frame.views.items())
    if joined := frame.joined_view:
        views.append((ALL_TEXTS, joined))
    for name, view in views:
        whole = set() if name != ALL_TEXTS else {match.entry for match in matches}
        for found in frame.words.find(view):
            quote = view.quote(found.words)
            key = (found.entry.id, name, quote)
            if key in seen or found.entry.id in whole:
                continue
            seen.add(key)
            matches.append(
                Match(
                    signal="words",
                    bank="words",
                    entry=found.entry.id,
                    tier=found.entry.tier,
                    clause=found.entry.clause,
                    field=name,
                    quote=quote,
                    disguised=not view.disguised.isdisjoint(found.words),
                    background=found.entry.background,
                )
            )
    values = _tiers("words", matches)
    values["words.disguised"] = sum(match.disguised and not match.background for match in matches)
    return Measured(values, tuple(matches))


def measure_links(frame: Frame) -> Measured:
    """Links: how many, where they lead, whether they are made to mislead."""
    matches = [
        Match(
            signal="links",
            bank="links",
            entry=entry.id,
            tier=entry.tier,
            clause=entry.clause,
            field="links",
            quote="".join(character for character in link.written[:120] if character.isprintable()),
            background=entry.background,
        )
        for link in frame.links
        for entry in frame.link_bank.find(link)
    ]
    counted = [link for link in frame.links if not link.bare]
    values = _tiers("links", matches)
    values |= {
        "links.count": len(counted),
        "links.hosts": len({link.host for link in counted if link.host}),
        "links.shortened": sum(map(frame.link_bank.is_shortener, counted)),
        "links.misleading": sum(link.misleading for link in counted),
        "links.unsafe": sum(link.scheme not in _SAFE_SCHEMES for link in counted),
        "links.programs": sum(_leads_to_program(link) for link in counted),
        "links.addresses": sum(_is_address(link.host) for link in counted),
    }
    return Measured(values, tuple(matches))


def _tiers(bank: str, matches: list[Match]) -> dict[str, SignalValue]:
    values: dict[str, SignalValue] = {}
    for tier in TIERS:
        live = [match for match in matches if match.tier == tier and not match.background]
        values[f"{bank}.{tier}.count"] = len(live)
        values[f"{bank}.{tier}.clauses"] = sorted({match.clause for match in live})
        values[f"{bank}.{tier}.entries"] = sorted({match.entry for match in live})
    return values


def _leads_to_program(link: Link) -> bool:
    path = link.href.split("?")[0].split("#")[0]
    return path.count("/") > 2 and path.lower().endswith(_PROGRAMS)


def _is_address(host: str) -> bool:
    return host.startswith("[") or (host.replace(".", "").isdigit() and host.count(".") == 3)


_QUIET: dict[FieldType, SignalValue] = {"bool": False, "int": 0, "double": 0.0, "string": "", "list": []}


def quiet_values(signals: Iterable[Signal]) -> dict[str, SignalValue]:
    """Return the values of signals that are switched off: nothing found."""
    return {name: _QUIET[kind] for signal in signals for name, kind in signal.fields.items()}


def _tier_fields(bank: str) -> dict[str, FieldType]:
    fields: dict[str, FieldType] = {}
    for tier in TIERS:
        fields |= {
            f"{bank}.{tier}.count": "int",
            f"{bank}.{tier}.clauses": "list",
            f"{bank}.{tier}.entries": "list",
        }
    return fields


SIGNALS: tuple[Signal, ...] = (
    Signal(
        "content",
        1,
        "The form of the post: its kind, visibility, mentions, hashtags, attachments.",
        {
            "content.kind": "string",
            "content.visibility": "string",
            "content.language": "string",
            "content.mentions": "int",
            "content.tags": "int",
            "content.media": "int",
            "content.has_poll": "bool",
            "content.sensitive": "bool",
            "content.is_edit": "bool",
            "content.is_reply": "bool",
        },
        measure_content,
    ),
    Signal(
        "account",
        1,
        "The author: age and history of the account, trust, role, strikes, speed of posting.",
        {
            "account.age_hours": "int",
            "account.age_days": "int",
            "account.published": "int",
            "account.trust": "string",
            "account.role": "string",
            "account.local": "bool",
            "account.domain": "string",
            "account.followers": "int",
            "account.following": "int",
            "account.strikes": "int",
            "account.posts_last_hour": "int",
            "account.first_contact": "bool",
        },
        measure_account,
    ),
    Signal(
        "text",
        1,
        "The shape of the text: length, capitals, repetition, stacked marks.",
        {
            "text.characters": "int",
            "text.words": "int",
            "text.capitals_percent": "int",
            "text.repeated_percent": "int",
            "text.stacked_marks": "int",
        },
        measure_text,
    ),
    Signal(
        "words",
        1,
        "Phrases of the word bank, found through look-alikes, numbers for letters, spacing and repeats.",
        _tier_fields("words") | {"words.disguised": "int"},
        measure_words,
    ),
    Signal(
        "links",
        1,
        "Links: how many, whether they stand in the link bank, hide where they lead or imitate another site.",
        _tier_fields("links")
        | {
            "links.count": "int",
            "links.hosts": "int",
            "links.shortened": "int",
            "links.misleading": "int",
            "links.unsafe": "int",
            "links.programs": "int",
            "links.addresses": "int",
        },
        measure_links,
    ),
)
