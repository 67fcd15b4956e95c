"""What one running process of an instance holds: its settings, database, files and live updates.

Doors and jobs receive it; rooms receive the parts that they need as arguments.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from parley.kit.db import PATIENCE, Database, LostConnection
from parley.kit.errors import Unavailable
from parley.kit.files import FileStore, open_file_store
from parley.kit.gate import Gate, gate_of
from parley.kit.live import Live
from parley.kit.nodes import get_room
from parley.kit.settings import Settings


@dataclass(frozen=True)
class Instance:
    """One process of an instance."""

    settings: Settings
    db: Database
    files: FileStore
    live: Live
    gate: Gate


JOBS_PATIENCE = 60.0
"""Seconds that a job waits for a connection: it has nobody who waits for an answer."""


KEPT_FREE = 10
"""Connections that no pool may take: for the host agent, commands, snapshots, and people who look what is wrong."""


WARM = 3
WARM_SECONDS = 60.0
"""Well below the time after which the pool closes what is idle."""


class TooFewConnections(Exception):
    """The database takes fewer connections than this instance may open; the text says what to change."""


async def check_room(connection: Any, settings: Settings, *, web: bool = True, worker: bool = True) -> None:
    """Raise TooFewConnections unless all pools together leave KEPT_FREE of the database's connections alone.

    `web`, `worker`: which of the processes run on this machine.
    """
    processes = settings.web_processes * web + worker
    wanted = processes * (settings.database_connections + 1)  # one more each, to listen
    room = await get_room(connection)
    if wanted + KEPT_FREE > room:
        fitting = (room - KEPT_FREE) // processes - 1
        fewer = "Set web_processes to fewer" if web else "Set database_connections to fewer"
        advice = f"Set database_connections to {fitting} at most" if fitting >= 2 else fewer
        each = f"{processes} {'processes' if processes > 1 else 'process'} with {settings.database_connections} each"
        raise TooFewConnections(
            f"The database takes {room} connections. {each} (web_processes, database_connections) may open {wanted}, "
            f"and {KEPT_FREE} must stay free for others. {advice}, or raise the database's max_connections to "
            f"{wanted + KEPT_FREE + 5}."
        )


async def keep_warm(db: Database) -> None:
    """Keep a few connections open on a host that does not serve: when it is to, nobody waits for them."""
    while True:
        with suppress(*LostConnection, Unavailable):
            async with AsyncExitStack() as open_ones:
                for _ in range(WARM):
                    await open_ones.enter_async_context(db.read())
        await asyncio.sleep(WARM_SECONDS)


@asynccontextmanager
async def open_instance(settings: Settings, dsn: str, *, wait_for_disk: bool = True) -> AsyncIterator[Instance]:
    """Open everything that one process of the instance needs, and close it again. `wait_for_disk`: see Database."""
    gate = gate_of(settings)
    db = Database(
        dsn,
        connections=settings.database_connections,
        wait_for_disk=wait_for_disk,
        gate=gate,
        patience=PATIENCE if wait_for_disk else JOBS_PATIENCE,
    )
    live = Live(dsn, may_come_later=gate.has_agent)
    await db.open()
    try:
        await live.open()
        try:
            yield Instance(settings=settings, db=db, files=open_file_store(settings), live=live, gate=gate)
        finally:
            await live.close()
    finally:
        await db.close()
