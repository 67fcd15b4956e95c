"""The table of what the banks of sign-up found about new accounts."""

from __future__ import annotations

from parley.kit.db import Tx

INSERT_NOTE = """INSERT INTO sign_up_notes (account_id, tier, clause, because) VALUES ($1, $2, $3, $4)"""


async def insert_note(tx: Tx, account_id: int, tier: str, clause: str, because: list[str]) -> None:
    """Keep why a new account waits for approval, or is looked at."""
    await tx.execute(INSERT_NOTE, account_id, tier, clause, because)
