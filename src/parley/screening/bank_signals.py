"""Signals of the banks: phrases and links that are known, found through their disguises.

This file must not decide what a match leads to.
"""

from __future__ import annotations

from parley.screening.banks import TIERS, Link, LinkEntry, WordEntry
from parley.screening.rules import FieldType
from parley.screening.signal import Frame, Measured, Signal
from parley.screening.verdict import Match, SignalValue

_PROGRAMS = (".apk", ".bat", ".cmd", ".dmg", ".exe", ".hta", ".iso", ".jar", ".msi", ".ps1", ".scr", ".vbs")
ALL_TEXTS = "all_texts"
"""The field of a match whose words are spread over several texts."""
_SAFE_SCHEMES = frozenset({"http", "https", "mailto", "xmpp", "gemini", "ipfs", "magnet", "dat", "dweb", "ssb"})


def has_expired(entry: WordEntry | LinkEntry, frame: Frame) -> bool:
    """Whether the entry no longer counted at the moment of judging."""
    return entry.expires is not None and frame.facts.now >= entry.expires


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
            if key in seen or found.entry.id in whole or has_expired(found.entry, frame):
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
        if not has_expired(entry, frame)
    ]
    followed = [link for link in frame.links if not link.bare]
    counted = [link for link in followed if not link.final]
    values = _tiers("links", matches)
    values |= {
        "links.count": len(counted),
        "links.hosts": len({link.host for link in counted if link.host}),
        "links.shortened": sum(map(frame.link_bank.is_shortener, counted)),
        "links.misleading": sum(link.misleading for link in followed),
        "links.unsafe": sum(link.scheme not in _SAFE_SCHEMES for link in followed),
        "links.programs": sum(_leads_to_program(link) for link in followed),
        "links.addresses": sum(_is_address(link.host) for link in followed),
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


def _tier_fields(bank: str) -> dict[str, FieldType]:
    fields: dict[str, FieldType] = {}
    for tier in TIERS:
        fields |= {
            f"{bank}.{tier}.count": "int",
            f"{bank}.{tier}.clauses": "list",
            f"{bank}.{tier}.entries": "list",
        }
    return fields


BANK_SIGNALS: tuple[Signal, ...] = (
    Signal(
        "words",
        1,
        "Phrases of the word bank, found through look-alikes, numbers for letters, spacing and repeats.",
        _tier_fields("words") | {"words.disguised": "int"},
        measure_words,
        cost_us=250,
        says={"words.disguised": "phrases in disguise"},
    ),
    Signal(
        "links",
        2,
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
        cost_us=30,
        says={
            "links.count": "links",
            "links.hosts": "sites linked to",
            "links.shortened": "links that hide where they lead",
            "links.misleading": "links made to mislead",
            "links.unsafe": "links that are no address of a page",
            "links.programs": "links to programs",
            "links.addresses": "links to bare network addresses",
        },
    ),
)
