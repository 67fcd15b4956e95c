"""PostgreSQL: the pool, transactions, and counting of queries. Knows no table.

Only this file and the stores import the driver. A write is `async with db.write() as tx`, a read `db.read()`;
neither may contain a network call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from contextvars import ContextVar
from typing import Any, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from parley.kit.driver import (
    BEGIN,
    BEGIN_LOCAL,
    COMMIT_SURELY,
    STALE_EPOCH,
    WARNING,
    Connection,
    ConnectionIsClosed,
    ForeignKeyViolation,
    Interrupted,
    LostConnection,
    MaybeLost,
    ReadOnlyDatabase,
    UniqueViolation,
    UnstorableText,
    connect,
    is_closed,
    keep_session,
    prepare_connection,
)
from parley.kit.errors import Unavailable
from parley.kit.gate import Crowded, Gate, GateClosed, NotAcknowledged, StaleEpoch, State, journey
from parley.kit.nodes import GET_EPOCH, GET_WRITABLE, Nodes, NotMigrated

__all__ = ["PATIENCE", "Database", "Tx", "connect", "get_new_id", "notify", "wait_for_disk", "wake_after"]
__all__ += ["ForeignKeyViolation", "Interrupted", "LostConnection", "ReadOnlyDatabase", "UniqueViolation"]
__all__ += ["LEFT_HOST", "ConnectionIsClosed", "UnstorableText"]

log = logging.getLogger(__name__)

LEFT_HOST = (GateClosed, StaleEpoch, NotAcknowledged, ReadOnlyDatabase, *LostConnection)
"""Errors of a host that is being left, because another one goes on: what was begun here can be begun again there."""

Tx: TypeAlias = "asyncpg.Connection[Any] | PoolConnectionProxy[Any]"
"""A connection inside a transaction (`db.write`) or of a read (`db.read`)."""

PATIENCE = 5.0
"""Seconds that a request waits for a connection."""

CONNECT_SECONDS = 5.0

COMMIT_SECONDS = 15.0
"""Seconds after which a commit is called not acknowledged. It goes on by itself, and keeps its connection."""


NEW_ID = """SELECT parley_id()"""
NOTIFY = """SELECT pg_notify($1, $2)"""
ON_DISK = """SET LOCAL synchronous_commit = on; SELECT pg_logical_emit_message(true, 'parley', '')"""

_asked: ContextVar[set[tuple[str, str]] | None] = ContextVar("asked", default=None)

_NO_LIMIT = nullcontext()

SEND_EVERY = 0.05
"""Seconds that wake-ups are gathered before they are sent together: the worker then takes several jobs at a time."""


class Database:
    """The pool of one process."""

    def __init__(
        self,
        dsn: str,
        *,
        connections: int = 10,
        wait_for_disk: bool = True,
        gate: Gate | None = None,
        patience: float = PATIENCE,
    ) -> None:
        """`wait_for_disk` off lets commits return before they are on disk: for jobs alone, whose queue entry goes in a
        later commit, so that after a crash either both are there or the job runs again. `gate` says when writes may
        begin (None: always), `patience` how many seconds to wait for a connection.
        """
        self.dsn = dsn
        self.gate = gate or Gate()
        self._wait_for_disk = wait_for_disk
        self._connections = connections
        self._patience = patience
        # Writes that wait, for a standby or a lock, leave a fifth of the connections to those who only read.
        self._writers = asyncio.Semaphore(connections - connections // 5)
        self._taken = 0
        self._nodes = Nodes(dsn)
        self._epoch = 0
        self._sure_since = -1
        self._pool: Any = None
        self._watchers: list[Callable[[Any], None]] = []
        self._to_send: set[tuple[str, str]] = set()
        self._sender: asyncio.Task[None] | None = None
        self._unfinished: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Open the pool. With an agent the database may come later; without one, raises the driver's error."""
        self._pool = await asyncpg.create_pool(
            self.dsn,
            min_size=0 if self.gate.has_agent else 1,
            max_size=self._connections,
            connect=self._connect,
            connection_class=Connection,
            init=prepare_connection,
            reset=keep_session,
            server_settings={
                "jit": "off",
                "application_name": "parley",
                **({} if self._wait_for_disk else {"synchronous_commit": "off"}),
            },
        )
        if not self.gate.has_agent:
            with suppress(*NotMigrated):
                await self._ask_epoch()

    async def _connect(self, _dsn: str, **options: Any) -> Any:
        try:
            return await asyncpg.connect(await self._nodes.pick(), timeout=CONNECT_SECONDS, **options)
        except LostConnection:
            self._nodes.forget()
            raise

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
        """Whether the database is reachable and takes writes, and this host may write to it."""
        try:
            self.gate.check()
            return not await self.is_read_only()
        except (*LostConnection, Unavailable):
            return False

    async def is_read_only(self) -> bool:
        """Whether the database takes no writes. Raises what a read raises when it cannot be asked."""
        async with self.read() as tx:
            return not await tx.fetchval(GET_WRITABLE)

    @asynccontextmanager
    async def write(self, *, local: bool = False) -> AsyncIterator[Tx]:
        """One transaction: committed when the block ends, rolled back when it raises. What `wake_after` asked for
        inside is sent once it has committed. `local` is for what may be lost with this host: counters, read markers,
        when somebody was last seen. Its commit waits for no other host.

        Raises GateClosed, StaleEpoch and Crowded before the block, NotAcknowledged after it.
        """
        epoch = await self.gate.enter()
        if not self.gate.has_agent:
            epoch = self._epoch or await self._ask_epoch()
        asked: set[tuple[str, str]] = set()
        token = _asked.set(asked)
        try:
            connection = await self._take(writing=True)
            committing: asyncio.Task[None] | None = None
            try:
                transaction = await self._begin(connection, epoch, local=local)
                try:
                    yield connection
                    if not self.gate.may_end(epoch):
                        raise GateClosed  # overtaken by a fence
                except BaseException as error:
                    await self._roll_back(transaction, error)
                    self._explain(connection, error)
                    raise
                committing = asyncio.create_task(self._commit(connection, transaction, local=local))
                await self._wait_for(committing, epoch, local=local)
            finally:
                if committing is None or committing.done():
                    await self._give_back(connection, writing=True)
                else:
                    self._leave(committing, connection)
        finally:
            _asked.reset(token)
        if asked:
            self._to_send |= asked
            if self._sender is None or self._sender.done():
                self._sender = asyncio.create_task(self._send())

    async def jot(self, write: Callable[..., Awaitable[None]], *arguments: Any) -> None:
        """Run a store's `write(tx, *arguments)` that nobody will miss: locally, and not at all where it cannot be."""
        if self.gate.state is State.OPEN:
            with suppress(ReadOnlyDatabase, Unavailable):
                async with self.write(local=True) as tx:
                    await write(tx, *arguments)

    async def _begin(self, connection: Any, epoch: int, *, local: bool) -> Any:
        transaction = connection.transaction()
        connection.say(first=(BEGIN_LOCAL if local and self._wait_for_disk else BEGIN) % epoch)
        try:
            await transaction.__aenter__()
        except Exception as error:  # the pool rolls back what was begun, when it gets its connection back
            self._explain(connection, error)
            if getattr(error, "sqlstate", "") != STALE_EPOCH:
                raise
            self._epoch = 0
            self._nodes.forget()
            raise StaleEpoch(retry_after=1, detail=str(error)) from error
        return transaction

    async def _ask_epoch(self) -> int:
        """What the database says its epoch is: the only word there is on a host without an agent."""
        async with self.read() as tx:
            self._epoch = int(await tx.fetchval(GET_EPOCH))
        self.gate.tell_epoch(self._epoch)
        return self._epoch

    async def _commit(self, connection: Any, transaction: Any, *, local: bool) -> None:
        """Commit, in a task of its own that nobody cancels: a commit whose wait is cancelled looks like a good one."""
        doubt = self.gate.doubt
        must_wait = self._wait_for_disk and not local
        warnings: list[str] = []

        def note(_connection: Any, message: Any) -> None:
            warnings.append(message.sqlstate)

        connection.say(last=COMMIT_SURELY if must_wait and doubt > self._sure_since else "")
        connection.add_log_listener(note)
        try:
            await transaction.__aexit__(None, None, None)
        except MaybeLost as error:
            self.gate.raise_doubt()
            self._note_loss(error)
            raise NotAcknowledged(detail=f"the database was lost during a commit: {error!r}") from error
        finally:
            with suppress(ConnectionIsClosed):
                connection.remove_log_listener(note)
        if WARNING in warnings:
            self.gate.raise_doubt()
            raise NotAcknowledged(detail="the wait for the standby was cancelled")
        if must_wait and doubt > self._sure_since:
            self._sure_since = doubt

    async def _wait_for(self, committing: asyncio.Task[None], epoch: int, *, local: bool) -> None:
        """Until the commit has ended, well enough to be acknowledged. Cancelling this does not cancel the commit."""
        trip = journey.get()
        if trip is not None and not local:
            trip.wrote = True
        done, _ = await asyncio.wait({committing}, timeout=COMMIT_SECONDS)
        if not done:
            self.gate.raise_doubt()
            raise NotAcknowledged(detail=f"a commit took longer than {COMMIT_SECONDS:.0f} s")
        committing.result()
        if not self.gate.may_end(epoch):
            self.gate.raise_doubt()
            raise NotAcknowledged(detail="this host lost the right to write during a commit")

    def _leave(self, committing: asyncio.Task[None], connection: Any) -> None:
        """Let a commit that nobody waits for any more end by itself, and only then give its connection back."""

        async def end() -> None:
            try:
                await committing
            except Exception as error:
                log.warning("a commit that nobody waited for any more failed: %r", error)
            finally:
                await self._give_back(connection, writing=True)

        self._go_on_with(end())

    async def _roll_back(self, transaction: Any, error: BaseException) -> None:
        """Roll back; the error that was the reason goes on."""
        try:
            await transaction.__aexit__(type(error), error, None)
        except (*MaybeLost, asyncpg.PostgresError) as second:
            log.info("a rollback failed (%r) after %r", second, error)

    def _explain(self, connection: Any, error: BaseException) -> None:
        """Take note of a loss; raises ConnectionError where the driver only says that its connection is closed."""
        if isinstance(error, (*MaybeLost, ReadOnlyDatabase)):
            self._note_loss(error)
            if isinstance(error, ConnectionIsClosed) and is_closed(connection):
                raise ConnectionError("the connection to the database was lost") from error

    def _note_loss(self, error: BaseException) -> None:
        """Look for another server when there are several: this one is gone, or takes no writes any more."""
        if len(self._nodes.all) > 1:
            log.warning("looking for a database that takes writes, after: %s", error)
            self._nodes.forget()
            if isinstance(error, ReadOnlyDatabase):
                self._go_on_with(self._pool.expire_connections())

    def _go_on_with(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._unfinished.add(task)
        task.add_done_callback(self._unfinished.discard)

    async def _send(self) -> None:
        """Send what waits, in a transaction that writes nothing; what comes in meanwhile goes together."""
        while self._to_send:
            await asyncio.sleep(SEND_EVERY)
            messages, self._to_send = self._to_send, set()
            try:
                async with self._pool.acquire(timeout=self._patience) as connection:
                    await connection.executemany(NOTIFY, messages)
            except (*LostConnection, ReadOnlyDatabase) as error:
                log.warning("a wake-up was not sent (%s); the worker looks by itself now and then", error)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Tx]:
        """A connection for reading; each query sees its own snapshot. Raises Crowded when there is none to be had."""
        connection = await self._take(writing=False)
        try:
            yield connection
        except Exception as error:
            self._explain(connection, error)
            raise
        finally:
            await self._give_back(connection, writing=False)

    async def _take(self, *, writing: bool) -> Any:
        is_free = self._taken < self._connections - 1 and not (writing and self._writers.locked())
        try:
            async with _NO_LIMIT if is_free else asyncio.timeout(self._patience):
                if writing:
                    await self._writers.acquire()
                self._taken += 1
                try:
                    connection = await self._pool.acquire()
                except BaseException:
                    self._note_given_back(writing=writing)
                    raise
        except TimeoutError as error:
            self._nodes.forget()
            raise Crowded(detail=f"no connection to the database within {self._patience:.0f} s") from error
        for watcher in self._watchers:
            connection.add_query_logger(watcher)
        return connection

    async def _give_back(self, connection: Any, *, writing: bool) -> None:
        for watcher in self._watchers:
            with suppress(ConnectionIsClosed):
                connection.remove_query_logger(watcher)
        try:
            await self._pool.release(connection)
        finally:
            self._note_given_back(writing=writing)

    def _note_given_back(self, *, writing: bool) -> None:
        self._taken -= 1
        if writing:
            self._writers.release()

    @contextmanager
    def watch_queries(self) -> Iterator[list[str]]:
        """Collect the SQL that this process runs inside the block (tests assert its length)."""
        seen: list[str] = []

        def watcher(record: Any) -> None:
            seen.append(record.query)

        self._watchers.append(watcher)
        try:
            yield seen
        finally:
            self._watchers.remove(watcher)


async def get_new_id(tx: Tx) -> int:
    """A fresh id, for rows that must know theirs before they are inserted."""
    return int(await tx.fetchval(NEW_ID))


async def wait_for_disk(tx: Tx) -> None:
    """Let the commit of `tx` return only when it and all before it is safe; in a job too, or when it writes nothing."""
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
