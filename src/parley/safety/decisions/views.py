"""What a decision is made of, and what moderators, authors and reporters are shown of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.safety.log.views import Subject
from parley.social.accounts.views import AccountView

ActionKind = Literal[
    "no_action",
    "publish",
    "warn",
    "label",
    "sensitive",
    "limit",
    "hide",
    "remove",
    "remove_media",
    "quarantine",
    "require_change",
    "restrict_posting",
    "limit_account",
    "freeze",
    "suspend",
    "terminate",
]
DecisionKind = Literal["decision", "interim", "appeal", "undo", "jury", "sweep", "screening", "expiry"]
AutomaticKind = Literal["interim", "screening", "sweep", "jury", "expiry"]
ReversalKind = Literal["undo", "appeal", "expiry"]


class NewAction(msgspec.Struct, frozen=True):
    """What is to be done, to what. `hours`: for how long (None: until somebody takes it back).

    `label` is what readers are told by an action of that kind; empty: the title of the clause.
    """

    kind: ActionKind
    subject: Subject
    hours: float | None = None
    label: str = ""


class NewDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody decides about subjects of one account.

    `facts` (what was found) and `reasons` (why it breaks the clause) are for its author to read, in `language`
    (None: the author's own). `key` makes a repeated request give the same decision once.
    """

    account_id: int
    actions: tuple[NewAction, ...]
    case_id: int | None = None
    clause: str | None = None
    facts: str = ""
    reasons: str = ""
    language: str | None = None
    source: str = "user"
    automated_detection: bool = False
    key: str | None = None
    is_copy: bool = False
    """Whether it repeats another decision for copies (`copying.py`)."""


class ActionView(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a decision. In force until `ends_at`, or until it is reversed."""

    id: int
    kind: str
    subject: Subject
    ends_at: datetime | None
    applied_at: datetime
    reversed_at: datetime | None
    label: str = ""

    @property
    def in_force(self) -> bool:
        """Whether it has not been taken back."""
        return self.reversed_at is None


class DecisionView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision. For its author (`for_author`) everything that could name a moderator or a reporter is left out.

    `clause_title` and `clause_text` are those of the policy's version under which it was made.
    """

    id: int
    case_id: int | None
    account: AccountView
    kind: str
    decided_by: AccountView | None
    approved_by: AccountView | None
    automated_detection: bool
    automated_decision: bool
    source: str
    clause: str | None
    clause_title: str
    clause_text: str
    severity: int | None
    policy_sha256: str
    ruleset: str
    facts: str
    reasons: str
    language: str
    actions: tuple[ActionView, ...]
    strikes: int
    """Weight of the strikes that it gave and that were not refunded; expired ones are among them."""
    reverses_id: int | None
    reversed_by_id: int | None
    created_at: datetime
    appeal_until: datetime
    """Until when its author, or who reported it, may ask for another look."""
    for_author: bool = False

    @property
    def ends_at(self) -> datetime | None:
        """When its last action ends by itself; None when one has no end, or it did nothing that could end."""
        lasting = [action for action in self.actions if action.kind not in MOMENTARY]
        ends = [action.ends_at for action in lasting if action.ends_at is not None]
        return max(ends) if ends and len(ends) == len(lasting) else None


MOMENTARY = frozenset({"no_action", "publish", "warn"})
"""Actions that are over once they are done."""


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that a second member of the staff must agree to. `why` is termination, many or undo; `reverses_id`
    is what is to be undone."""

    id: int
    case_id: int | None
    account_id: int
    why: str
    state: str
    """waiting, approved, refused or stale"""
    decisions: tuple[NewDecision, ...]
    proposed_by: int
    answered_by: int | None
    answer: str
    decision_ids: tuple[int, ...]
    created_at: datetime
    ended_at: datetime | None
    reverses_id: int | None = None
    copies_of_id: int | None = None
    """The decision that was made already, and that this repeats for copies."""


class Copies(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision has to do with copies: which one it repeats, which repeat it and are in force, and about how many
    posts those are; how many wait for a second person."""

    copy_of_id: int | None
    decisions: tuple[int, ...]
    subjects: int
    waiting: int


class StrikeView(msgspec.Struct, frozen=True, kw_only=True):
    """One strike; it counts until it expires or is refunded."""

    id: int
    decision_id: int
    clause: str
    weight: int
    created_at: datetime
    expires_at: datetime
    refunded_at: datetime | None


class LinkedView(msgspec.Struct, frozen=True, kw_only=True):
    """Another account that seems to be the same person's: a hint, never a proof. `traits`: device, address, network,
    mailbox, pattern or cluster."""

    account: AccountView
    traits: tuple[str, ...]
    banned: bool


class RestrictionView(msgspec.Struct, frozen=True, kw_only=True):
    """What an account may not do now, and since which decision."""

    kind: str
    clause: str | None
    decision_id: int
    until: datetime | None


class HistoryView(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an account's conduct, for the staff. `weight` is the sum of the strikes that count now."""

    account: AccountView
    weight: int
    strikes: tuple[StrikeView, ...]
    restrictions: tuple[RestrictionView, ...]
    decisions: tuple[DecisionView, ...]
    linked: tuple[LinkedView, ...]


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy offers for a case: the clause that seems broken, and what its ladder asks for.

    `weight` is what counts now, `after` what it would be with this clause. `step` says in words what the ladder does.
    `actions` is a whole decision, ready to be made.
    """

    clause: str | None
    clause_title: str
    severity: int | None
    weight: int
    after: int
    step: str
    actions: tuple[NewAction, ...]
    because: tuple[str, ...]
    facts: str = ""
    reasons: str = ""
    language: str = "en"
    """Words for the author, ready to be sent, in the author's language: `templates` made them."""


class Suggestions(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy offers for a case: `best`, what follows when `nothing` is broken, and the same for every clause,
    by its id."""

    best: Suggestion
    nothing: Suggestion
    by_clause: dict[str, Suggestion]


class Template(msgspec.Struct, frozen=True, kw_only=True):
    """Words for an author, ready to be sent: `facts` for what was found, `reasons` for why."""

    language: str
    clause: str | None
    kind: str
    facts: str
    reasons: str


class ToldReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a report, as its reporter hears it. Nothing private of the account that it was about."""

    report_id: int
    target: AccountView
    outcome: str
    decision_id: int | None
    decided_at: datetime
    contest_until: datetime


Before = dict[str, Any]
"""What an action found, so that its reversal can put it back. Stored as JSON with the action."""
