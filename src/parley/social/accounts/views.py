"""What a reader sees of accounts, and who the reader is."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.errors import NotFound


class Restriction(msgspec.Struct, frozen=True):
    """What moderators decided that an account may not do now: `kind` is restrict_posting, freeze, suspend or terminate.

    `title` is that of the `clause` (None: a decision without one); `until` None: until somebody takes it back.
    """

    kind: str
    clause: str | None
    title: str
    decision_id: int
    until: datetime | None
    page: str = ""
    """Address of the page of the decision, where it can be appealed."""


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. Every read takes `viewer: Viewer | None`; None is signed out."""

    account_id: int
    username: str
    role: str = "member"
    """member, moderator, admin or owner"""
    scopes: frozenset[str] = frozenset()
    """What the token allows; the web's own pages hold every scope of a member."""
    app_id: int | None = None
    token_id: int | None = None
    session_id: int | None = None
    locale: str = "en"
    restriction: Restriction | None = None
    """The gravest that stops the viewer from doing something: see `restrictions.py`."""

    @property
    def is_staff(self) -> bool:
        """Whether the viewer moderates or runs the instance."""
        return self.role != "member"

    @property
    def runs_instance(self) -> bool:
        """Whether the viewer runs the instance."""
        return self.role in ("admin", "owner")

    def need_operator(self) -> None:
        """Raise NotFound for whoever does not run the instance: what is theirs to see looks missing to others."""
        if not self.runs_instance:
            raise NotFound


class FieldView(msgspec.Struct, frozen=True):
    """One row of a profile's table; `verified_at` is set when the page links back with rel=me."""

    name: str
    value: str
    value_html: str
    verified_at: datetime | None = None


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account as others may see it. `*_file` are names below media/, or None for the default picture."""

    id: int
    username: str
    domain: str | None
    state: str
    display_name: str
    note: str
    note_html: str
    fields: tuple[FieldView, ...]
    emojis: tuple[EmojiView, ...]
    avatar_file: str | None
    avatar_static_file: str | None
    header_file: str | None
    header_static_file: str | None
    avatar_description: str
    header_description: str
    bot: bool
    locked: bool
    discoverable: bool
    indexable: bool
    hide_collections: bool
    show_media: bool
    show_media_replies: bool
    show_featured: bool
    sensitized: bool
    attribution_domains: tuple[str, ...]
    role: str
    """member, moderator, admin or owner; a remote account is always a member"""
    created_at: datetime
    uri: str | None
    url: str | None
    statuses_count: int
    followers_count: int
    following_count: int
    last_status_at: datetime | None
    merge_on_read: bool
    version: int
    held_revision: int | None = None
    """Of a newer profile that waits for a decision; doors never show it to others."""
    held: bool = False
    """The owner alone learns that a newer profile waits for a decision."""
    held_sentence: str = ""
    """Why it waits, for the owner; set together with `held`, like the clause that holds it and since when it waits."""
    held_clause: str | None = None
    held_since: datetime | None = None

    @property
    def acct(self) -> str:
        """`alice` for a member, `remi@remote.example` for others."""
        return self.username if self.domain is None else f"{self.username}@{self.domain}"

    @property
    def name(self) -> str:
        """Display name, or the username when it is empty."""
        return self.display_name or self.username

    @property
    def is_local(self) -> bool:
        """Whether this is a member of this instance."""
        return self.domain is None


class EmojiView(msgspec.Struct, frozen=True):
    """A custom emoji."""

    shortcode: str
    file: str
    static_file: str
    category: str | None = None
    visible_in_picker: bool = True


class AccountHead(msgspec.Struct, frozen=True):
    """What changes often, and the stamp under which everything else may be kept: `version` with `updated_at`."""

    id: int
    version: int
    updated_at: datetime
    statuses_count: int
    followers_count: int
    following_count: int
    last_status_at: datetime | None
