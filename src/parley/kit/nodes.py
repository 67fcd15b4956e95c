"""Which of several PostgreSQL servers to write to, when `database_url` names more than one.

All are asked at once, each within a short time of its own, so that one that never answers delays nobody. The driver's
own way asks one after the other, and waits for the first as long as the operating system likes. Knows no pool.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import asyncpg
import msgspec

log = logging.getLogger(__name__)

PROBE_SECONDS = 1.5
"""How long one server may take to say what it is."""

GRACE_SECONDS = 0.4
"""How long the others are waited for once one that takes writes has answered: one of them may have a higher epoch."""

GET_WRITABLE = """SELECT NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off'"""
GET_EPOCH = """SELECT epoch FROM parley_meta"""

GET_ROOM = """
    SELECT current_setting('max_connections')::int
           - (SELECT sum(setting::int) FROM pg_settings
              WHERE name IN ('superuser_reserved_connections', 'reserved_connections'))::int
"""

NotMigrated = (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError, asyncpg.UndefinedFunctionError)


class NoNode(ConnectionError):
    """None of the servers takes writes; the text says what each of them answered."""


class NodeRow(msgspec.Struct, frozen=True):
    """What one server said of itself."""

    dsn: str
    epoch: int


def split_nodes(dsn: str) -> tuple[str, ...]:
    """The address of each server that `dsn` names: `//a:5432,b:5432/name` or `?host=/run/a,/run/b`."""
    parts = urlsplit(dsn)
    user, at, hosts = parts.netloc.rpartition("@")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if "," in hosts:
        options.pop("target_session_attrs", None)
        rest = parts._replace(query=urlencode(options, quote_via=quote, safe="/"))
        return tuple(urlunsplit(rest._replace(netloc=f"{user}{at}{one}")) for one in hosts.split(",") if one)
    places = [one for one in options.get("host", "").split(",") if one]
    if len(places) < 2:
        return (dsn,)
    options.pop("target_session_attrs", None)
    ports = options.pop("port", "5432").split(",")
    made = []
    for index, place in enumerate(places):
        each = {**options, "host": place, "port": ports[index] if index < len(ports) else ports[0]}
        made.append(urlunsplit(parts._replace(query=urlencode(each, quote_via=quote, safe="/"))))
    return tuple(made)


class Nodes:
    """The servers that one address names. With one alone nothing is ever probed."""

    def __init__(self, dsn: str) -> None:
        self.all = split_nodes(dsn)
        self._picked: str | None = self.all[0] if len(self.all) == 1 else None
        self._lock = asyncio.Lock()

    def forget(self) -> None:
        """Ask again before the next connection: the one that was picked is lost, or takes no writes."""
        if len(self.all) > 1:
            self._picked = None

    async def pick(self) -> str:
        """The address of the server that takes writes; of several the one of the highest epoch. Raises NoNode."""
        if self._picked is None:
            async with self._lock:
                if self._picked is None:
                    self._picked = await _find_writable(self.all)
        return self._picked


async def _find_writable(nodes: tuple[str, ...]) -> str:
    asked = {asyncio.create_task(get_node(dsn)) for dsn in nodes}
    waiting, best, said = set(asked), None, []
    try:
        while waiting:
            limit: float | None = GRACE_SECONDS if best is not None else None
            done, waiting = await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                break
            for task in done:
                row = task.result()
                if isinstance(row, str):
                    said.append(row)
                elif best is None or row.epoch > best.epoch:
                    best = row
    finally:
        for task in waiting:
            task.cancel()
    if best is None:
        raise NoNode(f"None of the {len(nodes)} databases takes writes: {'; '.join(sorted(said))}.")
    log.info("the database %s takes writes (epoch %s)", _place_of(best.dsn), best.epoch)
    return best.dsn


async def get_node(dsn: str) -> NodeRow | str:
    """What one server says of itself, or in words why it cannot be written to."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            connection = await asyncpg.connect(dsn)
            try:
                if not await connection.fetchval(GET_WRITABLE):
                    return f"{_place_of(dsn)} can only be read"
                try:
                    return NodeRow(dsn, int(await connection.fetchval(GET_EPOCH)))
                except NotMigrated:
                    return NodeRow(dsn, 0)
            finally:
                connection.terminate()
    except TimeoutError:
        return f"{_place_of(dsn)} did not answer within {PROBE_SECONDS} s"
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return f"{_place_of(dsn)}: {error or type(error).__name__}"


async def get_room(connection: asyncpg.Connection[Any]) -> int:
    """How many connections the server takes of all its ordinary users together."""
    return int(await connection.fetchval(GET_ROOM))


def _place_of(dsn: str) -> str:
    """Where it is, without the password."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return host or dict(parse_qsl(parts.query)).get("host", "")
