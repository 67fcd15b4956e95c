"""The tables of what rules did by the hour, of caps that were reached, and of alarms."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx

GET_COUNTED_TO = """SELECT counted_to FROM rule_counting FOR UPDATE"""


async def get_counted_to(tx: Tx) -> int:
    """The id of the last screening result that was counted; locked."""
    return int(await tx.fetchval(GET_COUNTED_TO) or 0)


UPDATE_COUNTED_TO = """UPDATE rule_counting SET counted_to = $1"""


async def update_counted_to(tx: Tx, result_id: int) -> None:
    """Note how far results are counted."""
    await tx.execute(UPDATE_COUNTED_TO, result_id)


# Walks along the primary key of screening_results: $1 < id <= $2. What a sweep or a second look found is no act.
UPSERT_HOURS = """
    INSERT INTO rule_hours AS known (rule, hour, fired, acted)
    SELECT fired.value ->> 'rule', date_trunc('hour', r.created_at, 'UTC'), count(*),
           count(*) FILTER (WHERE fired.value -> 'decides' IS DISTINCT FROM 'false'
                            AND fired.value ->> 'outcome' IN ('limit', 'hold', 'reject', 'quarantine'))
    FROM screening_results r, jsonb_array_elements(r.detail -> 'rules') AS fired
    WHERE r.id > $1 AND r.id <= $2 AND NOT r.detail ?| ARRAY['screened_again', 'sweep']
    GROUP BY 1, 2
    ON CONFLICT (rule, hour) DO UPDATE SET fired = known.fired + EXCLUDED.fired, acted = known.acted + EXCLUDED.acted
"""


async def upsert_hours(tx: Tx, after: int, up_to: int) -> None:
    """Count the results with ids above `after` and up to `up_to` into the hours of the rules that fired."""
    await tx.execute(UPSERT_HOURS, after, up_to)


class HourRow(msgspec.Struct, frozen=True):
    """What one rule did in one hour."""

    rule: str
    hour: datetime
    fired: int
    acted: int


LIST_HOURS = """SELECT rule, hour, fired, acted FROM rule_hours WHERE hour >= $1 ORDER BY rule, hour"""


async def list_hours(tx: Tx, since: datetime) -> list[HourRow]:
    """Every hour since then in which a rule fired."""
    return [HourRow(*row) for row in await tx.fetch(LIST_HOURS, since)]


DELETE_OLD_HOURS = """DELETE FROM rule_hours WHERE hour < $1"""


async def delete_old_hours(tx: Tx, before: datetime) -> None:
    """Forget hours that are too old to compare with."""
    await tx.execute(DELETE_OLD_HOURS, before)


INSERT_CAP = """
    INSERT INTO rule_caps (rule, hour, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING rule
"""


async def insert_cap(tx: Tx, rule: str, hour: datetime, until: datetime) -> bool:
    """Note that a rule reached its cap; False when that is known."""
    return await tx.fetchval(INSERT_CAP, rule, hour, until) is not None


LIST_CAPPED = """SELECT rule, max(until) FROM rule_caps WHERE until > $1 GROUP BY rule"""


async def list_capped(tx: Tx, moment: datetime) -> list[tuple[str, datetime]]:
    """Rules that are over their cap, and until when."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_CAPPED, moment)]


INSERT_ALARM = """
    INSERT INTO rule_alarms (rule, hour, kind, count, expected) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT DO NOTHING RETURNING id
"""


async def insert_alarm(tx: Tx, rule: str, hour: datetime, kind: str, count: int, expected: float) -> bool:
    """Raise an alarm; False when it was raised already for this rule and hour."""
    return await tx.fetchval(INSERT_ALARM, rule, hour, kind, count, expected) is not None


class AlarmRow(msgspec.Struct, frozen=True):
    """One alarm."""

    rule: str
    hour: datetime
    kind: str
    count: int
    expected: float
    created_at: datetime


LIST_ALARMS = """
    SELECT rule, hour, kind, count, expected, created_at FROM rule_alarms ORDER BY id DESC LIMIT $1
"""


async def list_alarms(tx: Tx, limit: int) -> list[AlarmRow]:
    """Alarms, newest first."""
    return [AlarmRow(*row) for row in await tx.fetch(LIST_ALARMS, limit)]
