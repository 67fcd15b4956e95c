"""Word banks and link banks: what is looked for, and how it is found in linear time.

A word bank holds phrases; one Aho-Corasick pass over a text's view finds which phrases can match at all, and
RE2 confirms them and says where. A link bank holds domains (with all their subdomains), shorteners and URL
patterns; hosts are read as a browser reads them. This file must not decide what a match leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import ada_url
import ahocorasick
import re2
from msgspec import Struct

from parley.screening.normalise import View, Vocabulary, build_view, build_vocabulary
from parley.screening.phrases import Phrase, compile_phrase

Tier = Literal["reject", "hold", "flag"]
TIERS: tuple[Tier, ...] = ("reject", "hold", "flag")
BANK_VERSION = 1
"""Raised with every change here that can alter a verdict: it is part of the ruleset's hash."""

_MATCHES_PER_PHRASE = 20
_BARE_LINK = re.compile(r"(?:h(?:tt|xx)ps?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_BARE_DOMAIN = re.compile(r"(?<![\w@/.\-])(?:[\w-]{1,63}(?:\.|\[\.\]|\(\.\)|\[dot\]|\(dot\))){1,8}[^\W\d_]{2,24}(?![\w@])", re.IGNORECASE)  # fmt: skip  # noqa: E501
_DEFANGED_DOT = re.compile(r"\[\.\]|\(\.\)|\[dot\]|\(dot\)", re.IGNORECASE)


class WordEntry(Struct, frozen=True, kw_only=True):
    """One entry of a word bank, ready to match. `unless` phrases take a match back that they overlap."""

    id: str
    tier: Tier
    clause: str
    title: str
    phrases: tuple[Phrase, ...]
    unless: tuple[Phrase, ...] = ()
    background: bool = False
    expires: datetime | None = None


class WordMatch(Struct, frozen=True):
    """An entry that was found, and where: `words` are indexes of the view's words."""

    entry: WordEntry
    words: range


class WordBank:
    """All word entries of one ruleset, matched together. Immutable after construction, safe to share."""

    def __init__(self, entries: Sequence[WordEntry], spellings: dict[str, tuple[str, ...]]) -> None:
        self.entries = tuple(entries)
        self.spellings = spellings
        phrases = [phrase for entry in entries for phrase in (*entry.phrases, *entry.unless)]
        self.vocabulary: Vocabulary = build_vocabulary(
            (word for phrase in phrases for word in phrase.words),
            (stem for phrase in phrases for stem in phrase.stems),
            spellings,
        )
        options = quiet_options()
        self._compiled = [
            (entry, [re2.compile(p.pattern.encode(), options) for p in entry.phrases],
             [re2.compile(p.pattern.encode(), options) for p in entry.unless])
            for entry in entries
        ]  # fmt: skip
        anchored: dict[str, set[tuple[int, int]]] = {}
        for number, entry in enumerate(entries):
            for index, phrase in enumerate(entry.phrases):
                for anchor in phrase.anchors:
                    key = f" {anchor[:-1]}" if anchor.endswith("*") else f" {anchor} "
                    anchored.setdefault(key, set()).add((number, index))
        self._anchors = ahocorasick.Automaton()
        for key, where in anchored.items():
            self._anchors.add_word(key, tuple(sorted(where)))
        if anchored:
            self._anchors.make_automaton()
        self._empty = not anchored

    def view(self, text: str) -> View:
        """Return the text as this bank sees it."""
        return build_view(text, self.vocabulary)

    def find(self, view: View) -> list[WordMatch]:
        """Return every entry found in the view, in the order of the bank and then of the text."""
        if self._empty:
            return []
        candidates: set[tuple[int, int]] = set()
        for _, where in self._anchors.iter(view.text.decode()):
            candidates.update(where)
        found: list[WordMatch] = []
        for number, index in sorted(candidates):
            entry, phrases, unless = self._compiled[number]
            for words in _spans(phrases[index], view):
                if not any(_overlap(words, other) for pattern in unless for other in _spans(pattern, view)):
                    found.append(WordMatch(entry, words))
        return found


def compile_phrases(written: Iterable[str], spellings: dict[str, tuple[str, ...]]) -> tuple[Phrase, ...]:
    """Compile phrases; raises `PhraseError` with a sentence that says what is allowed."""
    return tuple(compile_phrase(text, lambda word: spellings.get(word, (word,))) for text in written)


def _spans(pattern: re2._Regexp, view: View) -> list[range]:
    spans: list[range] = []
    position = 0
    while len(spans) < _MATCHES_PER_PHRASE:
        found = pattern.search(view.text, position)
        if not found:
            break
        start, end = found.span()
        spans.append(view.words_between(start, end))
        position = end - 1
    return spans


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def check_pattern(pattern: str) -> str:
    """Return what is wrong with a URL pattern, or an empty string."""
    try:
        re2.compile(pattern, quiet_options())
    except re2.error as error:
        fault = error.args[0] if error.args else "unknown"
        return fault.decode(errors="replace") if isinstance(fault, bytes) else str(fault)
    return ""


def quiet_options() -> re2.Options:
    """Return RE2's options for every pattern of a bank: little memory, nothing in the log."""
    options = re2.Options()
    options.max_mem = 1 << 20
    options.log_errors = False
    return options


class LinkEntry(Struct, frozen=True, kw_only=True):
    """One entry of a link bank: domains with all their subdomains, but for those below `unless`, and patterns of
    whole URLs (RE2)."""

    id: str
    tier: Tier
    clause: str
    title: str
    domains: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    background: bool = False
    expires: datetime | None = None


class Link(Struct, frozen=True, kw_only=True):
    """A link as a browser reads it. `host` is lower-case ASCII (punycode) and empty when it has none; `final` is one
    to which another link led."""

    written: str
    scheme: str
    host: str
    href: str
    misleading: bool
    bare: bool = False
    final: bool = False


class LinkBank:
    """All link entries of one ruleset. Immutable after construction, safe to share."""

    def __init__(self, entries: Sequence[LinkEntry], shorteners: Iterable[str]) -> None:
        self.entries = tuple(entries)
        self.shorteners = frozenset(shorteners)
        self._domains: dict[str, list[LinkEntry]] = {}
        for entry in entries:
            for domain in entry.domains:
                self._domains.setdefault(domain, []).append(entry)
        options = quiet_options()
        self._patterns = [(entry, re2.compile(pattern, options)) for entry in entries for pattern in entry.patterns]

    def find(self, link: Link) -> list[LinkEntry]:
        """Return the entries that the link matches, each once."""
        parents = parent_domains(link.host)
        found = {e.id: e for domain in parents for e in self._domains.get(domain, ())}
        found = {
            name: entry for name, entry in found.items() if not (entry.unless and set(entry.unless) & set(parents))
        }
        if not link.bare:
            found |= {entry.id: entry for entry, pattern in self._patterns if pattern.search(link.href)}
        return list(found.values())

    def is_shortener(self, link: Link) -> bool:
        """Whether the link's host, or a parent of it, hides where the link leads."""
        return not self.shorteners.isdisjoint(parent_domains(link.host))


def parent_domains(host: str) -> list[str]:
    """Return the host and its parent domains: `a.b.example` gives itself, `b.example` and `example`."""
    labels = host.rstrip(".").split(".")[-10:]
    return [".".join(labels[index:]) for index in range(len(labels))]


def read_link(written: str, *, bare: bool = False, final: bool = False) -> Link:
    """Parse a link by the WHATWG rules. Never raises: what cannot be parsed has no host and is misleading."""
    cleaned = _DEFANGED_DOT.sub(".", written.encode("utf-8", "replace").decode())
    if cleaned[:4].lower() == "hxxp":
        cleaned = "http" + cleaned[4:]
    if "://" not in cleaned[:12] and (bare or cleaned[:4].lower() == "www."):
        cleaned = "http://" + cleaned
    try:
        url = ada_url.URL(cleaned)
        scheme, host, user, href = url.protocol.rstrip(":"), url.hostname.rstrip("."), url.username, url.href
    except ValueError:
        return Link(written=written, scheme="", host="", href=cleaned, misleading=not bare, bare=bare, final=final)
    misleading = bool(user) or "\\" in written or any(c in written for c in "\t\n\r") or _mixes_scripts(host)
    return Link(written=written, scheme=scheme, host=host, href=href, misleading=misleading, bare=bare, final=final)


def normalise_domain(written: str) -> str:
    """Return a bank's domain in lower-case ASCII, or raise ValueError with a sentence."""
    link = read_link(f"http://{written.strip().removeprefix('*.')}/")
    if not link.host or "." not in link.host or "/" in written or "@" in written or " " in written.strip():
        raise ValueError(f"{written!r} is not a domain. Write it as example.org, without scheme or path.")
    return link.host


def _mixes_scripts(host: str) -> bool:
    """Whether one label mixes Latin with Cyrillic or Greek: a host made to be mistaken for another."""
    if "xn--" not in host:
        return False
    for label in host.split("."):
        if label.startswith("xn--"):
            try:
                shown = label[4:].encode("ascii").decode("punycode")
            except UnicodeError:
                return True
            latin = any(character.isascii() and character.isalpha() for character in shown)
            if latin and any("\u0370" <= character <= "\u052f" for character in shown):
                return True
    return False


def find_links(text: str, *, limit: int) -> list[Link]:
    """Return the links that stand in a text without being marked as such, defanged ones (`hxxp`, `[.]`) too.

    Those found by their shape alone (`example.org`) are `bare`: they are looked up and never counted.
    """
    if "." not in text and "dot" not in text and "://" not in text:
        return []
    links: list[Link] = []
    for found in _BARE_LINK.finditer(text):
        if len(links) >= limit:
            return links
        links.append(read_link(found.group().rstrip(".,;:!?)'\"")))
    for found in _BARE_DOMAIN.finditer(text):
        if len(links) >= limit:
            return links
        links.append(read_link(found.group(), bare=True))
    return links
