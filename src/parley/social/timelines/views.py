"""What a reader sees beside statuses: conversations, reading positions, tags."""

from __future__ import annotations

from datetime import date, datetime

import msgspec

from parley.social.accounts.views import AccountView
from parley.social.statuses.views import StatusView


class ConversationView(msgspec.Struct, frozen=True, kw_only=True):
    """A thread of direct messages; `accounts` are the others, `last_status` is None when it is gone."""

    id: int
    unread: bool
    accounts: tuple[AccountView, ...]
    last_status: StatusView | None
    last_status_id: int


class MarkerView(msgspec.Struct, frozen=True):
    """How far the member has read in `timeline` (home or notifications)."""

    timeline: str
    last_read_id: int
    version: int
    updated_at: datetime


class TagDayView(msgspec.Struct, frozen=True):
    """How often a tag was used on one day (UTC), and by how many accounts."""

    day: date
    uses: int
    accounts: int


class TagView(msgspec.Struct, frozen=True, kw_only=True):
    """A hashtag. `id` is None for a tag that nobody has used yet; `following` and `featuring` None when signed out."""

    id: int | None
    name: str
    history: tuple[TagDayView, ...] = ()
    following: bool | None = None
    featuring: bool | None = None


class FollowedTagView(msgspec.Struct, frozen=True):
    """A tag that the member follows; pages go by `follow_id`."""

    follow_id: int
    tag: TagView


class FeaturedTagView(msgspec.Struct, frozen=True, kw_only=True):
    """A tag on somebody's profile, with that account's own use of it."""

    id: int
    account_id: int
    username: str
    domain: str | None
    name: str
    statuses_count: int
    last_status_at: datetime | None
