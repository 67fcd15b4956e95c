"""What one running process of an instance holds: its settings, database, files and live updates.

Doors and jobs receive it; rooms receive the parts that they need as arguments.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from parley.kit.db import PATIENCE, Database
from parley.kit.files import FileStore, open_file_store
from parley.kit.gate import Gate, gate_of
from parley.kit.live import Live
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
