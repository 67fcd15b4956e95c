"""How members came here, read page by page: what the banks of sign-up are asked about those who are here already."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class SignedUpRow(msgspec.Struct, frozen=True):
    """One member. `address` is the network address of the sign-up, empty once it was forgotten."""

    account_id: int
    username: str
    email: str
    address: str
    role: str


LIST_SIGNED_UP = """
    SELECT m.account_id, m.username, m.email, coalesce(host(u.sign_up_address), ''), m.role
    FROM members m JOIN users u ON u.account_id = m.account_id
    WHERE m.account_id > $1 AND m.account_state <> 'deleted'
    ORDER BY m.account_id
    LIMIT $2
"""


async def list_signed_up(tx: Tx, after_id: int, limit: int) -> list[SignedUpRow]:
    """Members by the order in which they came."""
    return [SignedUpRow(*row) for row in await tx.fetch(LIST_SIGNED_UP, after_id, limit)]
