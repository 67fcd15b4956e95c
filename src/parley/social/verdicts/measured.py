"""What the judge saw and said, in figures: for whoever measures it. No single result is shown."""

from __future__ import annotations

from datetime import datetime

from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.social.verdicts import store_drift, store_labels
from parley.social.verdicts.store_labels import LabelledRow as LabelledRow

SCORE_BINS = 20


async def list_score_weeks(tx: Tx, since: datetime, until: datetime) -> dict[str, dict[datetime, list[int]]]:
    """By score and week (its Monday), how often the score fell into each of twenty equal bins."""
    found: dict[str, dict[datetime, list[int]]] = {}
    for week, name, place, count in await store_drift.list_score_weeks(tx, id_at(since), id_at(until), SCORE_BINS):
        found.setdefault(name, {}).setdefault(week, [0] * SCORE_BINS)[place] = count
    return found


async def list_outcome_weeks(tx: Tx, since: datetime, until: datetime) -> dict[datetime, dict[str, tuple[int, int]]]:
    """By week and outcome, how many results there were, and how many were not complete."""
    found: dict[datetime, dict[str, tuple[int, int]]] = {}
    for week, outcome, count, degraded in await store_drift.list_outcome_weeks(tx, id_at(since), id_at(until)):
        found.setdefault(week, {})[outcome] = (count, degraded)
    return found


async def list_labelled(tx: Tx, since: datetime, *, after_id: int = 0, limit: int = 1000) -> list[LabelledRow]:
    """Labels since a moment, oldest first, beside what the machine had said before anybody looked."""
    return await store_labels.list_labelled(tx, after_id, since, limit)
