"""The table of events: insert and read. No rule lives here."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from parley.kit.db import Tx
from parley.kit.ids import id_at

INSERT_EVENT = """
    INSERT INTO events (type, account_id, payload) VALUES ($1, $2, $3) RETURNING id
"""


async def insert_event(tx: Tx, kind: str, account_id: int, payload: dict[str, Any]) -> int:
    """Append one fact; returns its id."""
    return int(await tx.fetchval(INSERT_EVENT, kind, account_id, payload))


MAKE_EVENT_PARTITION = """
    SELECT format(
        'DO $do$ BEGIN
            PERFORM pg_advisory_xact_lock(hashtext(%1$L));
            IF to_regclass(%1$L) IS NULL THEN
                CREATE TABLE %1$I (LIKE events INCLUDING ALL);
                WITH moved AS (DELETE FROM events_default WHERE id >= %2$s AND id < %3$s RETURNING *)
                INSERT INTO %1$I SELECT * FROM moved;
                ALTER TABLE events ATTACH PARTITION %1$I FOR VALUES FROM (%2$s) TO (%3$s);
            END IF;
        END $do$',
        $1::text, $2::bigint, $3::bigint)
"""


async def insert_event_partition(tx: Tx, first: datetime, until: datetime) -> None:
    """Make the partition that holds events from `first` (inclusive) to `until` (exclusive), if it is missing.

    Events of that time which the default partition caught move into it: PostgreSQL refuses it while they lie
    there.
    """
    name = f"events_{first:%Y_%m}"
    await tx.execute(await tx.fetchval(MAKE_EVENT_PARTITION, name, id_at(first), id_at(until)))


COUNT_BY_WEEK = """
    SELECT date_trunc('week', to_timestamp((id >> 16) / 1000.0), 'UTC')::date, type, count(*)
    FROM events WHERE id > $1 AND id < $2
      AND (type IN ('StatusPosted', 'AccountCreated')
           OR (type = 'SecurityChanged' AND payload ->> 'what' = 'signed_in'))
    GROUP BY 1, 2
"""


async def count_by_week(tx: Tx, after_id: int, before_id: int) -> list[tuple[date, str, int]]:
    """How many posts, new members and sign-ins each week (its Monday) had, between two ids."""
    return [(row[0], row[1], row[2]) for row in await tx.fetch(COUNT_BY_WEEK, after_id, before_id)]
