"""What warnings follow from, and which were mailed. SQL only; no rule lives here.

The figures are read across rooms in one statement, for the page and the metrics: nothing of theirs is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import msgspec

from parley.kit.db import Tx


class Figures(msgspec.Struct, frozen=True):
    """Roles of the active staff; escalated cases; bytes of raw messages; notices of strangers in this hour."""

    roles: list[str]
    escalated: int
    arrived_today: int
    of_strangers: int
    in_all: int
    ordinary: int
    urgent: int
    sweeps: int
    swept: int
    """Sweeps that nobody has approved for a day, and how many revisions they would hide, limit or publish."""


GET_FIGURES = """
    SELECT
        (SELECT coalesce(array_agg(DISTINCT role::text), '{}') FROM members
         WHERE role <> 'member' AND account_state = 'active' AND disabled_at IS NULL),
        (SELECT count(*) FROM cases WHERE state = 'escalated'),
        d.arrived, d.strangers, d.kept,
        (SELECT coalesce(max(tries), 0) FROM rate_limits WHERE bucket = $3 AND window_start = $2),
        (SELECT coalesce(max(tries), 0) FROM rate_limits WHERE bucket = $4 AND window_start = $2),
        s.sweeps, s.swept
    FROM (SELECT coalesce(sum(arrived) FILTER (WHERE sent_by = 'strangers' AND day = $1), 0)::bigint AS arrived,
                 coalesce(sum(kept) FILTER (WHERE sent_by = 'strangers'), 0)::bigint AS strangers,
                 coalesce(sum(kept), 0)::bigint AS kept
          FROM raw_message_days) d,
         (SELECT count(*) AS sweeps, coalesce(sum(expected), 0)::bigint AS swept FROM sweeps
          WHERE state = 'counted' AND expected > 0 AND counted_at < $5) s
"""


async def get_figures(
    tx: Tx, today: date, hour: datetime, buckets: tuple[str, str], counted_before: datetime
) -> Figures:
    """What the warnings follow from; `buckets` are those of ordinary and of urgent notices."""
    return Figures(*await tx.fetchrow(GET_FIGURES, today, hour, *buckets, counted_before))


LIST_TOLD = """SELECT code FROM desk_warnings WHERE told_at > $1"""


async def list_told(tx: Tx, since: datetime) -> set[str]:
    """Warnings that were mailed since a moment."""
    return {row[0] for row in await tx.fetch(LIST_TOLD, since)}


UPSERT_TOLD = """
    INSERT INTO desk_warnings (code, told_at) SELECT unnest($1::text[]), $2
    ON CONFLICT (code) DO UPDATE SET told_at = excluded.told_at
"""


async def upsert_told(tx: Tx, codes: Sequence[str], moment: datetime) -> None:
    """These were mailed."""
    await tx.execute(UPSERT_TOLD, list(codes), moment)
