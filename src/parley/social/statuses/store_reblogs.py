"""Boosts as rows: insert, find, delete. No rule lives here."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx

INSERT_REBLOG = """
    INSERT INTO statuses
        (id, account_id, conversation_id, reblog_of_id, visibility, state, local_only, app_id, created_at)
    VALUES ($1, $2, $1, $3, $4, 'published', $5, $6, $7)
    ON CONFLICT (reblog_of_id, account_id) WHERE reblog_of_id IS NOT NULL AND deleted_at IS NULL DO NOTHING
    RETURNING id
"""
GET_REBLOG = """SELECT id FROM statuses WHERE reblog_of_id = $2 AND account_id = $1 AND deleted_at IS NULL"""
DELETE_REBLOG = """DELETE FROM statuses WHERE reblog_of_id = $2 AND account_id = $1 RETURNING id"""


async def insert_reblog(
    tx: Tx,
    reblog_id: int,
    account_id: int,
    original_id: int,
    visibility: str,
    local_only: bool,
    app_id: int | None,
    moment: datetime,
) -> bool:
    """A boost; False when the account has boosted it already."""
    values = (reblog_id, account_id, original_id, visibility, local_only, app_id, moment)
    return await tx.fetchval(INSERT_REBLOG, *values) is not None


async def get_reblog_id(tx: Tx, account_id: int, original_id: int) -> int | None:
    """The id of an account's boost of a status."""
    found: int | None = await tx.fetchval(GET_REBLOG, account_id, original_id)
    return found


async def delete_reblog(tx: Tx, account_id: int, original_id: int) -> int | None:
    """Take a boost back; its id, or None when there was none."""
    deleted: int | None = await tx.fetchval(DELETE_REBLOG, account_id, original_id)
    return deleted


DELETE_REBLOGS_OF = """
    DELETE FROM statuses WHERE id IN (SELECT id FROM statuses WHERE reblog_of_id = $1 LIMIT $2)
    RETURNING account_id
"""


async def delete_reblogs_of(tx: Tx, original_id: int, limit: int) -> list[int]:
    """Remove up to `limit` boosts of a status; who had boosted it."""
    return [row[0] for row in await tx.fetch(DELETE_REBLOGS_OF, original_id, limit)]
