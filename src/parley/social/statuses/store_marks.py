"""What members do with statuses: favourites, bookmarks, pins, muted conversations. No rule lives here."""

from __future__ import annotations

from parley.kit.db import Tx

INSERT_FAVOURITE = """
    WITH added AS (
        INSERT INTO favourites (account_id, status_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING status_id
    )
    UPDATE status_stats c SET favourites_count = favourites_count + 1 FROM added WHERE c.status_id = added.status_id
    RETURNING c.status_id
"""
DELETE_FAVOURITE = """
    WITH removed AS (DELETE FROM favourites WHERE account_id = $1 AND status_id = $2 RETURNING status_id)
    UPDATE status_stats c SET favourites_count = greatest(0, favourites_count - 1)
    FROM removed WHERE c.status_id = removed.status_id
    RETURNING c.status_id
"""


async def insert_favourite(tx: Tx, account_id: int, status_id: int) -> bool:
    """A favourite, counted; False when it was there."""
    return await tx.fetchval(INSERT_FAVOURITE, account_id, status_id) is not None


async def delete_favourite(tx: Tx, account_id: int, status_id: int) -> bool:
    """Take it back; False when there was none."""
    return await tx.fetchval(DELETE_FAVOURITE, account_id, status_id) is not None


INSERT_BOOKMARK = """INSERT INTO bookmarks (account_id, status_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"""
DELETE_BOOKMARK = """DELETE FROM bookmarks WHERE account_id = $1 AND status_id = $2"""


async def insert_bookmark(tx: Tx, account_id: int, status_id: int) -> None:
    """A bookmark, private to the account."""
    await tx.execute(INSERT_BOOKMARK, account_id, status_id)


async def delete_bookmark(tx: Tx, account_id: int, status_id: int) -> None:
    """Take it back."""
    await tx.execute(DELETE_BOOKMARK, account_id, status_id)


# The lock on the account's counters serialises the pins of one account, so that the limit holds.
LOCK_PINS = """SELECT pg_advisory_xact_lock(hashtextextended('parley.pins', $1))"""
COUNT_PINS = """
    SELECT count(*) FROM status_pins p JOIN statuses s ON s.id = p.status_id
    WHERE p.account_id = $1 AND p.status_id <> $2 AND s.deleted_at IS NULL
"""
INSERT_PIN = """INSERT INTO status_pins (account_id, status_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"""
DELETE_PIN = """DELETE FROM status_pins WHERE account_id = $1 AND status_id = $2"""


async def count_other_pins(tx: Tx, account_id: int, status_id: int) -> int:
    """How many other statuses the account has pinned; locks its pins until the transaction ends."""
    await tx.execute(LOCK_PINS, account_id)
    return int(await tx.fetchval(COUNT_PINS, account_id, status_id))


async def insert_pin(tx: Tx, account_id: int, status_id: int) -> None:
    """Pin a status to the account's profile."""
    await tx.execute(INSERT_PIN, account_id, status_id)


async def delete_pin(tx: Tx, account_id: int, status_id: int) -> None:
    """Unpin it."""
    await tx.execute(DELETE_PIN, account_id, status_id)


INSERT_CONVERSATION_MUTE = """
    INSERT INTO conversation_mutes (account_id, conversation_id) VALUES ($1, $2) ON CONFLICT DO NOTHING
"""
DELETE_CONVERSATION_MUTE = """
    DELETE FROM conversation_mutes WHERE account_id = $1 AND conversation_id = $2
"""
LIST_MUTING = """
    SELECT account_id FROM conversation_mutes WHERE conversation_id = $1 AND account_id = ANY($2::bigint[])
"""


async def insert_conversation_mute(tx: Tx, account_id: int, conversation_id: int) -> None:
    """No more notifications from this conversation."""
    await tx.execute(INSERT_CONVERSATION_MUTE, account_id, conversation_id)


async def delete_conversation_mute(tx: Tx, account_id: int, conversation_id: int) -> None:
    """Notifications again."""
    await tx.execute(DELETE_CONVERSATION_MUTE, account_id, conversation_id)


async def list_muting(tx: Tx, conversation_id: int, account_ids: list[int]) -> set[int]:
    """Which of these accounts muted the conversation."""
    return {row[0] for row in await tx.fetch(LIST_MUTING, conversation_id, account_ids)}
