"""SQL of grouped notifications, of a member's policy, and of the requests that it sets aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.notifications.store import _SHOWN


class GroupRow(msgspec.Struct, frozen=True):
    """A group before its accounts and status are read."""

    key: str
    type: str
    count: int
    newest_id: int
    oldest_id: int
    newest_at: datetime
    sample_account_ids: list[int]
    status_id: int | None
    detail: dict[str, Any] | None


# $9 the types that are grouped; $10 how many notifications are looked through for one page.
# Plan: the primary key backwards, at most $10 rows; a group that a newer page has shown is left out by
# notifications_group, so that pages neither repeat nor skip.
LIST_GROUPS = """
    WITH seen AS MATERIALIZED (
        SELECT n.id, n.type, n.from_account_id, n.status_id, n.detail, n.created_at,
               CASE WHEN n.type = ANY ($9::text[]) THEN n.group_key ELSE 'ungrouped-' || n.id END AS key
        FROM notifications n
        JOIN accounts a ON a.id = n.from_account_id
        LEFT JOIN statuses s ON s.id = n.status_id
        WHERE /*shown*/
          AND n.id < $2 AND n.id > $3
          AND ($5::text[] = '{}' OR n.type = ANY ($5)) AND NOT n.type = ANY ($6::text[])
          AND ($7::bigint IS NULL OR n.from_account_id = $7)
          AND (NOT n.filtered OR $8)
          AND (n.group_key LIKE 'ungrouped-%' OR NOT n.type = ANY ($9) OR NOT EXISTS (
              SELECT FROM notifications m
              WHERE m.account_id = $1 AND m.group_key = n.group_key AND m.id >= $2))
        ORDER BY n.id DESC
        LIMIT $10
    )
    SELECT key, (array_agg(type))[1], count(*), max(id) AS newest_id, min(id), max(created_at),
           (array_agg(from_account_id ORDER BY id DESC))[1:8], max(status_id), (array_agg(detail ORDER BY id DESC))[1]
    FROM seen
    GROUP BY key
    ORDER BY newest_id DESC
    LIMIT $4
""".replace("/*shown*/", _SHOWN)
# Upwards from min_id: the rows just above it, grouped.
LIST_GROUPS_ASCENDING = LIST_GROUPS.replace("ORDER BY n.id DESC", "ORDER BY n.id ASC").replace(
    "ORDER BY newest_id DESC", "ORDER BY newest_id ASC"
)


async def list_groups(
    tx: Tx,
    account_id: int,
    *,
    below: int,
    above: int,
    ascending: bool,
    limit: int,
    types: Sequence[str],
    exclude_types: Sequence[str],
    from_account_id: int | None,
    include_filtered: bool,
    grouped_types: Sequence[str],
    scan: int,
) -> list[GroupRow]:
    """A page of groups by their newest notification."""
    query = LIST_GROUPS_ASCENDING if ascending else LIST_GROUPS
    rows = await tx.fetch(
        query,
        account_id,
        below,
        above,
        limit,
        list(types),
        list(exclude_types),
        from_account_id,
        include_filtered,
        list(grouped_types),
        scan,
    )
    return [GroupRow(*row) for row in rows]


GET_GROUP = """
    SELECT n.group_key, (array_agg(n.type))[1], count(*), max(n.id), min(n.id), max(n.created_at),
           (array_agg(n.from_account_id ORDER BY n.id DESC))[1:8], max(n.status_id),
           (array_agg(n.detail ORDER BY n.id DESC))[1]
    FROM notifications n
    JOIN accounts a ON a.id = n.from_account_id
    LEFT JOIN statuses s ON s.id = n.status_id
    WHERE /*shown*/ AND n.group_key = $2
    GROUP BY n.group_key
""".replace("/*shown*/", _SHOWN)


async def get_group(tx: Tx, account_id: int, group_key: str) -> GroupRow | None:
    """One whole group."""
    row = await tx.fetchrow(GET_GROUP, account_id, group_key)
    return None if row is None else GroupRow(*row)


LIST_GROUP_ACCOUNTS = """
    SELECT n.from_account_id
    FROM notifications n
    JOIN accounts a ON a.id = n.from_account_id
    LEFT JOIN statuses s ON s.id = n.status_id
    WHERE /*shown*/ AND n.group_key = $2
    ORDER BY n.id DESC
    LIMIT $3
""".replace("/*shown*/", _SHOWN)


async def list_group_accounts(tx: Tx, account_id: int, group_key: str, limit: int) -> list[int]:
    """Who caused the notifications of a group, the newest first."""
    rows = await tx.fetch(LIST_GROUP_ACCOUNTS, account_id, group_key, limit)
    return list(dict.fromkeys(row["from_account_id"] for row in rows))


class PolicyRow(msgspec.Struct, frozen=True):
    """Whose notifications a member wants."""

    for_not_following: str
    for_not_followers: str
    for_new_accounts: str
    for_private_mentions: str
    for_limited_accounts: str


GET_POLICY = """
    SELECT for_not_following, for_not_followers, for_new_accounts, for_private_mentions, for_limited_accounts
    FROM notification_policies WHERE account_id = $1
"""
UPSERT_POLICY = """
    INSERT INTO notification_policies (account_id, for_not_following, for_not_followers, for_new_accounts,
                                       for_private_mentions, for_limited_accounts)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account_id) DO UPDATE
    SET for_not_following = excluded.for_not_following, for_not_followers = excluded.for_not_followers,
        for_new_accounts = excluded.for_new_accounts, for_private_mentions = excluded.for_private_mentions,
        for_limited_accounts = excluded.for_limited_accounts
"""


async def get_policy(tx: Tx, account_id: int) -> PolicyRow | None:
    """The member's policy; None when it was never changed."""
    row = await tx.fetchrow(GET_POLICY, account_id)
    return None if row is None else PolicyRow(*row)


async def upsert_policy(tx: Tx, account_id: int, policy: PolicyRow) -> None:
    """Keep the member's policy."""
    await tx.execute(
        UPSERT_POLICY,
        account_id,
        policy.for_not_following,
        policy.for_not_followers,
        policy.for_new_accounts,
        policy.for_private_mentions,
        policy.for_limited_accounts,
    )


COUNT_FILTERED = """
    SELECT count(DISTINCT from_account_id) AS requests, count(*) AS notifications
    FROM (
        SELECT n.from_account_id
        FROM notifications n
        JOIN accounts a ON a.id = n.from_account_id
        LEFT JOIN statuses s ON s.id = n.status_id
        WHERE /*shown*/ AND n.filtered
        LIMIT 1000
    ) waiting
""".replace("/*shown*/", _SHOWN)


async def count_filtered(tx: Tx, account_id: int) -> tuple[int, int]:
    """How many senders, and how many notifications of theirs, are set aside."""
    row = await tx.fetchrow(COUNT_FILTERED, account_id)
    return row["requests"], row["notifications"]


class RequestRow(msgspec.Struct, frozen=True):
    """A sender whose notifications are set aside."""

    from_account_id: int
    notifications_count: int
    last_status_id: int | None
    created_at: datetime
    updated_at: datetime
    newest_id: int


LIST_REQUESTS = """
    SELECT n.from_account_id, count(*), max(n.status_id), min(n.created_at), max(n.created_at), max(n.id) AS newest_id
    FROM notifications n
    JOIN accounts a ON a.id = n.from_account_id
    LEFT JOIN statuses s ON s.id = n.status_id
    WHERE /*shown*/ AND n.filtered AND ($5::bigint IS NULL OR n.from_account_id = $5)
    GROUP BY n.from_account_id
    HAVING max(n.id) < $2 AND max(n.id) > $3
    ORDER BY newest_id DESC
    LIMIT $4
""".replace("/*shown*/", _SHOWN)


async def list_requests(
    tx: Tx, account_id: int, *, below: int, above: int, limit: int, from_account_id: int | None = None
) -> list[RequestRow]:
    """Senders whose notifications are set aside, the newest first."""
    rows = await tx.fetch(LIST_REQUESTS, account_id, below, above, limit, from_account_id)
    return [RequestRow(*row) for row in rows]


INSERT_PERMISSIONS = """
    INSERT INTO notification_permissions (account_id, from_account_id)
    SELECT $1, a.id FROM accounts a WHERE a.id = ANY ($2::bigint[])
    ON CONFLICT DO NOTHING
"""
UPDATE_ACCEPTED = """
    UPDATE notifications SET filtered = false
    WHERE account_id = $1 AND from_account_id = ANY ($2::bigint[]) AND filtered
"""


async def insert_permissions(tx: Tx, account_id: int, from_ids: Sequence[int]) -> None:
    """Let these senders through from now on, and show what was set aside."""
    await tx.execute(INSERT_PERMISSIONS, account_id, list(from_ids))
    await tx.execute(UPDATE_ACCEPTED, account_id, list(from_ids))


DELETE_FILTERED = """
    DELETE FROM notifications WHERE account_id = $1 AND from_account_id = ANY ($2::bigint[]) AND filtered
"""


async def delete_filtered(tx: Tx, account_id: int, from_ids: Sequence[int]) -> None:
    """Forget what was set aside of these senders."""
    await tx.execute(DELETE_FILTERED, account_id, list(from_ids))
