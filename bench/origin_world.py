"""The world of the replay: a real PostgreSQL and the real code, both of which live in a time of our own.

The `now()` and `clock_timestamp()` of the database are put in front of PostgreSQL's by the search path, and add what a
sequence says; Python's clock is `kit/clock`. So every default of every column, every id and every job that waits for
its hour sees the same simulated moment. Nothing else of the instance is changed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx

from parley.kit.clock import now, time_travel
from parley.kit.db import connect
from parley.kit.instance import Instance, open_instance
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

SIMULATED_CLOCK = """
    CREATE SEQUENCE simulated_offset_ms MINVALUE -9000000000000 START 1;
    CREATE FUNCTION now() RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$ BEGIN
        RETURN pg_catalog.now() + (SELECT last_value FROM public.simulated_offset_ms) * interval '1 millisecond';
    END $$;
    CREATE FUNCTION clock_timestamp() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS $$ BEGIN
        RETURN pg_catalog.clock_timestamp() + (SELECT last_value FROM public.simulated_offset_ms)
            * interval '1 millisecond';
    END $$;
"""
RELAY = "relay.localhost"
"""Says of the host's mails that they are the host's, as an operator's own mail server does."""

THROWN_AWAY = ("fsync", "full_page_writes", "synchronous_commit")


class Clock:
    """Simulated time: moved forward by hand, in Python and in the database together."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._stack = ExitStack()

    async def move_to(self, moment: datetime) -> None:
        """From now on it is `moment`; it goes on from there as fast as real time does."""
        self._stack.close()
        by = moment - datetime.now(UTC)
        self._stack.enter_context(time_travel(by))
        await self._connection.execute("SELECT setval('simulated_offset_ms', $1)", round(by.total_seconds() * 1000))

    async def move_on_to(self, moment: datetime) -> None:
        """The same, but never back: what happened took real time too."""
        if moment > now():
            await self.move_to(moment)

    def stop(self) -> None:
        """Back to real time, in Python."""
        self._stack.close()


class World:
    """One instance in simulated time, with an HTTP client to its doors."""

    def __init__(self, instance: Instance, clock: Clock, http: httpx.AsyncClient, sql: Any) -> None:
        self.instance = instance
        self.settings = instance.settings
        self.db = instance.db
        self.clock = clock
        self.http = http
        self.sql = sql
        """A connection of the bench's own, for figures and for looking."""


@asynccontextmanager
async def open_world(start: datetime, settings: dict[str, Any]) -> AsyncIterator[World]:
    """A fresh instance that believes it is `start`, served over HTTP on a loopback port."""
    from parley import screening
    from parley.main import create_app
    from parley.social.sessions import passwords
    from tests.live import free_port

    _make_passwords_cheap(passwords)
    with tempfile.TemporaryDirectory(prefix="parley-origin-") as folder:
        server = EmbeddedPostgres(Settings(data_dir=Path(folder)))
        server.start()
        port = free_port()
        try:
            dsn = await _make_database(server.dsn, start)
            full = Settings(
                name="Origin",
                domain=f"localhost:{port}",
                port=port,
                data_dir=Path(folder) / "data",
                email_confirmation=False,
                rate_limits="off",
                read_pictures=False,
                abuse_listen=f"smtp://127.0.0.1:{free_port()}",
                abuse_relay=RELAY,
                **settings,
            )
            screening.use_policy(full.policy_dir or None)
            sql = await connect(dsn)
            clock = Clock(sql)
            await clock.move_to(start)
            app = create_app(full, dsn)
            try:
                async with open_instance(full, dsn) as instance, _serve(app, instance, port) as http:
                    yield World(instance, clock, http, sql)
            finally:
                clock.stop()
                await sql.close()
        finally:
            server.stop()


def _make_passwords_cheap(passwords: Any) -> None:
    from argon2 import PasswordHasher

    passwords.HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


async def _make_database(server_dsn: str, start: datetime) -> str:
    """A migrated database whose clock can be moved; it begins at `start`, so that its seeds are of that time."""
    admin = await asyncpg.connect(server_dsn)
    for name in THROWN_AWAY:
        await admin.execute(f"ALTER SYSTEM SET {name} = off")
    await admin.execute("SELECT pg_reload_conf()")
    await admin.execute("CREATE DATABASE origin")
    await admin.execute("ALTER DATABASE origin SET search_path = public, pg_catalog")
    await admin.close()
    dsn = urlunsplit(urlsplit(server_dsn)._replace(path="/origin"))
    connection = await asyncpg.connect(dsn)
    await connection.execute(SIMULATED_CLOCK)
    clock = Clock(connection)
    await clock.move_to(start)
    await migrate(dsn)
    clock.stop()
    await connection.close()
    return dsn


@asynccontextmanager
async def _serve(app: Any, instance: Instance, port: int) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application on a real socket, in this very process: there is one simulated time."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    app.state.instance = instance
    server = Server(app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False)
    task = asyncio.create_task(server.serve())
    try:
        async with httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=60) as http:
            for _ in range(200):
                try:
                    if (await http.get("/health")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)
            else:
                raise RuntimeError("The instance does not answer over HTTP.")
            yield http
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await task
