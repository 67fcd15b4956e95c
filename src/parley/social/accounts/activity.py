"""How lively the instance is, week by week: a job counts new facts, a read shows twelve weeks."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.social.accounts import store_activity
from parley.social.accounts.store_activity import WeekRow
from parley.social.events.reads import count_activity_by_week

WEEKS = 12
SETTLED = timedelta(minutes=5)
"""Younger facts are left for the next count: a transaction with an older id may still be open."""

_COLUMNS = {"StatusPosted": "statuses", "SecurityChanged": "logins", "AccountCreated": "registrations"}


class WeekView(msgspec.Struct, frozen=True):
    """One week, which begins on Monday at midnight UTC."""

    begins_at: datetime
    statuses: int = 0
    logins: int = 0
    registrations: int = 0


def _monday(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())


async def list_activity(tx: Tx) -> list[WeekView]:
    """The last twelve weeks, the newest first."""
    newest = _monday(now().astimezone(UTC))
    mondays = [newest - timedelta(weeks=back) for back in range(WEEKS)]
    found = {row.week: row for row in await store_activity.list_weeks(tx, mondays[-1])}
    views: list[WeekView] = []
    for monday in mondays:
        row = found.get(monday) or WeekRow(monday, 0, 0, 0)
        begins_at = datetime.combine(monday, time(), UTC)
        views.append(WeekView(begins_at, row.statuses, row.logins, row.registrations))
    return views


async def count_weekly_activity(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: add the facts since the last count to their weeks."""
    until = id_at(now() - SETTLED)
    async with instance.db.write() as tx:
        after = await store_activity.get_cursor_for_update(tx)
        if until <= after:
            return
        weeks: dict[date, dict[str, int]] = {}
        for week, kind, count in await count_activity_by_week(tx, after, until):
            weeks.setdefault(week, {})[_COLUMNS[kind]] = count
        for week, counts in weeks.items():
            row = WeekRow(week, counts.get("statuses", 0), counts.get("logins", 0), counts.get("registrations", 0))
            await store_activity.upsert_week(tx, row)
        await store_activity.update_cursor(tx, until - 1)
