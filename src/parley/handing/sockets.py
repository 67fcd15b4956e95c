"""A WebSocket that is handed on: the messages of one side become the messages of the other (RFC 6455, by wsproto)."""

from __future__ import annotations

import asyncio
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from parley.handing.away import Away
from parley.handing.links import Peer, Stream
from parley.handing.proofs import target_of
from parley.kit.tasks import run_until_first

MOST_BYTES = 1024 * 1024
"""Of one message."""

OPENING_SECONDS = 10.0
GOING_AWAY = 1001
TRY_AGAIN = 1013
HANDSHAKE = frozenset(
    {
        *(b"host", b"content-length", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol"),
        *(b"sec-websocket-extensions", b"sec-websocket-accept"),
    }
)
"""Headers that each of the two WebSockets has of its own."""


class _Other:
    """The WebSocket to the other host."""

    def __init__(self, stream: Stream) -> None:
        self._reader, self._writer = stream.reader, stream.writer
        self._protocol = WSConnection(ConnectionType.CLIENT)

    async def say(self, event: Event) -> None:
        """Send one event."""
        self._writer.write(self._protocol.send(event))
        await self._writer.drain()

    async def hear(self) -> list[Event]:
        """What came; empty when the connection has ended."""
        while True:
            data = await self._reader.read(65536)
            self._protocol.receive_data(data or None)
            if events := list(self._protocol.events()):
                return events
            if not data:
                return []

    def close(self) -> None:
        """Let go of the connection."""
        self._writer.close()


async def hand_on_socket(away: Away, peer: Peer, scope: Any, receive: Any, send: Any) -> None:
    """Connect the client's WebSocket with one of the other host until either ends."""
    await receive()  # websocket.connect
    try:
        async with asyncio.timeout(OPENING_SECONDS):
            other = _Other(await away.open_socket(peer))
    except OSError:
        await send({"type": "websocket.close", "code": TRY_AGAIN})
        return
    try:
        early = await _open(other, away, scope, send)
        if early is None:
            await send({"type": "websocket.close", "code": TRY_AGAIN})
            return
        await _join(other, early, receive, send)
    except (OSError, LocalProtocolError, RemoteProtocolError):
        await _end(send, GOING_AWAY)
    finally:
        other.close()


async def _open(other: _Other, away: Away, scope: Any, send: Any) -> list[Event] | None:
    """Shake hands; returns what came along with the other side's consent, or None when it was refused."""
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    asked = Request(
        host=host.decode("latin-1"),
        target=target_of(scope).decode("latin-1"),
        subprotocols=list(scope.get("subprotocols") or []),
        extra_headers=away.headers_for(scope, skip=HANDSHAKE),
    )
    async with asyncio.timeout(OPENING_SECONDS):
        await other.say(asked)
        while events := await other.hear():
            for place, event in enumerate(events):
                if isinstance(event, AcceptConnection):
                    await send({"type": "websocket.accept", "subprotocol": event.subprotocol, "headers": []})
                    return events[place + 1 :]
                if isinstance(event, RejectConnection):
                    return None
    return None


async def _join(other: _Other, early: list[Event], receive: Any, send: Any) -> None:
    await run_until_first(_upwards(other, receive), _downwards(other, early, send))


async def _upwards(other: _Other, receive: Any) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            await other.say(CloseConnection(code=message.get("code") or GOING_AWAY))
            return
        text = message.get("text")
        event: Message[Any] = TextMessage(data=text) if text is not None else BytesMessage(data=message["bytes"])
        await other.say(event)


async def _downwards(other: _Other, early: list[Event], send: Any) -> None:
    parts: list[Any] = []
    size = 0
    events = early or await other.hear()
    while events:
        for event in events:
            if isinstance(event, Ping):
                await other.say(event.response())
            elif isinstance(event, CloseConnection):
                await _end(send, event.code)
                return
            elif isinstance(event, TextMessage | BytesMessage):
                parts.append(event.data)
                size += len(event.data)
                if size > MOST_BYTES:
                    raise RemoteProtocolError("the message is too long")
                if event.message_finished:
                    await send(_message_of(parts))
                    parts, size = [], 0
        events = await other.hear()
    await _end(send, GOING_AWAY)


def _message_of(parts: list[Any]) -> dict[str, Any]:
    if isinstance(parts[0], str):
        return {"type": "websocket.send", "text": "".join(parts)}
    return {"type": "websocket.send", "bytes": b"".join(parts)}


async def _end(send: Any, code: int) -> None:
    try:
        await send({"type": "websocket.close", "code": int(code)})
    except (RuntimeError, OSError):
        return  # the client has left already
