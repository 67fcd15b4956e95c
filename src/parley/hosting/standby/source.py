"""Another host's files and file log, as the host that follows it asks for them. Knows no store of its own."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import httpx
import msgspec

from parley.hosting.hosts.client import HostClient
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.views import Role
from parley.kit.filelog_lines import FileLogError, Line, Mark, TooOld, parse_line

DIGEST_BYTES = 32
"""After the bytes of a file comes their SHA-256: an answer that was cut short, or another's, is known by it."""

QUICK = 10.0
SLACK = 5.0
"""Seconds beyond a long poll within which its answer must have come."""

STALL = 30.0
"""Seconds without a single byte after which a transfer is given up, and tried again."""


class WrongFile(Exception):
    """A file did not arrive as it should have: cut short, with other bytes, or the host could not read it."""


class StoreTrouble(Exception):
    """A store does not work, here or there: the disk is full, or the bucket cannot be reached. No file is at fault."""


class Gone(Exception):
    """The other host has no such file, or has it no more."""


class PageHead(msgspec.Struct, frozen=True, kw_only=True):
    """What stands before the lines of the log in an answer."""

    role: Role
    epoch: int
    mark: Mark
    """Where the log ends."""
    now: float
    """The other host's clock, in seconds since 1970."""


class Page(msgspec.Struct, frozen=True):
    """Some lines of the log, and where it ends."""

    head: PageHead
    lines: list[Line]


class Arriving(msgspec.Struct, frozen=True):
    """A file on its way: its size in bytes, and its chunks. The chunks end with WrongFile when anything is wrong."""

    size: int
    chunks: AsyncIterator[bytes]


class Source(Protocol):
    """The other host. Every method raises HostError, or HostUnreachable when the host does not answer."""

    name: str

    async def changes(self, after: int, root: str, *, wait: float) -> Page:
        """What follows a position with this chain hash; waits for something to follow. Raises TooOld."""

    async def mark_at(self, position: int | None = None) -> Mark | None:
        """A place in the log, or its end; None when the position is not known there."""

    async def oldest(self) -> int:
        """The first position that is still known there."""

    async def folders(self, area: str) -> list[str]:
        """The folders of an area."""

    async def sizes(self, area: str, folder: str) -> dict[str, int]:
        """Every file in a folder, with its size."""

    async def size_of(self, area: str, name: str) -> int | None:
        """The size of a file; None when it is not there."""

    def read(self, area: str, name: str) -> AbstractAsyncContextManager[Arriving]:
        """Open a file; raises Gone, WrongFile, StoreTrouble."""

    async def confirm(self, mark: Mark) -> None:
        """Tell the host that everything up to here is stored on this one."""

    async def give(self, area: str, name: str, size: int, sha256: str, chunks: AsyncIterator[bytes]) -> None:
        """Hand over a file that the host has not got."""


class LinkSource:
    """A host that is reached over the link. `files`: connections of their own for the bytes, which take long."""

    def __init__(self, client: HostClient, files: httpx.AsyncClient | None = None) -> None:
        self.name = client.name
        self._http = client.http
        self._files = files or client.http

    async def changes(self, after: int, root: str, *, wait: float) -> Page:
        """See Source."""
        answer = await self._ask("GET", "/files/log", {"after": after, "root": root, "wait": wait}, within=wait + SLACK)
        head, *raw = answer.content.split(b"\n")
        try:
            return Page(msgspec.json.decode(head, type=PageHead), [parse_line(line) for line in raw if line])
        except (msgspec.DecodeError, FileLogError) as error:
            raise HostError(f"The file log of {self.name} cannot be read: {error}.") from error

    async def mark_at(self, position: int | None = None) -> Mark | None:
        """See Source."""
        answer = await self._ask("GET", "/files/mark", {} if position is None else {"position": position}, fine=(404,))
        return None if answer.status_code == 404 else msgspec.json.decode(answer.content, type=Mark)

    async def oldest(self) -> int:
        """See Source."""
        answer = await self._ask("GET", "/files/mark", {"oldest": 1})
        return msgspec.json.decode(answer.content, type=int)

    async def folders(self, area: str) -> list[str]:
        """See Source."""
        answer = await self._ask("GET", f"/files/{area}/", {}, within=STALL)
        return msgspec.json.decode(answer.content, type=list[str])

    async def sizes(self, area: str, folder: str) -> dict[str, int]:
        """See Source."""
        answer = await self._ask("GET", f"/files/{area}/", {"folder": folder}, within=2 * STALL)
        return msgspec.json.decode(answer.content, type=dict[str, int])

    async def size_of(self, area: str, name: str) -> int | None:
        """See Source."""
        answer = await self._ask("HEAD", f"/files/{area}/{name}", {}, fine=(404,))
        return None if answer.status_code == 404 else int(answer.headers["content-length"]) - DIGEST_BYTES

    @asynccontextmanager
    async def read(self, area: str, name: str) -> AsyncIterator[Arriving]:
        """See Source."""
        timeout = httpx.Timeout(STALL, connect=QUICK, pool=None)
        try:
            async with self._files.stream("GET", f"/files/{area}/{name}", timeout=timeout) as answer:
                if answer.status_code == 404:
                    raise Gone
                if answer.status_code == 503:
                    raise StoreTrouble(f"the store of {self.name} cannot be read")
                if answer.status_code != 200:
                    raise WrongFile(f"{self.name} answered with status {answer.status_code}")
                size = int(answer.headers.get("content-length", DIGEST_BYTES - 1)) - DIGEST_BYTES
                yield Arriving(size, _checked(answer.aiter_bytes(), size))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise HostUnreachable(f"The host {self.name} does not answer ({error or 'connect'}).") from error
        except httpx.HTTPError as error:
            raise WrongFile(str(error) or type(error).__name__) from error

    async def confirm(self, mark: Mark) -> None:
        """See Source."""
        await self._ask("POST", "/files/safe", {"position": mark.position, "root": mark.root})

    async def give(self, area: str, name: str, size: int, sha256: str, chunks: AsyncIterator[bytes]) -> None:
        """See Source."""
        answer = await self._ask(
            "PUT",
            f"/files/{area}/{name}",
            {"sha256": sha256},
            within=STALL,
            content=chunks,
            headers={"Content-Length": str(size)},
        )
        if answer.status_code != 204:
            raise HostError(f"The host {self.name} did not take {area}/{name}.")

    async def _ask(
        self,
        method: str,
        path: str,
        params: dict[str, Any],
        *,
        within: float = QUICK,
        fine: tuple[int, ...] = (),
        **more: Any,
    ) -> httpx.Response:
        timeout = httpx.Timeout(within, connect=QUICK, pool=None)
        try:
            answer = await self._http.request(method, path, params=params, timeout=timeout, **more)
        except (httpx.HTTPError, OSError) as error:
            raise HostUnreachable(f"The host {self.name} does not answer ({error or type(error).__name__}).") from error
        if answer.status_code == 410:
            raise TooOld(answer.text)
        if answer.status_code >= 300 and answer.status_code not in fine:
            raise HostError(f"The host {self.name} answered {method} {path} with status {answer.status_code}.")
        return answer


async def _checked(chunks: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Let the bytes of a file through, and end with WrongFile unless their hash follows."""
    digest, held, left = hashlib.sha256(), b"", size
    async for chunk in chunks:
        body = chunk[:left]
        held += chunk[left:]
        left -= len(body)
        if body:
            digest.update(body)
            yield body
    if left or held != digest.digest():
        raise WrongFile("the answer was cut short" if left or len(held) != DIGEST_BYTES else "its bytes were changed")
