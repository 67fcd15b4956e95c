"""Filters in Mastodon's JSON shapes: https://docs.joinmastodon.org/entities/Filter/ and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.clock import iso
from parley.social.filters.phrases import PhraseView
from parley.social.filters.views import FilteredStatusView, FilterView, KeywordView, MatchView

UNSET = msgspec.UNSET


class FilterKeyword(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/FilterKeyword/"""

    id: str
    keyword: str
    whole_word: bool


class FilterStatus(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/FilterStatus/"""

    id: str
    status_id: str


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/Filter/"""

    id: str
    title: str
    context: Sequence[str]
    expires_at: str | None
    filter_action: str
    keywords: Sequence[FilterKeyword] | msgspec.UnsetType = UNSET
    statuses: Sequence[FilterStatus] | msgspec.UnsetType = UNSET


class FilterV1(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/V1_Filter/"""

    id: str
    phrase: str
    context: Sequence[str]
    whole_word: bool
    expires_at: str | None
    irreversible: bool


class FilterResult(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/FilterResult/"""

    filter: Filter
    keyword_matches: Sequence[str] | None
    status_matches: Sequence[str] | None


def keyword_entity(view: KeywordView) -> FilterKeyword:
    """A word of a filter."""
    return FilterKeyword(str(view.id), view.keyword, view.whole_word)


def filtered_status_entity(view: FilteredStatusView) -> FilterStatus:
    """A status of a filter."""
    return FilterStatus(str(view.id), str(view.status_id))


def filter_entity(view: FilterView, *, whole: bool = True) -> Filter:
    """A filter, with its words and statuses when `whole`."""
    return Filter(
        id=str(view.id),
        title=view.title,
        context=view.contexts,
        expires_at=iso(view.expires_at) if view.expires_at else None,
        filter_action=view.action,
        keywords=[keyword_entity(one) for one in view.keywords] if whole else UNSET,
        statuses=[filtered_status_entity(one) for one in view.statuses] if whole else UNSET,
    )


def filter_v1_entity(view: PhraseView) -> FilterV1:
    """A word of a filter, as a filter of its own."""
    return FilterV1(
        id=str(view.keyword.id),
        phrase=view.keyword.keyword,
        context=view.filter.contexts,
        whole_word=view.keyword.whole_word,
        expires_at=iso(view.filter.expires_at) if view.filter.expires_at else None,
        irreversible=view.filter.action == "hide",
    )


def match_entity(view: MatchView) -> FilterResult:
    """What a filter found in a status."""
    return FilterResult(
        filter_entity(view.filter, whole=False),
        view.keywords or None,
        [str(id_) for id_ in view.status_ids] or None,
    )
