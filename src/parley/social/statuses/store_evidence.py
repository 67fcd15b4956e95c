"""What belongs to statuses that are kept as evidence: threads, results of screening. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class ContextRow(msgspec.Struct, frozen=True):
    """A status that another one stands in connection with: parent (`depth` answers above), reply (`depth` counts them),
    quoted or boosted."""

    subject_id: int
    relation: str
    depth: int
    id: int


# Plan: by primary keys, one step up for each answer; the depth bounds it. Answers below by statuses_reply: the first
# ones, which stay the same however many come. What others said to each other alone is not part of it.
LIST_CONTEXTS = """
    WITH RECURSIVE asked AS MATERIALIZED (
        SELECT id, in_reply_to_id, quote_of_id, reblog_of_id, visibility FROM statuses WHERE id = ANY($1::bigint[])
    ), above AS (
        SELECT id AS subject_id, in_reply_to_id AS id, 1 AS depth FROM asked WHERE in_reply_to_id IS NOT NULL
        UNION ALL
        SELECT a.subject_id, s.in_reply_to_id, a.depth + 1
        FROM above a JOIN statuses s ON s.id = a.id
        WHERE s.in_reply_to_id IS NOT NULL AND a.depth < $2
    )
    SELECT subject_id, 'parent', depth, id FROM above
    UNION ALL
    SELECT asked.id, 'reply', b.place, b.id FROM asked CROSS JOIN LATERAL (
        SELECT s.id, row_number() OVER (ORDER BY s.id)::integer AS place FROM statuses s
        WHERE s.in_reply_to_id = asked.id AND s.reblog_of_id IS NULL
          AND (s.visibility <> 'direct' OR asked.visibility = 'direct')
        ORDER BY s.id LIMIT $3) b
    UNION ALL SELECT id, 'quoted', 0, quote_of_id FROM asked WHERE quote_of_id IS NOT NULL
    UNION ALL SELECT id, 'boosted', 0, reblog_of_id FROM asked WHERE reblog_of_id IS NOT NULL
    ORDER BY 1, 2, 3
"""


async def list_contexts(tx: Tx, ids: Sequence[int], most_parents: int, most_replies: int) -> list[ContextRow]:
    """What these statuses answer (the `most_parents` nearest ones each), quote and boost, and the first answers."""
    return [ContextRow(*row) for row in await tx.fetch(LIST_CONTEXTS, ids, most_parents, most_replies)]


LIST_SCREENING_IDS = """
    SELECT r.status_id, r.revision, r.screening_id
    FROM unnest($1::bigint[], $2::integer[]) AS named (status_id, revision)
    JOIN status_revisions r ON r.status_id = named.status_id AND r.revision = named.revision
"""


async def list_screening_ids(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """The newest result of these revisions (status, revision)."""
    rows = await tx.fetch(LIST_SCREENING_IDS, [pair[0] for pair in named], [pair[1] for pair in named])
    return {(row[0], row[1]): row[2] for row in rows}


LIST_RECENT_IDS = """
    SELECT named.id, s.id
    FROM unnest($1::bigint[]) AS named (id) CROSS JOIN LATERAL (
        SELECT s.id FROM statuses s
        WHERE s.account_id = named.id AND s.reblog_of_id IS NULL AND s.visibility <> 'direct'
        ORDER BY s.id DESC LIMIT $2
    ) s
"""


async def list_recent_ids(tx: Tx, account_ids: Sequence[int], most: int) -> dict[int, list[int]]:
    """The newest statuses of accounts, messages left out, newest first, whatever their state."""
    found: dict[int, list[int]] = {}
    for account_id, status_id in await tx.fetch(LIST_RECENT_IDS, account_ids, most):
        found.setdefault(account_id, []).append(status_id)
    return found


LIST_CONVERSATION_IDS = """
    SELECT conversation_id, id FROM (
        SELECT conversation_id, id, row_number() OVER (PARTITION BY conversation_id ORDER BY id DESC) AS place
        FROM statuses WHERE conversation_id = ANY($1::bigint[]) AND reblog_of_id IS NULL
    ) numbered
    WHERE place <= $2 ORDER BY conversation_id, id
"""


async def list_conversation_ids(tx: Tx, conversation_ids: Sequence[int], most: int) -> dict[int, list[int]]:
    """The newest statuses of conversations, oldest first, whatever their state."""
    found: dict[int, list[int]] = {}
    for conversation_id, status_id in await tx.fetch(LIST_CONVERSATION_IDS, conversation_ids, most):
        found.setdefault(conversation_id, []).append(status_id)
    return found


LIST_ACCOUNT_IDS = """
    SELECT id FROM statuses WHERE account_id = $1 AND reblog_of_id IS NULL AND id > $2 ORDER BY id LIMIT $3
"""


async def list_account_ids(tx: Tx, account_id: int, after_id: int, limit: int) -> list[int]:
    """Everything that an account wrote, in pages by id, whatever its state."""
    return [row[0] for row in await tx.fetch(LIST_ACCOUNT_IDS, account_id, after_id, limit)]


HAS_PART_IN = """
    SELECT EXISTS (SELECT FROM statuses WHERE conversation_id = $1 AND account_id = $2 AND reblog_of_id IS NULL)
"""


async def has_part_in(tx: Tx, conversation_id: int, account_id: int) -> bool:
    """Whether the account wrote anything in a conversation, whatever became of it."""
    return bool(await tx.fetchval(HAS_PART_IN, conversation_id, account_id))
