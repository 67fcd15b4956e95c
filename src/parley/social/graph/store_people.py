"""The tables of notes, endorsements and dismissed suggestions, and who knows whom. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction
from parley.social.graph.store import EdgeRow, edges

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
