"""How members came here, read page by page: what the banks of sign-up are asked about those who are here already."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class SignedUpRow(msgspec.Struct, frozen=True):
    """One member. `address` is the network address of the sign-up, empty once it was forgotten; `noted` are entries of
    the banks that were found at sign-up already."""

    account_id: int
    username: str
    email: str
    address: str
    role: str
    state: str
    noted: list[str]


LIST_SIGNED_UP = """
    SELECT m.account_id, m.username, m.email, coalesce(host(u.sign_up_address), ''), m.role::text,
        m.account_state::text, coalesce(n.entries, '{}')
    FROM members m JOIN users u ON u.account_id = m.account_id
    LEFT JOIN sign_up_notes n ON n.account_id = m.account_id
    WHERE m.account_id > $1 AND m.account_id <= $3 AND m.account_state <> 'deleted'
    ORDER BY m.account_id
    LIMIT $2
"""


NEWEST = 2**63 - 1


async def list_signed_up(tx: Tx, after_id: int, limit: int, *, until_id: int = NEWEST) -> list[SignedUpRow]:
    """Members by the order in which they came."""
    return [SignedUpRow(*row) for row in await tx.fetch(LIST_SIGNED_UP, after_id, limit, until_id)]


COUNT_SIGNED_UP = """
    SELECT count(*), coalesce(max(account_id), 0) FROM members WHERE account_state <> 'deleted'
"""


async def count_signed_up(tx: Tx) -> tuple[int, int]:
    """How many members there are, and the newest."""
    row = await tx.fetchrow(COUNT_SIGNED_UP)
    return int(row[0]), int(row[1])
