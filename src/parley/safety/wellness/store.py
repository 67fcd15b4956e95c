"""The table of moderators' wishes, and what they worked on lately. SQL only."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class WishRow(msgspec.Struct, frozen=True):
    """What one moderator wishes."""

    no_severe_until: datetime | None
    severe_per_day: int | None
    unblurred: bool


GET_WISHES = """SELECT no_severe_until, severe_per_day, unblurred FROM moderator_wellness WHERE account_id = $1"""


async def get_wishes(tx: Tx, account_id: int) -> WishRow | None:
    """What a moderator wishes."""
    row = await tx.fetchrow(GET_WISHES, account_id)
    return WishRow(*row) if row else None


UPSERT_WISHES = """
    INSERT INTO moderator_wellness (account_id, no_severe_until, severe_per_day, unblurred) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id) DO UPDATE SET no_severe_until = excluded.no_severe_until,
        severe_per_day = excluded.severe_per_day, unblurred = excluded.unblurred
"""


async def upsert_wishes(tx: Tx, account_id: int, row: WishRow) -> None:
    """Keep what a moderator wishes."""
    await tx.execute(UPSERT_WISHES, account_id, row.no_severe_until, row.severe_per_day, row.unblurred)


class WorkRow(msgspec.Struct, frozen=True):
    """One thing that a moderator did in a case."""

    type: str
    case_id: int
    severity: int
    at: datetime


# By the index of actors; the time is in the id (see kit/ids.py).
LIST_WORK = """
    SELECT e.type, e.case_id, c.severity, (e.body::jsonb ->> 'at')::timestamptz
    FROM moderation_events e JOIN cases c ON c.id = e.case_id
    WHERE e.actor_type = 'human' AND e.actor_id = $1 AND e.id >= $2 AND e.type IN ('case_claimed', 'decision_made')
    ORDER BY e.id LIMIT 5000
"""


async def list_work(tx: Tx, account_id: int, since_id: int) -> list[WorkRow]:
    """What a moderator claimed and decided since an id, in order."""
    return [WorkRow(*row) for row in await tx.fetch(LIST_WORK, account_id, since_id)]


class LoadRow(msgspec.Struct, frozen=True):
    """What one member of the staff did since a moment."""

    account_id: int
    username: str
    decisions: int
    severe: int
    cases: int
    first: datetime | None
    last: datetime | None


LIST_LOADS = """
    SELECT a.id, a.username, count(e.id) FILTER (WHERE e.type = 'decision_made'),
           count(DISTINCT e.case_id) FILTER (WHERE c.severity <= $2), count(DISTINCT e.case_id),
           min((e.body::jsonb ->> 'at')::timestamptz), max((e.body::jsonb ->> 'at')::timestamptz)
    FROM accounts a
    LEFT JOIN moderation_events e ON e.actor_type = 'human' AND e.actor_id = a.id AND e.id >= $1
        AND e.type IN ('case_claimed', 'decision_made')
    LEFT JOIN cases c ON c.id = e.case_id
    WHERE a.role <> 'member' AND a.domain IS NULL
    GROUP BY a.id, a.username ORDER BY count(e.id) DESC, a.id
"""


async def list_loads(tx: Tx, since_id: int, severe: int) -> list[LoadRow]:
    """What everybody of the staff did since an id, the busiest first."""
    return [LoadRow(*row) for row in await tx.fetch(LIST_LOADS, since_id, severe)]
