"""Reads the files of one policy, checks what they mean together, and compiles them into a ruleset.

Everything that is wrong is collected, with file, line and what is allowed, so that one look mends it all.
This file must not choose which policy is live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.screening import banks, documents, normalise
from parley.screening.banks import LinkBank, LinkEntry, WordBank, WordEntry, compile_phrases, normalise_domain
from parley.screening.content import Facts
from parley.screening.documents import (
    Case,
    ClauseDocument,
    Document,
    FailModes,
    LinkDocument,
    LinksFile,
    PolicyHead,
    Problem,
    RuleDocument,
    WordDocument,
    WordsFile,
)
from parley.screening.phrases import PhraseError
from parley.screening.rules import Expressions, FieldType, Rule, RuleError
from parley.screening.ruleset import Clause, PolicyCase, Ruleset
from parley.screening.signal import Signal, quiet_values
from parley.screening.signals import SIGNALS
from parley.screening.verdict import Outcome

ENGINE_VERSION = 1
"""Raised with every change of the judge itself that can alter a verdict: it is part of the ruleset's hash."""


def read_policy(folder: Path, *, signals: Sequence[Signal] = SIGNALS) -> tuple[Ruleset | None, list[Problem]]:
    """Read a policy and return it with its problems; the ruleset is None when there are any."""
    if not folder.is_dir():
        message = f"this folder does not exist. A policy is a folder with {', '.join(documents.FILES)}."
        return None, [Problem(file=str(folder), line=0, key="", message=message)]
    reader = _Reader(folder, signals)
    return reader.ruleset(), reader.problems()


class _Reader:
    """Goes through the files of one policy and collects what is wrong with them."""

    def __init__(self, folder: Path, signals: Sequence[Signal]) -> None:
        self.folder = folder
        self.signals = tuple(signals)
        self.files = {name: Document(folder / name) for name in documents.FILES}
        self.cases: list[PolicyCase] = []

    def problems(self) -> list[Problem]:
        return [problem for document in self.files.values() for problem in document.problems]

    def ruleset(self) -> Ruleset | None:
        head = self._head()
        clauses = self._clauses()
        spellings = self._spellings()
        words = self._words(clauses, spellings)
        links, shorteners = self._links(clauses)
        enabled = tuple(s for s in self.signals if not head or head.signals.get(s.name, _ON).enabled)
        fields: dict[str, FieldType] = {name: kind for signal in self.signals for name, kind in signal.fields.items()}
        expressions = Expressions(fields)
        rules = self._rules(clauses, expressions)
        if self.problems() or head is None:
            return None
        return Ruleset(
            name=head.name,
            version=head.version,
            sha256=self._hash(),
            head=head,
            clauses=clauses,
            words=WordBank(words, spellings),
            links=LinkBank(links, shorteners),
            rules=tuple(rules),
            signals=enabled,
            expressions=expressions,
            quiet=quiet_values(signal for signal in self.signals if signal not in enabled),
            cases=tuple(self.cases),
        )

    def _hash(self) -> str:
        """SHA-256 over the versions of the code that judges, then each file's name and the hash of its bytes."""
        versions = [
            f"engine {ENGINE_VERSION}",
            f"banks {banks.BANK_VERSION}",
            f"normalise {normalise.VERSION}",
        ]
        versions += [f"signal {signal.name} {signal.version}" for signal in self.signals]
        digests = [
            f"{name} {hashlib.sha256((self.folder / name).read_bytes()).hexdigest()}" for name in documents.FILES
        ]
        return hashlib.sha256("\n".join(versions + digests).encode()).hexdigest()

    def _head(self) -> PolicyHead | None:
        document = self.files["policy.yaml"]
        if document.value is None:
            return None
        head = document.convert(document.value, PolicyHead, ())
        if head is None:
            return None
        if head.format != documents.FORMAT:
            document.problem(("format",), f"{head.format} is not known. This version reads format {documents.FORMAT}.")
        names = [signal.name for signal in self.signals]
        for name in head.signals:
            if name not in names:
                document.problem(("signals", name), f"there is no such signal. Signals: {', '.join(names)}.")
        for keys, modes in [(("fail_modes",), head.fail_modes)] + [
            (("signals", name, "fail"), switch.fail) for name, switch in head.signals.items() if switch.fail
        ]:
            self._check_fail_modes(document, keys, modes)
        return head

    def _check_fail_modes(self, document: Document, keys: tuple[str, ...], modes: FailModes) -> None:
        if not modes.new.published and modes.new.value == "hold":
            return
        document.problem(
            (*keys, "new"),
            f"{modes.new} would publish or destroy what could not be judged. New accounts need: hold.",
        )

    def _items(self, file: str, key: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            self.files[file].problem((key,), "a list is needed here: each entry begins with '- '.")
            return []
        return value

    def _clauses(self) -> dict[str, Clause]:
        file = "clauses.yaml"
        document = self.files[file]
        clauses: dict[str, Clause] = {}
        value = document.value
        if not isinstance(value, dict):
            return clauses
        for key in value.keys() - {"clauses"}:
            document.problem((key,), f"the key {key!r} does not exist. Allowed here are: clauses.")
        for index, item in enumerate(self._items(file, "clauses", value.get("clauses"))):
            keys = ("clauses", index)
            written = document.convert(item, ClauseDocument, keys)
            if written is None:
                continue
            if written.id in clauses:
                document.problem((*keys, "id"), f"clause {written.id} stands twice. Give each clause its own number.")
            clauses[written.id] = Clause(
                id=written.id,
                group=written.group,
                title=written.title,
                text=written.text.strip(),
                hint=written.hint.strip(),
                remedy=written.remedy.strip(),
                severity=written.severity,
                breaks=tuple(written.breaks),
                fine=tuple(written.fine),
            )
            if not written.tests:
                document.problem((*keys, "tests"), "a clause needs at least one test: name, text, expect.")
            self._add_cases(file, keys, written.tests)
        return clauses

    def _add_cases(self, file: str, keys: tuple[str | int, ...], cases: Sequence[Case]) -> None:
        known = set(Facts.__struct_fields__) - {"now"}
        for index, case in enumerate(cases):
            place = (*keys, "tests", index)
            for name in case.account.keys() - known:
                allowed = ", ".join(sorted(known))
                self.files[file].problem((*place, "account", name), f"there is no such fact. Facts: {allowed}.")
            self.cases.append(
                PolicyCase(file=file, line=self.files[file].line(*place), key=documents.dotted(place), case=case)
            )

    def _add_bank_cases(
        self, bank: str, file: str, keys: tuple[str | int, ...], entry: str, name: str, texts: Sequence[str]
    ) -> None:
        for index, text in enumerate(texts):
            place = (*keys, name, index)
            self.cases.append(
                PolicyCase(
                    file=file,
                    line=self.files[file].line(*place),
                    key=documents.dotted(place),
                    case=Case(name=name, expect=Outcome.ALLOW, text=text),
                    bank=bank,
                    entry=entry,
                    must_match=name == "hits",
                )
            )

    def _spellings(self) -> dict[str, tuple[str, ...]]:
        document = self.files["words.yaml"]
        value = document.value.get("spellings", {}) if isinstance(document.value, dict) else {}
        if not isinstance(value, dict):
            return {}
        spellings: dict[str, tuple[str, ...]] = {}
        for word, meaning in value.items():
            if (
                not isinstance(meaning, str)
                or not meaning.strip()
                or not word.replace("'", "").isalnum()
                or word != word.lower()
            ):
                document.problem(("spellings", word), "write a lower-case word and what it stands for, as in u: you.")
            else:
                spellings[word] = tuple(meaning.split())
        return spellings

    def _words(self, clauses: Mapping[str, Clause], spellings: dict[str, tuple[str, ...]]) -> list[WordEntry]:
        file = "words.yaml"
        document = self.files[file]
        if document.value is None or (whole := document.convert(document.value, WordsFile, ())) is None:
            return []
        entries: list[WordEntry] = []
        seen: set[str] = set()
        for index, item in enumerate(whole.words):
            keys = ("words", index)
            written = document.convert(item, WordDocument, keys)
            if written is None:
                continue
            self._check_entry(document, keys, written, clauses, seen)
            phrases: dict[str, tuple[Any, ...]] = {}
            for name, texts in (("match", written.match), ("unless", written.unless)):
                for place, text in enumerate(texts):
                    try:
                        phrases[name] = (*phrases.get(name, ()), *compile_phrases([text], spellings))
                    except PhraseError as error:
                        document.problem((*keys, name, place), str(error))
            if written.state not in ("LIVE", "BACKGROUND"):
                continue
            entries.append(
                WordEntry(
                    id=written.id,
                    tier=written.tier,
                    clause=written.clause,
                    title=written.title,
                    phrases=phrases.get("match", ()),
                    unless=phrases.get("unless", ()),
                    background=written.state == "BACKGROUND",
                )
            )
            self._add_bank_cases("words", file, keys, written.id, "hits", written.hits)
            self._add_bank_cases("words", file, keys, written.id, "misses", written.misses)
        return entries

    def _check_entry(
        self,
        document: Document,
        keys: tuple[str | int, ...],
        written: WordDocument | LinkDocument,
        clauses: Mapping[str, Clause],
        seen: set[str],
    ) -> None:
        if written.id in seen:
            document.problem((*keys, "id"), f"{written.id!r} stands twice. Give each entry its own name.")
        seen.add(written.id)
        self._check_clause(document, (*keys, "clause"), written.clause, clauses)

    def _check_clause(
        self, document: Document, keys: tuple[str | int, ...], clause: str, clauses: Mapping[str, Clause]
    ) -> None:
        if clause not in clauses:
            known = ", ".join(clauses) or "none"
            document.problem(keys, f"there is no clause {clause}. Clauses in clauses.yaml: {known}.")

    def _links(self, clauses: Mapping[str, Clause]) -> tuple[list[LinkEntry], list[str]]:
        file = "links.yaml"
        document = self.files[file]
        if document.value is None or (whole := document.convert(document.value, LinksFile, ())) is None:
            return [], []
        shorteners = self._domains(document, ("shorteners",), whole.shorteners)
        entries: list[LinkEntry] = []
        seen: set[str] = set()
        for index, item in enumerate(whole.links):
            keys = ("links", index)
            written = document.convert(item, LinkDocument, keys)
            if written is None:
                continue
            self._check_entry(document, keys, written, clauses, seen)
            if not written.domains and not written.patterns:
                document.problem(keys, "an entry needs domains or patterns.")
            for place, pattern in enumerate(written.patterns):
                if fault := banks.check_pattern(pattern):
                    document.problem((*keys, "patterns", place), f"is not a pattern in RE2 syntax: {fault}.")
            domains = self._domains(document, (*keys, "domains"), written.domains)
            if written.state not in ("LIVE", "BACKGROUND") or self.problems():
                continue
            entries.append(
                LinkEntry(
                    id=written.id,
                    tier=written.tier,
                    clause=written.clause,
                    title=written.title,
                    domains=tuple(domains),
                    patterns=tuple(written.patterns),
                    background=written.state == "BACKGROUND",
                )
            )
            self._add_bank_cases("links", file, keys, written.id, "hits", written.hits)
            self._add_bank_cases("links", file, keys, written.id, "misses", written.misses)
        return entries, shorteners

    def _domains(self, document: Document, keys: tuple[str | int, ...], written: Sequence[str]) -> list[str]:
        domains: list[str] = []
        for index, domain in enumerate(written):
            try:
                domains.append(normalise_domain(domain))
            except ValueError as error:
                document.problem((*keys, index), str(error))
        return domains

    def _rules(self, clauses: Mapping[str, Clause], expressions: Expressions) -> list[Rule]:
        file = "rules.yaml"
        document = self.files[file]
        rules: list[Rule] = []
        if not isinstance(document.value, dict):
            return rules
        for key in document.value.keys() - {"rules"}:
            document.problem((key,), f"the key {key!r} does not exist. Allowed here are: rules.")
        seen: set[str] = set()
        for index, item in enumerate(self._items(file, "rules", document.value.get("rules"))):
            keys = ("rules", index)
            written = document.convert(item, RuleDocument, keys)
            if written is None:
                continue
            if written.id in seen:
                document.problem((*keys, "id"), f"{written.id!r} stands twice. Give each rule its own name.")
            seen.add(written.id)
            self._check_rule_clause(document, keys, written, clauses)
            try:
                program = expressions.compile(written.when)
            except RuleError as error:
                document.problem((*keys, "when"), str(error))
                continue
            if written.state in ("LIVE", "BACKGROUND"):
                rules.append(_make_rule(written, program))
            if written.state == "LIVE":
                self._add_cases(file, keys, written.tests)
        return rules

    def _check_rule_clause(
        self,
        document: Document,
        keys: tuple[str | int, ...],
        written: RuleDocument,
        clauses: Mapping[str, Clause],
    ) -> None:
        banks_and_tiers = [f"{bank}.{tier}" for bank in ("words", "links") for tier in banks.TIERS]
        if written.clause != "of-match":
            self._check_clause(document, (*keys, "clause"), written.clause, clauses)
        elif not written.matches:
            document.problem((*keys, "matches"), "'clause: of-match' needs to say of which bank, as in words.hold.")
        if written.matches and written.matches not in banks_and_tiers:
            allowed = ", ".join(banks_and_tiers)
            document.problem((*keys, "matches"), f"{written.matches!r} does not exist. Allowed are: {allowed}.")


_ON = documents.SignalSwitch()


def _make_rule(written: RuleDocument, program: Any) -> Rule:
    return Rule(
        id=written.id,
        version=written.version,
        title=written.title,
        kinds=frozenset(written.kinds),
        when=written.when,
        program=program,
        outcome=written.outcome,
        clause=None if written.clause == "of-match" else written.clause,
        matches=written.matches,
        because=written.because.strip(),
        labels=tuple(written.labels),
        decides=written.state == "LIVE",
    )
