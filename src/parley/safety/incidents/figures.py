"""The figures of an incident: what was stopped, what of it people let go, and how long it took."""

from __future__ import annotations

from datetime import datetime, timedelta
from statistics import median, quantiles

from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.safety.incidents import store
from parley.safety.incidents.store import IncidentRow
from parley.safety.incidents.views import Figures
from parley.safety.intervals import wilson

BEFORE = timedelta(days=7)


async def count_figures(tx: Tx, row: IncidentRow, until: datetime) -> Figures:
    """What happened from the declaration until `until`. Four queries."""
    began, ended = id_at(row.declared_at), id_at(until)
    during = await store.count_results(tx, began, ended)
    before = await store.count_results(tx, id_at(row.declared_at - BEFORE), began)
    fates = await store.list_fates(tx, began, ended)
    cases, closed, decisions, appeals, overturned = await store.count_cases(tx, row.id)
    released = sum(1 for kind, _ in fates if kind in ("publish", "no_action"))
    decided = sum(1 for kind, _ in fates if kind is not None)
    minutes = [seconds / 60 for _, seconds in fates if seconds is not None]
    low, high = wilson(released, decided)
    return Figures(
        hours=round((until - row.declared_at).total_seconds() / 3600, 2),
        judged=during.judged,
        held=during.held,
        refused=during.refused,
        flagged=during.flagged,
        held_per_hour_before=round(before.held / (BEFORE.total_seconds() / 3600), 3),
        released=released,
        removed=decided - released,
        waiting=len(fates) - decided,
        false_positive_share=released / decided if decided else None,
        low=low,
        high=high,
        minutes_median=round(median(minutes), 1) if minutes else None,
        minutes_p95=round(quantiles(minutes, n=20)[-1], 1) if len(minutes) > 1 else (minutes[0] if minutes else None),
        cases=cases,
        cases_closed=closed,
        decisions=decisions,
        appeals=appeals,
        overturned=overturned,
    )
