"""The table of what accounts may not do. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class RestrictionRow(msgspec.Struct, frozen=True):
    """One restriction. `found_state` is what the account was before the first that changed its state."""

    action_id: int
    decision_id: int
    kind: str
    clause: str | None
    title: str
    until: datetime | None
    found_state: str


LIST_RESTRICTIONS = """
    SELECT action_id, decision_id, kind, clause, title, until, found_state::text
    FROM account_restrictions WHERE account_id = $1 ORDER BY action_id
"""


async def list_restrictions(tx: Tx, account_id: int) -> list[RestrictionRow]:
    """Those of an account, the oldest first."""
    return [RestrictionRow(*row) for row in await tx.fetch(LIST_RESTRICTIONS, account_id)]


LOCK_RESTRICTED = """SELECT id FROM accounts WHERE id = $1 FOR UPDATE"""


async def lock_account(tx: Tx, account_id: int) -> None:
    """Lock an account until the transaction ends."""
    await tx.execute(LOCK_RESTRICTED, account_id)


GET_GRAVEST = """SELECT gravest_restriction($1)"""


async def get_gravest(tx: Tx, account_id: int) -> dict[str, Any] | None:
    """The gravest that stops the member from doing something, as `read_restriction` takes it."""
    found: dict[str, Any] | None = await tx.fetchval(GET_GRAVEST, account_id)
    return found


GET_STATE = """SELECT state::text FROM accounts WHERE id = $1"""


async def get_state(tx: Tx, account_id: int) -> str | None:
    """The state of an account, None for none; lock the account before."""
    state: str | None = await tx.fetchval(GET_STATE, account_id)
    return state


INSERT_RESTRICTION = """
    INSERT INTO account_restrictions (action_id, account_id, decision_id, kind, clause, title, until, found_state)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8::account_state)
"""


async def insert_restriction(tx: Tx, action_id: int, account_id: int, *values: Any) -> None:
    """Put one into force; `values` are the columns of INSERT_RESTRICTION after the account, in order."""
    await tx.execute(INSERT_RESTRICTION, action_id, account_id, *values)


DELETE_RESTRICTION = """DELETE FROM account_restrictions WHERE action_id = $1"""


async def delete_restriction(tx: Tx, action_id: int) -> None:
    """End one."""
    await tx.execute(DELETE_RESTRICTION, action_id)


UPDATE_SENSITIZED = """UPDATE accounts SET sensitized = $2 WHERE id = $1 AND sensitized <> $2 RETURNING id"""


async def update_sensitized(tx: Tx, account_id: int, sensitized: bool) -> bool:
    """Mark all media of an account as sensitive, or no longer; False when it was so already."""
    return await tx.fetchval(UPDATE_SENSITIZED, account_id, sensitized) is not None
