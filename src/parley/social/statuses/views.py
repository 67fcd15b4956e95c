"""What a reader sees of statuses."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.social.accounts.views import AccountView, EmojiView
from parley.social.filters.views import MatchView
from parley.social.media.actions import MediaAttributes
from parley.social.media.views import MediaView


class MentionView(msgspec.Struct, frozen=True):
    """Somebody who is addressed in a status; `domain` is None for a member."""

    id: int
    username: str
    domain: str | None
    url: str | None = None
    """The page of a remote account; None for a member."""

    @property
    def acct(self) -> str:
        """`alice` for a member, `remi@remote.example` for others."""
        return self.username if self.domain is None else f"{self.username}@{self.domain}"


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
    emojis: tuple[EmojiView, ...] = ()


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


class ImportedView(msgspec.Struct, frozen=True):
    """Said of a status that its author brought along from elsewhere."""

    host: str
    """Where it was first posted, as the archive says."""
    proof: str
    """own: this instance signed the archive, and it is of this very account. signed: the other instance signed it, and
    it names this account as the author's. claimed: the member says so, and nothing proves it."""


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
    is_committed: bool = False
    """False while the transaction that read it may be rolled back: doors must keep nothing made of it then."""
    viewer_id: int | None = None
    """For whom this view was made; None: signed out, and the marks mean nothing."""
    following_author: bool = False
    """Whether the viewer follows the author: it decides whether the viewer may quote."""
    own_warning: str = ""
    """The author's own part of `spoiler_text`, which moderators may have put a label before."""
    filtered: tuple[MatchView, ...] = ()
    """What the viewer's filters found; set by `filtered.mark_filtered`."""
    imported: ImportedView | None = None
    """Set when it was first posted elsewhere; `created_at` is then what the archive says."""


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


class StatusesPage(msgspec.Struct, frozen=True):
    """A page of statuses, newest first. `newest` and `oldest` are what max_id, since_id and min_id speak of:
    None when the page is empty. They are the page's edges even where a status is hidden from the viewer."""

    statuses: list[StatusView]
    newest: int | None = None
    oldest: int | None = None


class ScheduledView(msgspec.Struct, frozen=True, kw_only=True):
    """A status that waits for its time; `error` says why it could not be posted then."""

    id: int
    scheduled_at: datetime
    new: NewStatus
    media: tuple[MediaView, ...]
    app_id: int | None
    error: str | None


class SourceView(msgspec.Struct, frozen=True):
    """What the author typed, for editing."""

    id: int
    text: str
    spoiler_text: str
    content_type: str


class NewPoll(msgspec.Struct, frozen=True, kw_only=True):
    """A poll to be posted; `expires_in` is in seconds."""

    options: tuple[str, ...]
    expires_in: int
    multiple: bool = False
    hide_totals: bool = False


class NewStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What an author wants to post. None means: as the author's preferences say."""

    text: str = ""
    content_type: str = "text/plain"
    spoiler_text: str = ""
    sensitive: bool | None = None
    visibility: str | None = None
    local_only: bool = False
    language: str | None = None
    in_reply_to_id: int | None = None
    quoted_status_id: int | None = None
    quote_policy: str | None = None
    media_ids: tuple[int, ...] = ()
    poll: NewPoll | None = None


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a status comes from that its author brings along: it is dated back, and nobody is told of it."""

    host: str
    proof: str
    """One of those of `ImportedView`."""
    created_at: datetime


class StatusChange(msgspec.Struct, frozen=True, kw_only=True):
    """An edit: it replaces text, warning, media and poll as a whole. None in the others leaves them."""

    text: str = ""
    content_type: str | None = None
    spoiler_text: str = ""
    sensitive: bool | None = None
    language: str | None = None
    media_ids: tuple[int, ...] = ()
    media: tuple[MediaAttributes, ...] = ()
    poll: NewPoll | None = None
    quote_policy: str | None = None
