"""Jobs: work done later. Enqueued in the caller's transaction, run by the worker, at least once.

A job is a plain async function `(instance, payload) -> None` that may safely run twice. Names and functions meet in
`parley.worker` alone. The queue is PgQueuer's, in the same database, so that no job is lost and jobs move with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from parley.kit.db import Tx

if TYPE_CHECKING:
    from parley.kit.instance import Instance

Job: TypeAlias = "Callable[[Instance, dict[str, Any]], Awaitable[None]]"


@cache
def _builders() -> tuple[Any, Any, Any]:
    from pgqueuer.adapters.persistence import qb

    return qb.QueryBuilderEnvironment(), qb.QueryQueueBuilder(), qb.QuerySchedulerBuilder()


def queue_of(tx: Any) -> Any:
    """PgQueuer's queries over the connection `tx`, so that what they do commits with it."""
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
    from pgqueuer.adapters.persistence.queries import Queries

    environment, queue, schedule = _builders()
    return Queries(AsyncpgDriver(tx), environment, queue, schedule)


DELETE_OLD_LOG = """
    DELETE FROM pgqueuer_log
    WHERE created < now() - CASE WHEN status = 'successful' THEN interval '1 day' ELSE interval '30 days' END
"""


async def delete_job_log(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: forget what the queue noted of jobs that ran: a day after success, a month after a failure."""
    async with instance.db.write() as tx:
        await tx.execute(DELETE_OLD_LOG)


async def enqueue(
    tx: Tx,
    name: str,
    payload: Any,
    *,
    after: timedelta | None = None,
    priority: int = 0,
    dedupe_key: str | None = None,
) -> None:
    """Queue job `name` with `payload` (anything msgspec can encode), to run once `tx` has committed.

    `after` delays it. With a `dedupe_key`, nothing is added while a job with the same key waits.
    """
    body = msgspec.json.encode(payload)
    if dedupe_key is None:
        await queue_of(tx).enqueue(name, body, priority, after)
    else:
        await queue_of(tx).enqueue(name, body, priority, after, dedupe_key, on_conflict="skip")


async def enqueue_each(tx: Tx, names: Sequence[str], payload: Any) -> None:
    """Queue several jobs with the same payload in one statement, to run once `tx` has committed."""
    body = msgspec.json.encode(payload)
    await queue_of(tx).enqueue(list(names), [body] * len(names), [0] * len(names))
