"""The tables of follows, requests, notes, endorsements and dismissals, and the relationship across all.

SQL only; no rule lives here. Blocks, mutes and blocked domains: store_blocks.py. Lists: store_lists.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page


class EdgeRow(msgspec.Struct, frozen=True):
    """One edge of a page: its own id, the account at the other end, and when it ends (mutes alone)."""

    id: int
    account_id: int
    expires_at: datetime | None = None


def in_direction(newest_first: str, page: Page) -> str:
    """The same page of SQL, taken from the oldest end when the page asks for what is just above min_id."""
    return newest_first.replace("ORDER BY id DESC", "ORDER BY id ASC") if page.ascending else newest_first


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


async def get_pair_lock(tx: Tx, one_id: int, other_id: int) -> None:
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


# ---- notes, endorsements, suggestions ------------------------------------------------------------

UPSERT_NOTE = """
    INSERT INTO account_notes (account_id, target_id, comment) VALUES ($1, $2, $3)
    ON CONFLICT (account_id, target_id) DO UPDATE SET comment = excluded.comment
"""


async def upsert_note(tx: Tx, account_id: int, target_id: int, comment: str) -> None:
    """Keep a private note about somebody."""
    await tx.execute(UPSERT_NOTE, account_id, target_id, comment)


DELETE_NOTE = """
    DELETE FROM account_notes WHERE account_id = $1 AND target_id = $2
"""


async def delete_note(tx: Tx, account_id: int, target_id: int) -> None:
    """Forget a private note."""
    await tx.execute(DELETE_NOTE, account_id, target_id)


INSERT_ENDORSEMENT = """
    INSERT INTO endorsements (account_id, target_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""


async def insert_endorsement(tx: Tx, account_id: int, target_id: int) -> None:
    """Feature somebody on one's profile."""
    await tx.execute(INSERT_ENDORSEMENT, account_id, target_id)


DELETE_ENDORSEMENT = """
    DELETE FROM endorsements WHERE account_id = $1 AND target_id = $2
"""


async def delete_endorsement(tx: Tx, account_id: int, target_id: int) -> None:
    """Feature somebody no longer."""
    await tx.execute(DELETE_ENDORSEMENT, account_id, target_id)


LIST_ENDORSEMENTS = """
    SELECT id, target_id FROM endorsements e
    WHERE account_id = $1 AND id < $2 AND id > $3
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = $5 AND b.target_id = e.target_id)
      AND NOT EXISTS (SELECT FROM blocks b WHERE b.account_id = e.target_id AND b.target_id = $5)
    ORDER BY id DESC LIMIT $4
"""


async def list_endorsements(tx: Tx, account_id: int, page: Page, viewer_id: int) -> list[EdgeRow]:
    """Whom `account_id` features, without those blocked either way by `viewer_id` (0: signed out)."""
    sql = in_direction(LIST_ENDORSEMENTS, page)
    return edges(await tx.fetch(sql, account_id, page.below, page.above, page.limit, viewer_id), page)


class FamiliarRow(msgspec.Struct, frozen=True):
    """`follower_id`, whom the viewer follows, follows `target_id`."""

    target_id: int
    follower_id: int


LIST_FAMILIAR = """
    SELECT t.id, k.account_id
    FROM unnest($2::bigint[]) AS t (id)
    CROSS JOIN LATERAL (
        SELECT theirs.account_id
        FROM follows mine
        JOIN follows theirs ON theirs.account_id = mine.target_id AND theirs.target_id = t.id
        WHERE mine.account_id = $1
        ORDER BY theirs.id DESC LIMIT $3
    ) AS k
"""


async def list_familiar(tx: Tx, viewer_id: int, target_ids: Sequence[int], limit: int) -> list[FamiliarRow]:
    """For each target its followers whom the viewer follows, newest first, at most `limit` each."""
    return [FamiliarRow(*row) for row in await tx.fetch(LIST_FAMILIAR, viewer_id, list(target_ids), limit)]


LIST_RECENTLY_FOLLOWED_IDS = """
    SELECT target_id FROM follows WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""


async def list_recently_followed_ids(tx: Tx, account_id: int, limit: int) -> list[int]:
    """Whom `account_id` followed last."""
    return [row[0] for row in await tx.fetch(LIST_RECENTLY_FOLLOWED_IDS, account_id, limit)]


# Each friend contributes the newest follows only, so that the work is bounded whatever they follow.
LIST_FRIENDS_OF_FRIENDS = """
    SELECT k.target_id
    FROM unnest($2::bigint[]) AS friend (id)
    CROSS JOIN LATERAL (
        SELECT f.target_id FROM follows f WHERE f.account_id = friend.id ORDER BY f.id DESC LIMIT $3
    ) AS k
    WHERE k.target_id <> $1
      AND NOT EXISTS (SELECT FROM follows x WHERE x.account_id = $1 AND x.target_id = k.target_id)
      AND NOT EXISTS (SELECT FROM follow_requests x WHERE x.account_id = $1 AND x.target_id = k.target_id)
      AND NOT EXISTS (SELECT FROM blocks x WHERE x.account_id = $1 AND x.target_id = k.target_id)
      AND NOT EXISTS (SELECT FROM blocks x WHERE x.account_id = k.target_id AND x.target_id = $1)
      AND NOT EXISTS (SELECT FROM mutes x WHERE x.account_id = $1 AND x.target_id = k.target_id)
      AND NOT EXISTS (SELECT FROM suggestion_dismissals
                      WHERE account_id = $1 AND target_id = k.target_id)
    GROUP BY k.target_id
    ORDER BY count(*) DESC, k.target_id DESC
    LIMIT $4
"""


async def list_friends_of_friends(
    tx: Tx, viewer_id: int, friend_ids: Sequence[int], depth: int, limit: int
) -> list[int]:
    """Whom most of `friend_ids` follow and the viewer neither follows, asked, blocks, mutes nor dismissed."""
    rows = await tx.fetch(LIST_FRIENDS_OF_FRIENDS, viewer_id, list(friend_ids), depth, limit)
    return [row[0] for row in rows]


LIST_UNWANTED_AMONG = """
    SELECT target_id FROM follows WHERE account_id = $1 AND target_id = ANY ($2::bigint[])
    UNION
    SELECT target_id FROM follow_requests WHERE account_id = $1 AND target_id = ANY ($2::bigint[])
    UNION
    SELECT target_id FROM blocks WHERE account_id = $1 AND target_id = ANY ($2::bigint[])
    UNION
    SELECT account_id FROM blocks WHERE target_id = $1 AND account_id = ANY ($2::bigint[])
    UNION
    SELECT target_id FROM mutes WHERE account_id = $1 AND target_id = ANY ($2::bigint[])
    UNION
    SELECT target_id FROM suggestion_dismissals WHERE account_id = $1 AND target_id = ANY ($2::bigint[])
"""


async def list_unwanted_among(tx: Tx, viewer_id: int, account_ids: Sequence[int]) -> set[int]:
    """Those of `account_ids` that must not be suggested to the viewer."""
    return {row[0] for row in await tx.fetch(LIST_UNWANTED_AMONG, viewer_id, list(account_ids))}


INSERT_DISMISSAL = """
    INSERT INTO suggestion_dismissals (account_id, target_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""


async def insert_dismissal(tx: Tx, account_id: int, target_id: int) -> None:
    """Never suggest `target_id` to `account_id` again."""
    await tx.execute(INSERT_DISMISSAL, account_id, target_id)
