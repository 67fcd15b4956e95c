"""What comes into a case, and what the staff are shown of cases. Plain data; no rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.safety.log.views import EventView, SubjectType
from parley.social.accounts.views import AccountView
from parley.social.statuses.views import StatusView

CATEGORIES = ("spam", "legal", "violation", "other")

Source = Literal["user", "public_notice", "trusted_flagger", "provider_notice", "authority_order", "automated"]
"""Who says it. `rank_of_source` in routing.py says which is graver."""

State = Literal["open", "queued", "assigned", "escalated", "closed"]
"""Of a case and of a report; what may follow what stands in states.py."""

Settled = Literal["decided", "released", "withdrawn", "deleted"]
"""How a subject came to its end: by a decision; the judge let it go; its author replaced or deleted it unseen."""


class NewSubject(msgspec.Struct, frozen=True, kw_only=True):
    """What comes into a case. For an account and for a profile, `id` is the account's."""

    type: SubjectType
    id: int
    revision: int | None = None
    clause: str | None = None
    severity: int | None = None
    """0 threat to life to 3 nuisance; None: from the clause, else 2"""
    screening_id: int | None = None


class NewReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report of an account and, where they matter, of its statuses."""

    account_id: int
    status_ids: tuple[int, ...] = ()
    comment: str = ""
    category: str | None = None
    """spam, legal, violation or other; None: violation when rules are named, else other"""
    rule_ids: tuple[str, ...] = ()
    """Clauses of the instance's rules that were broken."""
    forward: bool = False
    """Whether a remote account's own server may be told."""


ReportState = Literal["received", "looked_at", "acted", "not_acted", "settled"]


class MyReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report as its own reporter sees it: `settled` is one about which nothing had to be decided any more."""

    id: int
    target: AccountView
    status_ids: tuple[int, ...]
    category: str
    comment: str
    state: ReportState
    created_at: datetime
    closed_at: datetime | None


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A report as its reporter sees it; the evidence is for those who decide."""

    id: int
    target: AccountView
    status_ids: tuple[int, ...]
    comment: str
    category: str
    rule_ids: tuple[str, ...]
    forward: bool
    state: str
    action_taken_at: datetime | None
    created_at: datetime


class CaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """A case in a list of the staff's. `priority` is in hours: higher comes first; see priority.py."""

    id: int
    account: AccountView
    state: State
    queue: str
    source: Source
    clause: str | None
    severity: int
    incident_id: int | None
    assigned_to: AccountView | None
    """Who works on it, while `leased_until` is not over."""
    leased_until: datetime | None
    escalated_to: str | None
    opened_at: datetime
    closed_at: datetime | None
    due_at: datetime | None
    overdue: bool
    reports_count: int
    reporters_count: int
    subjects_count: int
    open_subjects: int
    reach: int
    reach_per_hour: float
    confidence: float
    priority: float
    excerpt: str
    """The first words of the gravest status that is not decided; empty where there is none."""
    mine: bool
    """Whether the viewer holds the lease."""


class CasesPage(msgspec.Struct, frozen=True):
    """A page of cases; `after` continues it (None: that was all)."""

    cases: list[CaseRow]
    after: str | None = None


class QueueCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits in one queue at one severity."""

    queue: str
    severity: int
    cases: int
    overdue: int
    unassigned: int
    oldest: datetime | None
    """When the oldest was opened."""
    next_due: datetime | None


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """All that waits, and since when: nothing is left out of it."""

    queues: tuple[QueueCount, ...]
    cases: int
    overdue: int
    reports: int
    oldest: datetime | None
    escalated: int
    mine: int


class SignalsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge said of a subject, with its reasons."""

    id: int
    outcome: str
    clause: str | None
    sentence: str
    because: tuple[str, ...]
    matches: tuple[dict[str, Any], ...]
    signals: dict[str, Any]
    rules: tuple[str, ...]
    labels: tuple[str, ...]
    degraded: bool


class SubjectView(msgspec.Struct, frozen=True, kw_only=True):
    """One subject of a case: as it was when it came in, and as it is now."""

    case_subject_id: int
    type: SubjectType
    id: int
    revision: int | None
    """As it came into the case."""
    clause: str | None
    severity: int
    source: Source
    added_at: datetime
    settled_at: datetime | None
    settled_as: Settled | None
    decision_id: int | None
    interim_decision_id: int | None
    evidence_id: int | None
    due_at: datetime | None
    overdue: bool
    reports_count: int
    seen: dict[str, Any] | None
    """The evidence: content as it was when it came into the case; None where nothing could be kept."""
    status: StatusView | None
    """A status as it is now (whatever its state), for the staff."""
    state_now: str
    """published, held, hidden_interim, removed, author_deleted ... of an account its state; `gone` where nothing is."""
    changed: bool
    """Whether what is shown now is another revision than the one that came into the case."""
    signals: SignalsView | None


class CaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """A report as the staff see it. `reliability` (0 to 1) says how often its reporter was right; 0.5: not known."""

    id: int
    source: Source
    reporter: AccountView | None
    reliability: float
    trusted: bool
    """A trusted flagger."""
    notice_id: int | None
    category: str
    clause: str | None
    rule_ids: tuple[str, ...]
    comment: str
    case_subject_ids: tuple[int, ...]
    state: State
    outcome: str | None
    times: int
    """How often the same reporter said it."""
    created_at: datetime


class ClockView(msgspec.Struct, frozen=True, kw_only=True):
    """A promise to act in time."""

    id: int
    kind: str
    source: Source
    severity: int
    state: str
    case_id: int | None
    case_subject_id: int | None
    notice_id: int | None
    appeal_id: int | None
    started_at: datetime
    due_at: datetime
    ended_at: datetime | None


class NoteView(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the staff wrote down; on the case, or (`case_id` None) on the account."""

    id: int
    case_id: int | None
    account_id: int
    written_by: AccountView | None
    text: str
    created_at: datetime


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """A case with everything that its page shows, besides what decisions and copies add."""

    case: CaseRow
    subjects: tuple[SubjectView, ...]
    more_subjects: int
    """How many more there are than are shown; open ones are shown first."""
    reports: tuple[CaseReport, ...]
    more_reports: int
    clocks: tuple[ClockView, ...]
    events: tuple[EventView, ...]
    notes: tuple[NoteView, ...]
    earlier_cases: tuple[int, ...]
    """Ids of closed cases of the same account, newest first (at most 20)."""


class ReporterView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who reports, as the staff know them."""

    account: AccountView
    reports: int
    acted: float
    not_acted: float
    reliability: float
    muted_at: datetime | None
    flagger_since: datetime | None
    flagger_note: str
