"""What was found."""

from __future__ import annotations

import msgspec

from parley.social.accounts.views import AccountView
from parley.social.statuses.views import StatusView


class FoundTag(msgspec.Struct, frozen=True):
    """A hashtag that somebody has used; the timelines room knows more of it."""

    id: int
    name: str


class SearchView(msgspec.Struct, frozen=True):
    """People, posts and hashtags, each best first."""

    accounts: list[AccountView]
    statuses: list[StatusView]
    tags: list[FoundTag]
