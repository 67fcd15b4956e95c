"""What is known of a member, for disclosures and legal holds. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from parley.kit.db import Tx

GET_SUBSCRIBER = """
    SELECT email, unconfirmed_email, email_confirmed_at, host(sign_up_address), created_at, last_sign_in_at, locale,
        sign_up_reason
    FROM users WHERE account_id = $1
"""


async def get_subscriber(tx: Tx, account_id: int) -> Sequence[Any] | None:
    """Mail addresses and their confirmation, address at sign-up, when, last sign-in, language, reason."""
    row: Sequence[Any] | None = await tx.fetchrow(GET_SUBSCRIBER, account_id)
    return row


# Those that are there, and those that went while a hold named the account.
LIST_SIGN_INS = """
    SELECT host(address), user_agent, method, created_at, last_seen_at, NULL::timestamptz, id
    FROM sessions WHERE account_id = $1
    UNION ALL
    SELECT host((remains ->> 'address')::inet), remains ->> 'user_agent', remains ->> 'method',
        (remains ->> 'created_at')::timestamptz, (remains ->> 'last_seen_at')::timestamptz, kept_at,
        (remains ->> 'id')::bigint
    FROM held_remains WHERE account_id = $1 AND kind = 'sessions'
    ORDER BY 7
"""


async def list_sign_ins(tx: Tx, account_id: int) -> list[Sequence[Any]]:
    """Sessions, oldest first: address, browser, how, when, last seen, when it was signed out."""
    return [tuple(row)[:6] for row in await tx.fetch(LIST_SIGN_INS, account_id)]


LIST_FORMER = """
    SELECT remains ->> 'email', remains ->> 'unconfirmed_email', host((remains ->> 'sign_up_address')::inet), kept_at
    FROM held_remains WHERE account_id = $1 AND kind = 'users' ORDER BY id
"""


async def list_former(tx: Tx, account_id: int) -> list[Sequence[Any]]:
    """What was written over while a hold named the account: mail addresses, address at sign-up, until when."""
    return list(await tx.fetch(LIST_FORMER, account_id))


LIST_DEVICES = """
    SELECT 'passkey', name, created_at, last_used_at, NULL::timestamptz, id FROM passkeys WHERE account_id = $1
    UNION ALL
    SELECT 'app', coalesce(a.name, ''), t.created_at, t.last_used_at, t.revoked_at, t.id
    FROM access_tokens t LEFT JOIN apps a ON a.id = t.app_id WHERE t.account_id = $1
    UNION ALL
    SELECT 'passkey', remains ->> 'name', (remains ->> 'created_at')::timestamptz,
        (remains ->> 'last_used_at')::timestamptz, kept_at, (remains ->> 'id')::bigint
    FROM held_remains WHERE account_id = $1 AND kind = 'passkeys'
    ORDER BY 6
"""


async def list_devices(tx: Tx, account_id: int) -> list[Sequence[Any]]:
    """Passkeys and apps, oldest first: what, its name, since when, last used, until when."""
    return [tuple(row)[:5] for row in await tx.fetch(LIST_DEVICES, account_id)]


LIST_UNPOSTED = """
    SELECT remains, kept_at FROM held_remains
    WHERE account_id = $1 AND kind = 'scheduled_statuses' ORDER BY id DESC LIMIT $2
"""


async def list_unposted(tx: Tx, account_id: int, limit: int) -> list[Sequence[Any]]:
    """Planned posts that went while a hold named the account, newest first: the row, when."""
    return list(await tx.fetch(LIST_UNPOSTED, account_id, limit))


DELETE_HELD_REMAINS = """
    WITH gone AS (
        SELECT id FROM held_remains WHERE NOT is_held(account_id) ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    DELETE FROM held_remains r USING gone WHERE r.id = gone.id RETURNING r.id
"""


async def delete_held_remains(tx: Tx, limit: int) -> int:
    """Forget what was kept for holds that have ended."""
    return len(await tx.fetch(DELETE_HELD_REMAINS, limit))
