"""The database driver, as `kit/db.py` uses it: its errors by the names that the product knows, and its connections.

Nobody but that file and tests imports this one.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import asyncpg
import msgspec

from parley.kit.nodes import Nodes

UniqueViolation = asyncpg.UniqueViolationError
ForeignKeyViolation = asyncpg.ForeignKeyViolationError
UnstorableText = asyncpg.CharacterNotInRepertoireError
"""Text with a null character, which PostgreSQL cannot hold."""
ReadOnlyDatabase = asyncpg.ReadOnlySQLTransactionError
"""A write to a database that takes none: a standby, or one that is being moved."""
Interrupted = asyncpg.QueryCanceledError
"""Somebody ended the statement (pg_cancel_backend, statement_timeout); nothing of its transaction is kept."""
LostConnection = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.InternalClientError,  # of an idle connection that was told that the server ends, and is used at once
    ConnectionError,
    OSError,
)
ConnectionIsClosed = asyncpg.InterfaceError
MaybeLost = (*LostConnection, asyncpg.InterfaceError)
"""What a commit raises when nobody knows what became of it: the driver says InterfaceError of a closed connection."""

BEGIN = """BEGIN; SELECT parley_begin(%d);"""
BEGIN_LOCAL = """BEGIN; SET LOCAL synchronous_commit = local; SELECT parley_begin(%d);"""
COMMIT_SURELY = """SELECT pg_logical_emit_message(true, 'parley', ''); COMMIT;"""
"""A commit that wrote nothing waits for nobody. This one always writes: it waits until all before it is safe too."""

STALE_EPOCH = "PE001"
WARNING = "01000"
"""SQLSTATE of "canceling wait for synchronous replication": the commit is kept here, and perhaps nowhere else."""

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
    connection = await asyncpg.connect(await Nodes(dsn).pick())
    await prepare_connection(connection)
    return connection


def is_closed(connection: Any) -> bool:
    """Whether a connection is lost, however the driver says it."""
    try:
        return bool(connection.is_closed())
    except ConnectionIsClosed:
        return True  # taken back by the pool already


async def keep_session(connection: Any) -> None:
    """Skip the driver's reset query on release: nothing here sets session state or leaves cursors and locks."""


class Connection(asyncpg.Connection):  # type: ignore[misc]
    """Says more than BEGIN and COMMIT where a transaction begins and ends, in the same round trip."""

    __slots__ = ("_first", "_last")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._first = self._last = ""

    def say(self, first: str = "", last: str = "") -> None:
        """What to send in place of the next BEGIN and the next COMMIT. Savepoints are left as they are."""
        self._first, self._last = first, last

    def execute(self, query: str, *args: Any, timeout: float | None = None) -> Coroutine[Any, Any, str]:
        """See asyncpg."""
        if query == "BEGIN;" and self._first:
            query, self._first = self._first, ""
        elif query == "COMMIT;" and self._last:
            query, self._last = self._last, ""
        sent: Coroutine[Any, Any, str] = super().execute(query, *args, timeout=timeout)
        return sent
