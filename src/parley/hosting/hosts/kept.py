"""A connection to the host's own database that is kept open, because whoever asks cannot wait for a new one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from parley.hosting.hosts.errors import HostError
from parley.kit.db import ConnectionIsClosed, LostConnection, connect

CONNECT_SECONDS = 10


class KeptConnection:
    """One connection with one user at a time. `me` is the host's name, `dsn` says where its database is."""

    def __init__(self, me: Callable[[], str], dsn: Callable[[], str]) -> None:
        self._me = me
        self._dsn = dsn
        self._connection: Any = None
        self._using = asyncio.Lock()

    @asynccontextmanager
    async def use(self) -> AsyncIterator[Any]:
        """The connection, opened when it is not. Raises HostError when PostgreSQL is not there, or goes away."""
        async with self._using:
            if self._connection is None or self._connection.is_closed():
                try:
                    self._connection = await asyncio.wait_for(connect(self._dsn()), CONNECT_SECONDS)
                except (*LostConnection, TimeoutError) as error:
                    raise HostError(f"PostgreSQL on {self._me()} cannot be reached ({error}).") from error
            try:
                yield self._connection
            except (*LostConnection, ConnectionIsClosed) as error:
                self.drop()
                raise HostError(f"PostgreSQL on {self._me()} went away ({error}).") from error
            except asyncio.CancelledError:
                self.drop()
                raise

    def drop(self) -> None:
        """Close it; the next user opens another."""
        if self._connection is not None:
            with suppress(Exception):
                self._connection.terminate()
            self._connection = None
