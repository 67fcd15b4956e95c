"""Requests of authorities by the notice that they came in with. SQL only; no rule lives here."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class OrderRow(msgspec.Struct, frozen=True):
    """A request: its id and state."""

    id: int
    state: str


LOCK_REQUEST_OF_NOTICE = """SELECT id, state FROM legal_requests WHERE notice_id = $1 FOR UPDATE"""


async def lock_request_of_notice(tx: Tx, notice_id: int) -> OrderRow | None:
    """The request that came in with a notice, locked."""
    row = await tx.fetchrow(LOCK_REQUEST_OF_NOTICE, notice_id)
    return OrderRow(*row) if row else None
