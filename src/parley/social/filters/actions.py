"""What a member does with filters. Every change tells the other processes and the member's open clients."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.live import Message, publish
from parley.social.accounts.views import Viewer
from parley.social.filters import reads, store
from parley.social.filters.views import ACTIONS, CONTEXTS, FilteredStatusView, FilterView, KeywordView

MOST_FILTERS = 200
MOST_KEYWORDS = 500
MOST_KEYWORDS_IN_ALL = 1000
"""Of all filters of one member together: every one is looked for in every post that is shown."""
LONGEST_KEYWORD = 512
LONGEST_TITLE = 256
LONGEST_LIFE = timedelta(days=3650)


class KeywordChange(msgspec.Struct, frozen=True, kw_only=True):
    """A keyword to add (without id), to change, or with `destroy` to remove."""

    id: int | None = None
    keyword: str | None = None
    whole_word: bool | None = None
    destroy: bool = False


class FilterChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is None stays as it is; `expires_in` in seconds, 0 for ever."""

    title: str | None = None
    contexts: Sequence[str] | None = None
    action: str | None = None
    expires_in: int | None = None
    keywords: Sequence[KeywordChange] = ()


async def create_filter(tx: Tx, viewer: Viewer, change: FilterChange) -> FilterView:
    """Make a filter with its keywords; raises Invalid."""
    if await store.count_filters(tx, viewer.account_id) >= MOST_FILTERS:
        raise Invalid(f"You have {MOST_FILTERS} filters already; delete one first.")
    blank = FilterView(id=0, title="", contexts=(), action="warn", expires_at=None)
    wanted = _merge(blank, change)
    filter_id = await store.insert_filter(
        tx, viewer.account_id, wanted.title, wanted.contexts, wanted.action, wanted.expires_at
    )
    for keyword in change.keywords:
        await add_keyword(tx, viewer, filter_id, keyword.keyword or "", whole_word=keyword.whole_word is not False)
    return await _changed(tx, viewer, filter_id)


async def update_filter(tx: Tx, viewer: Viewer, filter_id: int, change: FilterChange) -> FilterView:
    """Change a filter, and add, change or remove its keywords; raises NotFound, Invalid."""
    present = await reads.get_filter(tx, viewer, filter_id)
    wanted = _merge(present, change)
    await store.update_filter(
        tx, viewer.account_id, filter_id, wanted.title, wanted.contexts, wanted.action, wanted.expires_at
    )
    own = {keyword.id: keyword for keyword in present.keywords}
    for keyword in change.keywords:
        if keyword.id is None:
            await add_keyword(tx, viewer, filter_id, keyword.keyword or "", whole_word=keyword.whole_word is not False)
        elif keyword.id not in own:
            raise NotFound
        elif keyword.destroy:
            await store.delete_keyword(tx, viewer.account_id, keyword.id)
        else:
            await update_keyword(tx, viewer, keyword.id, keyword=keyword.keyword, whole_word=keyword.whole_word)
    return await _changed(tx, viewer, filter_id)


async def delete_filter(tx: Tx, viewer: Viewer, filter_id: int) -> None:
    """Remove a filter; raises NotFound."""
    if not await store.delete_filter(tx, viewer.account_id, filter_id):
        raise NotFound
    await _tell(tx, viewer)


async def add_keyword(tx: Tx, viewer: Viewer, filter_id: int, keyword: str, *, whole_word: bool = True) -> KeywordView:
    """Add a word or phrase; raises NotFound, Invalid."""
    present = await reads.get_filter(tx, viewer, filter_id)
    if len(present.keywords) >= MOST_KEYWORDS:
        raise Invalid(f"This filter has {MOST_KEYWORDS} keywords already; remove one first.")
    if await store.count_keywords(tx, viewer.account_id) >= MOST_KEYWORDS_IN_ALL:
        raise Invalid(f"Your filters have {MOST_KEYWORDS_IN_ALL:,} keywords already; remove one first.")
    added = await store.insert_keyword(tx, filter_id, _clean_keyword(keyword), whole_word)
    await _tell(tx, viewer)
    return added


async def update_keyword(
    tx: Tx, viewer: Viewer, keyword_id: int, *, keyword: str | None, whole_word: bool | None
) -> KeywordView:
    """Change a word; raises NotFound, Invalid."""
    present = await reads.get_keyword(tx, viewer, keyword_id)
    text = present.keyword if keyword is None else _clean_keyword(keyword)
    whole = present.whole_word if whole_word is None else whole_word
    changed = await store.update_keyword(tx, viewer.account_id, keyword_id, text, whole)
    if changed is None:
        raise NotFound
    await _tell(tx, viewer)
    return changed


async def delete_keyword(tx: Tx, viewer: Viewer, keyword_id: int) -> None:
    """Remove a word; raises NotFound."""
    if not await store.delete_keyword(tx, viewer.account_id, keyword_id):
        raise NotFound
    await _tell(tx, viewer)


async def add_filtered_status(tx: Tx, viewer: Viewer, filter_id: int, status_id: int) -> FilteredStatusView:
    """Put one status under a filter. Whether the viewer may see the status, the caller has asked."""
    present = await reads.get_filter(tx, viewer, filter_id)
    if len(present.statuses) >= MOST_KEYWORDS:
        raise Invalid(f"This filter holds {MOST_KEYWORDS} posts already; remove one first.")
    added = await store.insert_status(tx, filter_id, status_id)
    await _tell(tx, viewer)
    return added


async def delete_filtered_status(tx: Tx, viewer: Viewer, entry_id: int) -> None:
    """Take a status out of a filter; raises NotFound."""
    if not await store.delete_status(tx, viewer.account_id, entry_id):
        raise NotFound
    await _tell(tx, viewer)


def _merge(present: FilterView, change: FilterChange) -> FilterView:
    title = (present.title if change.title is None else change.title).strip()
    contexts = present.contexts if change.contexts is None else tuple(dict.fromkeys(change.contexts))
    action = present.action if change.action is None else change.action
    if not title or len(title) > LONGEST_TITLE:
        raise Invalid(f"Validation failed: title must have between 1 and {LONGEST_TITLE} characters.")
    if not contexts or any(context not in CONTEXTS for context in contexts):
        raise Invalid(f"Validation failed: context must name at least one of {', '.join(CONTEXTS)}.")
    if action not in ACTIONS:
        raise Invalid(f"Validation failed: filter_action must be one of {', '.join(ACTIONS)}.")
    expires_at = present.expires_at
    if change.expires_in is not None:
        if not 0 <= change.expires_in <= LONGEST_LIFE.total_seconds():
            raise Invalid("Validation failed: expires_in must be up to ten years, in seconds.")
        expires_at = now() + timedelta(seconds=change.expires_in) if change.expires_in else None
    return msgspec.structs.replace(present, title=title, contexts=contexts, action=action, expires_at=expires_at)


def _clean_keyword(text: str) -> str:
    clean = text.replace("\x00", "").strip()
    if not clean or len(clean) > LONGEST_KEYWORD:
        raise Invalid(f"Validation failed: keyword must have between 1 and {LONGEST_KEYWORD} characters.")
    return clean


async def _changed(tx: Tx, viewer: Viewer, filter_id: int) -> FilterView:
    await _tell(tx, viewer)
    return await reads.get_filter(tx, viewer, filter_id)


async def _tell(tx: Tx, viewer: Viewer) -> None:
    await publish(tx, Message(reads.CHANGED, account_ids=(viewer.account_id,)))
