"""Lists of statuses and of who did what with them, page by page. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction

LIST_ACCOUNT_STATUSES = """
    SELECT id FROM statuses
    WHERE account_id = $1 AND id < $2 AND id > $3
        AND (state IN ('published', 'limited') OR ($5 AND state IN ('held', 'hidden_interim')))
        AND (visibility IN ('public', 'unlisted') OR $5 OR ($6 AND visibility = 'private')
            OR (visibility IN ('private', 'direct') AND mentioned_ids @> ARRAY[$4::bigint]))
        AND ($4 <> 0 OR NOT local_only)
        AND (NOT $7 OR media_ids <> '{}')
        AND (NOT $8 OR in_reply_to_account_id IS NULL OR in_reply_to_account_id = account_id)
        AND (NOT $9 OR reblog_of_id IS NULL)
        AND ($10::text IS NULL OR tags @> ARRAY[$10::text])
    ORDER BY id DESC LIMIT $11
"""


class ProfileFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which statuses of an account are wanted, and what the reader is to it."""

    viewer_id: int = 0
    is_owner: bool = False
    following: bool = False
    only_media: bool = False
    exclude_replies: bool = False
    exclude_reblogs: bool = False
    tagged: str | None = None


async def list_account_status_ids(tx: Tx, account_id: int, page: Page, wanted: ProfileFilter) -> list[int]:
    """Ids of an account's statuses that the reader may see, newest first."""
    rows = await tx.fetch(
        in_direction(LIST_ACCOUNT_STATUSES, page),
        account_id,
        page.below,
        page.above,
        wanted.viewer_id,
        wanted.is_owner,
        wanted.following,
        wanted.only_media,
        wanted.exclude_replies,
        wanted.exclude_reblogs,
        wanted.tagged,
        page.limit,
    )
    ids = [row[0] for row in rows]
    return ids[::-1] if page.ascending else ids


LIST_PINNED = """
    SELECT p.status_id FROM status_pins p JOIN statuses s ON s.id = p.status_id
    WHERE p.account_id = $1 AND s.deleted_at IS NULL ORDER BY p.created_at DESC, p.status_id DESC
"""


async def list_pinned_ids(tx: Tx, account_id: int) -> list[int]:
    """Ids of what an account pinned, newest pin first."""
    return [row[0] for row in await tx.fetch(LIST_PINNED, account_id)]


LIST_QUOTES = """
    SELECT id FROM statuses
    WHERE quote_of_id = $1 AND quote_state = 'accepted' AND id < $2 AND id > $3 AND deleted_at IS NULL
        AND state IN ('published', 'limited') AND visibility IN ('public', 'unlisted', 'private')
    ORDER BY id DESC LIMIT $4
"""


async def list_quote_ids(tx: Tx, status_id: int, page: Page) -> list[int]:
    """Ids of statuses that quote this one, newest first."""
    query = in_direction(LIST_QUOTES, page)
    ids = [row[0] for row in await tx.fetch(query, status_id, page.below, page.above, page.limit)]
    return ids[::-1] if page.ascending else ids


class Edge(msgspec.Struct, frozen=True):
    """An entry of a list: `id` is what paging speaks of, `target_id` what the entry is about."""

    id: int
    target_id: int


def _edges(rows: Sequence[Any], page: Page) -> list[Edge]:
    found = [Edge(*row) for row in rows]
    return found[::-1] if page.ascending else found


LIST_REBLOGGERS = """
    SELECT id, account_id FROM statuses
    WHERE reblog_of_id = $1 AND deleted_at IS NULL AND id < $2 AND id > $3
        AND (visibility IN ('public', 'unlisted') OR account_id = $5)
    ORDER BY id DESC LIMIT $4
"""


async def list_rebloggers(tx: Tx, status_id: int, page: Page, viewer_id: int) -> list[Edge]:
    """Who boosted a status: the boost's id and the account's. Boosts for followers alone are the booster's to know."""
    query = in_direction(LIST_REBLOGGERS, page)
    return _edges(await tx.fetch(query, status_id, page.below, page.above, page.limit, viewer_id), page)


LIST_FAVOURITERS = """
    SELECT id, account_id FROM favourites
    WHERE status_id = $1 AND id < $2 AND id > $3 ORDER BY id DESC LIMIT $4
"""


async def list_favouriters(tx: Tx, status_id: int, page: Page, _viewer_id: int) -> list[Edge]:
    """Who favourited a status."""
    query = in_direction(LIST_FAVOURITERS, page)
    return _edges(await tx.fetch(query, status_id, page.below, page.above, page.limit), page)


LIST_FAVOURITES = """
    SELECT id, status_id FROM favourites
    WHERE account_id = $1 AND id < $2 AND id > $3 ORDER BY id DESC LIMIT $4
"""


async def list_favourites(tx: Tx, account_id: int, page: Page) -> list[Edge]:
    """What an account favourited."""
    query = in_direction(LIST_FAVOURITES, page)
    return _edges(await tx.fetch(query, account_id, page.below, page.above, page.limit), page)


LIST_BOOKMARKS = """
    SELECT id, status_id FROM bookmarks
    WHERE account_id = $1 AND id < $2 AND id > $3 ORDER BY id DESC LIMIT $4
"""


async def list_bookmarks(tx: Tx, account_id: int, page: Page) -> list[Edge]:
    """What an account bookmarked."""
    query = in_direction(LIST_BOOKMARKS, page)
    return _edges(await tx.fetch(query, account_id, page.below, page.above, page.limit), page)
