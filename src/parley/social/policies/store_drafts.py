"""The tables of lists that wait for a second person. SQL only; no rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class DraftRow(msgspec.Struct, frozen=True):
    """A list for a bank that waits for a second person, or did."""

    id: int
    kind: str
    bank: str
    source: str
    replace: bool
    entries: int
    samples: list[str]
    sha256: bytes | None
    state: str
    proposed_by: int | None
    proposed_name: str
    ended_name: str
    answer: str
    created_at: datetime
    ended_at: datetime | None
    approved_by: list[str]


INSERT_DRAFT = """
    INSERT INTO bank_drafts (kind, bank, source, replace, proposed_by, proposed_name) VALUES ($1, $2, $3, $4, $5, $6)
    RETURNING id
"""


async def insert_draft(tx: Tx, kind: str, bank: str, source: str, by: tuple[int | None, str], *, replace: bool) -> int:
    """Begin to keep a list; returns its id."""
    return int(await tx.fetchval(INSERT_DRAFT, kind, bank, source, replace, *by))


INSERT_PART = """INSERT INTO bank_draft_parts (draft_id, part, contents) VALUES ($1, $2, $3)"""
GET_PART = """SELECT contents FROM bank_draft_parts WHERE draft_id = $1 AND part = $2"""
DELETE_PARTS = """DELETE FROM bank_draft_parts WHERE draft_id = $1"""


async def insert_part(tx: Tx, draft_id: int, part: int, contents: bytes) -> None:
    """Keep a part of a list."""
    await tx.execute(INSERT_PART, draft_id, part, contents)


async def get_part(tx: Tx, draft_id: int, part: int) -> bytes | None:
    """A part of a list; None after the last."""
    found: bytes | None = await tx.fetchval(GET_PART, draft_id, part)
    return found


async def delete_parts(tx: Tx, draft_id: int) -> None:
    """Forget what a list held."""
    await tx.execute(DELETE_PARTS, draft_id)


UPDATE_COUNTED = """UPDATE bank_drafts SET entries = $2, samples = $3, sha256 = $4 WHERE id = $1"""
DELETE_DRAFT = """DELETE FROM bank_drafts WHERE id = $1"""


async def update_counted(tx: Tx, draft_id: int, entries: int, samples: Any, sha256: bytes) -> None:
    """All of a list is kept: how much of it is new, and what it begins with."""
    await tx.execute(UPDATE_COUNTED, draft_id, entries, samples, sha256)


async def delete_draft(tx: Tx, draft_id: int) -> None:
    """Forget a list that turned out to need nobody else."""
    await tx.execute(DELETE_DRAFT, draft_id)


LIST_DRAFTS = """
    SELECT d.id, d.kind, d.bank, d.source, d.replace, d.entries, d.samples, d.sha256, d.state, d.proposed_by,
        d.proposed_name, d.ended_name, d.answer, d.created_at, d.ended_at,
        ARRAY(SELECT a.username FROM bank_draft_approvals a WHERE a.draft_id = d.id ORDER BY a.created_at)
    FROM bank_drafts d
    WHERE ($1::bigint IS NULL OR d.id = $1) AND ($2 = false OR d.state = 'waiting')
    ORDER BY d.id DESC LIMIT $3
"""
LOCK_DRAFT = """SELECT true FROM bank_drafts WHERE id = $1 FOR UPDATE"""


async def list_drafts(tx: Tx, draft_id: int | None, *, only_waiting: bool, limit: int) -> list[DraftRow]:
    """Lists, the newest first, or the one with that id."""
    return [DraftRow(*row) for row in await tx.fetch(LIST_DRAFTS, draft_id, only_waiting, limit)]


async def lock_draft(tx: Tx, draft_id: int) -> bool:
    """Hold a list until the transaction ends; False when there is none."""
    return bool(await tx.fetchval(LOCK_DRAFT, draft_id))


COUNT_WAITING = """SELECT count(*) FROM bank_drafts WHERE state = 'waiting'"""


async def count_waiting(tx: Tx) -> int:
    """How many lists wait for a second person."""
    return int(await tx.fetchval(COUNT_WAITING))


INSERT_APPROVAL = """
    INSERT INTO bank_draft_approvals (draft_id, account_id, username) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
LIST_APPROVERS = """SELECT account_id FROM bank_draft_approvals WHERE draft_id = $1"""


async def insert_approval(tx: Tx, draft_id: int, account_id: int, username: str) -> None:
    """Note that somebody stands behind a list; once each."""
    await tx.execute(INSERT_APPROVAL, draft_id, account_id, username)


async def list_approvers(tx: Tx, draft_id: int) -> set[int]:
    """Accounts that stand behind a list besides whoever brought it in."""
    return {row[0] for row in await tx.fetch(LIST_APPROVERS, draft_id)}


UPDATE_ENDED = """
    UPDATE bank_drafts SET state = $2, ended_name = $3, answer = $4, ended_at = now() WHERE id = $1
"""


async def update_ended(tx: Tx, draft_id: int, state: str, by: str, answer: str) -> None:
    """What became of a list: confirmed, refused or stale."""
    await tx.execute(UPDATE_ENDED, draft_id, state, by, answer)


LIST_STALE = """SELECT id FROM bank_drafts WHERE state = 'waiting' AND created_at < $1 ORDER BY id"""


async def list_stale(tx: Tx, before: datetime) -> list[int]:
    """Lists that wait since before a moment."""
    return [row[0] for row in await tx.fetch(LIST_STALE, before)]
