"""Where statuses stand and how far they went, for the desk: many at once. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class StandingRow(msgspec.Struct, frozen=True):
    """Where a status stands. `revision_state` is that of the revision that was asked for: held until others saw it."""

    id: int
    asked: int
    account_id: int
    state: str
    revision: int
    held_revision: int | None
    visibility: str
    revision_state: str | None


LIST_STANDINGS = """
    SELECT s.id, named.revision, s.account_id, s.state::text, s.revision, s.held_revision, s.visibility::text,
        r.state::text
    FROM unnest($1::bigint[], $2::integer[]) AS named (id, revision)
    JOIN statuses s ON s.id = named.id
    LEFT JOIN status_revisions r ON r.status_id = s.id AND r.revision = named.revision
"""


async def list_standings(tx: Tx, named: Sequence[tuple[int, int]]) -> list[StandingRow]:
    """Where these statuses (id, revision) stand; missing ones are left out."""
    rows = await tx.fetch(LIST_STANDINGS, [one[0] for one in named], [one[1] for one in named])
    return [StandingRow(*row) for row in rows]


class ReachRow(msgspec.Struct, frozen=True):
    """Who may have seen a status; `recent...` since the moment that was asked for."""

    id: int
    state: str
    created_at: datetime
    audience: int
    boosters: int
    recent_boosters: int
    reactions: int
    recent_reactions: int


# Joined across rooms, for reach is followers of whoever showed it. Each part is an index scan of one status: boosts in
# statuses_reblog, answers in statuses_reply, favourites in favourites_status, none further than a thousand rows.
LIST_REACH = """
    SELECT s.id, s.state::text, s.created_at,
        CASE WHEN s.visibility = 'direct' THEN cardinality(s.mentioned_ids)
             ELSE coalesce(author.followers_count, 0) END::bigint,
        coalesce(boosts.followers, 0)::bigint, coalesce(boosts.recent, 0)::bigint,
        (coalesce(t.favourites_count, 0) + coalesce(t.replies_count, 0) + coalesce(t.reblogs_count, 0)
            + coalesce(t.quotes_count, 0))::bigint,
        (SELECT count(*) FROM (SELECT FROM favourites f WHERE f.status_id = s.id AND f.id > $2 LIMIT 1000) newest)
            + (SELECT count(*)
               FROM (SELECT FROM statuses a WHERE a.in_reply_to_id = s.id AND a.id > $2 LIMIT 1000) newest)
    FROM statuses s
    LEFT JOIN account_stats author ON author.account_id = s.account_id
    LEFT JOIN status_stats t ON t.status_id = s.id
    LEFT JOIN LATERAL (
        SELECT sum(f.followers_count) AS followers, sum(f.followers_count) FILTER (WHERE b.id > $2) AS recent
        FROM (SELECT id, account_id FROM statuses
              WHERE reblog_of_id = s.id AND deleted_at IS NULL LIMIT 1000) b
        JOIN account_stats f ON f.account_id = b.account_id) boosts ON true
    WHERE s.id = ANY($1::bigint[])
"""


async def list_reach(tx: Tx, ids: Sequence[int], since_id: int) -> list[ReachRow]:
    """Who may have seen these statuses, and who since an id."""
    return [ReachRow(*row) for row in await tx.fetch(LIST_REACH, list(ids), since_id)]
