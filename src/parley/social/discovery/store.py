"""SQL of search and trends. What was typed is data alone: words go through websearch_to_tsquery, names by LIKE with
escapes. What is found is read again by the statuses room, which shows only what the viewer may see.
"""

from __future__ import annotations

from parley.kit.db import Tx
from parley.social.discovery.query import SearchQuery
from parley.social.discovery.views import FoundTag

# The words of a status: what was typed, its warning, descriptions of its media, choices of its poll.
UPSERT_WORDS = """
    INSERT INTO status_search AS known (status_id, account_id, words)
    SELECT s.id, s.account_id,
           to_tsvector('simple', left(concat_ws(' ', s.spoiler_text, s.text,
               (SELECT string_agg(m.description, ' ') FROM media m WHERE m.id = ANY (s.media_ids)),
               (SELECT array_to_string(p.options, ' ') FROM polls p WHERE p.id = s.poll_id)), 100000))
    FROM statuses s
    WHERE s.id = $1 AND s.reblog_of_id IS NULL AND s.state IN ('published', 'limited') AND s.deleted_at IS NULL
    ON CONFLICT (status_id) DO UPDATE SET words = excluded.words
"""
DELETE_WORDS = """
    DELETE FROM status_search WHERE status_id = $1
"""


async def upsert_words(tx: Tx, status_id: int) -> None:
    """Make the words of a published status findable; boosts have none."""
    await tx.execute(UPSERT_WORDS, status_id)


async def delete_words(tx: Tx, status_id: int) -> None:
    """Forget the words of a status."""
    await tx.execute(DELETE_WORDS, status_id)


# Plan: status_search_words (or status_search_account for from:) gives the newest 2,000 matches, so that a word which is
# everywhere costs no more than a rare one; of these, in order and until the page is full, each status and author by
# primary key. Who finds what: one's own posts, those one was addressed in or kept, and public ones whose author agreed.
_FOUND = """
    WITH hidden AS MATERIALIZED (
        SELECT target_id AS id FROM blocks WHERE account_id = $1
        UNION ALL SELECT account_id FROM blocks WHERE target_id = $1
        UNION ALL SELECT target_id FROM mutes WHERE account_id = $1 AND (expires_at IS NULL OR expires_at > now())
    ), matches AS MATERIALIZED (
        SELECT ss.status_id
        FROM status_search ss
        WHERE /*words*/ AND ($5::bigint IS NULL OR ss.account_id = $5)
        ORDER BY ss.status_id DESC
        LIMIT 2000
    )
    SELECT matches.status_id AS id
    FROM matches
    CROSS JOIN LATERAL (SELECT * FROM statuses s WHERE s.id = matches.status_id OFFSET 0) s
    CROSS JOIN LATERAL (SELECT * FROM accounts a WHERE a.id = s.account_id OFFSET 0) a
    WHERE ($6::text IS NULL OR s.language = $6 OR s.language LIKE $6 || '-%')
      AND s.state IN ('published', 'limited') AND s.deleted_at IS NULL AND s.reblog_of_id IS NULL
      AND a.state IN ('active', 'limited')
      AND s.account_id NOT IN (SELECT id FROM hidden)
      AND NOT EXISTS (SELECT FROM account_domain_blocks d WHERE d.account_id = $1 AND d.domain = a.domain)
      AND ((NOT $7 AND s.visibility = 'public' AND s.state = 'published' AND a.indexable AND a.state = 'active')
           OR (NOT $8 AND $1 <> 0 AND (
               s.account_id = $1 OR $1 = ANY (s.mentioned_ids)
               OR EXISTS (SELECT FROM favourites f WHERE f.account_id = $1 AND f.status_id = s.id)
               OR EXISTS (SELECT FROM bookmarks b WHERE b.account_id = $1 AND b.status_id = s.id)
               OR EXISTS (
                   SELECT FROM statuses r
                   WHERE r.reblog_of_id = s.id AND r.account_id = $1 AND r.deleted_at IS NULL))))
      AND NOT EXISTS (
          SELECT FROM unnest($9::text[], $10::boolean[]) asked (mark, wanted)
          WHERE asked.wanted IS DISTINCT FROM CASE asked.mark
              WHEN 'media' THEN s.media_ids <> '{}'
              WHEN 'image' THEN EXISTS (
                  SELECT FROM media m WHERE m.id = ANY (s.media_ids) AND m.type IN ('image', 'gifv'))
              WHEN 'video' THEN EXISTS (
                  SELECT FROM media m WHERE m.id = ANY (s.media_ids) AND m.type IN ('video', 'gifv'))
              WHEN 'audio' THEN EXISTS (SELECT FROM media m WHERE m.id = ANY (s.media_ids) AND m.type = 'audio')
              WHEN 'poll' THEN s.poll_id IS NOT NULL
              WHEN 'link' THEN s.text ~ 'https?://'
              WHEN 'reply' THEN s.in_reply_to_id IS NOT NULL
              WHEN 'sensitive' THEN s.sensitive
          END)
    ORDER BY matches.status_id DESC
    LIMIT $11 OFFSET $12
"""
# "+ 0" keeps the range out of the index scan: of the words' few matches it is a filter, over all statuses a long walk.
LIST_FOUND_STATUSES = _FOUND.replace(
    "/*words*/",
    "ss.words @@ websearch_to_tsquery('simple', $2) AND ss.status_id + 0 < $3 AND ss.status_id + 0 > $4",
)
LIST_FOUND_STATUSES_WITHOUT_WORDS = _FOUND.replace(
    "/*words*/", "$2::text = '' AND ss.status_id < $3 AND ss.status_id > $4"
)


async def list_found_statuses(
    tx: Tx,
    reader_id: int,
    query: SearchQuery,
    *,
    author_id: int | None,
    below: int,
    above: int,
    limit: int,
    offset: int,
) -> list[int]:
    """Ids of matching statuses, newest first. `reader_id` is 0 when signed out."""
    marks = [(mark, True) for mark in sorted(query.wanted)] + [(mark, False) for mark in sorted(query.refused)]
    rows = await tx.fetch(
        LIST_FOUND_STATUSES if query.words else LIST_FOUND_STATUSES_WITHOUT_WORDS,
        reader_id,
        query.words,
        below if query.below is None else min(below, query.below),
        above if query.above is None else max(above, query.above),
        author_id,
        query.language,
        query.library,
        query.public,
        [mark for mark, _ in marks],
        [wanted for _, wanted in marks],
        limit,
        offset,
    )
    return [row["id"] for row in rows]


# Plan: tags_prefix gives at most 200 names that public posts use (others are followed alone, or used in private);
# the use of each since $2 is counted in the primary key of status_tags.
LIST_FOUND_TAGS = """
    SELECT found.id, found.display_name AS name
    FROM (
        SELECT t.id, t.name, t.display_name FROM tags t
        WHERE t.name LIKE replace(replace(replace($1, '\\', '\\\\'), '%', '\\%'), '_', '\\_') || '%'
          AND EXISTS (
              SELECT FROM status_tags st JOIN statuses s ON s.id = st.status_id
              WHERE st.tag_id = t.id AND s.visibility = 'public' AND s.state = 'published' AND s.deleted_at IS NULL)
        ORDER BY t.name LIMIT 200
    ) found
    ORDER BY found.name = $1 DESC,
             (SELECT count(*) FROM status_tags st WHERE st.tag_id = found.id AND st.status_id > $2) DESC, found.name
    LIMIT $3 OFFSET $4
"""


async def list_found_tags(tx: Tx, folded: str, *, since_id: int, limit: int, offset: int) -> list[FoundTag]:
    """Tags that begin with `folded`: the very one first, then the most used since `since_id`."""
    return [FoundTag(*row) for row in await tx.fetch(LIST_FOUND_TAGS, folded, since_id, limit, offset)]


GET_STATUS_ID_BY_URI = """
    SELECT id FROM statuses WHERE uri = $1
"""
GET_ACCOUNT_ID_BY_URI = """
    SELECT id FROM accounts WHERE uri = $1
"""


async def get_status_id_by_uri(tx: Tx, uri: str) -> int | None:
    """The status that has this permanent identifier."""
    found: int | None = await tx.fetchval(GET_STATUS_ID_BY_URI, uri)
    return found


async def get_account_id_by_uri(tx: Tx, uri: str) -> int | None:
    """The account that has this permanent identifier."""
    found: int | None = await tx.fetchval(GET_ACCOUNT_ID_BY_URI, uri)
    return found


# Plan: statuses_public backwards over the window, status_tags_status of each. Tags that at least two people used count;
# one person alone cannot make a trend.
LIST_TREND_TAGS = """
    SELECT t.id
    FROM statuses s
    JOIN accounts a ON a.id = s.account_id AND a.state = 'active' AND a.discoverable
    JOIN status_tags st ON st.status_id = s.id
    JOIN tags t ON t.id = st.tag_id
    WHERE s.visibility = 'public' AND s.state = 'published' AND s.reblog_of_id IS NULL AND s.deleted_at IS NULL
      AND NOT s.local_only AND s.id > $1
    GROUP BY t.id
    HAVING count(DISTINCT s.account_id) >= $2
    ORDER BY count(DISTINCT s.account_id) DESC, count(*) DESC, t.id
    LIMIT $3 OFFSET $4
"""


async def list_trend_tags(tx: Tx, *, since_id: int, people: int, limit: int, offset: int) -> list[int]:
    """Tags that at least `people` accounts used in public since `since_id`, the most used first."""
    return [row["id"] for row in await tx.fetch(LIST_TREND_TAGS, since_id, people, limit, offset)]


# Plan: statuses_public backwards over the window; counters and authors by primary key.
LIST_TREND_STATUSES = """
    SELECT s.id
    FROM statuses s
    JOIN accounts a ON a.id = s.account_id AND a.state = 'active' AND a.discoverable
    JOIN status_stats st ON st.status_id = s.id
    WHERE s.visibility = 'public' AND s.state = 'published' AND s.reblog_of_id IS NULL AND s.deleted_at IS NULL
      AND NOT s.local_only AND NOT s.sensitive AND s.spoiler_text = '' AND s.in_reply_to_id IS NULL AND s.id > $1
      AND st.reblogs_count + st.favourites_count >= $2
    ORDER BY (st.reblogs_count * 2 + st.favourites_count)
             / power(1 + extract(epoch FROM now() - s.created_at) / 7200, 1.2) DESC, s.id DESC
    LIMIT $3 OFFSET $4
"""


async def list_trend_statuses(tx: Tx, *, since_id: int, marks: int, limit: int, offset: int) -> list[int]:
    """Public posts since `since_id` with at least `marks` boosts and favourites; these weigh less as they age."""
    return [row["id"] for row in await tx.fetch(LIST_TREND_STATUSES, since_id, marks, limit, offset)]
