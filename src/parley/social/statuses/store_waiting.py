"""How much waits for people. No rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx

# Plan: the partial index statuses_waiting, and of each the revision that waits by its key.
COUNT_WAITING = """
    SELECT count(*), min(r.created_at)
    FROM statuses s
    JOIN status_revisions r ON r.status_id = s.id AND r.revision = coalesce(s.held_revision, s.revision)
    WHERE s.state IN ('held', 'hidden_interim') OR s.held_revision IS NOT NULL
"""


async def count_waiting(tx: Tx) -> tuple[int, datetime | None]:
    """How many statuses wait for a decision, new ones and edits, and since when the oldest does."""
    row = await tx.fetchrow(COUNT_WAITING)
    assert row is not None
    return int(row[0]), row[1]
