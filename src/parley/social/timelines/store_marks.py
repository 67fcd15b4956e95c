"""SQL of what a member keeps beside timelines: conversations, reading positions, followed and featured tags."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.social.timelines.views import FeaturedTagView, MarkerView


class ConversationRow(msgspec.Struct, frozen=True):
    """One of a member's conversations."""

    id: int
    conversation_id: int
    participant_ids: list[int]
    last_status_id: int
    unread: bool


UPSERT_CONVERSATION = """
    INSERT INTO account_conversations AS c (account_id, conversation_id, participant_ids, last_status_id, unread)
    SELECT reader, $2, array_remove($3::bigint[], reader), $4, reader <> $5
    FROM unnest($1::bigint[]) reader
    JOIN users u ON u.account_id = reader
    ON CONFLICT (account_id, conversation_id) DO UPDATE
    SET last_status_id = greatest(c.last_status_id, excluded.last_status_id),
        unread = CASE WHEN excluded.last_status_id > c.last_status_id THEN excluded.unread ELSE c.unread END,
        participant_ids = ARRAY(
            SELECT DISTINCT p FROM unnest(c.participant_ids || excluded.participant_ids) p ORDER BY p)
    RETURNING c.id, c.account_id
"""


async def upsert_conversation(
    tx: Tx, reader_ids: list[int], conversation_id: int, participant_ids: list[int], status_id: int, author_id: int
) -> list[tuple[int, int]]:
    """Put a new direct message at the top of each member's conversation; returns (conversation row, member)."""
    rows = await tx.fetch(UPSERT_CONVERSATION, reader_ids, conversation_id, participant_ids, status_id, author_id)
    return [(row["id"], row["account_id"]) for row in rows]


# A deleted message makes way for the one before it; a conversation without messages goes.
UPDATE_CONVERSATIONS_AFTER_DELETE = """
    UPDATE account_conversations c
    SET last_status_id = coalesce((
        SELECT max(s.id) FROM statuses s
        WHERE s.conversation_id = c.conversation_id AND s.visibility = 'direct'
          AND s.state = 'published' AND s.deleted_at IS NULL
          AND (s.account_id = c.account_id OR c.account_id = ANY (s.mentioned_ids))), 0)
    WHERE c.conversation_id = $1 AND c.last_status_id = $2
"""
DELETE_EMPTY_CONVERSATIONS = """
    DELETE FROM account_conversations WHERE conversation_id = $1 AND last_status_id = 0
"""


async def update_conversations_after_delete(tx: Tx, conversation_id: int, status_id: int) -> None:
    """Let every conversation that ended in the deleted message end in the one before."""
    await tx.execute(UPDATE_CONVERSATIONS_AFTER_DELETE, conversation_id, status_id)
    await tx.execute(DELETE_EMPTY_CONVERSATIONS, conversation_id)


# Pages go by the newest message. The author of that message must not be hidden from the reader.
LIST_CONVERSATIONS = """
    SELECT c.id, c.conversation_id, c.participant_ids, c.last_status_id, c.unread
    FROM account_conversations c
    JOIN statuses s ON s.id = c.last_status_id AND s.state = 'published' AND s.deleted_at IS NULL
    WHERE c.account_id = $1 AND c.last_status_id < $2 AND c.last_status_id > $3
      AND s.account_id NOT IN (SELECT id FROM hidden_accounts($1))
    ORDER BY c.last_status_id DESC
    LIMIT $4
"""
LIST_CONVERSATIONS_ASCENDING = LIST_CONVERSATIONS.replace("c.last_status_id DESC", "c.last_status_id ASC")


async def list_conversations(
    tx: Tx, account_id: int, *, below: int, above: int, ascending: bool, limit: int
) -> list[ConversationRow]:
    """A member's conversations by their newest message."""
    query = LIST_CONVERSATIONS_ASCENDING if ascending else LIST_CONVERSATIONS
    return [ConversationRow(*row) for row in await tx.fetch(query, account_id, below, above, limit)]


GET_CONVERSATION = """
    SELECT id, conversation_id, participant_ids, last_status_id, unread
    FROM account_conversations WHERE id = $2 AND account_id = $1
"""


async def get_conversation(tx: Tx, account_id: int, conversation_row_id: int) -> ConversationRow | None:
    """One of the member's own conversations."""
    row = await tx.fetchrow(GET_CONVERSATION, account_id, conversation_row_id)
    return None if row is None else ConversationRow(*row)


UPDATE_CONVERSATION_READ = """
    UPDATE account_conversations SET unread = false WHERE id = $2 AND account_id = $1
"""


async def update_conversation_read(tx: Tx, account_id: int, conversation_row_id: int) -> None:
    """Mark it as read."""
    await tx.execute(UPDATE_CONVERSATION_READ, account_id, conversation_row_id)


DELETE_CONVERSATION = """
    DELETE FROM account_conversations WHERE id = $2 AND account_id = $1 RETURNING id
"""


async def delete_conversation(tx: Tx, account_id: int, conversation_row_id: int) -> bool:
    """Take it off the member's list (the messages stay); False when there is none."""
    return await tx.fetchval(DELETE_CONVERSATION, account_id, conversation_row_id) is not None


LIST_MARKERS = """
    SELECT timeline, last_read_id, version, updated_at FROM markers
    WHERE account_id = $1 AND timeline = ANY ($2::text[])
"""


async def list_markers(tx: Tx, account_id: int, timelines: list[str]) -> list[MarkerView]:
    """The member's reading positions."""
    return [MarkerView(*row) for row in await tx.fetch(LIST_MARKERS, account_id, timelines)]


UPSERT_MARKER = """
    INSERT INTO markers AS m (account_id, timeline, last_read_id) VALUES ($1, $2, $3)
    ON CONFLICT (account_id, timeline) DO UPDATE
    SET last_read_id = excluded.last_read_id, version = m.version + 1, updated_at = now()
    RETURNING timeline, last_read_id, version, updated_at
"""


async def upsert_marker(tx: Tx, account_id: int, timeline: str, last_read_id: int) -> MarkerView:
    """Remember how far the member has read."""
    return MarkerView(*await tx.fetchrow(UPSERT_MARKER, account_id, timeline, last_read_id))


class TagRow(msgspec.Struct, frozen=True):
    """A tag with the reader's own marks."""

    id: int
    name: str
    following: bool
    featuring: bool


LIST_TAGS = """
    SELECT t.id, t.display_name AS name,
           EXISTS (SELECT FROM tag_follows f WHERE f.account_id = $1 AND f.tag_id = t.id) AS following,
           EXISTS (SELECT FROM featured_tags f WHERE f.account_id = $1 AND f.tag_id = t.id) AS featuring
    FROM unnest($2::bigint[]) WITH ORDINALITY wanted (id, place)
    JOIN tags t ON t.id = wanted.id
    ORDER BY wanted.place
"""


async def list_tags(tx: Tx, reader_id: int, tag_ids: list[int]) -> list[TagRow]:
    """Tags in the order of `tag_ids`."""
    return [TagRow(*row) for row in await tx.fetch(LIST_TAGS, reader_id, tag_ids)]


LIST_TAG_IDS = """
    SELECT name, id FROM tags WHERE name = ANY ($1::text[])
"""


async def list_tag_ids_by_name(tx: Tx, names: list[str]) -> dict[str, int]:
    """Ids of the tags that exist, by normalised name."""
    return {row["name"]: row["id"] for row in await tx.fetch(LIST_TAG_IDS, names)}


INSERT_TAG = """
    INSERT INTO tags (name, display_name) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name
    RETURNING id
"""


async def insert_tag(tx: Tx, name: str, display_name: str) -> int:
    """The id of the tag, made if nobody has used it yet."""
    return int(await tx.fetchval(INSERT_TAG, name, display_name))


class TagDay(msgspec.Struct, frozen=True):
    """Use of a tag on one day."""

    tag_id: int
    day: datetime
    uses: int
    accounts: int


# Plan: the primary key of status_tags from the id of a week ago on, then each status by primary key.
LIST_TAG_DAYS = """
    SELECT st.tag_id, date_trunc('day', s.created_at AT TIME ZONE 'UTC') AS day, count(*) AS uses,
           count(DISTINCT s.account_id) AS accounts
    FROM status_tags st
    JOIN statuses s ON s.id = st.status_id
    WHERE st.tag_id = ANY ($1::bigint[]) AND st.status_id >= $2
      AND s.visibility = 'public' AND s.state = 'published' AND s.deleted_at IS NULL
    GROUP BY st.tag_id, day
"""


async def list_tag_days(tx: Tx, tag_ids: list[int], since_id: int) -> list[TagDay]:
    """How often public posts used the tags, by day (UTC)."""
    return [TagDay(*row) for row in await tx.fetch(LIST_TAG_DAYS, tag_ids, since_id)]


INSERT_TAG_FOLLOW = """
    INSERT INTO tag_follows (account_id, tag_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
DELETE_TAG_FOLLOW = """
    DELETE FROM tag_follows WHERE account_id = $1 AND tag_id = $2
"""
COUNT_TAG_FOLLOWS = """
    SELECT count(*) FROM tag_follows WHERE account_id = $1
"""
# What came for this tag alone leaves the home again.
DELETE_HOME_ROWS_OF_TAG = """
    DELETE FROM home_timeline h
    WHERE h.account_id = $1 AND h.via_tag
      AND EXISTS (SELECT FROM status_tags st WHERE st.tag_id = $2 AND st.status_id = h.status_id)
      AND NOT EXISTS (
          SELECT FROM status_tags st JOIN tag_follows f ON f.tag_id = st.tag_id
          WHERE st.status_id = h.status_id AND f.account_id = $1)
"""


async def insert_tag_follow(tx: Tx, account_id: int, tag_id: int) -> None:
    """Follow a tag."""
    await tx.execute(INSERT_TAG_FOLLOW, account_id, tag_id)


async def delete_tag_follow(tx: Tx, account_id: int, tag_id: int) -> None:
    """Stop following a tag; its posts leave the home."""
    await tx.execute(DELETE_TAG_FOLLOW, account_id, tag_id)
    await tx.execute(DELETE_HOME_ROWS_OF_TAG, account_id, tag_id)


async def count_tag_follows(tx: Tx, account_id: int) -> int:
    """How many tags the member follows."""
    return int(await tx.fetchval(COUNT_TAG_FOLLOWS, account_id))


LIST_TAG_FOLLOWS = """
    SELECT id, tag_id FROM tag_follows
    WHERE account_id = $1 AND id < $2 AND id > $3
    ORDER BY id DESC
    LIMIT $4
"""
LIST_TAG_FOLLOWS_ASCENDING = LIST_TAG_FOLLOWS.replace("id DESC", "id ASC")


async def list_tag_follows(
    tx: Tx, account_id: int, *, below: int, above: int, ascending: bool, limit: int
) -> list[tuple[int, int]]:
    """(id of the follow, id of the tag) of the tags that a member follows."""
    query = LIST_TAG_FOLLOWS_ASCENDING if ascending else LIST_TAG_FOLLOWS
    return [(row["id"], row["tag_id"]) for row in await tx.fetch(query, account_id, below, above, limit)]


INSERT_FEATURED_TAG = """
    INSERT INTO featured_tags (account_id, tag_id) VALUES ($1, $2)
    ON CONFLICT (account_id, tag_id) DO UPDATE SET tag_id = excluded.tag_id
    RETURNING id
"""
DELETE_FEATURED_TAG = """
    DELETE FROM featured_tags WHERE account_id = $1 AND id = $2 RETURNING id
"""
DELETE_FEATURED_TAG_BY_TAG = """
    DELETE FROM featured_tags WHERE account_id = $1 AND tag_id = $2
"""


async def insert_featured_tag(tx: Tx, account_id: int, tag_id: int) -> int:
    """Feature a tag; returns the id of the entry."""
    return int(await tx.fetchval(INSERT_FEATURED_TAG, account_id, tag_id))


async def delete_featured_tag(tx: Tx, account_id: int, featured_id: int) -> bool:
    """Take a featured tag away by its entry; False when there is none."""
    return await tx.fetchval(DELETE_FEATURED_TAG, account_id, featured_id) is not None


async def delete_featured_tag_by_tag(tx: Tx, account_id: int, tag_id: int) -> None:
    """Take a featured tag away by its tag."""
    await tx.execute(DELETE_FEATURED_TAG_BY_TAG, account_id, tag_id)


# Plan: few featured tags; for each, the author's tagged statuses.
LIST_FEATURED_TAGS = """
    SELECT ft.id, ft.account_id, a.username, a.domain, t.display_name AS name, coalesce(used.n, 0) AS statuses_count,
           used.last_at AS last_status_at
    FROM featured_tags ft
    JOIN accounts a ON a.id = ft.account_id
    JOIN tags t ON t.id = ft.tag_id
    LEFT JOIN LATERAL (
        SELECT count(*) AS n, max(s.created_at) AS last_at
        FROM statuses s
        WHERE s.account_id = ft.account_id AND t.name = ANY (s.tags) AND s.visibility IN ('public', 'unlisted')
          AND s.state IN ('published', 'limited') AND s.deleted_at IS NULL
    ) used ON true
    WHERE ft.account_id = $1 AND ($2::bigint IS NULL OR ft.id = $2)
    ORDER BY used.n DESC, ft.id
"""


async def list_featured_tags(tx: Tx, account_id: int, featured_id: int | None = None) -> list[FeaturedTagView]:
    """The tags on an account's profile (or one of them), most used first."""
    return [FeaturedTagView(**row) for row in await tx.fetch(LIST_FEATURED_TAGS, account_id, featured_id)]


# Plan: statuses_account of the author's newest 500 posts.
LIST_TAG_SUGGESTIONS = """
    SELECT t.id
    FROM (SELECT unnest(tags) AS name FROM (
        SELECT tags FROM statuses
        WHERE account_id = $1 AND state = 'published' AND deleted_at IS NULL AND visibility IN ('public', 'unlisted')
        ORDER BY id DESC LIMIT 500) recent) used
    JOIN tags t ON t.name = used.name
    WHERE NOT EXISTS (SELECT FROM featured_tags f WHERE f.account_id = $1 AND f.tag_id = t.id)
    GROUP BY t.id
    ORDER BY count(*) DESC, t.id
    LIMIT $2
"""


async def list_tag_suggestions(tx: Tx, account_id: int, limit: int) -> list[int]:
    """Tags that the member uses most and does not feature."""
    return [row["id"] for row in await tx.fetch(LIST_TAG_SUGGESTIONS, account_id, limit)]
