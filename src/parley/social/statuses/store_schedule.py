"""Statuses that wait for their time, and the keys by which a client's second try is known. No rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction

CLAIM_KEY = """
    INSERT INTO idempotency_keys (account_id, key) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true
"""
GET_KEY = """SELECT status_id, scheduled_status_id FROM idempotency_keys WHERE account_id = $1 AND key = $2"""
SET_KEY = """
    UPDATE idempotency_keys SET status_id = $3, scheduled_status_id = $4 WHERE account_id = $1 AND key = $2
"""
DELETE_OLD_KEYS = """DELETE FROM idempotency_keys WHERE created_at < $1"""


class KeyRow(msgspec.Struct, frozen=True):
    """What a key was used for."""

    status_id: int | None
    scheduled_status_id: int | None


async def insert_key(tx: Tx, account_id: int, key: str) -> KeyRow | None:
    """Claim a key; None when it is ours now. Waits for another transaction that claims the same key."""
    if await tx.fetchval(CLAIM_KEY, account_id, key):
        return None
    row = await tx.fetchrow(GET_KEY, account_id, key)
    return KeyRow(*row) if row else KeyRow(None, None)


async def update_key(tx: Tx, account_id: int, key: str, status_id: int | None, scheduled_status_id: int | None) -> None:
    """Note what the key's request made."""
    await tx.execute(SET_KEY, account_id, key, status_id, scheduled_status_id)


async def delete_old_keys(tx: Tx, before: datetime) -> None:
    """Forget keys that are older."""
    await tx.execute(DELETE_OLD_KEYS, before)


class ScheduledRow(msgspec.Struct, frozen=True):
    """A status that waits."""

    id: int
    account_id: int
    scheduled_at: datetime
    params: dict[str, Any]
    app_id: int | None
    media_ids: list[int]
    failed_at: datetime | None
    error: str | None


INSERT_SCHEDULED = """
    INSERT INTO scheduled_statuses (id, account_id, scheduled_at, params, app_id, media_ids)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert_scheduled(
    tx: Tx,
    scheduled_id: int,
    account_id: int,
    scheduled_at: datetime,
    params: Any,
    app_id: int | None,
    media_ids: list[int],
) -> None:
    """Keep a status for later; `params` is a NewStatus."""
    await tx.execute(INSERT_SCHEDULED, scheduled_id, account_id, scheduled_at, params, app_id, media_ids)


COUNT_SCHEDULED = """SELECT count(*) FROM scheduled_statuses WHERE account_id = $1 AND failed_at IS NULL"""


async def count_scheduled(tx: Tx, account_id: int) -> int:
    """How many statuses of an account wait."""
    return int(await tx.fetchval(COUNT_SCHEDULED, account_id))


GET_SCHEDULED = """
    SELECT id, account_id, scheduled_at, params, app_id, media_ids, failed_at, error
    FROM scheduled_statuses WHERE id = $2 AND account_id = $1
"""


async def get_scheduled(tx: Tx, account_id: int, scheduled_id: int) -> ScheduledRow | None:
    """One of the account's own."""
    row = await tx.fetchrow(GET_SCHEDULED, account_id, scheduled_id)
    return ScheduledRow(*row) if row else None


LIST_SCHEDULED = """
    SELECT id, account_id, scheduled_at, params, app_id, media_ids, failed_at, error
    FROM scheduled_statuses WHERE account_id = $1 AND id < $2 AND id > $3 ORDER BY id DESC LIMIT $4
"""


async def list_scheduled(tx: Tx, account_id: int, page: Page) -> list[ScheduledRow]:
    """The account's own, newest first."""
    query = in_direction(LIST_SCHEDULED, page)
    rows = [ScheduledRow(*row) for row in await tx.fetch(query, account_id, page.below, page.above, page.limit)]
    return rows[::-1] if page.ascending else rows


UPDATE_SCHEDULED = """
    UPDATE scheduled_statuses SET scheduled_at = $3, failed_at = NULL, error = NULL
    WHERE id = $2 AND account_id = $1 RETURNING id
"""


async def update_scheduled(tx: Tx, account_id: int, scheduled_id: int, scheduled_at: datetime) -> bool:
    """Another time; False when there is no such status."""
    return await tx.fetchval(UPDATE_SCHEDULED, account_id, scheduled_id, scheduled_at) is not None


DELETE_SCHEDULED = """DELETE FROM scheduled_statuses WHERE id = $2 AND account_id = $1 RETURNING id"""


async def delete_scheduled(tx: Tx, account_id: int, scheduled_id: int) -> bool:
    """Drop it; False when there is no such status."""
    return await tx.fetchval(DELETE_SCHEDULED, account_id, scheduled_id) is not None


GET_DUE = """
    SELECT id, account_id, scheduled_at, params, app_id, media_ids, failed_at, error
    FROM scheduled_statuses WHERE scheduled_at <= $1 AND failed_at IS NULL AND NOT id = ANY($2::bigint[])
    ORDER BY scheduled_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""


async def get_due_locked(tx: Tx, moment: datetime, without: list[int]) -> ScheduledRow | None:
    """The status whose time came first, locked; None when none is due."""
    row = await tx.fetchrow(GET_DUE, moment, without)
    return ScheduledRow(*row) if row else None


UPDATE_FAILED = """UPDATE scheduled_statuses SET failed_at = $2, error = $3 WHERE id = $1"""


async def update_failed(tx: Tx, scheduled_id: int, moment: datetime, error: str) -> None:
    """Note why it could not be posted."""
    await tx.execute(UPDATE_FAILED, scheduled_id, moment, error)
