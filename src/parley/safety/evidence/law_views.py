"""What staff say and see of legal holds, requests of authorities and disclosures."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec

HoldKind = Literal["preservation", "cybertip", "litigation", "own"]
RequestKind = Literal["removal_order", "preservation", "disclosure", "emergency"]
HeldType = Literal["account", "case", "conversation", "status", "media", "profile"]


class Held(msgspec.Struct, frozen=True):
    """Something that a hold keeps. An account means everything of it, a case all that was captured for it."""

    type: HeldType
    id: int


class NewHold(msgspec.Struct, frozen=True, kw_only=True):
    """A hold to be placed. `ends_at` None: as the policy says for its kind; litigation and own ones have no end."""

    subjects: Sequence[Held]
    kind: HoldKind
    reason: str
    reference: str = ""
    request_id: int | None = None
    ends_at: datetime | None = None


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A legal hold."""

    id: int
    kind: str
    state: str
    reason: str
    reference: str
    request_id: int | None
    requested_by: int | None
    activated_by: int | None
    created_at: datetime
    ends_at: datetime | None
    renewals: int
    ended_by: int | None
    ended_at: datetime | None
    subjects: Sequence[Held] = ()
    snapshots: int = 0
    """How many snapshots were captured for it."""


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What an authority asks for. `due_at` None: as the policy and the kind say."""

    kind: RequestKind
    authority: str
    reference: str = ""
    basis: str = ""
    statement: str = ""
    received_at: datetime | None = None
    due_at: datetime | None = None
    case_id: int | None = None
    notice_id: int | None = None


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """A request of an authority."""

    id: int
    kind: str
    state: str
    authority: str
    reference: str
    basis: str
    statement: str
    answer: str
    case_id: int | None
    notice_id: int | None
    registered_by: int | None
    received_at: datetime
    due_at: datetime
    overdue_at: datetime | None
    ended_at: datetime | None


class NewDisclosure(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be handed out, to whom, on which ground. `subscriber` adds the member's mail address and sign-ins."""

    recipient: str
    basis: str
    what: str
    request_id: int | None = None
    case_id: int | None = None
    account_id: int | None = None
    subscriber: bool = False


class DisclosureView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was, or is to be, handed out. `package_sha256` is of the very file."""

    id: int
    request_id: int | None
    state: str
    recipient: str
    basis: str
    what: str
    case_id: int | None
    account_id: int | None
    subscriber: bool
    proposed_by: int | None
    decided_by: int | None
    single_handed: bool
    package_sha256: str | None
    package_bytes: int | None
    created_at: datetime
    decided_at: datetime | None
    sent_at: datetime | None


Audience = Literal["host", "court", "ncmec"]


class NewPackage(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be packed, and for whom: a case, an account, or an approved disclosure.

    host: what was captured and what was done, with the log's entries about that. court: also what the staff did in the
    case, step by step. ncmec: as for a court, with a draft of a CyberTipline report.
    """

    case_id: int | None = None
    account_id: int | None = None
    disclosure_id: int | None = None
    audience: Audience = "host"


class Packable(msgspec.Struct, frozen=True):
    """A file of a package, as its manifest names it."""

    path: str
    sha256: str
    size_bytes: int


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was made."""

    sha256: str
    size_bytes: int
    snapshots: int
    files: int
    missing: int
    """Files that are spoken of, and of which there is no copy."""
    entries: int
    key_fingerprint: str
