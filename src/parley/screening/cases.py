"""Checks a policy whole: its files, and the tests that stand beside its clauses, rules and bank entries.

This file must not change what is live.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from parley.screening.content import Content, Facts
from parley.screening.documents import Case, Problem
from parley.screening.judge import judge
from parley.screening.policy import shipped_policy
from parley.screening.reading import read_policy
from parley.screening.ruleset import PolicyCase, Ruleset
from parley.screening.verdict import Outcome, SignalValue

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
"""The moment at which every test of a policy happens."""

ORDINARY_MEMBER = Facts(now=NOW, account_age_days=10, published_statuses=10, followers=5, following=5)


def check_policy(path: Path | str | None = None) -> list[Problem]:
    """Return everything that is wrong with a policy: an empty list means that it may go live.

    None stands for the shipped policy. Reads and compiles the files; if that is clean, runs every test in them.
    """
    ruleset, problems = read_policy(shipped_policy() if path is None else Path(path))
    return problems if ruleset is None else run_cases(ruleset)


class CaseResult(msgspec.Struct, frozen=True):
    """One test and how it went: `message` is empty when it passed."""

    case: PolicyCase
    message: str

    @property
    def about(self) -> str:
        """The test in a few words: its name, or what an entry of a bank must (not) find."""
        if not self.case.bank:
            return self.case.case.name
        return f"{self.case.entry} {'finds' if self.case.must_match else 'leaves'} {self.case.case.text!r}"


def run_each_case(ruleset: Ruleset) -> list[CaseResult]:
    """Run every test of a ruleset, in the order of its files."""
    return [
        CaseResult(case, _run_bank_case(ruleset, case) if case.bank else _run_case(ruleset, case.case))
        for case in ruleset.cases
    ]


def run_cases(ruleset: Ruleset) -> list[Problem]:
    """Run every test of a ruleset and return those that fail, each with its file and line."""
    return [
        Problem(file=done.case.file, line=done.case.line, key=done.case.key, message=done.message)
        for done in run_each_case(ruleset)
        if done.message
    ]


class Disagreement(msgspec.Struct, frozen=True):
    """A test on which two rulesets give different outcomes."""

    case: PolicyCase
    before: Outcome
    after: Outcome


def compare_on_cases(old: Ruleset, new: Ruleset) -> list[Disagreement]:
    """Judge the tests of both rulesets by both, and return those that come out differently; entries' tests aside."""
    found: list[Disagreement] = []
    seen: set[tuple[str, str]] = set()
    for case in (*new.cases, *old.cases):
        key = (case.case.name, case.case.text)
        if case.bank or key in seen:
            continue
        seen.add(key)
        content, facts = case_content(case.case), case_facts(case.case.account)
        before = judge(content, facts, ruleset=old, given=_known(case.case, old)).outcome
        after = judge(content, facts, ruleset=new, given=_known(case.case, new)).outcome
        if before is not after:
            found.append(Disagreement(case, before, after))
    return found


def _known(case: Case, ruleset: Ruleset) -> dict[str, SignalValue]:
    fields = {name for signal in ruleset.signals for name in signal.fields} | set(ruleset.quiet)
    return {name: value for name, value in case.signals.items() if name in fields}


def case_facts(account: dict[str, bool | int | float | str]) -> Facts:
    """Return the facts of a test's author: an ordinary member but for what the test says."""
    facts: dict[str, Any] = msgspec.structs.asdict(ORDINARY_MEMBER) | account
    return msgspec.convert(facts, Facts)


def case_content(case: Case) -> Content:
    """Return what a test posts."""
    texts = dict(case.texts)
    if case.text:
        texts.setdefault("text", case.text)
    return Content(
        kind=case.kind,
        texts=texts,
        links=tuple(case.links),
        mentions_count=case.mentions,
        tags=tuple(case.tags),
        media_count=case.media,
    )


def _run_case(ruleset: Ruleset, case: Case) -> str:
    try:
        facts = case_facts(case.account)
    except msgspec.ValidationError as error:
        return f"the account of test {case.name!r} is wrong: {error}."
    verdict = judge(case_content(case), facts, ruleset=ruleset, given=case.signals)
    if verdict.degraded:
        return f"test {case.name!r} could not be judged completely: {' '.join(verdict.because)}"
    if verdict.outcome is case.expect:
        return ""
    why = " ".join(verdict.because) or "No rule fired."
    return f"test {case.name!r} expects {case.expect}, but the verdict is {verdict.outcome}. {why}"


def _run_bank_case(ruleset: Ruleset, case: PolicyCase) -> str:
    text = case.case.text
    if case.bank in ("emails", "addresses", "names"):
        return _run_account_case(ruleset, case)
    if case.bank == "words":
        content = Content(kind="status", texts={"text": text})
    else:
        content = Content(kind="status", links=(text,))
    verdict = judge(content, ORDINARY_MEMBER, ruleset=ruleset, given={})
    found = [match for match in verdict.matches if match.bank == case.bank and match.entry == case.entry]
    if case.must_match and not found:
        return f"{text!r} should be found by {case.entry!r}, but is not. Widen the entry or correct the test."
    if not case.must_match and found:
        return f"{text!r} should not be found by {case.entry!r}, but {found[0].quote!r} is. Narrow it with unless."
    return ""


def _run_account_case(ruleset: Ruleset, case: PolicyCase) -> str:
    text, bank = case.case.text, ruleset.accounts
    look = {"emails": bank.find_email, "addresses": bank.find_address, "names": bank.find_name}
    found = any(entry.id == case.entry for entry in look[case.bank](text))
    if found == case.must_match:
        return ""
    wanted = "should be found by" if case.must_match else "should not be found by"
    return f"{text!r} {wanted} {case.entry!r}. Correct the entry or the test."
