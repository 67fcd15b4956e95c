"""Who of the staff can be written to. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class StaffRow(msgspec.Struct, frozen=True):
    """Somebody of the staff with a proven mail address."""

    account_id: int
    username: str
    email: str
    role: str


LIST_STAFF_MAIL = """
    SELECT account_id, username, email, role::text FROM members
    WHERE role IN ('moderator', 'admin', 'owner') AND email_confirmed_at IS NOT NULL AND account_state = 'active'
      AND (role::text = ANY($1::text[]) OR account_id = ANY($2::bigint[]))
    ORDER BY account_id LIMIT 200
"""


async def list_staff_mail(tx: Tx, roles: Sequence[str], account_ids: Sequence[int]) -> list[StaffRow]:
    """Active staff of these roles, and these accounts as far as they are staff (at most 200)."""
    return [StaffRow(*row) for row in await tx.fetch(LIST_STAFF_MAIL, list(roles), list(account_ids))]
