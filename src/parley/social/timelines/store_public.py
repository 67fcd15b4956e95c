"""SQL of the public, tag and list timelines and of direct messages: ids only, each query with its plan.

It joins across rooms so that whatever was removed, blocked or muted is out of the page at once.
"""

from __future__ import annotations

from parley.kit.db import Tx

# $1 reader (0: signed out), $2 below, $3 above, $4 limit, $5 local, $6 remote, $7 only media
# Plan: statuses_public backwards until the page is full; each author by primary key; blocks and mutes hashed once.
LIST_PUBLIC = """
    WITH hidden AS MATERIALIZED (SELECT id FROM hidden_accounts($1))
    SELECT s.id
    FROM statuses s
    JOIN accounts a ON a.id = s.account_id
    WHERE s.visibility = 'public' AND s.state = 'published' AND s.reblog_of_id IS NULL AND s.deleted_at IS NULL
      AND s.id < $2 AND s.id > $3
      AND (s.in_reply_to_id IS NULL OR s.in_reply_to_account_id = s.account_id)
      AND a.state = 'active'
      AND (NOT $5 OR a.domain IS NULL) AND (NOT $6 OR a.domain IS NOT NULL)
      AND (NOT $7 OR s.media_ids <> '{}')
      AND (NOT s.local_only OR $1 <> 0)
      AND s.account_id NOT IN (SELECT id FROM hidden)
      AND NOT EXISTS (SELECT FROM account_domain_blocks d WHERE d.account_id = $1 AND d.domain = a.domain)
    ORDER BY s.id DESC
    LIMIT $4
"""
LIST_PUBLIC_ASCENDING = LIST_PUBLIC.replace("s.id DESC", "s.id ASC")


async def list_public_ids(
    tx: Tx,
    reader_id: int,
    *,
    below: int,
    above: int,
    ascending: bool,
    limit: int,
    local: bool,
    remote: bool,
    only_media: bool,
) -> list[int]:
    """Public originals, newest first (or, ascending, oldest first)."""
    query = LIST_PUBLIC_ASCENDING if ascending else LIST_PUBLIC
    rows = await tx.fetch(query, reader_id, below, above, limit, local, remote, only_media)
    return [row["id"] for row in rows]


# $8 any of these tags, $9 all of these, $10 none of these (ids).
# Plan: for each of the few tags, the primary key of status_tags backwards until the page is full; then a merge.
LIST_TAG = """
    WITH hidden AS MATERIALIZED (SELECT id FROM hidden_accounts($1))
    SELECT DISTINCT found.id
    FROM unnest($8::bigint[]) wanted (tag_id)
    CROSS JOIN LATERAL (
        SELECT s.id
        FROM status_tags st
        JOIN statuses s ON s.id = st.status_id
        JOIN accounts a ON a.id = s.account_id
        WHERE st.tag_id = wanted.tag_id AND st.status_id < $2 AND st.status_id > $3
          AND s.visibility = 'public' AND s.state = 'published' AND s.reblog_of_id IS NULL AND s.deleted_at IS NULL
          AND a.state = 'active'
          AND (NOT $5 OR a.domain IS NULL) AND (NOT $6 OR a.domain IS NOT NULL)
          AND (NOT $7 OR s.media_ids <> '{}')
          AND (NOT s.local_only OR $1 <> 0)
          AND s.account_id NOT IN (SELECT id FROM hidden)
          AND NOT EXISTS (SELECT FROM account_domain_blocks d WHERE d.account_id = $1 AND d.domain = a.domain)
          AND NOT EXISTS (
              SELECT FROM unnest($9::bigint[]) need (tag_id)
              WHERE NOT EXISTS (SELECT FROM status_tags x WHERE x.tag_id = need.tag_id AND x.status_id = s.id))
          AND NOT EXISTS (SELECT FROM status_tags x WHERE x.tag_id = ANY ($10::bigint[]) AND x.status_id = s.id)
        ORDER BY st.status_id DESC
        LIMIT $4
    ) found
    ORDER BY found.id DESC
    LIMIT $4
"""
LIST_TAG_ASCENDING = LIST_TAG.replace("id DESC", "id ASC")


async def list_tag_ids(
    tx: Tx,
    reader_id: int,
    *,
    below: int,
    above: int,
    ascending: bool,
    limit: int,
    local: bool,
    remote: bool,
    only_media: bool,
    any_ids: list[int],
    all_ids: list[int],
    none_ids: list[int],
) -> list[int]:
    """Public originals with one of `any_ids`, every one of `all_ids` and none of `none_ids`."""
    query = LIST_TAG_ASCENDING if ascending else LIST_TAG
    rows = await tx.fetch(query, reader_id, below, above, limit, local, remote, only_media, any_ids, all_ids, none_ids)
    return [row["id"] for row in rows]


# $5 the list, $6 its replies policy.
# Plan: list_accounts of the list; for each member, statuses_account backwards until the page is full; then a merge.
LIST_LIST = """
    WITH hidden AS MATERIALIZED (SELECT id FROM hidden_accounts($1))
    SELECT found.id
    FROM list_accounts la
    CROSS JOIN LATERAL (
        SELECT s.id
        FROM statuses s
        LEFT JOIN statuses o ON o.id = s.reblog_of_id
        LEFT JOIN follows f ON f.account_id = $1 AND f.target_id = la.account_id
        WHERE s.account_id = la.account_id AND s.id < $2 AND s.id > $3
          AND (f.account_id IS NOT NULL OR la.account_id = $1)
          AND s.state IN ('published', 'limited') AND s.deleted_at IS NULL
          AND (s.visibility <> 'direct' OR $1 = ANY (s.mentioned_ids))
          AND (s.reblog_of_id IS NULL OR (
              coalesce(f.show_reblogs, true)
              AND o.state IN ('published', 'limited') AND o.deleted_at IS NULL
              AND (o.visibility IN ('public', 'unlisted') OR o.account_id = s.account_id)
              AND o.account_id NOT IN (SELECT id FROM hidden)))
          AND (s.in_reply_to_account_id IS NULL OR s.in_reply_to_account_id IN (s.account_id, $1)
               OR ($6 = 'list' AND EXISTS (
                   SELECT FROM list_accounts x WHERE x.list_id = $5 AND x.account_id = s.in_reply_to_account_id))
               OR ($6 = 'followed' AND EXISTS (
                   SELECT FROM follows g WHERE g.account_id = $1 AND g.target_id = s.in_reply_to_account_id)))
          AND (s.in_reply_to_account_id IS NULL OR s.in_reply_to_account_id = s.account_id OR $6 <> 'none')
        ORDER BY s.id DESC
        LIMIT $4
    ) found
    WHERE la.list_id = $5 AND la.account_id NOT IN (SELECT id FROM hidden)
    ORDER BY found.id DESC
    LIMIT $4
"""
LIST_LIST_ASCENDING = LIST_LIST.replace("id DESC", "id ASC")


async def list_list_ids(
    tx: Tx,
    reader_id: int,
    list_id: int,
    *,
    below: int,
    above: int,
    ascending: bool,
    limit: int,
    replies_policy: str,
) -> list[int]:
    """What the members of a list wrote and boosted, as its owner may see it."""
    query = LIST_LIST_ASCENDING if ascending else LIST_LIST
    rows = await tx.fetch(query, reader_id, below, above, limit, list_id, replies_policy)
    return [row["id"] for row in rows]


# Plan: account_conversations_recent, then statuses_conversation. Deprecated timeline of direct messages.
LIST_DIRECT = """
    SELECT s.id
    FROM statuses s
    WHERE s.conversation_id IN (SELECT conversation_id FROM account_conversations WHERE account_id = $1)
      AND s.id < $2 AND s.id > $3 AND s.visibility = 'direct' AND s.state = 'published' AND s.deleted_at IS NULL
      AND (s.account_id = $1 OR $1 = ANY (s.mentioned_ids))
      AND s.account_id NOT IN (SELECT id FROM hidden_accounts($1))
    ORDER BY s.id DESC
    LIMIT $4
"""
LIST_DIRECT_ASCENDING = LIST_DIRECT.replace("s.id DESC", "s.id ASC")


async def list_direct_ids(tx: Tx, reader_id: int, *, below: int, above: int, ascending: bool, limit: int) -> list[int]:
    """Direct messages to and by the reader."""
    query = LIST_DIRECT_ASCENDING if ascending else LIST_DIRECT
    return [row["id"] for row in await tx.fetch(query, reader_id, below, above, limit)]
