"""Jobs: work done later. Enqueued in the caller's transaction, run by the worker, at least once.

A job is a plain async function `(instance, payload) -> None` that may safely run twice. Names and functions meet in
`parley.worker` alone. The queue is PgQueuer's, in the same database, so that no job is lost and jobs move with it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from parley.kit.db import Database, Tx, wake_after
from parley.kit.gate import GateClosed, StaleEpoch, State

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


def queue_driver(db: Database) -> Any:
    """The queue's own driver over the pool of `db`: what it writes waits at the gate and carries the epoch, too.

    Once a write was refused there, or `left` was set, it writes nothing any more: the queue would note jobs as failed,
    or as cancelled, that another host goes on with, or this one when it begins anew.
    """
    from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver

    class GuardedDriver(AsyncpgPoolDriver):
        left = False

        async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
            async with self._write() as tx:
                return [dict(row) for row in await tx.fetch(query, *args)]

        async def execute(self, query: str, *args: object) -> str:
            async with self._write() as tx:
                return str(await tx.execute(query, *args))

        @asynccontextmanager
        async def _write(self) -> AsyncIterator[Tx]:
            if self.left:
                raise GateClosed
            try:
                async with db.write() as tx:
                    yield tx
            except Exception as error:
                closed = db.gate.state not in (State.OPEN, State.HOLD)
                self.left = self.left or closed or isinstance(error, GateClosed | StaleEpoch)
                raise

    return GuardedDriver(db.pool)


DELETE_OLD_LOG = """
    DELETE FROM pgqueuer_log
    WHERE created < now() - CASE WHEN status = 'successful' THEN interval '1 day' ELSE interval '30 days' END
"""


async def delete_job_log(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: forget what the queue noted of jobs that ran: a day after success, a month after a failure."""
    async with instance.db.write() as tx:
        await tx.execute(DELETE_OLD_LOG)


class QueueRow(msgspec.Struct, frozen=True):
    """How many jobs of one name are in one state (queued, picked, failed), and since when the oldest could have run."""

    name: str
    status: str
    count: int
    oldest: datetime


LIST_QUEUE = """
    SELECT entrypoint, status::text, count(*), min(execute_after) FROM pgqueuer GROUP BY entrypoint, status
    ORDER BY count(*) DESC, entrypoint
"""


async def list_queue(tx: Tx) -> list[QueueRow]:
    """What is in the queue, the most first. A failed job was given up after its last retry, and waits for people."""
    return [QueueRow(*row) for row in await tx.fetch(LIST_QUEUE)]


RELEASE_PICKED = """
    WITH released AS (
        UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, updated = now() WHERE status = 'picked'
        RETURNING 1)
    SELECT count(*) FROM released
"""
RELEASE_SCHEDULES = """
    UPDATE pgqueuer_schedules SET status = 'queued', next_run = now(), updated = now() WHERE status = 'picked'
"""


async def release_picked(tx: Tx) -> int:
    """Let jobs that a worker had begun be begun again at once, and what the clock had asked for; returns how many jobs.

    For where one worker runs alone, and has just started: otherwise they wait until the queue takes the one that had
    them for dead, half a minute later.
    """
    await tx.execute(RELEASE_SCHEDULES)
    return int(await tx.fetchval(RELEASE_PICKED))


HAS_TRIGGER = """
    SELECT EXISTS (
        SELECT FROM pg_trigger
        WHERE tgrelid = 'pgqueuer'::regclass AND tgname = 'tg_pgqueuer_changed' AND tgenabled <> 'D')
"""
DISABLE_TRIGGER = """ALTER TABLE pgqueuer DISABLE TRIGGER tg_pgqueuer_changed"""


async def quiet_queue(connection: Any) -> None:
    """Stop the queue's own NOTIFY for every row: `wake_worker` does it, outside the transactions (see `wake_after`)."""
    if await connection.fetchval(HAS_TRIGGER):
        await connection.execute(DISABLE_TRIGGER)


def wake_worker() -> None:
    """Tell the worker that there is something to do, once the transaction around this call has committed."""
    environment, _, _ = _builders()
    channel = environment.settings.channel
    event = {
        "channel": channel,
        "operation": "insert",
        "sent_at": "2000-01-01T00:00:00Z",  # the same for all, so that wake-ups of many writes become one
        "table": environment.settings.queue_table,
        "type": "table_changed_event",
    }
    wake_after(channel, msgspec.json.encode(event).decode())


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
    wake_worker()


async def enqueue_each(tx: Tx, names: Sequence[str], payload: Any) -> None:
    """Queue several jobs with the same payload in one statement, to run once `tx` has committed."""
    body = msgspec.json.encode(payload)
    await queue_of(tx).enqueue(list(names), [body] * len(names), [0] * len(names))
    wake_worker()
