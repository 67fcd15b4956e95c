"""Reads the banks of a policy: words, links, and what is looked at when somebody signs up.

This file must not look for anything in any text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from parley.screening import banks, documents
from parley.screening.account_banks import AccountBankName, AccountEntry, read_network
from parley.screening.banks import LinkEntry, WordEntry, compile_phrases
from parley.screening.documents import AccountDocument, AccountsFile, LinkDocument, LinksFile, WordDocument, WordsFile
from parley.screening.phrases import PhraseError
from parley.screening.ruleset import Clause
from parley.screening.sources import Keys, Sources

Clauses = Mapping[str, Clause]
Spellings = dict[str, tuple[str, ...]]


def read_spellings(sources: Sources) -> Spellings:
    """Return the words that stand for others."""
    document = sources.files["words.yaml"]
    value = document.value.get("spellings", {}) if isinstance(document.value, dict) else {}
    if not isinstance(value, dict):
        return {}
    spellings: Spellings = {}
    for word, meaning in value.items():
        plain = word.replace("'", "").isalnum() and word == word.lower()
        if not isinstance(meaning, str) or not meaning.strip() or not plain:
            document.problem(("spellings", word), "write a lower-case word and what it stands for, as in u: you.")
        else:
            spellings[word] = tuple(meaning.split())
    return spellings


def read_words(sources: Sources, clauses: Clauses, spellings: Spellings) -> list[WordEntry]:
    """Return the entries of `words.yaml` and of the files of other languages."""
    entries: list[WordEntry] = []
    seen: set[str] = set()
    for file in [name for name in sources.files if name.startswith("words.")]:
        document = sources.files[file]
        if document.value is None or (whole := document.convert(document.value, WordsFile, ())) is None:
            continue
        if whole.spellings and file != "words.yaml":
            document.problem(("spellings",), "spellings stand in words.yaml, for all languages together.")
        for index, item in enumerate(whole.words):
            entry = _word(sources, file, ("words", index), item, clauses, spellings, seen)
            if entry is not None:
                entries.append(entry)
    return entries


def _word(
    sources: Sources, file: str, keys: Keys, item: Any, clauses: Clauses, spellings: Spellings, seen: set[str]
) -> WordEntry | None:
    document = sources.files[file]
    written = document.convert(item, WordDocument, keys)
    if written is None:
        return None
    sources.check_new(file, keys, written.id, seen)
    sources.check_clause(file, (*keys, "clause"), written.clause, clauses)
    phrases: dict[str, tuple[Any, ...]] = {}
    for name, texts in (("match", written.match), ("unless", written.unless)):
        for place, text in enumerate(texts):
            try:
                phrases[name] = (*phrases.get(name, ()), *compile_phrases([text], spellings))
            except PhraseError as error:
                document.problem((*keys, name, place), str(error))
    expires = sources.expiry(file, keys, written.expires)
    if written.state not in ("LIVE", "BACKGROUND"):
        return None
    sources.add_bank_cases("words", file, keys, written.id, written.hits, written.misses)
    return WordEntry(
        id=written.id,
        tier=written.tier,
        clause=written.clause,
        title=written.title,
        phrases=phrases.get("match", ()),
        unless=phrases.get("unless", ()),
        background=written.state == "BACKGROUND",
        expires=expires,
    )


def read_links(sources: Sources, clauses: Clauses) -> tuple[list[LinkEntry], tuple[str, ...]]:
    """Return the entries of `links.yaml`, and the sites that hide where a link leads."""
    file = "links.yaml"
    document = sources.files[file]
    if document.value is None or (whole := document.convert(document.value, LinksFile, ())) is None:
        return [], ()
    shorteners = sources.domains(file, ("shorteners",), whole.shorteners)
    entries: list[LinkEntry] = []
    seen: set[str] = set()
    for index, item in enumerate(whole.links):
        keys = ("links", index)
        written = document.convert(item, LinkDocument, keys)
        if written is None:
            continue
        sources.check_new(file, keys, written.id, seen)
        sources.check_clause(file, (*keys, "clause"), written.clause, clauses)
        if not written.domains and not written.patterns:
            document.problem(keys, "an entry needs domains or patterns.")
        _check_patterns(sources, file, keys, written.patterns)
        entry = LinkEntry(
            id=written.id,
            tier=written.tier,
            clause=written.clause,
            title=written.title,
            domains=sources.domains(file, (*keys, "domains"), written.domains),
            patterns=tuple(written.patterns),
            unless=sources.domains(file, (*keys, "unless"), written.unless),
            background=written.state == "BACKGROUND",
            expires=sources.expiry(file, keys, written.expires),
        )
        if written.state in ("LIVE", "BACKGROUND"):
            entries.append(entry)
            sources.add_bank_cases("links", file, keys, written.id, written.hits, written.misses)
    return entries, shorteners


def _check_patterns(sources: Sources, file: str, keys: Keys, patterns: list[str]) -> None:
    for place, pattern in enumerate(patterns):
        if fault := banks.check_pattern(pattern):
            sources.files[file].problem((*keys, "patterns", place), f"is not a pattern in RE2 syntax: {fault}.")


_NEEDED: dict[AccountBankName, str] = {"emails": "domains", "addresses": "networks", "names": "patterns"}


def read_accounts(sources: Sources, clauses: Clauses) -> list[AccountEntry]:
    """Return the entries of `accounts.yaml`; a policy need not have one."""
    document = sources.files.get(documents.ACCOUNTS)
    if document is None or (whole := document.convert(document.value, AccountsFile, ())) is None:
        return []
    entries: list[AccountEntry] = []
    seen: set[str] = set()
    items: dict[AccountBankName, list[Any]] = {
        "emails": whole.emails,
        "addresses": whole.addresses,
        "names": whole.names,
    }
    for bank, written in items.items():
        for index, item in enumerate(written):
            entry = _account(sources, bank, (bank, index), item, clauses, seen)
            if entry is not None:
                entries.append(entry)
    return entries


def _account(
    sources: Sources, bank: AccountBankName, keys: Keys, item: Any, clauses: Clauses, seen: set[str]
) -> AccountEntry | None:
    file = documents.ACCOUNTS
    document = sources.files[file]
    written = document.convert(item, AccountDocument, keys)
    if written is None:
        return None
    sources.check_new(file, keys, written.id, seen)
    sources.check_clause(file, (*keys, "clause"), written.clause, clauses)
    for name in _NEEDED.values():
        given = getattr(written, name)
        if bool(given) != (name == _NEEDED[bank]):
            document.problem((*keys, name), f"an entry of {bank} needs {_NEEDED[bank]} and nothing else.")
    networks: list[str] = []
    for place, network in enumerate(written.networks):
        try:
            networks.append(str(read_network(network)))
        except ValueError as error:
            document.problem((*keys, "networks", place), str(error))
    _check_patterns(sources, file, keys, written.patterns)
    entry = AccountEntry(
        id=written.id,
        bank=bank,
        tier=written.tier,
        clause=written.clause,
        title=written.title,
        domains=sources.domains(file, (*keys, "domains"), written.domains),
        networks=tuple(networks),
        patterns=tuple(written.patterns),
        unless=sources.domains(file, (*keys, "unless"), written.unless),
        background=written.state == "BACKGROUND",
        expires=sources.expiry(file, keys, written.expires),
    )
    if written.state not in ("LIVE", "BACKGROUND"):
        return None
    sources.add_bank_cases(bank, file, keys, written.id, written.hits, written.misses)
    return entry
