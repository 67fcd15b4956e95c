"""What a member sees of the own archives and imports."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

KINDS = {
    "following": "People you follow",
    "lists": "Lists",
    "blocking": "People you block",
    "muting": "People you mute",
    "domain_blocking": "Blocked domains",
    "bookmarks": "Bookmarks",
    "custom_filters": "Filters",
    "archive": "Posts of an archive",
}
"""What can be imported, by Mastodon's names, with the words for people."""

MODES = ("merge", "overwrite")
VISIBILITIES = ("public", "unlisted", "private", "direct")


class ArchiveView(msgspec.Struct, frozen=True, kw_only=True):
    """One archive of the viewer's own. Sizes in bytes; `done` of `total` posts and files are written."""

    id: int
    account_id: int
    state: str
    """waiting, writing, ready, failed or expired"""
    alias: str | None
    """The account elsewhere that it is for."""
    file: str | None
    size: int | None
    sha256: str | None
    done: int
    total: int
    created_at: datetime
    ready_at: datetime | None
    expires_at: datetime | None


class ImportSource(msgspec.Struct, frozen=True, kw_only=True):
    """Whose an archive is, as far as it says so, and what is proven of that."""

    actor: str
    """Its identifier: a URL."""
    host: str
    address: str
    """`alice@old.example`"""
    proof: str
    """own, signed or claimed: see `ImportedView`."""
    said: str
    """What is proven and what is not: a sentence for the member."""
    posts: int = 0
    media: int = 0
    boosts: int = 0
    strangers: int = 0
    """Posts that another actor than the archive's own is said to have written: none of them is taken."""
    unreadable: int = 0


class ImportView(msgspec.Struct, frozen=True, kw_only=True):
    """One import of the viewer's own: `done` and `failed` of `total` rows so far."""

    id: int
    account_id: int
    kind: str
    mode: str
    state: str
    """reading, unconfirmed, running, finished, failed or cancelled"""
    file_name: str
    upload: str | None
    source: ImportSource | None
    visibilities: tuple[str, ...]
    cleared: bool
    total: int
    unknown: int
    done: int
    failed: int
    error: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def kind_words(self) -> str:
        """For people."""
        return KINDS[self.kind]

    @property
    def is_open(self) -> bool:
        """Whether it may still change."""
        return self.state in ("reading", "unconfirmed", "running")


class RowView(msgspec.Struct, frozen=True):
    """One row of an import: what it says, and why it could not be taken."""

    position: int
    data: dict[str, Any]
    reason: str | None = None
