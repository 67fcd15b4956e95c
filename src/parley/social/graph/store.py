"""The tables of follows and requests, and the relationship across all tables.

SQL only; no rule lives here. Blocks, mutes and blocked domains: store_blocks.py. Lists: store_lists.py. Notes,
endorsements and suggestions: store_people.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction


class EdgeRow(msgspec.Struct, frozen=True):
    """One edge of a page: its own id, the account at the other end, and when it ends (mutes alone)."""

    id: int
    account_id: int
    expires_at: datetime | None = None


def edges(rows: Sequence[Any], page: Page) -> list[EdgeRow]:
    """The rows of a page, newest first whichever way they were read."""
    found = [EdgeRow(*row) for row in rows]
    return found[::-1] if page.ascending else found


# ---- one pair at a time --------------------------------------------------------------------------

LOCK_PAIR = """
    SELECT pg_advisory_xact_lock(
        hashtextextended('graph ' || least($1::bigint, $2) || ' ' || greatest($1::bigint, $2), 0)
    )
"""


async def lock_pair(tx: Tx, one_id: int, other_id: int) -> None:
    """Let one transaction at a time change what is between two accounts (say, a follow and a block)."""
    await tx.execute(LOCK_PAIR, one_id, other_id)


# ---- follows -------------------------------------------------------------------------------------

UPSERT_FOLLOW = """
    INSERT INTO follows (account_id, target_id, show_reblogs, notify, languages)
    VALUES ($1, $2, coalesce($3, true), coalesce($4, false), nullif($5::text[], '{}'))
    ON CONFLICT (account_id, target_id) DO UPDATE SET
        show_reblogs = coalesce($3, follows.show_reblogs),
        notify = coalesce($4, follows.notify),
        languages = CASE WHEN $5::text[] IS NULL THEN follows.languages ELSE nullif($5::text[], '{}') END
    RETURNING xmax = 0
"""


async def upsert_follow(
    tx: Tx,
    account_id: int,
    target_id: int,
    reblogs: bool | None,
    notify: bool | None,
    languages: list[str] | None,
) -> bool:
    """Make the follow or change its options (None keeps one); True when it is new."""
    return bool(await tx.fetchval(UPSERT_FOLLOW, account_id, target_id, reblogs, notify, languages))


HAS_FOLLOW = """
    SELECT EXISTS (SELECT FROM follows WHERE account_id = $1 AND target_id = $2)
"""


async def has_follow(tx: Tx, account_id: int, target_id: int) -> bool:
    """Whether `account_id` follows `target_id`."""
    return bool(await tx.fetchval(HAS_FOLLOW, account_id, target_id))


DELETE_FOLLOW = """
    DELETE FROM follows WHERE account_id = $1 AND target_id = $2 RETURNING id
"""


async def delete_follow(tx: Tx, account_id: int, target_id: int) -> bool:
    """End a follow; True when there was one."""
    return await tx.fetchval(DELETE_FOLLOW, account_id, target_id) is not None


LIST_FOLLOWERS = """
    SELECT id, account_id FROM follows f
    WHERE target_id = $1 AND id < $2 AND id > $3
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = $5 AND b.target_id = f.account_id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = f.account_id AND b.target_id = $5)
    ORDER BY id DESC LIMIT $4
"""


async def list_followers(tx: Tx, account_id: int, page: Page, viewer_id: int) -> list[EdgeRow]:
    """Who follows `account_id`, without those blocked either way by `viewer_id` (0: signed out)."""
    sql = in_direction(LIST_FOLLOWERS, page)
    return edges(await tx.fetch(sql, account_id, page.below, page.above, page.limit, viewer_id), page)


LIST_FOLLOWING = """
    SELECT id, target_id FROM follows f
    WHERE account_id = $1 AND id < $2 AND id > $3
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = $5 AND b.target_id = f.target_id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = f.target_id AND b.target_id = $5)
    ORDER BY id DESC LIMIT $4
"""


async def list_following(tx: Tx, account_id: int, page: Page, viewer_id: int) -> list[EdgeRow]:
    """Whom `account_id` follows, without those blocked either way by `viewer_id` (0: signed out)."""
    sql = in_direction(LIST_FOLLOWING, page)
    return edges(await tx.fetch(sql, account_id, page.below, page.above, page.limit, viewer_id), page)


LIST_FOLLOWER_IDS = """
    SELECT account_id FROM follows WHERE target_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3
"""


async def list_follower_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Ids of followers in ascending order, those above `after`."""
    return [row[0] for row in await tx.fetch(LIST_FOLLOWER_IDS, account_id, after, limit)]


LIST_NOTIFIED_FOLLOWER_IDS = """
    SELECT account_id FROM follows
    WHERE target_id = $1 AND notify AND account_id > $2 ORDER BY account_id LIMIT $3
"""


async def list_notified_follower_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Ids of followers who want a notification of every post, ascending, those above `after`."""
    return [row[0] for row in await tx.fetch(LIST_NOTIFIED_FOLLOWER_IDS, account_id, after, limit)]


LIST_FOLLOWED_IDS = """
    SELECT target_id FROM follows WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_followed_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Ids of followed accounts in ascending order, those above `after`."""
    return [row[0] for row in await tx.fetch(LIST_FOLLOWED_IDS, account_id, after, limit)]


# ---- requests to follow --------------------------------------------------------------------------

UPSERT_FOLLOW_REQUEST = """
    INSERT INTO follow_requests (account_id, target_id, show_reblogs, notify, languages)
    VALUES ($1, $2, coalesce($3, true), coalesce($4, false), nullif($5::text[], '{}'))
    ON CONFLICT (account_id, target_id) DO UPDATE SET
        show_reblogs = coalesce($3, follow_requests.show_reblogs),
        notify = coalesce($4, follow_requests.notify),
        languages = CASE
            WHEN $5::text[] IS NULL THEN follow_requests.languages ELSE nullif($5::text[], '{}')
        END
    RETURNING xmax = 0
"""


async def upsert_follow_request(
    tx: Tx,
    account_id: int,
    target_id: int,
    reblogs: bool | None,
    notify: bool | None,
    languages: list[str] | None,
) -> bool:
    """Ask to follow or change the options of the question (None keeps one); True when it is new."""
    return bool(await tx.fetchval(UPSERT_FOLLOW_REQUEST, account_id, target_id, reblogs, notify, languages))


class RequestRow(msgspec.Struct, frozen=True):
    """What was asked for with a request."""

    show_reblogs: bool
    notify: bool
    languages: list[str] | None


DELETE_FOLLOW_REQUEST = """
    DELETE FROM follow_requests WHERE account_id = $1 AND target_id = $2
    RETURNING show_reblogs, notify, languages
"""


async def delete_follow_request(tx: Tx, account_id: int, target_id: int) -> RequestRow | None:
    """Remove the request and return it, or None when there is none."""
    row = await tx.fetchrow(DELETE_FOLLOW_REQUEST, account_id, target_id)
    return RequestRow(*row) if row else None


LIST_FOLLOW_REQUESTS = """
    SELECT id, account_id FROM follow_requests
    WHERE target_id = $1 AND id < $2 AND id > $3
    ORDER BY id DESC LIMIT $4
"""


async def list_follow_requests(tx: Tx, target_id: int, page: Page) -> list[EdgeRow]:
    """Who waits for an answer of `target_id`."""
    sql = in_direction(LIST_FOLLOW_REQUESTS, page)
    return edges(await tx.fetch(sql, target_id, page.below, page.above, page.limit), page)


LIST_WAITING_IDS = """
    SELECT account_id FROM follow_requests
    WHERE target_id = $1 AND account_id > $2 ORDER BY account_id LIMIT $3
"""


async def list_waiting_ids(tx: Tx, target_id: int, after: int, limit: int) -> list[int]:
    """Accounts that wait for an answer of `target_id`, ascending, those above `after`."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_IDS, target_id, after, limit)]


LIST_ASKED_IDS = """
    SELECT target_id FROM follow_requests
    WHERE account_id = $1 AND target_id > $2 ORDER BY target_id LIMIT $3
"""


async def list_asked_ids(tx: Tx, account_id: int, after: int, limit: int) -> list[int]:
    """Accounts whose answer `account_id` waits for, ascending, those above `after`."""
    return [row[0] for row in await tx.fetch(LIST_ASKED_IDS, account_id, after, limit)]


COUNT_FOLLOW_REQUESTS = """
    SELECT count(*) FROM follow_requests WHERE target_id = $1
"""


async def count_follow_requests(tx: Tx, target_id: int) -> int:
    """How many wait for an answer of `target_id`."""
    return int(await tx.fetchval(COUNT_FOLLOW_REQUESTS, target_id))


# ---- relationships -------------------------------------------------------------------------------


class RelationshipRow(msgspec.Struct, frozen=True):
    """Everything between the viewer and one account."""

    id: int
    following: bool
    show_reblogs: bool
    notify: bool
    languages: list[str] | None
    followed_by: bool
    requested: bool
    requested_by: bool
    blocking: bool
    blocked_by: bool
    muting: bool
    muting_notifications: bool
    muting_expires_at: datetime | None
    endorsed: bool
    note: str


LIST_RELATIONSHIPS = """
    SELECT t.id,
           f.id IS NOT NULL,
           coalesce(f.show_reblogs, q.show_reblogs, false),
           coalesce(f.notify, q.notify, false),
           coalesce(f.languages, q.languages),
           EXISTS (SELECT FROM follows b WHERE b.account_id = t.id AND b.target_id = $1),
           q.id IS NOT NULL,
           EXISTS (SELECT FROM follow_requests r WHERE r.account_id = t.id AND r.target_id = $1),
           EXISTS (SELECT FROM blocks b WHERE b.account_id = $1 AND b.target_id = t.id),
           EXISTS (SELECT FROM blocks b WHERE b.account_id = t.id AND b.target_id = $1),
           m.id IS NOT NULL,
           coalesce(m.notifications, false),
           m.expires_at,
           EXISTS (SELECT FROM endorsements e WHERE e.account_id = $1 AND e.target_id = t.id),
           coalesce(n.comment, '')
    FROM unnest($2::bigint[]) WITH ORDINALITY AS t (id, position)
    LEFT JOIN follows f ON f.account_id = $1 AND f.target_id = t.id
    LEFT JOIN follow_requests q ON q.account_id = $1 AND q.target_id = t.id
    LEFT JOIN mutes m
        ON m.account_id = $1 AND m.target_id = t.id AND (m.expires_at IS NULL OR m.expires_at > $3)
    LEFT JOIN account_notes n ON n.account_id = $1 AND n.target_id = t.id
    ORDER BY t.position
"""


async def list_relationships(
    tx: Tx, viewer_id: int, account_ids: Sequence[int], moment: datetime
) -> list[RelationshipRow]:
    """What is between the viewer and each account at `moment`, in the order given: one query for all."""
    rows = await tx.fetch(LIST_RELATIONSHIPS, viewer_id, list(account_ids), moment)
    return [RelationshipRow(*row) for row in rows]
