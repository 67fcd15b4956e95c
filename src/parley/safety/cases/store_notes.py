"""Notes of the staff, and whom of the staff a name means. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx

INSERT_NOTE = """
    INSERT INTO case_notes (case_id, account_id, written_by, text, created_at) VALUES ($1, $2, $3, $4, $5) RETURNING id
"""


async def insert_note(
    tx: Tx, case_id: int | None, account_id: int, written_by: int, text: str, moment: datetime
) -> int:
    """Keep a note; returns its id."""
    return int(await tx.fetchval(INSERT_NOTE, case_id, account_id, written_by, text, moment))


class NoteRow(msgspec.Struct, frozen=True):
    """One note."""

    id: int
    case_id: int | None
    account_id: int
    written_by: int
    text: str
    created_at: datetime


LIST_NOTES = """
    SELECT id, case_id, account_id, written_by, text, created_at FROM case_notes
    WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""


async def list_notes(tx: Tx, account_id: int, limit: int) -> list[NoteRow]:
    """Notes about an account and its cases, newest first."""
    return [NoteRow(*row) for row in await tx.fetch(LIST_NOTES, account_id, limit)]


GET_CASE_ACCOUNT = """SELECT account_id FROM cases WHERE id = $1"""


async def get_case_account(tx: Tx, case_id: int) -> int | None:
    """Whom a case is about."""
    found: int | None = await tx.fetchval(GET_CASE_ACCOUNT, case_id)
    return found


class StaffRow(msgspec.Struct, frozen=True):
    """Somebody who can act as a member of the staff."""

    account_id: int
    username: str
    role: str


LIST_ACTIVE_STAFF = """
    SELECT account_id, username, role::text FROM members
    WHERE role <> 'member' AND account_state = 'active' AND disabled_at IS NULL AND account_id <> $1 ORDER BY account_id
"""


async def list_active_staff(tx: Tx, but: int = 0) -> list[StaffRow]:
    """Everybody of the staff who can sign in, without the account `but`."""
    return [StaffRow(*row) for row in await tx.fetch(LIST_ACTIVE_STAFF, but)]


GET_STAFF_BY_NAME = """
    SELECT id FROM accounts
    WHERE lower(username) = lower($1) AND domain IS NULL AND role <> 'member' AND state = 'active'
"""


async def get_staff_by_name(tx: Tx, name: str) -> int | None:
    """The account of an active member of the staff."""
    found: int | None = await tx.fetchval(GET_STAFF_BY_NAME, name)
    return found
