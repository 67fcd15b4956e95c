"""The table of weekly activity. No rule lives here."""

from __future__ import annotations

from datetime import date

import msgspec

from parley.kit.db import Tx


class WeekRow(msgspec.Struct, frozen=True):
    """What happened in the week that began on `week`, a Monday."""

    week: date
    statuses: int
    logins: int
    registrations: int


LIST_WEEKS = """
    SELECT week, statuses, logins, registrations FROM activity_weeks WHERE week >= $1
"""


async def list_weeks(tx: Tx, since: date) -> list[WeekRow]:
    """Weeks in which anything happened, in no order."""
    return [WeekRow(*row) for row in await tx.fetch(LIST_WEEKS, since)]


GET_CURSOR = """SELECT event_id FROM activity_cursor FOR UPDATE"""


async def get_cursor_for_update(tx: Tx) -> int:
    """The event up to which everything is counted; locked."""
    return int(await tx.fetchval(GET_CURSOR))


UPDATE_CURSOR = """UPDATE activity_cursor SET event_id = $1"""


async def update_cursor(tx: Tx, event_id: int) -> None:
    """Remember up to which event everything is counted."""
    await tx.execute(UPDATE_CURSOR, event_id)


UPSERT_WEEK = """
    INSERT INTO activity_weeks (week, statuses, logins, registrations) VALUES ($1, $2, $3, $4)
    ON CONFLICT (week) DO UPDATE SET statuses = activity_weeks.statuses + excluded.statuses,
        logins = activity_weeks.logins + excluded.logins,
        registrations = activity_weeks.registrations + excluded.registrations
"""


async def upsert_week(tx: Tx, row: WeekRow) -> None:
    """Add to a week's counts."""
    await tx.execute(UPSERT_WEEK, row.week, row.statuses, row.logins, row.registrations)
