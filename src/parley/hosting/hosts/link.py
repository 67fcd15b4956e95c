"""The link between hosts: one TLS 1.3 port, and on the other side sockets that lead through it.

What a connection carries is chosen by ALPN when it is opened. But for joining, both sides show a certificate of the
instance's own authority, and are who they say only by the key that stands in `hosts.json`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from parley.hosting.hosts.certificates import (
    client_context,
    internal_name,
    is_one_of,
    key_of_peer,
    load_chain,
    name_of_peer,
    server_context,
)
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import HostRecord, Hosts
from parley.hosting.hosts.sockets import POSTGRES_SOCKET
from parley.kit.settings import Settings

log = logging.getLogger(__name__)

CONTROL = "http/1.1"
POSTGRES = "parley-postgres"
WEB = "parley-web"
JOIN = "parley-join"
PROTOCOLS = [CONTROL, POSTGRES, WEB, JOIN]

HANDSHAKE_SECONDS = 10
DIAL_SECONDS = 5
MOST_CONNECTIONS = 1000
MOST_JOINING = 20
"""So many connections at once of whoever has no certificate, each of JOIN_SECONDS at most."""

JOIN_SECONDS = 30
MOST_KNOCKING = 100
MOST_KNOCKING_EACH = 20
"""So many handshakes at once: of all, and of one address."""

SAY_EVERY = 60.0
CHUNK = 256 * 1024
KEEP_ALIVE = 75

Asgi = Callable[[Any, Any, Any], Awaitable[None]]
PEER = "parley.peer"
"""In an ASGI scope: the host that asks; None for this machine itself, an empty text for whoever wants to join."""


PEER_KEY = "parley.peer_key"
"""Likewise: the hash of the key that it has shown."""


class _Known(NamedTuple):
    """Who is on the other side of an open connection (nobody yet: an empty name), with which key, and for what."""

    name: str
    key: str
    protocol: str


class HttpSide:
    """Serves ASGI on connections that are open already."""

    def __init__(self, app: Asgi) -> None:
        self._app = app
        self._config = Config(
            app,
            http=H11Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            h11_max_incomplete_event_size=32 * 1024,
        )
        self._config.load()
        self._state = ServerState()

    def protocol(self, peer: str | None, key: str = "") -> asyncio.Protocol:
        """For one connection of this peer, which has shown a certificate with the key of this hash."""
        made = H11Protocol(self._config, self._state, {})
        app = self._app

        async def told(scope: Any, receive: Any, send: Any) -> None:
            with suppress(asyncio.CancelledError):  # the agent ends; nobody reads the answer any more
                await app({**scope, PEER: peer, PEER_KEY: key}, receive, send)

        made.app = told
        return made


class Listener:
    """This host's end of the link."""

    def __init__(self, settings: Settings, http: HttpSide, hosts: Callable[[], Hosts], postgres: Path | None) -> None:
        self._settings = settings
        self._http = http
        self._hosts = hosts
        self._postgres = postgres
        self._context = server_context(settings, PROTOCOLS)
        self._listening: socket.socket | None = None
        self._knocking: Counter[str] = Counter()
        self._said_refused = -SAY_EVERY
        self._open: dict[asyncio.Transport, _Known] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; raises HostError when the address cannot be had."""
        address, port = split_address(self._settings.link_listen)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(address, port, type=socket.SOCK_STREAM)
            listening = socket.create_server(
                (found[0][4][0], port), family=found[0][0], backlog=128, dualstack_ipv6=address == "::"
            )
        except OSError as error:
            raise HostError(f"The link cannot listen on {self._settings.link_listen} ({error.strerror}).") from error
        listening.setblocking(False)
        self._listening = listening
        self._begin(self._accept(listening))

    async def _accept(self, listening: socket.socket) -> None:
        """Take connections, few at a time of whoever has not yet shown who they are: anybody may knock."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, address = await loop.sock_accept(listening)
            except OSError as error:  # too many open files, say: those that are open go on
                log.warning("the link cannot take a connection now: %s", error)
                await asyncio.sleep(1)
                continue
            knocking = str(address[0])
            if self._knocking.total() >= MOST_KNOCKING or self._knocking[knocking] >= MOST_KNOCKING_EACH:
                taken.close()
                continue
            self._knocking[knocking] += 1
            self._begin(self._shake_hands(taken, knocking))

    async def _shake_hands(self, taken: socket.socket, knocking: str) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: _Door(self),
                taken,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=2,
            )
        except (OSError, TimeoutError) as error:
            log.info("a connection to the link from %s was not made: %s", knocking, error)
            taken.close()
        finally:
            self._knocking[knocking] -= 1
            if not self._knocking[knocking]:
                del self._knocking[knocking]

    async def close(self) -> None:
        """Stop listening, and end every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._listening is not None:
            self._listening.close()
        for transport in list(self._open):
            transport.abort()

    def renew(self) -> None:
        """Show the certificate as it is on the disk now."""
        load_chain(self._context, self._settings)

    def drop_strangers(self) -> None:
        """End the connections of hosts that are not ours any more, and those that were made with an old key: but for
        requests of members, which the host itself has begun with it, and which can do no harm."""
        hosts = self._hosts()
        for transport, one in list(self._open.items()):
            record = hosts.find(one.name)
            if one.name and (record is None or (one.protocol != WEB and not is_one_of(one.key, record.keys))):
                transport.abort()

    def take(self, transport: asyncio.Transport) -> None:
        """Decide what a new connection is for; whoever may not have that is hung up on."""
        shown: ssl.SSLObject = transport.get_extra_info("ssl_object")
        protocol = shown.selected_alpn_protocol()
        name = "" if protocol == JOIN else self._who(shown)
        joining = sum(1 for one in self._open.values() if not one.name)
        if name is None or len(self._open) >= MOST_CONNECTIONS or (not name and joining >= MOST_JOINING):
            transport.abort()
            return
        self._open[transport] = _Known(name, key_of_peer(shown), protocol or "")
        if protocol == JOIN:
            asyncio.get_running_loop().call_later(JOIN_SECONDS, transport.abort)
        if protocol in (CONTROL, JOIN):
            _hand_over(
                transport,
                _Noted(self._http.protocol(name, key_of_peer(shown)), lambda: self._open.pop(transport, None)),
            )
        elif protocol == WEB:
            self._begin(self._pipe(_streams_of(transport), self._to_web))
        elif protocol == POSTGRES and self._postgres is not None:
            self._begin(self._pipe(_streams_of(transport), self._to_postgres))
        else:
            del self._open[transport]
            transport.abort()

    def _who(self, shown: ssl.SSLObject) -> str | None:
        """The host on the other side; None when it is none of ours."""
        name = name_of_peer(shown)
        hosts = self._hosts()
        record = hosts.find(name) if name and name != hosts.me else None
        if record is None or not is_one_of(key_of_peer(shown), record.keys):
            self._say_refused(name[:60])
            return None
        return name

    def _say_refused(self, name: str) -> None:
        """Once a minute: a host that was removed tries again and again."""
        if time.monotonic() - self._said_refused > SAY_EVERY:
            self._said_refused = time.monotonic()
            log.warning("the link refuses connections of %r, which is none of the instance's hosts", name)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pipe(
        self,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        target: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
    ) -> None:
        transport = here[1].transport
        try:
            there = await asyncio.wait_for(target(), DIAL_SECONDS)
        except (OSError, TimeoutError):
            transport.abort()
        else:
            await pump(here, there)
        finally:
            self._open.pop(transport, None)  # type: ignore[call-overload]

    async def _to_web(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = self._settings.host
        local = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address, address)  # noqa: S104
        return await asyncio.open_connection(local, self._settings.port, limit=CHUNK)

    async def _to_postgres(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        assert self._postgres is not None
        return await asyncio.open_unix_connection(str(self._postgres / POSTGRES_SOCKET), limit=CHUNK)


class _Door(asyncio.Protocol):
    """A connection whose handshake is done, before it is known what it is for."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._listener.take(transport)


class _Noted(asyncio.Protocol):
    """Passes everything on to another protocol, and tells when the connection is over."""

    def __init__(self, inner: asyncio.Protocol, over: Callable[[], Any]) -> None:
        self._inner = inner
        self._over = over

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()
        self._inner.connection_lost(exc)


def _hand_over(transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
    transport.set_protocol(protocol)
    protocol.connection_made(transport)


def _streams_of(transport: asyncio.Transport) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Call at once when the connection is made: bytes may come with the last of the handshake."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=CHUNK, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    _hand_over(transport, protocol)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def pump(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Carry bytes both ways until one side ends; what it had sent still arrives. Closes both."""
    _keep_alive(one[1])
    _keep_alive(other[1])
    tasks = {
        asyncio.create_task(_carry(one[0], other[1])),
        asyncio.create_task(_carry(other[0], one[1])),
    }
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        for _, writer in (one, other):
            writer.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, ssl.SSLError, TimeoutError, OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """Let the kernel notice a side that is gone, within half a minute."""
    found = writer.get_extra_info("socket")
    if found is not None and found.family in (socket.AF_INET, socket.AF_INET6):
        for level, option, value in (
            (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
            (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPIDLE", 0), 10),
            (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPINTVL", 0), 5),
            (socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", 0), 4),
            (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
        ):
            with suppress(OSError):
                found.setsockopt(level, option, value)


async def dial(
    settings: Settings, record: HostRecord, protocol: str
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to another host for one of PROTOCOLS; raises OSError (ssl.SSLError is one), TimeoutError."""
    address, port = split_address(record.link)
    return await asyncio.wait_for(
        asyncio.open_connection(
            address,
            port,
            ssl=client_context(settings, record.keys, protocol),
            server_hostname=internal_name(record.name),
            ssl_handshake_timeout=DIAL_SECONDS,
            limit=CHUNK,
        ),
        DIAL_SECONDS,
    )


async def serve_socket(path: Path, dialing: Callable[[], Awaitable[tuple[Any, Any]]]) -> asyncio.Server:
    """Listen on a unix socket (for its owner alone) and carry each connection to where `dialing` leads."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there = await dialing()
        except (OSError, TimeoutError, HostError) as error:
            log.debug("nobody answers behind %s: %s", path, error)
            writer.close()
            return
        await pump((reader, writer), there)

    return await listen_at(path, lambda: asyncio.start_unix_server(carry, str(path), limit=CHUNK))


async def listen_at(path: Path, listen: Callable[[], Awaitable[asyncio.Server]]) -> asyncio.Server:
    """Listen on a unix socket in a folder that is ours alone; one that a killed process left is replaced."""
    await asyncio.to_thread(path.unlink, missing_ok=True)
    return await listen()


def split_address(address: str) -> tuple[str, int]:
    """Host and port of `b.example:7443` or `[::1]:7443`; raises HostError."""
    host, _, port = address.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536 or "/" in host or " " in host:
        raise HostError(f"{address!r} is not an address with a port, such as b.example:7443.")
    return host, int(port)
