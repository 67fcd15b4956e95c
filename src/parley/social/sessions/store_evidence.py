"""What is known of a member, for disclosures. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parley.kit.db import Tx

GET_SUBSCRIBER = """
    SELECT email, email_confirmed_at, host(sign_up_address), created_at, last_sign_in_at, locale
    FROM users WHERE account_id = $1
"""


async def get_subscriber(tx: Tx, account_id: int) -> Sequence[Any] | None:
    """Mail address and its confirmation, address at sign-up, when, last sign-in, language."""
    row: Sequence[Any] | None = await tx.fetchrow(GET_SUBSCRIBER, account_id)
    return row


LIST_SIGN_INS = """
    SELECT host(address), user_agent, method, created_at, last_seen_at FROM sessions WHERE account_id = $1 ORDER BY id
"""


async def list_sign_ins(tx: Tx, account_id: int) -> list[Sequence[Any]]:
    """Sessions: address, browser, how, when, last seen."""
    return list(await tx.fetch(LIST_SIGN_INS, account_id))
