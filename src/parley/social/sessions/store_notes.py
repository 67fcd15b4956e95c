"""The table of what the banks of sign-up found about new accounts."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx

# What is found later, before the account begins, is added: a hold is never made milder.
UPSERT_NOTE = """
    INSERT INTO sign_up_notes AS n (account_id, tier, clause, because, entries) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (account_id) DO UPDATE SET because = n.because || excluded.because,
        entries = n.entries || excluded.entries,
        tier = CASE WHEN n.tier = 'hold' THEN n.tier ELSE excluded.tier END
"""


async def upsert_note(
    tx: Tx, account_id: int, tier: str, clause: str, because: Sequence[str], entries: Sequence[str]
) -> None:
    """Keep why a new account waits for approval, or is looked at: reasons, and the entries that were found."""
    await tx.execute(UPSERT_NOTE, account_id, tier, clause, list(because), list(entries))


LOCK_USER = """SELECT account_id FROM users WHERE account_id = $1 FOR UPDATE"""
IS_PENDING = """SELECT account_state = 'pending' FROM members WHERE account_id = $1"""


async def lock_newcomer(tx: Tx, account_id: int) -> bool:
    """Whether somebody is not let in yet, and cannot be until the transaction ends."""
    await tx.execute(LOCK_USER, account_id)
    return bool(await tx.fetchval(IS_PENDING, account_id))


UPDATE_UNAPPROVED = """
    UPDATE users SET approved_at = NULL
    WHERE account_id = $1 AND approved_at IS NOT NULL AND (invite_id IS NULL OR $2)
    RETURNING account_id
"""


async def update_unapproved(tx: Tx, account_id: int, *, invited_too: bool) -> bool:
    """A newcomer waits for approval; False where that was so before, or an invitation stands for it."""
    return await tx.fetchval(UPDATE_UNAPPROVED, account_id, invited_too) is not None
