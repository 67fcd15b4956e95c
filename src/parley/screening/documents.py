"""The shape of a policy's YAML files.

A policy is a folder: `policy.yaml` (thresholds, fail modes, limits), `clauses.yaml`, `words.yaml`, `links.yaml` and
`rules.yaml`; `words.de.yaml` and the like for other languages, and `accounts.yaml`, may stand beside them.
This file knows the shape only; what the parts mean together is checked in `reading.py`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from parley.screening.banks import Tier
from parley.screening.content import Kind, Trust
from parley.screening.verdict import Outcome, SignalValue
from parley.screening.yaml_files import PolicyError, Problem

__all__ = ["PolicyError", "Problem"]

FORMAT = 1
"""The format of policy files that this version reads."""

FILES = ("policy.yaml", "clauses.yaml", "words.yaml", "links.yaml", "rules.yaml")
"""The files that every policy has."""
ACCOUNTS = "accounts.yaml"
MORE_WORDS = r"^words\.[a-z]{2,3}\.yaml$"
"""Names of files that a policy may have: word banks of other languages."""

State = Literal["DRAFT", "BACKGROUND", "LIVE", "EXPIRED"]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
ClauseId = Annotated[str, Meta(pattern=r"^[1-9][0-9]?\.[1-9][0-9]?$")]
Text = Annotated[str, Meta(min_length=1)]
Positive = Annotated[int, Meta(ge=1)]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]
"""A day as 2027-01-31. What expires no longer counts from its beginning, in UTC."""
OverCap = Literal["hold", "allow_flag"]
Hours = Annotated[float, Meta(gt=0)]


class _Strict(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every part of a policy file: an unknown key is a mistake, never ignored."""


class TrustThresholds(_Strict, frozen=True, kw_only=True):
    """When an author stops being new, and starts being trusted: both numbers must be reached."""

    known_after_days: Annotated[float, Meta(ge=0)]
    known_after_posts: Annotated[int, Meta(ge=0)]
    trusted_after_days: Annotated[float, Meta(ge=0)]
    trusted_after_posts: Annotated[int, Meta(ge=0)]


class FailModes(_Strict, frozen=True, kw_only=True):
    """What happens, by the author's trust, to something that could not be judged completely."""

    new: Outcome
    known: Outcome
    trusted: Outcome
    staff: Outcome

    def mode(self, trust: Trust) -> Outcome:
        """Return the outcome for an author of this trust."""
        modes = {"new": self.new, "known": self.known, "trusted": self.trusted, "staff": self.staff}
        return modes[trust]


class Limits(_Strict, frozen=True, kw_only=True):
    """How much of one revision is looked at. More than this cannot be judged: the fail mode applies."""

    text_characters: Annotated[int, Meta(ge=500, le=200_000)]
    all_characters: Annotated[int, Meta(ge=500, le=1_000_000)]
    texts: Annotated[int, Meta(ge=10, le=1000)]
    links: Annotated[int, Meta(ge=10, le=10_000)]


class SignalSwitch(_Strict, frozen=True, kw_only=True):
    """Whether a signal is measured, and a fail mode of its own if it has one."""

    enabled: bool = True
    fail: FailModes | None = None


class LadderStep(_Strict, frozen=True, kw_only=True):
    """What follows when the weights of somebody's strikes that have not expired reach `at`. `days` only where the
    action has an end."""

    at: Positive
    action: Literal["warn", "limit_days", "restrict_days", "suspend_days", "terminate"]
    days: Positive | None = None


class Clocks(_Strict, frozen=True, kw_only=True):
    """Within how many hours people must have acted, by what it is about. `appeal_open_days` is in days."""

    authority_order: Hours = 1
    provider_acknowledge: Hours = 0.25
    provider_first_action: Hours = 4
    provider_notice: Hours = 24
    severity_0_interim: Hours = 1
    user_report: Hours = 24
    answer_wait: Hours = 24
    """For how long together the clock of a notice may stand still while its sender is asked for facts."""
    appeal_target: Hours = 72
    appeal_open_days: Hours = 180


class Caps(_Strict, frozen=True, kw_only=True):
    """How often one rule may act by itself in an hour, and what it does after that; a rule may say otherwise."""

    per_hour: Positive = 300
    over_cap: OverCap = "hold"


QueueName = Literal["war", "legal", "urgent", "flaggers", "main", "jury"]
ReportSource = Literal["user", "public_notice", "trusted_flagger", "provider_notice", "authority_order", "automated"]


class RoutingRule(_Strict, frozen=True, kw_only=True):
    """Into which queue of the moderators a case goes when everything that is named here fits it."""

    queue: QueueName
    sources: list[ReportSource] = []
    severity_at_most: Annotated[int, Meta(ge=0, le=3)] | None = None
    clauses: list[ClauseId] = []
    incident: bool | None = None


class Routing(_Strict, frozen=True, kw_only=True):
    """The queues: the first rule that fits counts, else `main`. What screening flags becomes a case when it is at
    least as grave as `flags_up_to_severity`."""

    flags_up_to_severity: Annotated[int, Meta(ge=-1, le=3)] = 2
    rules: tuple[RoutingRule, ...] = (
        RoutingRule(queue="war", incident=True),
        RoutingRule(queue="legal", sources=["authority_order"]),
        RoutingRule(queue="urgent", sources=["provider_notice"]),
        RoutingRule(queue="urgent", severity_at_most=0),
        RoutingRule(queue="flaggers", sources=["trusted_flagger"]),
    )


class Juries(_Strict, frozen=True, kw_only=True):
    """Juries of members, where the setting `jury` lets them sit: how many are drawn, how many must have answered, how
    long they have, and who may be drawn. `severity_at_least`: they never get anything graver."""

    seats: Annotated[int, Meta(ge=3, le=15)] = 5
    quorum: Annotated[int, Meta(ge=2, le=15)] = 3
    hours: Hours = 48
    seat_hours: Hours = 16
    severity_at_least: Annotated[int, Meta(ge=1, le=3)] = 2
    account_days: Annotated[int, Meta(ge=0)] = 60
    posts: Annotated[int, Meta(ge=0)] = 20
    active_days: Positive = 30
    known_questions: Annotated[int, Meta(ge=0, le=10)] = 2
    reliability: Annotated[float, Meta(ge=0, le=1)] = 0.6


class Wellness(_Strict, frozen=True, kw_only=True):
    """What is good for those who moderate: how many severe cases (severity 0 and 1) one person is given in a day, after
    how many minutes among them a break is suggested, and how long a pause counts as one."""

    severe_per_day: Annotated[int, Meta(ge=1, le=500)] = 40
    break_after_minutes: Positive = 45
    break_minutes: Positive = 10


class Deciding(_Strict, frozen=True, kw_only=True):
    """Decisions that need a second member of the staff, besides every end of an account: those about more than
    `four_eyes_over_subjects` subjects at once."""

    four_eyes_over_subjects: Annotated[int, Meta(ge=1)] = 20


class Activation(_Strict, frozen=True, kw_only=True):
    """From how many posts on a change of what is refused or held needs a second member of the staff: a number, or a
    share in per cent of the posts that its backtest looked at. `four_eyes_over_entries`: likewise a list for a bank
    that brings in, changes or takes out more entries or hashes than that."""

    four_eyes_over_posts: Annotated[int, Meta(ge=0)] = 100
    four_eyes_over_percent: Annotated[float, Meta(ge=0, le=100)] = 0.5
    four_eyes_over_entries: Annotated[int, Meta(ge=0)] = 500


class Retention(_Strict, frozen=True, kw_only=True):
    """For how many days evidence is kept, by why it is there. What is under a hold is kept until that ends."""

    closed_case_days: Positive = 365
    """After the last case that it belongs to was closed. Longer than a decision may be appealed."""
    no_case_days: Positive = 90
    known_file_days: Positive = 365
    """Files that a bank of known hashes took away, after that. No shorter than the law where you are asks for."""
    preservation_days: Positive = 90
    """What an authority asked to be preserved, without another end (18 USC 2703(f): 90 days, renewed once)."""
    cybertip_days: Positive = 365
    """What a report to NCMEC's CyberTipline is about (18 USC 2258A(h))."""


class PolicyHead(_Strict, frozen=True, kw_only=True):
    """`policy.yaml`."""

    format: int
    name: Text
    version: Annotated[str, Meta(pattern=r"^\d+\.\d+\.\d+$")]
    review_hours: Positive
    trust: TrustThresholds
    fail_modes: FailModes
    limits: Limits
    signals: dict[str, SignalSwitch] = {}
    ladder: list[LadderStep] = []
    clocks: Clocks = Clocks()
    thresholds: dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)], int | float] = {}
    routing: Routing = Routing()
    juries: Juries = Juries()
    wellness: Wellness = Wellness()
    caps: Caps = Caps()
    activation: Activation = Activation()
    decisions: Deciding = Deciding()
    retention: Retention = Retention()


class Case(_Strict, frozen=True, kw_only=True):
    """A test that stands beside a clause or a rule: what is posted by whom, and what must happen.

    `account` overrides facts (`account_age_days`, `published_statuses`, `role` ...); without it the author is
    an ordinary known member. `signals` fixes the values of signals; those that depend on a model find nothing in a
    test unless it gives their values, so that tests do not change with the model.
    """

    name: Text
    expect: Outcome
    kind: Kind = "status"
    text: str = ""
    texts: dict[str, str] = {}
    links: list[str] = []
    mentions: int = 0
    tags: list[str] = []
    media: int = 0
    account: dict[str, bool | int | float | str] = {}
    signals: dict[str, SignalValue] = {}


class StrikeWeight(_Strict, frozen=True, kw_only=True):
    """What a confirmed breach counts on the ladder, and for how long. Weight 0 is never a strike."""

    weight: Annotated[int, Meta(ge=0, le=100)]
    expires_days: Positive | None = None


class ClauseDocument(_Strict, frozen=True, kw_only=True):
    """One clause in plain words. `remedy` tells an author what to change: "Remove the threat"."""

    id: ClauseId
    group: Text
    title: Text
    text: Text
    hint: str = ""
    remedy: Text
    severity: Annotated[int, Meta(ge=0, le=3)]
    clock_hours: Positive | None = None
    strike: StrikeWeight | None = None
    breaks: list[Text]
    fine: list[Text] = []
    tests: list[Case]


class WordDocument(_Strict, frozen=True, kw_only=True):
    """One entry of the word bank. `hits` and `misses` are its tests."""

    id: Name
    tier: Tier
    clause: ClauseId
    title: Text
    state: State = "LIVE"
    expires: Day | None = None
    match: Annotated[list[Text], Meta(min_length=1)]
    unless: list[Text] = []
    hits: Annotated[list[Text], Meta(min_length=1)]
    misses: Annotated[list[Text], Meta(min_length=1)]


class WordsFile(_Strict, frozen=True, kw_only=True):
    """`words.yaml`, and without `spellings` the files of other languages."""

    spellings: dict[str, str] = {}
    words: list[Any]


class LinkDocument(_Strict, frozen=True, kw_only=True):
    """One entry of the link bank: domains with their subdomains, or patterns of whole URLs (RE2 syntax).

    `unless` names subdomains that are no match."""

    id: Name
    tier: Tier
    clause: ClauseId
    title: Text
    state: State = "LIVE"
    expires: Day | None = None
    domains: list[Text] = []
    patterns: list[Text] = []
    unless: list[Text] = []
    hits: Annotated[list[Text], Meta(min_length=1)]
    misses: Annotated[list[Text], Meta(min_length=1)]


class LinksFile(_Strict, frozen=True, kw_only=True):
    """`links.yaml`."""

    shorteners: list[Text] = []
    links: list[Any]


class AccountDocument(_Strict, frozen=True, kw_only=True):
    """One entry of the banks of sign-up: of `emails` it has domains, of `addresses` networks, of `names` patterns."""

    id: Name
    tier: Tier
    clause: ClauseId
    title: Text
    state: State = "LIVE"
    expires: Day | None = None
    domains: list[Text] = []
    networks: list[Text] = []
    patterns: list[Text] = []
    unless: list[Text] = []
    hits: Annotated[list[Text], Meta(min_length=1)]
    misses: Annotated[list[Text], Meta(min_length=1)]


class AccountsFile(_Strict, frozen=True, kw_only=True):
    """`accounts.yaml`."""

    emails: list[Any] = []
    addresses: list[Any] = []
    names: list[Any] = []


class RuleDocument(_Strict, frozen=True, kw_only=True):
    """One rule: when the CEL expression is true, the outcome applies.

    `clause` is a clause's id, or `of-match` for the clause of the first bank entry that `matches` names
    (`words.reject`, `links.hold` ...).
    """

    id: Name
    version: Positive = 1
    state: State
    expires: Day | None = None
    cap_per_hour: Positive | None = None
    over_cap: OverCap | None = None
    title: Text
    kinds: list[Kind] = []
    when: Text
    outcome: Outcome
    clause: Annotated[str, Meta(pattern=r"^([1-9][0-9]?\.[1-9][0-9]?|of-match)$")]
    matches: str = ""
    because: Text
    labels: list[Name] = []
    tests: Annotated[list[Case], Meta(min_length=1)]
