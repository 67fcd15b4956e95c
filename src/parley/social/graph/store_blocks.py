"""The tables of blocks, mutes and blocked domains. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.kit.paging import Page, in_direction
from parley.social.graph.store import EdgeRow, edges

INSERT_BLOCK = """
    INSERT INTO blocks (account_id, target_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id
"""


async def insert_block(tx: Tx, account_id: int, target_id: int) -> bool:
    """Block; True when it is new."""
    return await tx.fetchval(INSERT_BLOCK, account_id, target_id) is not None


DELETE_BLOCK = """
    DELETE FROM blocks WHERE account_id = $1 AND target_id = $2 RETURNING id
"""


async def delete_block(tx: Tx, account_id: int, target_id: int) -> bool:
    """Lift a block; True when there was one."""
    return await tx.fetchval(DELETE_BLOCK, account_id, target_id) is not None


HAS_BLOCK_EITHER = """
    SELECT EXISTS (SELECT FROM blocks WHERE account_id = $1 AND target_id = $2)
        OR EXISTS (SELECT FROM blocks WHERE account_id = $2 AND target_id = $1)
"""


async def has_block_either(tx: Tx, one_id: int, other_id: int) -> bool:
    """Whether one of the two blocks the other."""
    return bool(await tx.fetchval(HAS_BLOCK_EITHER, one_id, other_id))


LIST_BLOCKS = """
    SELECT id, target_id FROM blocks
    WHERE account_id = $1 AND id < $2 AND id > $3
    ORDER BY id DESC LIMIT $4
"""


async def list_blocks(tx: Tx, account_id: int, page: Page) -> list[EdgeRow]:
    """Whom `account_id` blocks."""
    sql = in_direction(LIST_BLOCKS, page)
    return edges(await tx.fetch(sql, account_id, page.below, page.above, page.limit), page)


UPSERT_MUTE = """
    INSERT INTO mutes (account_id, target_id, notifications, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (account_id, target_id) DO UPDATE SET
        notifications = excluded.notifications, expires_at = excluded.expires_at
    RETURNING xmax = 0
"""


async def upsert_mute(
    tx: Tx, account_id: int, target_id: int, notifications: bool, expires_at: datetime | None
) -> bool:
    """Mute or change a mute; True when it is new."""
    return bool(await tx.fetchval(UPSERT_MUTE, account_id, target_id, notifications, expires_at))


DELETE_MUTE = """
    DELETE FROM mutes WHERE account_id = $1 AND target_id = $2 RETURNING id
"""


async def delete_mute(tx: Tx, account_id: int, target_id: int) -> bool:
    """Lift a mute; True when there was one."""
    return await tx.fetchval(DELETE_MUTE, account_id, target_id) is not None


DELETE_EXPIRED_MUTES = """
    DELETE FROM mutes
    WHERE (account_id, target_id) IN (
        SELECT account_id, target_id FROM mutes WHERE expires_at <= $1
        ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED
    )
    RETURNING account_id, target_id
"""


async def delete_expired_mutes(tx: Tx, moment: datetime, limit: int) -> list[tuple[int, int]]:
    """Lift mutes that ended before `moment`; returns who muted whom."""
    return [(row[0], row[1]) for row in await tx.fetch(DELETE_EXPIRED_MUTES, moment, limit)]


LIST_MUTES = """
    SELECT id, target_id, expires_at FROM mutes
    WHERE account_id = $1 AND id < $2 AND id > $3 AND (expires_at IS NULL OR expires_at > $5)
    ORDER BY id DESC LIMIT $4
"""


async def list_mutes(tx: Tx, account_id: int, page: Page, moment: datetime) -> list[EdgeRow]:
    """Whom `account_id` mutes at `moment`."""
    sql = in_direction(LIST_MUTES, page)
    return edges(await tx.fetch(sql, account_id, page.below, page.above, page.limit, moment), page)


LIST_HIDDEN_IDS = """
    (SELECT target_id FROM blocks WHERE account_id = $1
     UNION
     SELECT target_id FROM mutes WHERE account_id = $1 AND (expires_at IS NULL OR expires_at > $2)
     UNION
     SELECT account_id FROM blocks WHERE target_id = $1)
    LIMIT $3
"""


async def list_hidden_ids(tx: Tx, account_id: int, moment: datetime, limit: int) -> list[int]:
    """Whom `account_id` blocks or mutes at `moment`, and who blocks it."""
    return [row[0] for row in await tx.fetch(LIST_HIDDEN_IDS, account_id, moment, limit)]


INSERT_DOMAIN_BLOCK = """
    INSERT INTO account_domain_blocks (account_id, domain) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING id
"""


async def insert_domain_block(tx: Tx, account_id: int, domain: str) -> bool:
    """Block a domain; True when it is new."""
    return await tx.fetchval(INSERT_DOMAIN_BLOCK, account_id, domain) is not None


DELETE_DOMAIN_BLOCK = """
    DELETE FROM account_domain_blocks WHERE account_id = $1 AND domain = $2 RETURNING id
"""


async def delete_domain_block(tx: Tx, account_id: int, domain: str) -> bool:
    """Lift the block of a domain; True when there was one."""
    return await tx.fetchval(DELETE_DOMAIN_BLOCK, account_id, domain) is not None


HAS_DOMAIN_BLOCK = """
    SELECT EXISTS (SELECT FROM account_domain_blocks WHERE account_id = $1 AND domain = $2)
"""


async def has_domain_block(tx: Tx, account_id: int, domain: str) -> bool:
    """Whether `account_id` blocks `domain`."""
    return bool(await tx.fetchval(HAS_DOMAIN_BLOCK, account_id, domain))


class DomainRow(msgspec.Struct, frozen=True):
    """One blocked domain."""

    id: int
    domain: str


LIST_DOMAIN_BLOCKS = """
    SELECT id, domain FROM account_domain_blocks
    WHERE account_id = $1 AND id < $2 AND id > $3
    ORDER BY id DESC LIMIT $4
"""


async def list_domain_blocks(tx: Tx, account_id: int, page: Page) -> list[DomainRow]:
    """The domains that `account_id` blocks."""
    sql = in_direction(LIST_DOMAIN_BLOCKS, page)
    rows = [DomainRow(*row) for row in await tx.fetch(sql, account_id, page.below, page.above, page.limit)]
    return rows[::-1] if page.ascending else rows


LIST_BLOCKED_DOMAINS_AMONG = """
    SELECT domain FROM account_domain_blocks WHERE account_id = $1 AND domain = ANY ($2::text[])
"""


async def list_blocked_domains_among(tx: Tx, account_id: int, domains: Sequence[str]) -> set[str]:
    """Those of `domains` that `account_id` blocks."""
    return {row[0] for row in await tx.fetch(LIST_BLOCKED_DOMAINS_AMONG, account_id, list(domains))}
