"""The table of counted tries, rate_limits. No rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx

UPSERT_TRY = """
    INSERT INTO rate_limits (bucket, window_start, tries) VALUES ($1, $2, $3)
    ON CONFLICT (bucket, window_start) DO UPDATE SET tries = rate_limits.tries + $3
    RETURNING tries
"""


async def upsert_try(tx: Tx, bucket: str, window_start: datetime, weight: int = 1) -> int:
    """Count a try (or one that counts as so many) in the window; returns how many there were, this one included."""
    return int(await tx.fetchval(UPSERT_TRY, bucket, window_start, weight))


GET_TRIES = """SELECT coalesce(max(tries), 0) FROM rate_limits WHERE bucket = $1 AND window_start = $2"""


async def get_tries(tx: Tx, bucket: str, window_start: datetime) -> int:
    """How many tries there were in the window."""
    return int(await tx.fetchval(GET_TRIES, bucket, window_start))


DELETE_OLD_TRIES = """DELETE FROM rate_limits WHERE window_start < $1"""


async def delete_old_tries(tx: Tx, before: datetime) -> None:
    """Forget windows that began before `before`."""
    await tx.execute(DELETE_OLD_TRIES, before)
