"""Filters as apps from before Mastodon 4 know them: one phrase each, which is one keyword of a filter here.

The same tables and the same rules as `actions`; this file must not write anything by itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.social.accounts.views import Viewer
from parley.social.filters import actions, reads
from parley.social.filters.actions import LONGEST_TITLE, FilterChange, KeywordChange
from parley.social.filters.views import FilterView, KeywordView


class PhraseChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is; `expires_in` in seconds, 0 for ever; `irreversible`: hide instead of warn."""

    phrase: str | None = None
    contexts: Sequence[str] | None = None
    irreversible: bool | None = None
    whole_word: bool | None = None
    expires_in: int | None = None


class PhraseView(msgspec.Struct, frozen=True):
    """A keyword with the filter that it belongs to."""

    keyword: KeywordView
    filter: FilterView


async def list_phrases(tx: Tx, viewer: Viewer) -> list[PhraseView]:
    """Every keyword of every filter of the viewer, oldest filter first."""
    return [PhraseView(keyword, one) for one in await reads.list_filters(tx, viewer) for keyword in one.keywords]


async def get_phrase(tx: Tx, viewer: Viewer, keyword_id: int) -> PhraseView:
    """One of them; raises NotFound."""
    keyword = await reads.get_keyword(tx, viewer, keyword_id)
    return PhraseView(keyword, await reads.get_filter(tx, viewer, keyword.filter_id))


async def create_phrase(tx: Tx, viewer: Viewer, change: PhraseChange) -> PhraseView:
    """Make a filter of one keyword, which is its title as well; raises Invalid."""
    phrase = (change.phrase or "").strip()
    keyword = KeywordChange(keyword=phrase, whole_word=bool(change.whole_word))
    made = await actions.create_filter(
        tx,
        viewer,
        FilterChange(
            title=phrase[:LONGEST_TITLE],
            contexts=change.contexts,
            action="hide" if change.irreversible else "warn",
            expires_in=change.expires_in,
            keywords=[keyword],
        ),
    )
    return PhraseView(made.keywords[0], made)


async def update_phrase(tx: Tx, viewer: Viewer, keyword_id: int, change: PhraseChange) -> PhraseView:
    """Change a phrase; what belongs to its filter too only while that has no other. Raises NotFound, Invalid."""
    present = await get_phrase(tx, viewer, keyword_id)
    action = present.filter.action
    if change.irreversible is not None and change.irreversible != (action == "hide"):
        action = "hide" if change.irreversible else "warn"
    contexts = present.filter.contexts if change.contexts is None else tuple(change.contexts)
    differs = (set(contexts), action) != (set(present.filter.contexts), present.filter.action)
    if differs or change.expires_in is not None:
        if len(present.filter.keywords) > 1:
            raise Invalid("This filter has several keywords: change where and how it works in a newer app.")
        wanted = FilterChange(contexts=contexts, action=action, expires_in=change.expires_in)
        await actions.update_filter(tx, viewer, present.filter.id, wanted)
    if change.phrase is not None or change.whole_word is not None:
        await actions.update_keyword(tx, viewer, keyword_id, keyword=change.phrase, whole_word=change.whole_word)
    return await get_phrase(tx, viewer, keyword_id)


async def delete_phrase(tx: Tx, viewer: Viewer, keyword_id: int) -> None:
    """Remove a phrase, and its filter when nothing else is in it: such apps could not reach it any more."""
    present = await get_phrase(tx, viewer, keyword_id)
    if len(present.filter.keywords) == 1 and not present.filter.statuses:
        await actions.delete_filter(tx, viewer, present.filter.id)
    else:
        await actions.delete_keyword(tx, viewer, keyword_id)
