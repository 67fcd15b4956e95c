"""What a reader sees of the graph."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.social.accounts.views import AccountView


class RelationshipView(msgspec.Struct, frozen=True, kw_only=True):
    """How the viewer and account `id` stand to each other, from the viewer's side."""

    id: int
    following: bool
    showing_reblogs: bool
    notifying: bool
    languages: tuple[str, ...] | None
    """Only posts in these languages are wanted; None is every language."""
    followed_by: bool
    requested: bool
    """The viewer asked to follow and waits for an answer."""
    requested_by: bool
    blocking: bool
    blocked_by: bool
    muting: bool
    muting_notifications: bool
    muting_expires_at: datetime | None
    domain_blocking: bool
    endorsed: bool
    note: str


class AccountsPage(msgspec.Struct, frozen=True):
    """A page of accounts, newest first.

    `newest` and `oldest` are the ids of the page's edges (follows, blocks...) that max_id, since_id, min_id
    speak of: None when the page is empty.
    """

    accounts: list[AccountView]
    newest: int | None = None
    oldest: int | None = None


class MutedView(msgspec.Struct, frozen=True):
    """A muted account; `expires_at` is None for a mute without end."""

    account: AccountView
    expires_at: datetime | None


class MutesPage(msgspec.Struct, frozen=True):
    """A page of mutes, newest first; the bounds are as in AccountsPage."""

    mutes: list[MutedView]
    newest: int | None = None
    oldest: int | None = None


class DomainsPage(msgspec.Struct, frozen=True):
    """A page of domains that the viewer blocks; the bounds are as in AccountsPage."""

    domains: list[str]
    newest: int | None = None
    oldest: int | None = None


class ListView(msgspec.Struct, frozen=True):
    """A list that the viewer made."""

    id: int
    account_id: int
    title: str
    replies_policy: str
    """followed, list or none: whose replies to others the list's timeline shows"""
    exclusive: bool
    """Whether its members are left out of the home timeline."""


class FamiliarView(msgspec.Struct, frozen=True):
    """The followers of account `id` whom the viewer follows."""

    id: int
    accounts: list[AccountView]


class SuggestionView(msgspec.Struct, frozen=True):
    """Somebody to follow, and why: `sources` are Mastodon's words, such as friends_of_friends."""

    account: AccountView
    sources: tuple[str, ...]
