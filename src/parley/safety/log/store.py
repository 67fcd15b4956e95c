"""The table of the moderation log. SQL only; no rule lives here."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.safety.log.views import Actor, Subject

INSERT_EVENT = """
    WITH made AS (
        INSERT INTO moderation_events (type, actor_type, actor_id, case_id, subject_type, subject_id, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        RETURNING id
    )
    SELECT id, set_config('parley.moderation_event', id::text, true) FROM made
"""


async def insert_event(tx: Tx, type: str, actor: Actor, case_id: int | None, subject: Subject | None, body: str) -> int:
    """Append an entry, and let the changes that follow in `tx` name it as their cause; returns its id."""
    about = (subject.type, subject.id) if subject else (None, None)
    row = await tx.fetchrow(INSERT_EVENT, type, actor.type, actor.id, case_id, *about, body)
    return int(row[0])


GET_CAUSE = """SELECT coalesce(current_setting('parley.moderation_event', true), '')"""
UPDATE_CAUSE = """SELECT set_config('parley.moderation_event', $1, true)"""


async def get_cause(tx: Tx) -> str:
    """The entry that changes in `tx` name as their cause; empty for none."""
    return str(await tx.fetchval(GET_CAUSE))


async def update_cause(tx: Tx, cause: str) -> None:
    """Let the changes that follow in `tx` name this entry."""
    await tx.execute(UPDATE_CAUSE, cause)


class EventRow(msgspec.Struct, frozen=True):
    """One entry as it is stored."""

    id: int
    seq: int
    body: str


LIST_CASE_EVENTS = """
    SELECT id, seq, body FROM moderation_events
    WHERE case_id = $1 AND type <> 'row_changed' AND id < $2
    ORDER BY id DESC LIMIT $3
"""


async def list_case_events(tx: Tx, case_id: int, before_id: int, limit: int) -> list[EventRow]:
    """Entries about a case, newest first."""
    return [EventRow(*row) for row in await tx.fetch(LIST_CASE_EVENTS, case_id, before_id, limit)]
