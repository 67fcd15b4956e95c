"""How screening is doing: counted by a job, read by the operator's page and by the metrics.

Figures lag behind by a minute or two: a result is counted once every transaction that could come before it has ended.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.social.verdicts import store_counts
from parley.social.verdicts.store_counts import CountRow

SETTLED = timedelta(minutes=1)
HOURS_KEPT = timedelta(days=90)
AT_ONCE = 20_000

LATENCY_MS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 25.0, 50.0, 100.0, 250.0, 1000.0)
"""Upper bounds of the buckets in which the judge's time is counted; one more holds what took longer."""
_BOUNDS_US = [int(bound * 1000) + 1 for bound in LATENCY_MS]


async def count_screening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, each minute: add the results since the last count to their hours and to the totals."""
    before = id_at(now() - SETTLED)
    while True:
        async with instance.db.write() as tx:
            after = await store_counts.get_counted_to_for_update(tx)
            end = await store_counts.get_end(tx, after, before, AT_ONCE)
            if end is None:
                await store_counts.delete_old_hours(tx, now() - HOURS_KEPT)
                return
            await store_counts.insert_counts(tx, after, end, _BOUNDS_US)
            await store_counts.update_counted_to(tx, end)


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the judge did in some time. Each mapping counts by its key; `latency` by bucket of LATENCY_MS."""

    outcomes: Mapping[str, int] = {}
    rules: Mapping[str, int] = {}
    failed: Mapping[str, int] = {}
    covered: Mapping[str, int] = {}
    """true, false, or unknown where the text model did not run"""
    latency: Mapping[int, int] = {}
    latency_us: int = 0
    degraded: int = 0

    @property
    def judged(self) -> int:
        """How many revisions were judged."""
        return sum(self.outcomes.values())

    @property
    def coverage(self) -> float | None:
        """The share of judged revisions whose language the text model knows; None when none was judged."""
        return self.covered.get("true", 0) / self.judged if self.judged else None

    @property
    def degraded_share(self) -> float | None:
        """The share that could not be judged completely; None when none was judged."""
        return self.degraded / self.judged if self.judged else None

    def latency_ms(self, share: float) -> float | None:
        """The time within which `share` (0 to 1) were judged, in ms, as exactly as the buckets tell; None for none."""
        total = sum(self.latency.values())
        seen = 0.0
        for place, bound in enumerate(LATENCY_MS):
            count = self.latency.get(place, 0)
            if count and seen + count >= share * total:
                low = LATENCY_MS[place - 1] if place else 0.0
                return low + (bound - low) * (share * total - seen) / count
            seen += count
        return LATENCY_MS[-1] if total else None


class Health(msgspec.Struct, frozen=True):
    """The last 24 hours: all together, and each hour from the oldest on (the last one is the running hour)."""

    whole: Tally
    hours: list[tuple[datetime, Tally]]


async def get_health(tx: Tx) -> Health:
    """How screening did in the last 24 hours; one query. For those who run the instance: the caller checks that."""
    newest = now().replace(minute=0, second=0, microsecond=0)
    starts = [newest - timedelta(hours=back) for back in range(23, -1, -1)]
    rows = await store_counts.list_hours(tx, starts[0])
    by_hour: dict[datetime | None, list[CountRow]] = {}
    for row in rows:
        by_hour.setdefault(row.hour, []).append(row)
    return Health(_tally(rows), [(start, _tally(by_hour.get(start, ()))) for start in starts])


async def get_totals(tx: Tx) -> Tally:
    """What the judge did since the beginning; one query. For the metrics, whose door checks who asks."""
    return _tally(await store_counts.list_totals(tx))


def _tally(rows: Iterable[CountRow]) -> Tally:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        labels = found.setdefault(row.measure, {})
        labels[row.label] = labels.get(row.label, 0) + row.amount
    return Tally(
        outcomes=found.get("outcome", {}),
        rules=found.get("rule", {}),
        failed=found.get("failed", {}),
        covered=found.get("covered", {}),
        latency={int(place): count for place, count in found.get("latency", {}).items()},
        latency_us=found.get("latency_us", {}).get("", 0),
        degraded=found.get("degraded", {}).get("", 0),
    )
