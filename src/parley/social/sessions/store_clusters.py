"""How members signed up, for finding those who did it alike. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class SignUpRow(msgspec.Struct, frozen=True):
    """One member's beginning."""

    account_id: int
    created_at: datetime
    email: str
    address: str | None


# Plan: a range of the primary key, for ids rise with time.
LIST_SIGN_UPS = """
    SELECT account_id, created_at, email, host(sign_up_address) FROM users
    WHERE account_id > $1 ORDER BY account_id DESC LIMIT $2
"""


async def list_sign_ups(tx: Tx, above: int, limit: int) -> list[SignUpRow]:
    """Members with an id above `above`, the newest first."""
    return [SignUpRow(*row) for row in await tx.fetch(LIST_SIGN_UPS, above, limit)]
