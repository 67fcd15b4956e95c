"""What comes into a notice, and what its sender and the staff are shown of it. Plain data; no rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from parley.safety.cases.views import Source
from parley.safety.log.views import Subject
from parley.social.accounts.views import AccountView

ProviderKind = Literal["host", "app_store", "authority", "trusted_flagger"]
ProviderFormat = Literal["xarf4", "xarf3", "arf", "mail"]
Channel = Literal["api", "mail", "form", "desk", "shell"]
OrderKind = Literal["removal", "preservation"]
Found = Literal["status", "media", "profile", "account", "gone", "unknown", "not_ours"]
"""What a URL turned out to be. `gone`: deleted by its author; `unknown`: an address of ours where nothing is known."""

Outcome = Literal[
    "waiting",
    "hidden",
    "removed",
    "limited",
    "labelled",
    "account",
    "kept",
    "restored",
    "gone",
    "preserved",
    "unknown",
    "not_ours",
]
"""What became of a URL: not decided; hidden until somebody decides; removed; shown to fewer; marked; its account was
stopped; looked at and kept, with reasons; taken down and put back; deleted by its author; kept for an authority that
asked for it; nothing here; not ours."""

Progress = Literal["QUEUED", "PROCESSING", "COMPLETED"]

Ended = Literal["answered", "expired", "ended"]
"""How a question to a sender ended: answered; nobody answered in time; not needed any more."""

OUTCOME_WORDS: dict[str, str] = {
    "waiting": "Waiting for a decision",
    "hidden": "Hidden until it is decided",
    "removed": "Removed",
    "limited": "Shown to fewer people",
    "labelled": "Marked for its readers",
    "account": "Its account was stopped",
    "kept": "Looked at and kept",
    "restored": "Taken down and put back",
    "gone": "Deleted by its author",
    "preserved": "Preserved",
    "unknown": "Nothing is found at this address",
    "not_ours": "Not an address of ours",
}


class NewProvider(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who sends notices. `addresses` and `domains`: from where its mails come."""

    name: str
    kind: ProviderKind = "host"
    contact_mail: str = ""
    format: ProviderFormat = "xarf4"
    trusted: bool = False
    addresses: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    address_suffices: bool = False
    """Whether a mail from there is believed although no relay of ours checked SPF or DKIM."""
    public_key: str = ""
    webhook_url: str = ""


class ProviderView(msgspec.Struct, frozen=True, kw_only=True):
    """A provider without its token."""

    id: int
    name: str
    kind: ProviderKind
    contact_mail: str
    format: ProviderFormat
    trusted: bool
    addresses: tuple[str, ...]
    domains: tuple[str, ...]
    address_suffices: bool
    public_key: str
    webhook_url: str
    has_token: bool
    token_made_at: datetime | None
    created_at: datetime
    revoked_at: datetime | None


class RawMessage(msgspec.Struct, frozen=True):
    """A message that was kept byte for byte: see keeping.py."""

    sha256: bytes
    size: int


class NewNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as a door understood it. `urls` as they were sent, in order."""

    source: Source
    channel: Channel
    urls: tuple[str, ...] = ()
    statement: str = ""
    harms: tuple[str, ...] = ()
    """Tags such as `harm:incitement`, XARF types such as `content/csam`, or a clause such as `clause:1.1`."""
    provider_id: int | None = None
    verified: bool = False
    format: str = "json"
    reference: str = ""
    subject: str = ""
    order_kind: OrderKind | None = None
    authority: str = ""
    basis: str = ""
    reporter_name: str = ""
    reporter_mail: str = ""
    good_faith: bool = False
    language: str = "en"
    raw: RawMessage | None = None
    message_id: str = ""
    answer_to: str = ""
    """To whom the answer is mailed; empty: to nobody, unless its provider has an address."""
    wants_receipt: bool = False
    """Whether a receipt is mailed there too."""
    filed_by: int | None = None
    received_at: datetime | None = None


class LedgerSubject(msgspec.Struct, frozen=True, kw_only=True):
    """One subject of a URL, and what became of it: read from the newest decision, never kept twice."""

    subject: Subject
    account_id: int
    case_id: int | None
    outcome: Outcome
    decision_id: int | None
    clause: str | None
    clause_title: str
    reasons: str
    """What its author was told; for whoever sent the notice too."""
    automated: bool
    first_action_at: datetime | None
    decided_at: datetime | None
    settled: bool
    """Whether nothing is left to decide about it."""
    copies_found: int
    copies_acted: int
    """How many other posts that say the same were found, and how many of them something was done about."""


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One URL of a notice: as it was sent, what it is, what became of it, when, under which rule."""

    id: int
    position: int
    url: str
    found: Found
    subjects: tuple[LedgerSubject, ...]
    outcome: Outcome
    clause: str | None
    clause_title: str
    reasons: str
    received_at: datetime
    acknowledged_at: datetime | None
    first_action_at: datetime | None
    resolved_at: datetime | None
    due_at: datetime
    settled: bool
    copies_found: int
    copies_acted: int

    @property
    def in_time(self) -> bool | None:
        """Whether something was done about it before it was due; None where nothing had to be, or has been yet."""
        if self.first_action_at is None:
            return None
        return self.first_action_at <= self.due_at


class QuestionView(msgspec.Struct, frozen=True, kw_only=True):
    """A question to whoever sent a notice."""

    id: int
    question: str
    answer: str
    """Empty: none, or one whose words could not be read; the raw mail is kept."""
    state: Literal["open", "answered", "expired", "ended"]
    paused: bool
    """Whether the clock stands still, or stood, meanwhile."""
    asked_by: int
    asked_at: datetime
    until_at: datetime
    """When the clock goes on without an answer."""
    ended_at: datetime | None


class NoticeView(msgspec.Struct, frozen=True, kw_only=True):
    """A notice as the staff see it."""

    id: int
    source: Source
    channel: Channel
    provider: ProviderView | None
    verified: bool
    format: str
    reference: str
    subject: str
    statement: str
    harms: tuple[str, ...]
    clause: str | None
    severity: int
    order_kind: OrderKind | None
    authority: str
    basis: str
    reporter_name: str
    reporter_mail: str
    answer_to: str
    good_faith: bool
    language: str
    filed_by: AccountView | None
    raw_sha256: str
    raw_bytes: int
    message_id: str
    received_at: datetime
    due_at: datetime
    acknowledged_at: datetime | None
    answered_at: datetime | None
    progress: Progress
    reason: str
    """A code that says where it stands: see states.py."""
    case_ids: tuple[int, ...] = ()
    questions: tuple[QuestionView, ...] = ()
    """What its sender was asked, in order."""

    @property
    def open_question(self) -> QuestionView | None:
        """What its sender has not answered yet."""
        return next((one for one in self.questions if one.state == "open"), None)

    @property
    def sender(self) -> str:
        """Who wrote it, for a list."""
        if self.provider is not None:
            return self.provider.name
        return self.authority or self.reporter_name or self.reporter_mail or "Somebody without a name"


class NoticeRow(msgspec.Struct, frozen=True, kw_only=True):
    """A notice in a list of the staff's."""

    id: int
    source: Source
    channel: Channel
    sender: str
    reference: str
    severity: int
    clause: str | None
    urls: int
    waiting: int
    """URLs about which nothing was decided."""
    received_at: datetime
    due_at: datetime
    answered_at: datetime | None
    overdue: bool


class NoticesPage(msgspec.Struct, frozen=True):
    """A page of notices; `after` continues it (None: that was all)."""

    notices: tuple[NoticeRow, ...]
    after: int | None = None


class ResponseView(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it was given. `contents` is byte for byte what was signed."""

    id: int
    number: int
    contents: str
    sha256: str
    signature: str
    """Base64."""
    key_fingerprint: str
    words: str
    written_by: int | None
    created_at: datetime


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A mail or call of a notice."""

    id: int
    direction: str
    kind: str
    address: str
    message_id: str
    raw_sha256: str
    problem: str
    created_at: datetime
    sent_at: datetime | None
