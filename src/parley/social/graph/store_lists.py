"""The tables of lists and their members. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction
from parley.social.graph.store import EdgeRow, edges


class ListRow(msgspec.Struct, frozen=True):
    """A member's list."""

    id: int
    account_id: int
    title: str
    replies_policy: str
    exclusive: bool


INSERT_LIST = """
    INSERT INTO lists (account_id, title, replies_policy, exclusive) VALUES ($1, $2, $3, $4)
    RETURNING id, account_id, title, replies_policy, exclusive
"""


async def insert_list(tx: Tx, account_id: int, title: str, replies_policy: str, exclusive: bool) -> ListRow:
    """Make a list."""
    return ListRow(*await tx.fetchrow(INSERT_LIST, account_id, title, replies_policy, exclusive))


LOCK_LISTS = """
    SELECT pg_advisory_xact_lock(hashtextextended('lists ' || $1::bigint, 0))
"""
COUNT_LISTS = """
    SELECT count(*) FROM lists WHERE account_id = $1
"""


async def count_lists(tx: Tx, account_id: int) -> int:
    """How many lists `account_id` has; until `tx` ends nobody else may make one for it."""
    await tx.execute(LOCK_LISTS, account_id)
    return int(await tx.fetchval(COUNT_LISTS, account_id))


LIST_LISTS = """
    SELECT id, account_id, title, replies_policy, exclusive FROM lists WHERE account_id = $1 ORDER BY id
"""


async def list_lists(tx: Tx, account_id: int) -> list[ListRow]:
    """The lists of `account_id`, oldest first."""
    return [ListRow(*row) for row in await tx.fetch(LIST_LISTS, account_id)]


GET_LIST = """
    SELECT id, account_id, title, replies_policy, exclusive FROM lists WHERE id = $1 AND account_id = $2
"""


async def get_list(tx: Tx, account_id: int, list_id: int) -> ListRow | None:
    """The list if `account_id` owns it."""
    row = await tx.fetchrow(GET_LIST, list_id, account_id)
    return ListRow(*row) if row else None


UPDATE_LIST = """
    UPDATE lists SET title = coalesce($3, title), replies_policy = coalesce($4, replies_policy),
        exclusive = coalesce($5, exclusive)
    WHERE id = $1 AND account_id = $2
    RETURNING id, account_id, title, replies_policy, exclusive
"""


async def update_list(
    tx: Tx,
    account_id: int,
    list_id: int,
    title: str | None,
    replies_policy: str | None,
    exclusive: bool | None,
) -> ListRow | None:
    """Change a list that `account_id` owns (None keeps a value)."""
    row = await tx.fetchrow(UPDATE_LIST, list_id, account_id, title, replies_policy, exclusive)
    return ListRow(*row) if row else None


DELETE_LIST = """
    DELETE FROM lists WHERE id = $1 AND account_id = $2 RETURNING id
"""


async def delete_list(tx: Tx, account_id: int, list_id: int) -> bool:
    """Delete a list that `account_id` owns; True when there was one."""
    return await tx.fetchval(DELETE_LIST, list_id, account_id) is not None


LIST_FOLLOWED_AMONG = """
    SELECT target_id FROM follows WHERE account_id = $1 AND target_id = ANY ($2::bigint[]) FOR SHARE
"""


async def list_followed_among(tx: Tx, account_id: int, target_ids: Sequence[int]) -> set[int]:
    """Those of `target_ids` that `account_id` follows; they stay followed until `tx` ends."""
    return {row[0] for row in await tx.fetch(LIST_FOLLOWED_AMONG, account_id, list(target_ids))}


INSERT_LIST_ACCOUNTS = """
    INSERT INTO list_accounts (list_id, account_id) SELECT $1, unnest($2::bigint[])
    ON CONFLICT DO NOTHING RETURNING account_id
"""


async def insert_list_accounts(tx: Tx, list_id: int, account_ids: Sequence[int]) -> set[int]:
    """Put accounts into a list; returns those that were not in it."""
    return {row[0] for row in await tx.fetch(INSERT_LIST_ACCOUNTS, list_id, list(account_ids))}


DELETE_LIST_ACCOUNTS = """
    DELETE FROM list_accounts WHERE list_id = $1 AND account_id = ANY ($2::bigint[])
"""


async def delete_list_accounts(tx: Tx, list_id: int, account_ids: Sequence[int]) -> None:
    """Take accounts out of a list."""
    await tx.execute(DELETE_LIST_ACCOUNTS, list_id, list(account_ids))


DELETE_FROM_LISTS_OF = """
    DELETE FROM list_accounts m USING lists l
    WHERE l.id = m.list_id AND l.account_id = $1 AND m.account_id = $2
"""


async def delete_from_lists_of(tx: Tx, owner_id: int, account_id: int) -> None:
    """Take `account_id` out of every list that `owner_id` made."""
    await tx.execute(DELETE_FROM_LISTS_OF, owner_id, account_id)


LIST_LIST_ACCOUNTS = """
    SELECT id, account_id FROM list_accounts
    WHERE list_id = $1 AND id < $2 AND id > $3
    ORDER BY id DESC LIMIT $4
"""


async def list_list_accounts(tx: Tx, list_id: int, page: Page) -> list[EdgeRow]:
    """Who is in a list."""
    sql = in_direction(LIST_LIST_ACCOUNTS, page)
    return edges(await tx.fetch(sql, list_id, page.below, page.above, page.limit), page)


LIST_LISTS_WITH = """
    SELECT l.id, l.account_id, l.title, l.replies_policy, l.exclusive
    FROM lists l JOIN list_accounts m ON m.list_id = l.id
    WHERE l.account_id = $1 AND m.account_id = $2
    ORDER BY l.id
"""


async def list_lists_with(tx: Tx, owner_id: int, account_id: int) -> list[ListRow]:
    """The lists of `owner_id` that `account_id` is in."""
    return [ListRow(*row) for row in await tx.fetch(LIST_LISTS_WITH, owner_id, account_id)]
