"""Figures of what the judge saw and said, week by week. SQL only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from parley.kit.db import Tx

# Ids hold the time, so the primary key finds the weeks. Second results of a revision are left out: a sweep would look
# like a change of what people write.
LIST_SCORE_WEEKS = """
    SELECT date_trunc('week', r.created_at, 'UTC'), s.key,
        least(floor(s.value::float8 * $3::integer)::integer, $3::integer - 1), count(*)
    FROM screening_results r CROSS JOIN LATERAL jsonb_each_text(r.detail -> 'signals') AS s
    WHERE r.id > $1 AND r.id <= $2 AND s.key LIKE 'text.%.score'
      AND NOT r.detail ?| ARRAY['sweep', 'undo_of_sweep', 'screened_again', 'waited']
    GROUP BY 1, 2, 3
"""
LIST_OUTCOME_WEEKS = """
    SELECT date_trunc('week', created_at, 'UTC'), outcome::text, count(*), count(*) FILTER (WHERE degraded)
    FROM screening_results r
    WHERE id > $1 AND id <= $2 AND NOT detail ?| ARRAY['sweep', 'undo_of_sweep', 'screened_again', 'waited']
    GROUP BY 1, 2
"""


async def list_score_weeks(tx: Tx, after_id: int, until_id: int, bins: int) -> list[tuple[datetime, str, int, int]]:
    """Of each week and score, how many results fell into each of `bins` equal bins."""
    rows: list[Any] = await tx.fetch(LIST_SCORE_WEEKS, after_id, until_id, bins)
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def list_outcome_weeks(tx: Tx, after_id: int, until_id: int) -> list[tuple[datetime, str, int, int]]:
    """Of each week and outcome, how many results there were, and how many of them were not complete."""
    rows: list[Any] = await tx.fetch(LIST_OUTCOME_WEEKS, after_id, until_id)
    return [(row[0], row[1], row[2], row[3]) for row in rows]
