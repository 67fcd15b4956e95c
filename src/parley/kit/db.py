"""PostgreSQL: the pool, transactions, and counting of queries. Knows no table.

Only this file and the stores import the driver. A write is `async with db.write() as tx`, a read `db.read()`;
neither may contain a network call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

log = logging.getLogger(__name__)

Tx: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""A connection inside a transaction (`db.write`) or of a read (`db.read`)."""

UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError
UnstorableText = asyncpg.CharacterNotInRepertoireError
"""Text with a null character, which PostgreSQL cannot hold."""
ReadOnlyDatabase = asyncpg.ReadOnlySQLTransactionError
"""A write to a database that takes none: a standby, or one that is being moved."""
LostConnection = (asyncpg.PostgresConnectionError, ConnectionError, OSError)

CAN_WRITE = """SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'"""

_encode = msgspec.json.Encoder().encode


def _encode_json(value: Any) -> str:
    return _encode(value).decode()


async def prepare_connection(connection: Any) -> None:
    """Teach a new connection our JSON codec."""
    for name in ("json", "jsonb"):
        await connection.set_type_codec(
            name, schema="pg_catalog", encoder=_encode_json, decoder=msgspec.json.decode, format="text"
        )


async def connect(dsn: str) -> Any:
    """One connection of its own, outside every pool (migrations, listening)."""
    connection = await asyncpg.connect(dsn)
    await prepare_connection(connection)
    return connection


NEW_ID = """SELECT parley_id()"""
NOTIFY = """SELECT pg_notify($1, $2)"""
ON_DISK = """SET LOCAL synchronous_commit = on"""

_asked: ContextVar[set[tuple[str, str]] | None] = ContextVar("asked", default=None)

SEND_EVERY = 0.05
"""Seconds that wake-ups are gathered before they are sent together: the worker then takes several jobs at a time."""


class Database:
    """The pool of one process."""

    def __init__(self, dsn: str, *, connections: int = 10, wait_for_disk: bool = True) -> None:
        """`wait_for_disk` off lets commits return before they are on disk. Nothing that is acknowledged to anybody may
        go through such a pool: it is for jobs, whose queue entry goes in a later commit, so that after a crash either
        both are there or the job runs again."""
        self.dsn = dsn
        self._wait_for_disk = wait_for_disk
        self._connections = connections
        self._pool: Any = None
        self._watchers: list[list[str]] = []
        self._to_send: set[tuple[str, str]] = set()
        self._sender: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the pool; raises the driver's error when the database cannot be reached."""
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=1,
            max_size=self._connections,
            init=prepare_connection,
            reset=_keep_session,
            server_settings={
                "jit": "off",
                "application_name": "parley",
                **({} if self._wait_for_disk else {"synchronous_commit": "off"}),
            },
        )

    async def close(self) -> None:
        """Close the pool."""
        if self._sender is not None:
            await self._sender
        if self._pool is not None:
            await self._pool.close()

    @property
    def pool(self) -> Any:
        """The driver's pool, for the job queue alone."""
        return self._pool

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many connections this process has open, how many of them are idle, and how many it may open."""
        return self._pool.get_size(), self._pool.get_idle_size(), self._pool.get_max_size()

    async def can_write(self) -> bool:
        """Whether the database is reachable and takes writes."""
        try:
            async with self.read() as tx:
                return bool(await tx.fetchval(CAN_WRITE))
        except LostConnection:
            return False

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Tx]:
        """One transaction: committed when the block ends, rolled back when it raises.

        What `wake_after` asked for inside the block is sent once it has committed.
        """
        asked: set[tuple[str, str]] = set()
        token = _asked.set(asked)
        try:
            async with self._acquire() as connection, connection.transaction():
                yield connection
        finally:
            _asked.reset(token)
        if asked:
            self._to_send |= asked
            if self._sender is None or self._sender.done():
                self._sender = asyncio.create_task(self._send())

    async def _send(self) -> None:
        """Send what waits, in a transaction that writes nothing; what comes in meanwhile goes together."""
        while self._to_send:
            await asyncio.sleep(SEND_EVERY)
            messages, self._to_send = self._to_send, set()
            try:
                async with self._pool.acquire() as connection:
                    await connection.executemany(NOTIFY, messages)
            except LostConnection as error:
                log.warning("a wake-up was not sent (%s); the worker looks by itself now and then", error)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A connection for reading; each query sees its own snapshot."""
        async with self._acquire() as connection:
            yield connection

    def _acquire(self) -> Any:
        return self._pool.acquire() if not self._watchers else self._acquire_watched()

    @asynccontextmanager
    async def _acquire_watched(self) -> AsyncIterator[Any]:
        def note(record: Any) -> None:
            for seen in self._watchers:
                seen.append(record.query)

        async with self._pool.acquire() as connection:
            connection.add_query_logger(note)
            try:
                yield connection
            finally:
                connection.remove_query_logger(note)

    @contextmanager
    def watch_queries(self) -> Iterator[list[str]]:
        """Collect the SQL that this process runs inside the block (tests assert its length)."""
        seen: list[str] = []
        self._watchers.append(seen)
        try:
            yield seen
        finally:
            self._watchers.remove(seen)


async def _keep_session(connection: Any) -> None:
    """Skip the driver's reset query on release: nothing here sets session state or leaves cursors and locks."""


async def get_new_id(tx: Tx) -> int:
    """A fresh id, for rows that must know theirs before they are inserted."""
    return int(await tx.fetchval(NEW_ID))


async def wait_for_disk(tx: Tx) -> None:
    """Let the commit of `tx` return only when it is on disk, also in a job: somebody is told that we have it."""
    await tx.execute(ON_DISK)


def wake_after(channel: str, payload: str) -> None:
    """Send `payload` to those who listen on `channel` soon after the transaction around this call has committed.

    Unlike `notify` it is not part of the transaction. PostgreSQL lets only one transaction with a NOTIFY commit at a
    time, and waits for the disk meanwhile: on a path as busy as posting, that would make all writers queue up.
    """
    asked = _asked.get()
    if asked is not None:
        asked.add((channel, payload))


async def notify(tx: Tx, channel: str, payload: str) -> None:
    """Send `payload` (under 8,000 bytes) to every process that listens, when `tx` commits."""
    await tx.execute(NOTIFY, channel, payload)
