"""What goes wrong on purpose, beyond killing hosts and cutting wires."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg

from tests.moves.providers import Host

CANCEL = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


class Storm:
    """How many waits were cancelled so far."""

    cancelled = 0


@contextmanager
def cancelling_commits(host: Host, *, every: float = 0.01) -> Iterator[Storm]:
    """Cancel, again and again, every commit on a host that waits for the standby."""
    storm, stop = Storm(), threading.Event()

    async def cancel() -> None:
        while not stop.is_set():
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection = await asyncpg.connect(host.dsn, timeout=5)
                try:
                    while not stop.is_set():
                        storm.cancelled += await connection.fetchval(CANCEL)
                        await asyncio.sleep(every)
                finally:
                    connection.terminate()
            await asyncio.sleep(0.1)

    thread = threading.Thread(target=asyncio.run, args=(cancel(),))
    thread.start()
    try:
        yield storm
    finally:
        stop.set()
        thread.join(20)
