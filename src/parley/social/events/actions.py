"""Recording a fact: the row, and the one queue entry from which the worker starts what listens to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.jobs import enqueue
from parley.social.events import store
from parley.social.events.facts import Fact

DISPATCH = "dispatch_event"


async def record(tx: Tx, fact: Fact) -> int:
    """Write `fact` and queue its dispatch, in `tx`. Returns the event's id.

    Who listens is written in `parley.worker` alone; this floor does not know.
    """
    payload = msgspec.to_builtins(fact)
    kind = type(fact).__name__
    event_id = await store.insert_event(tx, kind, fact.account_id, payload)
    await enqueue(tx, DISPATCH, {"event_id": event_id, "type": kind, "payload": payload}, priority=10)
    return event_id


async def make_event_partitions(instance: Any, payload: dict[str, Any]) -> None:
    """Job, daily: make sure that this month and the next two have their partition."""
    async with instance.db.write() as tx:
        await make_partitions(tx)


async def make_partitions(tx: Tx) -> None:
    """Make the partitions of this month and of the next two, where they are missing."""
    month = now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(3):
        following = _next_month(month)
        await store.insert_event_partition(tx, month, following)
        month = following


def _next_month(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
