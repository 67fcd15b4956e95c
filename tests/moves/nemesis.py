"""What goes wrong on purpose, beyond killing hosts and cutting wires."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import asyncpg

from tests.moves.history import SETS, Event
from tests.moves.load import Load
from tests.moves.pairs import wait_until
from tests.moves.providers import Host, World

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


SAID = "canceling wait for synchronous replication"
"""What PostgreSQL warns of (01000) when it ends such a wait: the commit is done, on this host alone."""


def kill_in_a_storm(world: World, load: Load, primary: Host, *, told: int, patience: float = 25) -> float:
    """Cut the standby off, cancel every wait for it, and kill the primary once `told` writers were answered.

    What is asked for after the cut is on the primary alone, whatever chance does: what of it is acknowledged is lost
    with the primary. So this waits until PostgreSQL has said so often that it ended a wait, and until so many requests
    that were begun after the cut were answered, well or badly. Returns the moment of the kill; nothing is mended.
    """
    before = _times_said(primary)
    world.network.cut(primary.name, world.other(primary).name)
    cut = time.monotonic()
    with cancelling_commits(primary):
        wait_until(lambda: _times_said(primary) - before >= told, "waits for the standby are cancelled", patience)
        wait_until(lambda: len(answered_since(load.events, cut)) >= told, "writers are answered", patience)
    return primary.kill()


def answered_since(events: list[Event], moment: float, kinds: tuple[str, ...] = ("ok", "try", "fail")) -> list[Event]:
    """Answers to operations on sets that were begun after a moment: acknowledged, or refused with a status."""
    begun = {(one.writer, one.number) for one in events if one.type == "invoke" and one.at > moment}
    return [
        one
        for one in events
        if (one.writer, one.number) in begun
        and one.kind in SETS
        and one.type in kinds
        and (one.type == "ok" or one.status)
    ]


def _times_said(host: Host) -> int:
    log = host.folder / "postgres" / "log"
    return log.read_text(errors="replace").count(SAID)
