"""Who was shut out, and who was put before people for coming back. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class BannedRow(msgspec.Struct, frozen=True):
    """An account that is suspended or ended, and the first decision by which it is."""

    account_id: int
    decision_id: int


LIST_BANNED = """
    SELECT a.account_id, min(a.decision_id) FROM decision_actions a
    WHERE a.account_id = ANY($1::bigint[]) AND a.kind IN ('suspend', 'terminate') AND a.reversed_at IS NULL
    GROUP BY a.account_id
"""


async def list_banned(tx: Tx, account_ids: Sequence[int]) -> list[BannedRow]:
    """Those of these accounts that are shut out now."""
    return [BannedRow(*row) for row in await tx.fetch(LIST_BANNED, list(account_ids))]


INSERT_FLAGS = """
    INSERT INTO evasion_flags (account_id, banned_id) SELECT $1, unnest($2::bigint[])
    ON CONFLICT DO NOTHING RETURNING banned_id
"""


async def insert_flags(tx: Tx, account_id: int, banned_ids: Sequence[int]) -> list[int]:
    """Note that an account was flagged for these; returns those for which it had not been yet."""
    return [row[0] for row in await tx.fetch(INSERT_FLAGS, account_id, list(banned_ids))]
