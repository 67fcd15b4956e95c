"""A policy that has been checked and compiled: what the judge works from.

Plain data and two pure functions on it. This file must not read files and must not judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from parley.screening.account_banks import AccountBank
from parley.screening.banks import LinkBank, WordBank
from parley.screening.content import STAFF_ROLES, Facts, Trust
from parley.screening.documents import Case, PolicyHead, TrustThresholds
from parley.screening.rules import Expressions, Rule
from parley.screening.signal import Signal
from parley.screening.verdict import SignalValue


class Clause(Struct, frozen=True, kw_only=True):
    """One clause of the rules that members read. `severity` 0 is threat to life, 3 is a nuisance.

    `text` is the rule, `hint` explains it, `remedy` tells an author what to change. Within `clock_hours` of a report a
    moderator must have acted. A confirmed breach counts `strike_weight` for `strike_days`; 0 is never a strike.
    """

    id: str
    group: str
    title: str
    text: str
    hint: str
    remedy: str
    severity: int
    breaks: tuple[str, ...] = ()
    fine: tuple[str, ...] = ()
    clock_hours: int | None = None
    strike_weight: int | None = None
    strike_days: int | None = None


class PolicyCase(Struct, frozen=True, kw_only=True):
    """A test with the place where it stands. `entry` names a bank entry that must (not) be found."""

    file: str
    line: int
    key: str
    case: Case
    bank: str = ""
    entry: str = ""
    must_match: bool = False


@dataclass(frozen=True)
class Ruleset:
    """A policy, checked and compiled. Immutable: one object serves every request of a process.

    `sha256` covers the bytes of the files, entries that banks have besides, and the versions of engine and signals, so
    two equal hashes give equal verdicts for equal input. `policy_sha256` covers the bytes of the files alone. `cases`
    are the tests that stand beside clauses, rules and bank entries.
    """

    name: str
    version: str
    sha256: str
    policy_sha256: str
    head: PolicyHead
    clauses: Mapping[str, Clause]
    words: WordBank
    links: LinkBank
    accounts: AccountBank
    rules: tuple[Rule, ...]
    signals: tuple[Signal, ...]
    expressions: Expressions
    quiet: Mapping[str, SignalValue] = field(default_factory=dict, repr=False)
    cases: tuple[PolicyCase, ...] = field(default=(), repr=False)


def trust_level(facts: Facts, thresholds: TrustThresholds) -> Trust:
    """Return how far the author is trusted: new until both thresholds are passed, trusted after two more.

    An active strike takes trust back to known. A role on the staff of this server is always staff; the role
    of a remote account never is.
    """
    if facts.trust is not None:
        return facts.trust
    if facts.local and facts.role in STAFF_ROLES:
        return "staff"
    age, posts = facts.account_age_days, facts.published_statuses
    if age < thresholds.known_after_days or posts < thresholds.known_after_posts:
        return "new"
    trusted = age >= thresholds.trusted_after_days and posts >= thresholds.trusted_after_posts
    return "trusted" if trusted and facts.strikes == 0 else "known"


def severity_name(severity: int) -> str:
    """Return a severity in words, for people."""
    return ("threat to life", "grave", "serious", "nuisance")[severity]


def describe_step(action: str, days: int | None) -> str:
    """Return one step of the ladder of strikes in words, for people."""
    words = {
        "warn": "a warning",
        "limit_days": "posts are limited",
        "restrict_days": "reading only",
        "suspend_days": "suspended",
        "terminate": "the account is ended",
    }[action]
    return f"{words} for {days} days" if days else words


def rules_page(ruleset: Ruleset) -> list[Clause]:
    """Return the clauses in the order of the policy, for the page of rules and the API's instance rules."""
    return list(ruleset.clauses.values())
