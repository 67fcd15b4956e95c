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


# Plan: the newest members by primary key (ids rise with time), filtered by date.
LIST_SIGN_UPS = """
    SELECT account_id, created_at, email, host(sign_up_address) FROM users
    WHERE created_at > $1 ORDER BY account_id DESC LIMIT $2
"""


async def list_sign_ups(tx: Tx, since: datetime, limit: int) -> list[SignUpRow]:
    """Members who joined after `since`, the newest first."""
    return [SignUpRow(*row) for row in await tx.fetch(LIST_SIGN_UPS, since, limit)]
