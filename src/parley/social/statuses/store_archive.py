"""A member's own statuses and marks, a batch at a time, for archives and imports. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx

LIST_OWN_IDS = """
    SELECT id FROM statuses
    WHERE account_id = $1 AND id > $2 AND deleted_at IS NULL
        AND state IN ('published', 'limited', 'held', 'hidden_interim')
    ORDER BY id LIMIT $3
"""


async def list_own_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Ids of an account's statuses and boosts, oldest first, those above `after`; none that was taken down."""
    return [row[0] for row in await tx.fetch(LIST_OWN_IDS, account_id, after, limit)]


LIST_FAVOURITED = """
    SELECT status_id FROM favourites WHERE account_id = $1 AND status_id < $2 ORDER BY status_id DESC LIMIT $3
"""


async def list_favourited_ids(tx: Tx, account_id: int, before: int, limit: int) -> list[int]:
    """What an account favourited, newest statuses first, those below `before`."""
    return [row[0] for row in await tx.fetch(LIST_FAVOURITED, account_id, before, limit)]


LIST_BOOKMARKED = """
    SELECT status_id FROM bookmarks WHERE account_id = $1 AND status_id < $2 ORDER BY status_id DESC LIMIT $3
"""


async def list_bookmarked_ids(tx: Tx, account_id: int, before: int, limit: int) -> list[int]:
    """What an account bookmarked, newest statuses first, those below `before`."""
    return [row[0] for row in await tx.fetch(LIST_BOOKMARKED, account_id, before, limit)]


class PlaceRow(msgspec.Struct, frozen=True):
    """Of a status what its identifier is made of."""

    id: int
    account_id: int
    uri: str | None
    is_boost: bool


LIST_PLACES = """SELECT id, account_id, uri, reblog_of_id IS NOT NULL FROM statuses WHERE id = ANY($1::bigint[])"""


async def list_places(tx: Tx, ids: Sequence[int]) -> list[PlaceRow]:
    """Whose the statuses with these ids are, whatever their state."""
    return [PlaceRow(*row) for row in await tx.fetch(LIST_PLACES, ids)]


COUNT_OWN = """
    SELECT (SELECT count(*) FROM statuses
            WHERE account_id = $1 AND deleted_at IS NULL
                AND state IN ('published', 'limited', 'held', 'hidden_interim')),
        (SELECT count(*) FROM statuses
            WHERE account_id = $1 AND deleted_at IS NULL AND media_ids <> '{}'
                AND state IN ('published', 'limited', 'held', 'hidden_interim')),
        (SELECT count(*) FROM bookmarks WHERE account_id = $1)
"""


async def count_own(tx: Tx, account_id: int) -> tuple[int, int, int]:
    """How many statuses an account has, how many of them with media, and how many bookmarks."""
    row = await tx.fetchrow(COUNT_OWN, account_id)
    return row[0], row[1], row[2]


HAS_STATUS = """
    SELECT EXISTS (SELECT FROM statuses WHERE id = $1 AND ($2::bigint IS NULL OR (account_id = $2
        AND state IN ('published', 'limited', 'held') AND deleted_at IS NULL)))
"""


async def has_status(tx: Tx, status_id: int, author_id: int | None) -> bool:
    """Whether there is such a status in any state; with an author: one of theirs that stands."""
    return bool(await tx.fetchval(HAS_STATUS, status_id, author_id))
