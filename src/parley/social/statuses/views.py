"""What a reader sees of statuses."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.social.accounts.views import AccountView, EmojiView
from parley.social.media.views import MediaView


class MentionView(msgspec.Struct, frozen=True):
    """Somebody who is addressed in a status; `domain` is None for a member."""

    id: int
    username: str
    domain: str | None


class PollOptionView(msgspec.Struct, frozen=True):
    """One choice; `votes_count` is None while totals are hidden."""

    title: str
    votes_count: int | None


class PollView(msgspec.Struct, frozen=True, kw_only=True):
    """A poll with what the viewer chose."""

    id: int
    expires_at: datetime
    expired: bool
    multiple: bool
    votes_count: int
    voters_count: int
    options: tuple[PollOptionView, ...]
    voted: bool | None
    own_votes: tuple[int, ...] | None
    """None when signed out."""


class HeldView(msgspec.Struct, frozen=True, kw_only=True):
    """Told to the author alone: this revision waits for a decision, or was limited or removed."""

    state: str
    clause: str | None
    sentence: str
    revision: int


class QuoteView(msgspec.Struct, frozen=True):
    """An echo with comment. `status` is None unless `state` is accepted and the viewer may see it."""

    state: str
    """pending, accepted, rejected, revoked, deleted, unauthorized (Mastodon 4.5's words)"""
    status: StatusView | None
    status_id: int | None = None


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """A status as one viewer may see it, with that viewer's own marks on it."""

    id: int
    account: AccountView
    conversation_id: int
    in_reply_to_id: int | None
    in_reply_to_account_id: int | None
    visibility: str
    local_only: bool
    state: str
    text: str
    content_type: str
    html: str
    spoiler_text: str
    sensitive: bool
    language: str | None
    mentions: tuple[MentionView, ...]
    tags: tuple[str, ...]
    emojis: tuple[EmojiView, ...]
    media: tuple[MediaView, ...]
    poll: PollView | None
    reblog: StatusView | None
    quote: QuoteView | None
    quote_policy: str
    app_name: str | None
    app_website: str | None
    replies_count: int
    reblogs_count: int
    favourites_count: int
    quotes_count: int
    favourited: bool
    reblogged: bool
    bookmarked: bool
    muted: bool
    pinned: bool
    uri: str | None
    url: str | None
    created_at: datetime
    edited_at: datetime | None
    revision: int
    version: int
    held: HeldView | None


class RevisionView(msgspec.Struct, frozen=True, kw_only=True):
    """One revision in a status's history."""

    account: AccountView
    html: str
    spoiler_text: str
    sensitive: bool
    created_at: datetime
    media: tuple[MediaView, ...]
    emojis: tuple[EmojiView, ...]
    poll_options: tuple[str, ...] | None


class ContextView(msgspec.Struct, frozen=True):
    """A thread around one status."""

    ancestors: list[StatusView]
    descendants: list[StatusView]
