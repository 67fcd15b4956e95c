"""A member's filters, and what one of them found in a status."""

from __future__ import annotations

from datetime import datetime

import msgspec

CONTEXTS = ("home", "notifications", "public", "thread", "account")
ACTIONS = ("warn", "hide", "blur")


class KeywordView(msgspec.Struct, frozen=True):
    """A word or phrase; `whole_word`: not inside of longer words."""

    id: int
    filter_id: int
    keyword: str
    whole_word: bool


class FilteredStatusView(msgspec.Struct, frozen=True):
    """One status that the member does not want to see again."""

    id: int
    filter_id: int
    status_id: int


class FilterView(msgspec.Struct, frozen=True, kw_only=True):
    """`contexts`: where it counts (of CONTEXTS); `action`: what a client does then (of ACTIONS)."""

    id: int
    title: str
    contexts: tuple[str, ...]
    action: str
    expires_at: datetime | None
    keywords: tuple[KeywordView, ...] = ()
    statuses: tuple[FilteredStatusView, ...] = ()


class MatchView(msgspec.Struct, frozen=True):
    """What a filter found in one status."""

    filter: FilterView
    keywords: tuple[str, ...]
    status_ids: tuple[int, ...]
