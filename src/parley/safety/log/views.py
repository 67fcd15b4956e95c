"""Who acts, upon what: the words in which the moderation log speaks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from parley.social.accounts.views import Viewer

ActorType = Literal["human", "rule", "system", "provider", "member", "public"]
SubjectType = Literal["account", "status", "media", "profile", "conversation"]


class Actor(msgspec.Struct, frozen=True):
    """Who did it. `human` is staff, `member` somebody who reports or appeals, `provider` a host or an app store,
    `public` somebody without an account; `rule` and `system` are the program, `name` says which part of it."""

    type: ActorType
    id: int | None = None
    name: str = ""


def human(viewer: Viewer) -> Actor:
    """A member of the staff."""
    return Actor("human", viewer.account_id, viewer.username)


def member(viewer: Viewer) -> Actor:
    """Somebody who reports, appeals, or serves on a jury."""
    return Actor("member", viewer.account_id)


def system(name: str) -> Actor:
    """A part of the program, such as `clocks` or `sweeps`."""
    return Actor("system", None, name)


class Subject(msgspec.Struct, frozen=True):
    """What it is about. For an account and for a profile, `id` is the account's."""

    type: SubjectType
    id: int
    revision: int | None = None


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the log, as staff read it."""

    id: int
    seq: int
    type: str
    at: datetime
    actor: Actor
    case_id: int | None
    subject: Subject | None
    payload: dict[str, Any]


class Problem(msgspec.Struct, frozen=True):
    """Something that is not as it must be.

    `kind`: changed_entry, missing_entry, broken_link, unchained, truncated, rewritten, signature, changed_row,
    missing_row, unknown_row, row, trigger; for evidence also changed_content, changed_file, missing_file.
    """

    kind: str
    where: str
    text: str

    def __str__(self) -> str:
        return f"{self.where}: {self.text}"


class AuditReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of the whole log found. Nothing is wrong when `found` is 0; `problems` are the first of them."""

    entries: int
    head_seq: int
    head_hash: str
    root: str
    """Of the tree over all entries: see kit/merkle.py."""
    tables: dict[str, int]
    """Rows that were compared, by table."""
    rows: int
    checkpoints: int
    keys: tuple[str, ...]
    """Fingerprints of the keys that signed heads, the newest first."""
    found: int
    problems: tuple[Problem, ...]
    seconds: float
    entries_per_second: float

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return self.found == 0


class SignedHead(msgspec.Struct, frozen=True):
    """A head of the chain that was signed and handed out."""

    seq: int
    hash: bytes
    root: bytes = b""


class CheckpointView(msgspec.Struct, frozen=True, kw_only=True):
    """A signed head of the log. `signed` are the very bytes under the signature (Ed25519); the rest is hexadecimal."""

    seq: int
    hash: str
    root: str
    signed: str
    signature: str
    public_key: str
    key_fingerprint: str
    created_at: datetime


class Exported(msgspec.Struct, frozen=True):
    """What was handed out of the log."""

    entries: int
    head_hash: str
    key_fingerprint: str
    rows: int


class OpenedValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value that the log hides, disclosed: `opening` (hexadecimal) proves it to whoever has the log."""

    kind: str
    table: str
    id: str
    column: str
    value: str
    opening: str
