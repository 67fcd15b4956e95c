"""The body of a request that may have to be read twice: once here, and once again by another host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

KEPT_BYTES = 256 * 1024
"""A longer body is not kept: a request that has begun to read it cannot be begun again."""


class ClientGone(Exception):
    """Whoever asked does not wait for the answer any more."""


class KeptBody:
    """Passes on what the client sends, and keeps it as long as it is short."""

    def __init__(self, receive: Callable[[], Awaitable[Any]]) -> None:
        self._receive = receive
        self._kept: list[Any] = []
        self._next = 0
        self._size = 0
        self.ended = False
        """Whether all of it has come."""
        self.too_long = False

    async def receive(self) -> Any:
        """As ASGI's: what was kept first, then what comes."""
        if self._next < len(self._kept):
            self._next += 1
            return self._kept[self._next - 1]
        message = await self._receive()
        if message["type"] != "http.request":
            return message
        self.ended = not message.get("more_body", False)
        self._size += len(message.get("body", b""))
        if self._size > KEPT_BYTES:
            self.too_long = True
            self._kept, self._next = [], 0
        if not self.too_long:
            self._kept.append(message)
            self._next = len(self._kept)
        return message

    @property
    def is_read(self) -> bool:
        """Whether the application has had all of it."""
        return self.ended and self._next == len(self._kept)

    @property
    def may_rewind(self) -> bool:
        """Whether it can be read from its beginning again."""
        return not self.too_long

    def rewind(self) -> None:
        """Read it from its beginning."""
        self._next = 0

    async def parts(self) -> AsyncIterator[bytes]:
        """The body in pieces; raises ClientGone."""
        while True:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientGone
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                return
