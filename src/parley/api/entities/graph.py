"""Mastodon's shapes of the graph: Relationship, List, Suggestion, FamiliarFollowers, MutedAccount.

Source: https://docs.joinmastodon.org/entities/Relationship/ and its neighbours. No rule lives here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from parley.api.entities.accounts import account_entity, account_struct
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.social.graph.views import (
    FamiliarView,
    ListView,
    MutedView,
    RelationshipView,
    SuggestionView,
)


class Relationship(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/Relationship/"""

    id: str
    following: bool
    showing_reblogs: bool
    notifying: bool
    languages: tuple[str, ...] | None
    followed_by: bool
    blocking: bool
    blocked_by: bool
    muting: bool
    muting_notifications: bool
    muting_expires_at: str | None
    requested: bool
    requested_by: bool
    domain_blocking: bool
    endorsed: bool
    note: str


def relationship_entity(view: RelationshipView) -> Relationship:
    """How the viewer stands to one account."""
    return Relationship(
        id=str(view.id),
        following=view.following,
        showing_reblogs=view.showing_reblogs,
        notifying=view.notifying,
        languages=view.languages,
        followed_by=view.followed_by,
        blocking=view.blocking,
        blocked_by=view.blocked_by,
        muting=view.muting,
        muting_notifications=view.muting_notifications,
        muting_expires_at=iso(view.muting_expires_at) if view.muting_expires_at else None,
        requested=view.requested,
        requested_by=view.requested_by,
        domain_blocking=view.domain_blocking,
        endorsed=view.endorsed,
        note=view.note,
    )


class List(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/List/"""

    id: str
    title: str
    replies_policy: str
    exclusive: bool


def list_entity(view: ListView) -> List:
    """A list of the viewer."""
    return List(str(view.id), view.title, view.replies_policy, view.exclusive)


def muted_account_entity(view: MutedView, settings: Settings) -> dict[str, Any]:
    """An Account with `mute_expires_at`: https://docs.joinmastodon.org/entities/Account/#MutedAccount"""
    account: dict[str, Any] = msgspec.to_builtins(account_struct(view.account, settings))
    return {**account, "mute_expires_at": iso(view.expires_at) if view.expires_at else None}


def familiar_followers_entity(view: FamiliarView, settings: Settings) -> dict[str, Any]:
    """https://docs.joinmastodon.org/entities/FamiliarFollowers/"""
    return {"id": str(view.id), "accounts": [account_entity(account, settings) for account in view.accounts]}


OLDER_SOURCES = {
    "friends_of_friends": "past_interactions",
    "featured": "staff",
    "most_followed": "global",
    "most_interactions": "global",
    "similar_to_recently_followed": "past_interactions",
}


def suggestion_entity(view: SuggestionView, settings: Settings) -> dict[str, Any]:
    """https://docs.joinmastodon.org/entities/Suggestion/ with the deprecated `source` beside `sources`."""
    return {
        "source": OLDER_SOURCES[view.sources[0]],
        "sources": list(view.sources),
        "account": account_entity(view.account, settings),
    }
