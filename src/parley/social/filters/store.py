"""The tables of filters. Every query names the member, so that nobody reaches another's filters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.social.filters.views import FilteredStatusView, FilterView, KeywordView


class FilterRow(msgspec.Struct, frozen=True):
    """A filter without its parts."""

    id: int
    title: str
    contexts: list[str]
    action: str
    expires_at: datetime | None


LIST_FILTERS = """
    SELECT id, title, contexts, action, expires_at FROM filters
    WHERE account_id = $1 AND ($2::bigint IS NULL OR id = $2) ORDER BY id
"""
LIST_KEYWORDS = """
    SELECT k.id, k.filter_id, k.keyword, k.whole_word
    FROM filter_keywords k JOIN filters f ON f.id = k.filter_id
    WHERE f.account_id = $1 AND ($2::bigint IS NULL OR f.id = $2) ORDER BY k.id
"""
LIST_STATUSES = """
    SELECT s.id, s.filter_id, s.status_id
    FROM filter_statuses s JOIN filters f ON f.id = s.filter_id
    WHERE f.account_id = $1 AND ($2::bigint IS NULL OR f.id = $2) ORDER BY s.id
"""


async def list_filters(tx: Tx, account_id: int, filter_id: int | None = None) -> list[FilterView]:
    """The member's filters (or the one) with their keywords and statuses, oldest first."""
    rows = [FilterRow(*row) for row in await tx.fetch(LIST_FILTERS, account_id, filter_id)]
    if not rows:
        return []
    keywords = [KeywordView(*row) for row in await tx.fetch(LIST_KEYWORDS, account_id, filter_id)]
    statuses = [FilteredStatusView(*row) for row in await tx.fetch(LIST_STATUSES, account_id, filter_id)]
    return [
        FilterView(
            id=row.id,
            title=row.title,
            contexts=tuple(row.contexts),
            action=row.action,
            expires_at=row.expires_at,
            keywords=tuple(one for one in keywords if one.filter_id == row.id),
            statuses=tuple(one for one in statuses if one.filter_id == row.id),
        )
        for row in rows
    ]


INSERT_FILTER = """
    INSERT INTO filters (account_id, title, contexts, action, expires_at) VALUES ($1, $2, $3, $4, $5) RETURNING id
"""
UPDATE_FILTER = """
    UPDATE filters SET title = $3, contexts = $4, action = $5, expires_at = $6 WHERE id = $2 AND account_id = $1
"""
DELETE_FILTER = """
    DELETE FROM filters WHERE id = $2 AND account_id = $1 RETURNING id
"""
COUNT_FILTERS = """
    SELECT count(*) FROM filters WHERE account_id = $1
"""


async def insert_filter(
    tx: Tx, account_id: int, title: str, contexts: Sequence[str], action: str, expires_at: datetime | None
) -> int:
    """Make a filter; returns its id."""
    return int(await tx.fetchval(INSERT_FILTER, account_id, title, list(contexts), action, expires_at))


async def update_filter(
    tx: Tx,
    account_id: int,
    filter_id: int,
    title: str,
    contexts: Sequence[str],
    action: str,
    expires_at: datetime | None,
) -> None:
    """Change a filter."""
    await tx.execute(UPDATE_FILTER, account_id, filter_id, title, list(contexts), action, expires_at)


async def delete_filter(tx: Tx, account_id: int, filter_id: int) -> bool:
    """Remove a filter; False when there is none."""
    return await tx.fetchval(DELETE_FILTER, account_id, filter_id) is not None


async def count_filters(tx: Tx, account_id: int) -> int:
    """How many the member has."""
    return int(await tx.fetchval(COUNT_FILTERS, account_id))


COUNT_KEYWORDS = """
    SELECT count(*) FROM filter_keywords k JOIN filters f ON f.id = k.filter_id WHERE f.account_id = $1
"""


async def count_keywords(tx: Tx, account_id: int) -> int:
    """How many keywords all filters of the member have together."""
    return int(await tx.fetchval(COUNT_KEYWORDS, account_id))


GET_KEYWORD = """
    SELECT k.id, k.filter_id, k.keyword, k.whole_word
    FROM filter_keywords k JOIN filters f ON f.id = k.filter_id
    WHERE f.account_id = $1 AND k.id = $2
"""
INSERT_KEYWORD = """
    INSERT INTO filter_keywords (filter_id, keyword, whole_word) VALUES ($1, $2, $3)
    RETURNING id, filter_id, keyword, whole_word
"""
UPDATE_KEYWORD = """
    UPDATE filter_keywords k SET keyword = $3, whole_word = $4
    FROM filters f WHERE f.id = k.filter_id AND f.account_id = $1 AND k.id = $2
    RETURNING k.id, k.filter_id, k.keyword, k.whole_word
"""
DELETE_KEYWORD = """
    DELETE FROM filter_keywords k USING filters f
    WHERE f.id = k.filter_id AND f.account_id = $1 AND k.id = $2
    RETURNING k.id
"""


async def get_keyword(tx: Tx, account_id: int, keyword_id: int) -> KeywordView | None:
    """One of the member's keywords."""
    row = await tx.fetchrow(GET_KEYWORD, account_id, keyword_id)
    return None if row is None else KeywordView(*row)


async def insert_keyword(tx: Tx, filter_id: int, keyword: str, whole_word: bool) -> KeywordView:
    """Add a keyword to a filter that is known to be the member's."""
    return KeywordView(*await tx.fetchrow(INSERT_KEYWORD, filter_id, keyword, whole_word))


async def update_keyword(
    tx: Tx, account_id: int, keyword_id: int, keyword: str, whole_word: bool
) -> KeywordView | None:
    """Change one of the member's keywords."""
    row = await tx.fetchrow(UPDATE_KEYWORD, account_id, keyword_id, keyword, whole_word)
    return None if row is None else KeywordView(*row)


async def delete_keyword(tx: Tx, account_id: int, keyword_id: int) -> bool:
    """Remove one of the member's keywords; False when there is none."""
    return await tx.fetchval(DELETE_KEYWORD, account_id, keyword_id) is not None


GET_STATUS = """
    SELECT s.id, s.filter_id, s.status_id
    FROM filter_statuses s JOIN filters f ON f.id = s.filter_id
    WHERE f.account_id = $1 AND s.id = $2
"""
INSERT_STATUS = """
    INSERT INTO filter_statuses (filter_id, status_id) VALUES ($1, $2)
    ON CONFLICT (filter_id, status_id) DO UPDATE SET status_id = excluded.status_id
    RETURNING id, filter_id, status_id
"""
DELETE_STATUS = """
    DELETE FROM filter_statuses s USING filters f
    WHERE f.id = s.filter_id AND f.account_id = $1 AND s.id = $2
    RETURNING s.id
"""


async def get_status(tx: Tx, account_id: int, entry_id: int) -> FilteredStatusView | None:
    """One of the member's filtered statuses."""
    row = await tx.fetchrow(GET_STATUS, account_id, entry_id)
    return None if row is None else FilteredStatusView(*row)


async def insert_status(tx: Tx, filter_id: int, status_id: int) -> FilteredStatusView:
    """Add a status to a filter that is known to be the member's."""
    return FilteredStatusView(*await tx.fetchrow(INSERT_STATUS, filter_id, status_id))


async def delete_status(tx: Tx, account_id: int, entry_id: int) -> bool:
    """Remove one of the member's filtered statuses; False when there is none."""
    return await tx.fetchval(DELETE_STATUS, account_id, entry_id) is not None
