"""Reads the files of one policy, checks what they mean together, and compiles them into a ruleset.

Everything that is wrong is collected, with file, line and what is allowed, so that one look mends it all.
This file must not choose which policy is live.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from parley.screening import banks, documents, normalise
from parley.screening.account_banks import AccountBank
from parley.screening.bank_reading import read_accounts, read_links, read_spellings, read_words
from parley.screening.banks import LinkBank, WordBank
from parley.screening.content import MEDIA_TIERS
from parley.screening.documents import ClauseDocument, FailModes, LadderStep, PolicyHead, RuleDocument
from parley.screening.rules import Expressions, FieldType, Program, Rule, RuleError, fill_in_limits
from parley.screening.ruleset import Clause, Ruleset
from parley.screening.signal import Signal, quiet_values
from parley.screening.signals import SIGNALS
from parley.screening.sources import Keys, Sources, policy_files
from parley.screening.verdict import Outcome
from parley.screening.yaml_files import Document, Problem

ENGINE_VERSION = 3
"""Raised with every change of the judge itself that can alter a verdict: it is part of the ruleset's hash."""


def read_policy(folder: Path, *, signals: Sequence[Signal] = SIGNALS) -> tuple[Ruleset | None, list[Problem]]:
    """Read a policy and return it with its problems; the ruleset is None when there are any."""
    files = policy_files(folder)
    if isinstance(files, Problem):
        return None, [files]
    return read_policy_files(files, signals=signals)


def read_policy_files(
    files: Mapping[str, bytes], *, signals: Sequence[Signal] = SIGNALS
) -> tuple[Ruleset | None, list[Problem]]:
    """Compile a policy from the bytes of its files by name; see `read_policy`."""
    sources = Sources(files)
    ruleset = _compile(sources, tuple(signals))
    return ruleset, sources.problems()


def hash_files(files: Mapping[str, bytes]) -> str:
    """SHA-256 over each file's name and the hash of its bytes: the name under which a version is kept."""
    names = [*documents.FILES, *sorted(name for name in files if name not in documents.FILES)]
    digests = [f"{name} {hashlib.sha256(files[name]).hexdigest()}" for name in names if name in files]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _compile(sources: Sources, signals: tuple[Signal, ...]) -> Ruleset | None:
    head = _head(sources.files["policy.yaml"], signals)
    clauses = _clauses(sources)
    spellings = read_spellings(sources)
    words = read_words(sources, clauses, spellings)
    links, shorteners = read_links(sources, clauses)
    accounts = read_accounts(sources, clauses)
    enabled = tuple(s for s in signals if not head or head.signals.get(s.name, _ON).enabled)
    fields: dict[str, FieldType] = {name: kind for signal in signals for name, kind in signal.fields.items()}
    expressions = Expressions(fields)
    rules = _rules(sources, head, clauses, expressions)
    _check_case_signals(sources, fields)
    if sources.problems() or head is None:
        return None
    files_sha256 = hash_files(sources.bytes)
    return Ruleset(
        name=head.name,
        version=head.version,
        sha256=_hash(files_sha256, signals),
        policy_sha256=files_sha256,
        head=head,
        clauses=clauses,
        words=WordBank(words, spellings),
        links=LinkBank(links, shorteners),
        accounts=AccountBank(accounts),
        rules=tuple(rules),
        signals=enabled,
        expressions=expressions,
        quiet=quiet_values(signal for signal in signals if signal not in enabled),
        cases=tuple(sources.cases),
    )


def _hash(files_sha256: str, signals: Sequence[Signal]) -> str:
    """SHA-256 over the versions of the code that judges and over the files."""
    versions = [f"engine {ENGINE_VERSION}", f"banks {banks.BANK_VERSION}", f"normalise {normalise.VERSION}"]
    versions += [f"signal {signal.name} {signal.version}" for signal in signals]
    return hashlib.sha256("\n".join([*versions, f"files {files_sha256}"]).encode()).hexdigest()


def _head(document: Document, signals: Sequence[Signal]) -> PolicyHead | None:
    if document.value is None:
        return None
    head = document.convert(document.value, PolicyHead, ())
    if head is None:
        return None
    if head.format != documents.FORMAT:
        document.problem(("format",), f"{head.format} is not known. This version reads format {documents.FORMAT}.")
    names = [signal.name for signal in signals]
    for name in head.signals:
        if name not in names:
            document.problem(("signals", name), f"there is no such signal. Signals: {', '.join(names)}.")
    _check_fail_modes(document, ("fail_modes",), head.fail_modes)
    for name, switch in head.signals.items():
        if switch.fail:
            _check_fail_modes(document, ("signals", name, "fail"), switch.fail)
    _check_ladder(document, head.ladder)
    for name in ("closed_case_days", "known_file_days"):
        days = getattr(head.retention, name)
        if days < head.clocks.appeal_open_days:
            document.problem(
                ("retention", name),
                f"{days} is shorter than appeal_open_days: a decision that may still be appealed needs its evidence.",
            )
    return head


def _check_fail_modes(document: Document, keys: Keys, modes: FailModes) -> None:
    if modes.new is not Outcome.HOLD:
        document.problem(
            (*keys, "new"),
            f"{modes.new} would publish or destroy what could not be judged. New accounts need: hold.",
        )


def _check_ladder(document: Document, ladder: Sequence[LadderStep]) -> None:
    last = 0
    for index, step in enumerate(ladder):
        keys = ("ladder", index)
        if step.at <= last:
            document.problem((*keys, "at"), f"{step.at} does not rise above {last}. Order the steps by `at`.")
        last = step.at
        if (step.days is not None) != step.action.endswith("_days"):
            rule = "needs days" if step.action.endswith("_days") else "has no end, so it takes no days"
            document.problem(keys, f"{step.action} {rule}.")


def _clauses(sources: Sources) -> dict[str, Clause]:
    file = "clauses.yaml"
    document = sources.files[file]
    clauses: dict[str, Clause] = {}
    sources.only_keys(file, "clauses")
    for keys, item in sources.items(file, "clauses"):
        written = document.convert(item, ClauseDocument, keys)
        if written is None:
            continue
        if written.id in clauses:
            document.problem((*keys, "id"), f"clause {written.id} stands twice. Give each clause its own number.")
        if written.strike and bool(written.strike.weight) != (written.strike.expires_days is not None):
            document.problem((*keys, "strike"), "a weight above 0 needs expires_days; weight 0 takes none.")
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
            clock_hours=written.clock_hours,
            strike_weight=written.strike.weight if written.strike else None,
            strike_days=written.strike.expires_days if written.strike else None,
        )
        if not written.tests:
            document.problem((*keys, "tests"), "a clause needs at least one test: name, text, expect.")
        sources.add_cases(file, keys, written.tests)
    return clauses


def _rules(
    sources: Sources, head: PolicyHead | None, clauses: Mapping[str, Clause], expressions: Expressions
) -> list[Rule]:
    file = "rules.yaml"
    document = sources.files[file]
    rules: list[Rule] = []
    sources.only_keys(file, "rules")
    thresholds = head.thresholds if head else {}
    used: set[str] = set()
    seen: set[str] = set()
    for keys, item in sources.items(file, "rules"):
        written = document.convert(item, RuleDocument, keys)
        if written is None:
            continue
        if written.id in seen:
            document.problem((*keys, "id"), f"{written.id!r} stands twice. Give each rule its own name.")
        seen.add(written.id)
        _check_rule_clause(sources, keys, written, clauses)
        expires = sources.expiry(file, keys, written.expires)
        try:
            when, names = fill_in_limits(written.when, thresholds)
            used |= names
            program = expressions.compile(when)
        except RuleError as error:
            document.problem((*keys, "when"), str(error))
            continue
        if written.state in ("LIVE", "BACKGROUND") and head is not None:
            rules.append(_make_rule(written, program, head.caps, expires))
        if written.state == "LIVE":
            sources.add_cases(file, keys, written.tests)
    for name in thresholds.keys() - used:
        message = f"no rule uses it. Write limit.{name} in a rule, or take the threshold out."
        sources.files["policy.yaml"].problem(("thresholds", name), message)
    return rules


def _check_rule_clause(sources: Sources, keys: Keys, written: RuleDocument, clauses: Mapping[str, Clause]) -> None:
    document = sources.files["rules.yaml"]
    banks_and_tiers = [f"{bank}.{tier}" for bank in ("words", "links") for tier in banks.TIERS]
    banks_and_tiers += [f"media.{tier}" for tier in MEDIA_TIERS] + ["copies.removed"]
    if written.clause != "of-match":
        sources.check_clause("rules.yaml", (*keys, "clause"), written.clause, clauses)
    elif not written.matches:
        document.problem((*keys, "matches"), "'clause: of-match' needs to say of which bank, as in words.hold.")
    if written.matches and written.matches not in banks_and_tiers:
        allowed = ", ".join(banks_and_tiers)
        document.problem((*keys, "matches"), f"{written.matches!r} does not exist. Allowed are: {allowed}.")


_ON = documents.SignalSwitch()
_PYTHON_TYPES: dict[FieldType, tuple[type, ...]] = {
    "bool": (bool,),
    "int": (int,),
    "double": (float, int),
    "string": (str,),
    "list": (list,),
}


def _check_case_signals(sources: Sources, fields: Mapping[str, FieldType]) -> None:
    """Note every test that fixes a signal which does not exist, or gives it a value that it cannot have."""
    for case in sources.cases:
        for name, value in case.case.signals.items():
            kind = fields.get(name)
            fits = kind and isinstance(value, _PYTHON_TYPES[kind]) and isinstance(value, bool) == (kind == "bool")
            if not fits:
                rule = f"{name} is of type {kind}" if kind else f"there is no signal {name}"
                sources.files[case.file].problems.append(
                    Problem(file=case.file, line=case.line, key=f"{case.key}.signals", message=f"{rule}.")
                )


def _make_rule(written: RuleDocument, program: Program, caps: documents.Caps, expires: datetime | None) -> Rule:
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
        expires=expires,
        cap_per_hour=written.cap_per_hour or caps.per_hour,
        over_cap=Outcome(written.over_cap or caps.over_cap),
    )
