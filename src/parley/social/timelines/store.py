"""What travels to homes, and the SQL that writes them. Its reading half is `store_home`, by the same rules.

The stores of this room alone join across rooms, because a timeline must be one index scan with every rule of
visibility in it. Each query says its plan. What is shown of a status, the statuses room reads.
"""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.db import Tx


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What must be known of a status to decide whose timelines it belongs to."""

    id: int
    author_id: int
    original_id: int
    original_author_id: int
    visibility: str
    open: bool
    """published or limited, not deleted, its author in good standing; the boosted status too"""
    listed: bool
    """may appear in public timelines"""
    language: str | None
    reply_to_id: int | None
    """the account that is answered, unless the author answers itself"""
    is_reply: bool
    mentioned_ids: list[int]
    tags: list[str]
    local: bool
    local_only: bool
    has_media: bool
    merge_on_read: bool
    conversation_id: int


# Plan: primary keys only, one row.
GET_DELIVERY = """
    SELECT s.id, s.account_id AS author_id, coalesce(s.reblog_of_id, s.id) AS original_id,
           coalesce(o.account_id, s.account_id) AS original_author_id, s.visibility::text AS visibility,
           s.state IN ('published', 'limited') AND s.deleted_at IS NULL AND a.state IN ('active', 'limited')
               AND (s.reblog_of_id IS NULL OR (o.state IN ('published', 'limited') AND o.deleted_at IS NULL)) AS open,
           s.visibility = 'public' AND s.state = 'published' AND s.reblog_of_id IS NULL
               AND a.state = 'active' AS listed,
           coalesce(o.language, s.language) AS language,
           nullif(s.in_reply_to_account_id, s.account_id) AS reply_to_id, s.in_reply_to_id IS NOT NULL AS is_reply,
           s.mentioned_ids, s.tags, a.domain IS NULL AS local, s.local_only, s.media_ids <> '{}' AS has_media,
           a.merge_on_read, s.conversation_id
    FROM statuses s
    JOIN accounts a ON a.id = s.account_id
    LEFT JOIN statuses o ON o.id = s.reblog_of_id
    WHERE s.id = $1
"""


async def get_delivery(tx: Tx, status_id: int) -> Delivery | None:
    """The status as fan-out needs it, or None when it is gone for good."""
    row = await tx.fetchrow(GET_DELIVERY, status_id)
    return None if row is None else Delivery(**row)


# $1 author, $2 original, $3 is a boost, $4 language, $5 answered account, $6 only these readers (direct messages)
_WANTS_IT = """
    EXISTS (SELECT FROM users u WHERE u.account_id = f.account_id)
    AND ($6::bigint[] IS NULL OR f.account_id = ANY ($6))
    AND (NOT $3 OR f.show_reblogs)
    AND ($4::text IS NULL OR f.languages IS NULL OR f.languages = '{}' OR $4 = ANY (f.languages))
    AND ($5::bigint IS NULL OR f.account_id = $5
         OR EXISTS (SELECT FROM follows g WHERE g.account_id = f.account_id AND g.target_id = $5))
    AND NOT EXISTS (
        SELECT FROM list_accounts la JOIN lists l ON l.id = la.list_id
        WHERE la.account_id = $1 AND l.account_id = f.account_id AND l.exclusive)
    AND (NOT $3 OR NOT EXISTS (
        SELECT FROM (
            SELECT h.original_id FROM home_timeline h
            WHERE h.account_id = f.account_id ORDER BY h.status_id DESC LIMIT 40
        ) recent
        WHERE recent.original_id = $2))
"""

# Plan: follows_fan_out gives the next followers in order; users, the answered account's followers and the exclusive
# lists are looked up or hashed once; for boosts, 40 rows of each home's own index.
INSERT_HOME_ROWS = """
    WITH f AS MATERIALIZED (
        SELECT account_id, show_reblogs, languages FROM follows
        WHERE target_id = $1 AND account_id > $8 ORDER BY account_id LIMIT $9
    ), sent AS (
        INSERT INTO home_timeline (account_id, status_id, author_id, original_id)
        SELECT f.account_id, $7::bigint, $1::bigint, $2::bigint FROM f WHERE /*wants it*/
        UNION ALL
        SELECT u.account_id, $7, $1, $2 FROM users u WHERE u.account_id = $1 AND $8 = 0
        ON CONFLICT DO NOTHING
    )
    SELECT count(*) AS seen, max(account_id) AS last FROM f
""".replace("/*wants it*/", _WANTS_IT)


async def insert_home_rows(tx: Tx, delivery: Delivery, *, after: int, limit: int) -> int | None:
    """Send the status to the homes of the next `limit` followers after account `after`; with the first of them
    (`after` 0), and with none, to its author's own, when that is a member.

    Returns the last follower looked at (None: there are no more).
    """
    row = await tx.fetchrow(INSERT_HOME_ROWS, *_wants(delivery), delivery.id, after, limit)
    return row["last"] if row["seen"] == limit else None


def _wants(delivery: Delivery) -> tuple[Any, ...]:
    return (
        delivery.author_id,
        delivery.original_id,
        delivery.original_id != delivery.id,
        delivery.language,
        delivery.reply_to_id,
        delivery.mentioned_ids if delivery.visibility == "direct" else None,
    )


# Plan: the follows of the given readers by primary key; $7 is short (who is connected to this process).
LIST_MERGED_READERS = """
    SELECT f.account_id FROM follows f
    WHERE f.target_id = $1 AND f.account_id = ANY ($7::bigint[]) AND /*wants it*/
""".replace("/*wants it*/", _WANTS_IT)


async def list_merged_readers(tx: Tx, delivery: Delivery, reader_ids: list[int]) -> set[int]:
    """Which of `reader_ids` will find the status of a merge-on-read author in their home."""
    rows = await tx.fetch(LIST_MERGED_READERS, *_wants(delivery), reader_ids)
    return {row["account_id"] for row in rows}


# Plan: tags by name, tag_follows_tag for each.
INSERT_TAG_HOME_ROWS = """
    INSERT INTO home_timeline (account_id, status_id, author_id, original_id, via_tag)
    SELECT DISTINCT tf.account_id, $1::bigint, $2::bigint, $1::bigint, true
    FROM tags t
    JOIN tag_follows tf ON tf.tag_id = t.id
    WHERE t.name = ANY ($3::text[]) AND tf.account_id <> $2
    ON CONFLICT DO NOTHING
"""


async def insert_tag_home_rows(tx: Tx, delivery: Delivery) -> None:
    """A public post in the homes of those who follow one of its tags."""
    await tx.execute(INSERT_TAG_HOME_ROWS, delivery.id, delivery.author_id, delivery.tags)


# Plan: statuses_account backwards, $3 rows; follows by primary key for replies. Not for merge-on-read authors.
INSERT_BACKFILL = """
    INSERT INTO home_timeline (account_id, status_id, author_id, original_id)
    SELECT $1, s.id, s.account_id, coalesce(s.reblog_of_id, s.id)
    FROM follows f
    JOIN accounts a ON a.id = f.target_id AND NOT a.merge_on_read
    CROSS JOIN LATERAL (
        SELECT * FROM statuses s
        WHERE s.account_id = f.target_id AND s.state IN ('published', 'limited') AND s.deleted_at IS NULL
          AND (s.visibility <> 'direct' OR $1 = ANY (s.mentioned_ids))
        ORDER BY s.id DESC LIMIT $3
    ) s
    LEFT JOIN statuses o ON o.id = s.reblog_of_id
    WHERE f.account_id = $1 AND f.target_id = $2
      AND EXISTS (SELECT FROM users u WHERE u.account_id = $1)
      AND (s.reblog_of_id IS NULL OR f.show_reblogs)
      AND (f.languages IS NULL OR f.languages = '{}' OR coalesce(o.language, s.language) IS NULL
           OR coalesce(o.language, s.language) = ANY (f.languages))
      AND (s.in_reply_to_account_id IS NULL OR s.in_reply_to_account_id IN (s.account_id, $1)
           OR EXISTS (SELECT FROM follows g WHERE g.account_id = $1 AND g.target_id = s.in_reply_to_account_id))
      AND NOT EXISTS (
          SELECT FROM list_accounts la JOIN lists l ON l.id = la.list_id
          WHERE la.account_id = $2 AND l.account_id = $1 AND l.exclusive)
      AND (s.reblog_of_id IS NULL OR NOT EXISTS (
          SELECT FROM home_timeline h
          WHERE h.account_id = $1 AND h.original_id = s.reblog_of_id AND h.status_id < s.id))
    ON CONFLICT DO NOTHING
"""


async def insert_backfill(tx: Tx, account_id: int, friend_id: int, limit: int) -> None:
    """The newest `limit` posts of a new friend in the home of `account_id`."""
    await tx.execute(INSERT_BACKFILL, account_id, friend_id, limit)


DELETE_HOME_ROWS_OF_AUTHOR = """
    DELETE FROM home_timeline WHERE account_id = $1 AND author_id = $2 AND NOT via_tag
"""


async def delete_home_rows_of_author(tx: Tx, account_id: int, author_id: int) -> None:
    """Clean a home of somebody who is not followed any more (reading leaves these rows out already)."""
    await tx.execute(DELETE_HOME_ROWS_OF_AUTHOR, account_id, author_id)


# Plan: the homes of the followers and the author, each by its primary key.
DELETE_HOME_ROWS_OF_STATUS = """
    DELETE FROM home_timeline h
    USING (SELECT account_id FROM follows WHERE target_id = $1 UNION ALL SELECT $1) reader
    WHERE h.account_id = reader.account_id AND h.status_id = $2
"""


async def delete_home_rows_of_status(tx: Tx, author_id: int, status_id: int) -> None:
    """Clean homes of a deleted status (reading leaves it out already)."""
    await tx.execute(DELETE_HOME_ROWS_OF_STATUS, author_id, status_id)


# Plan: one index-only pass over the homes; then the 801st row of each long one, and a range delete.
DELETE_OLD_HOME_ROWS = """
    WITH long AS MATERIALIZED (
        SELECT account_id FROM home_timeline GROUP BY account_id HAVING count(*) > $1 + 50
    ), edge AS MATERIALIZED (
        SELECT long.account_id, oldest.status_id
        FROM long
        CROSS JOIN LATERAL (
            SELECT h.status_id FROM home_timeline h
            WHERE h.account_id = long.account_id ORDER BY h.status_id DESC OFFSET $1 LIMIT 1
        ) oldest
    )
    DELETE FROM home_timeline h USING edge
    WHERE h.account_id = edge.account_id AND h.status_id <= edge.status_id
"""


async def delete_old_home_rows(tx: Tx, keep: int) -> None:
    """Trim every home to its newest `keep` rows."""
    await tx.execute(DELETE_OLD_HOME_ROWS, keep)
