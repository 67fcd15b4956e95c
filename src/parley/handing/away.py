"""Requests on their way to the host that serves now: HTTP over the link, streamed both ways.

The link carries plain HTTP/1.1 to the other host's own port, through TLS by which both know each other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from enum import Enum
from typing import Any

import httpcore

from parley.handing.answers import GIVEN_BACK, MISDIRECTED
from parley.handing.bodies import ClientGone, KeptBody
from parley.handing.links import Peer, Stream, open_peer
from parley.handing.proofs import HEADER, make_proof, target_of
from parley.kit.http import address_of
from parley.kit.settings import Settings
from parley.kit.tasks import run_until_first

log = logging.getLogger(__name__)

HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization", b"proxy-connection"),
        *(b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
"""Headers of one connection (RFC 9110, 7.6.1): each of the two has its own."""

CONNECT_SECONDS = 2.0
READ_SECONDS = 120.0
MOST_CONNECTIONS = 100
KEEP_SECONDS = 5.0
"""An idle connection is closed before the other side does it, so that no request is sent into one that just ended."""


class Sent(Enum):
    """What became of a request. NOT_SENT: the other host was not reached, or gave it back and did nothing. LOST: it may
    have been done."""

    ANSWERED = 1
    NOT_SENT = 2
    LOST = 3


class Away:
    """This process's connections to the other host."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def send_on(self, peer: Peer, scope: Any, body: KeptBody, send: Any) -> Sent:
        """Let the other host answer. Raises ClientGone when whoever asked has left."""
        headers = self.headers_for(scope)
        content: AsyncIterator[bytes] | bytes = b""
        if not _has_no_body(scope, headers):
            content = body.parts()
            if not any(name == b"content-length" for name, _ in headers):
                headers.append((b"transfer-encoding", b"chunked"))
        timeouts = {"connect": CONNECT_SECONDS, "pool": CONNECT_SECONDS, "read": READ_SECONDS, "write": READ_SECONDS}
        request = httpcore.Request(
            method=scope["method"].encode("ascii"),
            url=httpcore.URL(scheme=b"http", host=peer.name.encode("ascii"), port=80, target=target_of(scope)),
            headers=headers,
            content=content,
            extensions={"timeout": timeouts},
        )
        try:
            answer = await self._connections().handle_async_request(request)
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout) as error:
            log.warning("%s was not reached: %r", peer.name, error)
            return Sent.NOT_SENT
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            log.warning("%s was lost before it answered: %r", peer.name, error)
            return Sent.LOST
        try:
            if answer.status == MISDIRECTED and GIVEN_BACK in answer.headers:
                return Sent.NOT_SENT
            await _answer(answer, body, send)
        finally:
            await answer.aclose()
        return Sent.ANSWERED

    def headers_for(self, scope: Any, *, skip: Iterable[bytes] = ()) -> list[tuple[bytes, bytes]]:
        """The request's headers as the other host shall see them, and the proof that it came from here."""
        left_out = {*HOP_BY_HOP, HEADER, b"x-forwarded-for", *skip}
        headers = [(name, value) for name, value in scope["headers"] if name not in left_out]
        forwarded = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
        first = scope["client"][0] if scope.get("client") else "127.0.0.1"
        client = address_of(first, forwarded, self._settings)
        headers.append((b"x-forwarded-for", ", ".join([*forwarded, first]).encode("latin-1")))
        headers.append((HEADER, make_proof(self._settings, scope, client)))
        return headers

    async def open_socket(self, peer: Peer) -> Stream:
        """A connection of its own, for a WebSocket. Raises OSError."""
        return await open_peer(self._settings, peer.name, CONNECT_SECONDS)

    async def close(self) -> None:
        """Close what is open."""
        if self._pool is not None:
            await self._pool.aclose()

    def _connections(self) -> httpcore.AsyncConnectionPool:
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=KEEP_SECONDS,
                network_backend=_Link(self._settings),
            )
        return self._pool


async def _answer(answer: httpcore.Response, body: KeptBody, send: Any) -> None:
    headers = [(name.lower(), value) for name, value in answer.headers if name.lower() not in HOP_BY_HOP]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})

    async def pump() -> None:
        async for part in answer.aiter_stream():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    if not is_endless(headers):
        await pump()
        return
    # Such an answer ends when the client goes, and nobody would notice: the other host sends on into nothing.
    with contextlib.suppress(httpcore.NetworkError, httpcore.ProtocolError):
        await run_until_first(pump(), _until_gone(body))


def is_endless(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether an answer with these headers, in lower case, goes on for as long as its reader listens."""
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in headers)


async def _until_gone(body: KeptBody) -> None:
    while (await body.receive())["type"] != "http.disconnect":
        pass


def _has_no_body(scope: Any, headers: list[tuple[bytes, bytes]]) -> bool:
    lengths = [value for name, value in headers if name == b"content-length"]
    if lengths:
        return lengths[0] == b"0"
    is_chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return scope["method"] in ("GET", "HEAD", "OPTIONS") or (scope.get("http_version") == "1.1" and not is_chunked)


class _Link(httpcore.AsyncNetworkBackend):
    """Opens the link where an HTTP client would open a connection to a host of that name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """See httpcore."""
        try:
            return _LinkStream(await open_peer(self._settings, host, timeout or CONNECT_SECONDS))
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never asked for."""
        raise httpcore.ConnectError(path)

    async def sleep(self, seconds: float) -> None:
        """See httpcore."""
        await asyncio.sleep(seconds)


class _LinkStream(httpcore.AsyncNetworkStream):
    """One connection over the link, as httpcore uses it."""

    def __init__(self, stream: Stream) -> None:
        self._reader, self._writer = stream.reader, stream.writer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """See httpcore."""
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """See httpcore."""
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    async def aclose(self) -> None:
        """See httpcore."""
        self._writer.close()

    async def start_tls(
        self,
        ssl_context: Any,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never asked for: the link is TLS already."""
        raise httpcore.ConnectError("the link is TLS already")

    def get_extra_info(self, info: str) -> Any:
        """See httpcore; an idle connection that can be read has ended."""
        if info == "is_readable":
            return self._reader.at_eof() or self._writer.transport.is_closing()
        return None


__all__ = ["Away", "ClientGone", "Sent", "is_endless"]
