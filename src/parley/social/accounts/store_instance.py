"""What the table of accounts says of the instance as a whole. No rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx

COUNT_INSTANCE = """
    SELECT count(*), coalesce(sum(s.statuses_count), 0)::bigint,
           count(*) FILTER (WHERE s.last_status_at > $1), count(*) FILTER (WHERE s.last_status_at > $2)
    FROM accounts a JOIN account_stats s ON s.account_id = a.id
    WHERE a.domain IS NULL AND a.state IN ('active', 'limited')
"""


async def count_local(tx: Tx, month_ago: datetime, half_year_ago: datetime) -> tuple[int, int, int, int]:
    """Members, their statuses, and how many of them posted since each of the two times."""
    row = await tx.fetchrow(COUNT_INSTANCE, month_ago, half_year_ago)
    return (row[0], row[1], row[2], row[3]) if row else (0, 0, 0, 0)


LIST_STAFF_IDS = """
    SELECT id FROM accounts WHERE role <> 'member' AND domain IS NULL ORDER BY id LIMIT 100
"""


async def list_staff_ids(tx: Tx) -> list[int]:
    """Who moderates or runs the instance, those who came first first."""
    return [row[0] for row in await tx.fetch(LIST_STAFF_IDS)]


# Jumps from one domain to the next in the index instead of reading every account.
LIST_DOMAINS = """
    WITH RECURSIVE step AS (
        (SELECT domain FROM accounts WHERE domain IS NOT NULL ORDER BY domain LIMIT 1)
        UNION ALL
        SELECT (SELECT a.domain FROM accounts a WHERE a.domain > step.domain ORDER BY a.domain LIMIT 1)
        FROM step WHERE step.domain IS NOT NULL
    )
    SELECT domain FROM step WHERE domain IS NOT NULL
"""


async def list_domains(tx: Tx) -> list[str]:
    """Every other domain that accounts are known from."""
    return [row[0] for row in await tx.fetch(LIST_DOMAINS)]


# Plan: the partial index accounts_waiting, and of each the revision that waits by its key.
COUNT_WAITING_PROFILES = """
    SELECT count(*), min(p.created_at)
    FROM accounts a JOIN profile_revisions p ON p.account_id = a.id AND p.revision = a.held_revision
    WHERE a.held_revision IS NOT NULL AND a.state <> 'deleted'
"""


async def count_waiting_profiles(tx: Tx) -> tuple[int, datetime | None]:
    """How many profiles wait for a decision, and since when the oldest does."""
    row = await tx.fetchrow(COUNT_WAITING_PROFILES)
    assert row is not None
    return int(row[0]), row[1]
