"""The tables that hold what the judge did: by the hour, and since the beginning. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class CountRow(msgspec.Struct, frozen=True):
    """How much of one measure under one label; `hour` is None for the total since the beginning."""

    measure: str
    label: str
    amount: int
    hour: datetime | None = None


GET_COUNTED_TO = """SELECT counted_to FROM screening_counting FOR UPDATE"""
UPDATE_COUNTED_TO = """UPDATE screening_counting SET counted_to = $1"""


async def get_counted_to_for_update(tx: Tx) -> int:
    """The last result that was counted, locked: one counts at a time."""
    return int(await tx.fetchval(GET_COUNTED_TO))


async def update_counted_to(tx: Tx, result_id: int) -> None:
    """Remember the last result that was counted."""
    await tx.execute(UPDATE_COUNTED_TO, result_id)


GET_END = """
    SELECT max(id) FROM (
        SELECT id FROM screening_results WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3) AS next
"""


async def get_end(tx: Tx, after: int, before: int, limit: int) -> int | None:
    """The last of the next `limit` results after an id and before another; None when there is none."""
    end: int | None = await tx.fetchval(GET_END, after, before, limit)
    return end


# Results that a sweep over the past stored say nothing about what is written now, and are left out.
INSERT_COUNTS = """
    WITH judged AS MATERIALIZED (
        SELECT date_trunc('hour', created_at) AS hour, outcome::text AS outcome, degraded, latency_us,
               detail -> 'rules' AS rules, detail -> 'failed_signals' AS failed,
               coalesce(detail -> 'signals' ->> 'text.model.covered', 'unknown') AS covered
        FROM screening_results WHERE id > $1 AND id <= $2 AND NOT detail ? 'sweep'
    ), counted (hour, measure, label, amount) AS (
        SELECT hour, 'outcome', outcome, count(*) FROM judged GROUP BY hour, outcome
        UNION ALL SELECT hour, 'degraded', '', count(*) FROM judged WHERE degraded GROUP BY hour
        UNION ALL SELECT hour, 'covered', covered, count(*) FROM judged GROUP BY hour, covered
        UNION ALL SELECT hour, 'latency', width_bucket(latency_us, $3::integer[])::text, count(*)
            FROM judged GROUP BY 1, 3
        UNION ALL SELECT hour, 'latency_us', '', sum(latency_us)::bigint FROM judged GROUP BY hour
        UNION ALL SELECT hour, 'rule', rule ->> 'rule', count(*)
            FROM judged CROSS JOIN jsonb_array_elements(rules) AS rule GROUP BY 1, 3
        UNION ALL SELECT hour, 'failed', signal, count(*)
            FROM judged CROSS JOIN jsonb_array_elements_text(failed) AS signal GROUP BY 1, 3
    ), hours AS (
        INSERT INTO screening_hours (hour, measure, label, amount) SELECT * FROM counted
        ON CONFLICT (hour, measure, label) DO UPDATE SET amount = screening_hours.amount + excluded.amount
    )
    INSERT INTO screening_totals (measure, label, amount)
    SELECT measure, label, sum(amount)::bigint FROM counted GROUP BY measure, label
    ON CONFLICT (measure, label) DO UPDATE SET amount = screening_totals.amount + excluded.amount
"""


async def insert_counts(tx: Tx, after: int, to: int, bounds: Sequence[int]) -> None:
    """Count the results with ids above `after` up to `to`; `bounds` are those of the buckets of latency, in us."""
    await tx.execute(INSERT_COUNTS, after, to, bounds)


DELETE_OLD_HOURS = """DELETE FROM screening_hours WHERE hour < $1"""


async def delete_old_hours(tx: Tx, before: datetime) -> None:
    """Forget hours that are long gone; the totals stay."""
    await tx.execute(DELETE_OLD_HOURS, before)


LIST_HOURS = """
    SELECT measure, label, amount, hour FROM screening_hours WHERE hour >= $1 ORDER BY hour, measure, label
"""


async def list_hours(tx: Tx, since: datetime) -> list[CountRow]:
    """What was counted since a time, hour by hour."""
    return [CountRow(*row) for row in await tx.fetch(LIST_HOURS, since)]


LIST_TOTALS = """SELECT measure, label, amount FROM screening_totals ORDER BY measure, label"""


async def list_totals(tx: Tx) -> list[CountRow]:
    """What was counted since the beginning."""
    return [CountRow(*row) for row in await tx.fetch(LIST_TOTALS)]
