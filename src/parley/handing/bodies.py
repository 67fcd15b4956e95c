"""The body of a request that may have to be read twice: once here, and once again by another host.

A short one is kept in memory, a longer one in a file without a name that is gone with the request, as far as there is
room. Only what the application has asked for is kept: what nobody reads takes no room.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import IO, Any

KEPT_BYTES = 256 * 1024
"""A longer body is kept in a file."""

MOST_BYTES = 512 * 2**20
"""So much all bodies of one process may take on the disk. A request whose body found no room there cannot be begun
again once it was begun to be read."""

PIECE = 256 * 1024
"""Bytes that are written, or read again, at once."""


class ClientGone(Exception):
    """Whoever asked does not wait for the answer any more."""


class Shelf:
    """The room on the disk for all bodies of one process."""

    def __init__(self, folder: Callable[[], Path], *, most: int = MOST_BYTES) -> None:
        """`folder` makes the folder where it is missing."""
        self._folder = folder
        self._most = most
        self.taken = 0
        """Bytes that lie there now."""

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be written."""
        return self.taken + size <= self._most

    def open(self) -> IO[bytes]:
        """A file for one body, which is gone when it is closed, or with the process. Blocks."""
        return tempfile.TemporaryFile(dir=self._folder(), prefix="body-", buffering=0)


class KeptBody:
    """Passes on what the client sends, and keeps it as long as there is room."""

    def __init__(self, receive: Callable[[], Awaitable[Any]], shelf: Shelf) -> None:
        self._receive = receive
        self._shelf = shelf
        self._file: IO[bytes] | None = None
        self._written = 0
        """Bytes in the file."""
        self._recent = bytearray()
        """Bytes after those: not yet in the file, or never to be in one."""
        self._next = 0
        """From which byte it is read on."""
        self._has_come = False
        """Whether all of it is here."""
        self.is_read = False
        """Whether the application has had all of it, and was told so."""
        self.may_rewind = True
        """Whether it can be read from its beginning again."""

    async def receive(self) -> Any:
        """As ASGI's: what was kept first, then what comes."""
        if self._next < self._size or (self._has_come and not self.is_read):
            part = await self._read_again()
            self.is_read = self._has_come and self._next == self._size
            return {"type": "http.request", "body": part, "more_body": not self.is_read}
        message = await self._receive()
        if message["type"] == "http.request":
            self._has_come = self.is_read = not message.get("more_body", False)
            if self.may_rewind:
                await self._keep(message.get("body", b""))
        return message

    def rewind(self) -> None:
        """Read it from its beginning, where it may."""
        if self.may_rewind:
            self._next = 0
            self.is_read = False

    async def parts(self) -> AsyncIterator[bytes]:
        """The body in pieces; raises ClientGone."""
        while not self.is_read:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            if body := message.get("body", b""):
                yield body

    def close(self) -> None:
        """Forget it, and give its room back."""
        self._shelf.taken -= self._written
        self._written = 0
        self._recent.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def _size(self) -> int:
        return self._written + len(self._recent)

    async def _keep(self, body: bytes) -> None:
        self._recent += body
        self._next = self._size
        if self._size <= KEPT_BYTES or len(self._recent) < PIECE:
            return
        try:
            await self._put_away()
        except OSError:  # the disk is full, say
            self._give_up()

    async def _put_away(self) -> None:
        size = len(self._recent)
        if not self._shelf.has_room(size):
            self._give_up()
            return
        self._shelf.taken += size
        self._written += size
        piece, self._recent = bytes(self._recent), bytearray()
        if self._file is None:
            self._file = await asyncio.to_thread(self._shelf.open)
        if await asyncio.to_thread(self._file.write, piece) != size:
            raise OSError("the disk is full")

    def _give_up(self) -> None:
        self.may_rewind = False
        self.close()
        self._next = 0

    async def _read_again(self) -> bytes:
        if self._next >= self._written:
            part = bytes(self._recent[self._next - self._written :])
        else:
            assert self._file is not None
            part = await asyncio.to_thread(_read_at, self._file, self._next, min(PIECE, self._written - self._next))
        self._next += len(part)
        return part


def _read_at(file: IO[bytes], offset: int, size: int) -> bytes:
    file.seek(offset)
    found = file.read(size)
    file.seek(0, 2)
    if len(found) != size:
        raise OSError("what was kept of a request is not there any more")
    return found
