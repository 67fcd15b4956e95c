"""Open connections over ASGI itself, because they must be read while the world goes on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlencode

from tests.conftest import World

PATIENCE = 5.0


async def token_of(world: World, who: str, scopes: str = "read write follow") -> str:
    """A real access token of `who`."""
    client = await world.client(who, scopes=scopes)
    return client.headers["authorization"].removeprefix("Bearer ")


class Ear:
    """One connection: what was sent to it, and what the client says."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(self) -> dict[str, Any]:
        """The next ASGI message that the application sends."""
        return await asyncio.wait_for(self.sent.get(), PATIENCE)

    async def nothing(self) -> None:
        """Wait a moment; fail when anything came."""
        await asyncio.sleep(0.3)
        assert self.sent.empty(), self.sent.get_nowait()


def asgi_scope(
    world: World, kind: str, path: str, headers: dict[str, str] | None = None, params: dict[str, Any] | None = None
) -> dict[str, Any]:
    """What the server would say of a connection."""
    return {
        "type": kind,
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        **({} if kind == "websocket" else {"method": "GET"}),
        "scheme": "ws" if kind == "websocket" else "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": urlencode(params or {}).encode(),
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in {"host": "localhost", **(headers or {})}.items()
        ],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 3000),
        "subprotocols": [headers["Sec-WebSocket-Protocol"]] if headers and "Sec-WebSocket-Protocol" in headers else [],
        "extensions": {},
    }


@asynccontextmanager
async def opened(
    world: World, kind: str, path: str, headers: dict[str, str] | None = None, **params: Any
) -> AsyncIterator[Ear]:
    """A connection that stays open inside the block."""
    ear = Ear()
    scope = asgi_scope(world, kind, path, headers, params)
    task = asyncio.create_task(world.app(scope, ear.said.get, ear.sent.put))
    await ear.said.put({"type": "websocket.connect" if kind == "websocket" else "http.request", "body": b""})
    try:
        yield ear
    finally:
        ended = {"type": "websocket.disconnect", "code": 1000} if kind == "websocket" else {"type": "http.disconnect"}
        await ear.said.put(ended)
        await asyncio.wait({task}, timeout=PATIENCE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def events(world: World, who: str, path: str, **params: Any) -> AsyncIterator[Ear]:
    """Server-sent events of `who`; the head of the answer has been read."""
    headers = {"Authorization": f"Bearer {await token_of(world, who)}"}
    async with opened(world, "http", f"/api/v1/streaming/{path}", headers, **params) as ear:
        start = await ear.take()
        assert start["status"] == 200, start
        assert dict(start["headers"])[b"content-type"].startswith(b"text/event-stream")
        assert (await ear.take())["body"] == b":)\n\n"
        yield ear


async def next_event(ear: Ear) -> tuple[str, Any]:
    """The name and data of the next server-sent event."""
    body = (await ear.take())["body"].decode()
    lines = dict(line.split(":", 1) for line in body.strip().splitlines())
    data = lines["data"].strip()
    return lines["event"].strip(), json.loads(data) if data.startswith("{") else data


@asynccontextmanager
async def socket(world: World, who: str, **params: Any) -> AsyncIterator[Ear]:
    """An accepted WebSocket of `who`."""
    headers = {"Authorization": f"Bearer {await token_of(world, who)}"}
    async with opened(world, "websocket", "/api/v1/streaming", headers, **params) as ear:
        accepted = await ear.take()
        assert accepted["type"] == "websocket.accept", accepted
        yield ear


async def say(ear: Ear, **message: Any) -> None:
    """Send a message through the WebSocket."""
    await ear.said.put({"type": "websocket.receive", "text": json.dumps(message)})
    await asyncio.sleep(0.1)


async def next_message(ear: Ear) -> dict[str, Any]:
    """The next message from the WebSocket, its payload read when it is JSON."""
    answer = json.loads((await ear.take())["text"])
    if str(answer.get("payload", "")).startswith("{"):
        answer["payload"] = json.loads(answer["payload"])
    return answer
