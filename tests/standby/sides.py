"""Two hosts' files in one process: real stores, real logs and the real routes, without the link between them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from parley.hosting.hosts.client import HostClient
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.link import PEER
from parley.hosting.hosts.records import HostRecord, Hosts, HostState, write_hosts
from parley.hosting.standby.media import Media
from parley.hosting.standby.serving import FileRoutes
from parley.hosting.standby.source import Arriving, LinkSource, WrongFile
from parley.kit.errors import NotFound
from parley.kit.filelog_lines import FileLogError
from parley.kit.files import new_content_key, new_file_name
from parley.kit.gate import State, gate_of
from parley.kit.settings import Settings

RECORDS = tuple(HostRecord(name=name, link=f"{name}.example:7443", key="00" * 32) for name in ("a", "b"))


class Side:
    """One host."""

    def __init__(self, name: str, folder: Path, role: str, media_store: str = "") -> None:
        self.name = name
        self.settings = Settings(data_dir=folder, media_store=media_store, domain="social.example")
        folder.mkdir(parents=True, exist_ok=True)
        hosts = Hosts(me=name, hosts=RECORDS)
        write_hosts(self.settings, hosts)
        gate = gate_of(self.settings)
        other = "b" if name == "a" else "a"
        state = HostState(role=role, epoch=1, to=None if role == "primary" else other)  # type: ignore[arg-type]
        self.host = Host(self.settings, gate, None, hosts, state)
        gate.turn(State.OPEN if role == "primary" else State.CLOSED, epoch=1)
        self.media = Media(self.host)
        self.media.log.recover()
        self.media.tell_gate()
        self.down = False
        self._task: asyncio.Task[None] | None = None

    async def turn(self, role: str, epoch: int) -> None:
        """Be something else from now on."""
        other = "b" if self.name == "a" else "a"
        await self.host.change_state(role=role, epoch=epoch, to=None if role == "primary" else other)
        self.host.gate.turn(State.OPEN if role == "primary" else State.CLOSED, epoch=epoch)

    async def put(self, content: bytes, area: str = "media", name: str = "") -> str:
        """Store a file as the instance does."""
        if not name:
            digest = hashlib.sha256(content).digest()
            names: dict[str, Callable[[], str]] = {
                "media": lambda: new_content_key(digest, "jpg"),
                "uploads": lambda: new_file_name("raw"),
                "evidence": lambda: f"notices/{digest.hex()[:2]}/{digest.hex()}",
            }
            name = names[area]()
        await self.media.written[area].put(name, content)
        return name

    async def whole(self, name: str, area: str = "media") -> bytes | None:
        """A file as it is here; None when it is not."""
        try:
            return b"".join([chunk async for chunk in await self.media.areas[area].read(name)])
        except NotFound:
            return None

    async def everything(self) -> dict[tuple[str, str], str]:
        """Every file that is here, with its hash."""
        return {
            (area, name): await store.hash_of(name)
            for area, store in self.media.areas.items()
            async for batch in store.list_all()
            for name, _ in batch
        }

    # ---- Following the other one -------------------------------------------------------------------------------------
    def follow(self, source: Any) -> None:
        """Follow in the background, and begin again after every error, as the agent does."""

        async def run() -> None:
            while True:
                with contextlib.suppress(HostError, FileLogError, WrongFile):
                    await self.media.follow(source)
                await asyncio.sleep(0.02)

        self._task = asyncio.create_task(run())

    async def stop(self) -> None:
        """Stop following, as abruptly as a task can."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._task = None
        self.media.figures = self.media.follower = None

    async def caught_up(self, other: Side, within: float = 20) -> None:
        """Return once this host has everything that the other one has written."""
        mark = other.media.log.mark()
        await self.media.wait_for(mark.position, mark.root, within)


class TestSource(LinkSource):
    """The other side through its real routes, with faults that a test puts in its way."""

    __test__ = False

    def __init__(self, side: Side) -> None:
        self.side = side
        routes = FileRoutes(side.media)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await routes(side.host, {**scope, PEER: "x"}, receive, send)

        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        super().__init__(HostClient(side.name, httpx.AsyncClient(transport=transport, base_url="http://other")))
        self.faults: dict[str, int] = {}
        """How often a fault still happens: cut, changed, broken, unreachable."""
        self.reads = 0
        self.delay = 0.0

    def _is_due(self, fault: str) -> bool:
        self.faults[fault] = self.faults.get(fault, 0) - 1
        return self.faults[fault] >= 0

    async def _ask(self, *given: Any, **more: Any) -> httpx.Response:
        if self.side.down or self._is_due("unreachable"):
            raise HostUnreachable("the wire is cut")
        return await super()._ask(*given, **more)

    def read(self, area: str, name: str) -> AbstractAsyncContextManager[Arriving]:
        """With faults."""
        return self._faulty(area, name)

    @asynccontextmanager
    async def _faulty(self, area: str, name: str) -> AsyncIterator[Arriving]:
        self.reads += 1
        await asyncio.sleep(self.delay)
        if self.side.down:
            raise HostUnreachable("the wire is cut")
        if self._is_due("broken"):
            raise WrongFile("the host answered with status 500")
        cut, changed = self._is_due("cut"), self._is_due("changed")
        async with super().read(area, name) as arriving:
            yield Arriving(arriving.size, _spoilt(arriving.chunks, cut=cut, changed=changed))


async def _spoilt(chunks: AsyncIterator[bytes], *, cut: bool, changed: bool) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if cut:
            yield chunk[: len(chunk) // 2]
            raise WrongFile("the answer was cut short")
        yield bytes([chunk[0] ^ 1]) + chunk[1:] if changed else chunk
        changed = False


class StoreThatFails:
    """In the place of obstore's `put_async`: fails so many times, then works."""

    def __init__(self, times: int, real: Any) -> None:
        self.left = times
        self._real = real

    async def __call__(self, *given: Any, **more: Any) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise OSError(28, os.strerror(28))
        return await self._real(*given, **more)
