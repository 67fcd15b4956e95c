"""Conversations, markers, tags and search results in Mastodon's JSON shapes. No rule lives here.

Source: https://docs.joinmastodon.org/entities/Conversation/, Marker, Tag, FeaturedTag, Search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time

import msgspec

from parley.api.entities.accounts import account_entity
from parley.api.entities.statuses import status_entity
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_url, tag_url
from parley.social.timelines.views import ConversationView, FeaturedTagView, MarkerView, TagDayView, TagView

UNSET = msgspec.UNSET


class Conversation(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/Conversation/"""

    id: str
    unread: bool
    accounts: Sequence[msgspec.Raw]
    last_status: msgspec.Raw | None


def conversation_entity(view: ConversationView, settings: Settings) -> Conversation:
    """A thread of direct messages."""
    return Conversation(
        str(view.id),
        view.unread,
        [account_entity(account, settings) for account in view.accounts],
        status_entity(view.last_status, settings) if view.last_status else None,
    )


class Marker(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/Marker/"""

    last_read_id: str
    version: int
    updated_at: str


def markers_entity(views: Mapping[str, MarkerView]) -> dict[str, Marker]:
    """Markers by timeline."""
    return {name: Marker(str(view.last_read_id), view.version, iso(view.updated_at)) for name, view in views.items()}


class TagHistory(msgspec.Struct, frozen=True):
    """Use of a tag on one day; `day` is a UNIX timestamp of midnight."""

    day: str
    uses: str
    accounts: str


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/Tag/"""

    id: str
    name: str
    url: str
    history: Sequence[TagHistory]
    following: bool | msgspec.UnsetType = UNSET
    featuring: bool | msgspec.UnsetType = UNSET


def tag_entity(view: TagView, settings: Settings) -> Tag:
    """A hashtag. One that nobody has used yet has the id 0."""
    return Tag(
        id=str(view.id or 0),
        name=view.name,
        url=tag_url(settings, view.name),
        history=[_history(day) for day in view.history],
        following=UNSET if view.following is None else view.following,
        featuring=UNSET if view.featuring is None else view.featuring,
    )


def _history(view: TagDayView) -> TagHistory:
    midnight = datetime.combine(view.day, time(), UTC)
    return TagHistory(str(int(midnight.timestamp())), str(view.uses), str(view.accounts))


class FeaturedTag(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/FeaturedTag/"""

    id: str
    name: str
    url: str
    statuses_count: str
    last_status_at: str | None


def featured_tag_entity(view: FeaturedTagView, settings: Settings) -> FeaturedTag:
    """A tag on a profile."""
    url = f"{member_url(settings, view.username)}/tagged/{view.name}"
    return FeaturedTag(
        id=str(view.id),
        name=view.name,
        url=url if view.domain is None else tag_url(settings, view.name),
        statuses_count=str(view.statuses_count),
        last_status_at=view.last_status_at.date().isoformat() if view.last_status_at else None,
    )


class Search(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/Search/"""

    accounts: Sequence[msgspec.Raw]
    statuses: Sequence[msgspec.Raw]
    hashtags: Sequence[Tag]
