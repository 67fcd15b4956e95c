"""Live updates between the processes of an instance, over LISTEN/NOTIFY.

`publish` sends a small message when its transaction commits; every process's `Live` hands it to its subscribers.
Messages carry ids, never content: each receiver reads what its own viewer may see.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from parley.kit.db import ConnectionIsClosed, LostConnection, ReadOnlyDatabase, Tx, connect, notify
from parley.kit.nodes import GET_WRITABLE

log = logging.getLogger(__name__)

CHANNEL = "parley_live"
RETRY_SECONDS = 1.0
STANDBY_SECONDS = 0.25
"""How often a standby is asked again: nobody can listen to it until it takes over."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """`topic` names what happened, for example `status`, `delete`, `notification`, `token_revoked`.

    `ids` are the things it is about, `account_ids` whom it concerns (empty: look it up).
    """

    topic: str
    ids: tuple[int, ...] = ()
    account_ids: tuple[int, ...] = ()
    text: str = ""


async def publish(tx: Tx, message: Message) -> None:
    """Tell every process, once `tx` commits. At most about 300 ids fit."""
    await notify(tx, CHANNEL, msgspec.json.encode(message).decode())


class Live:
    """This process's ear: one connection of its own, and the subscribers of this process."""

    def __init__(self, dsn: str, *, may_come_later: bool = False) -> None:
        """`may_come_later`: open without the database, or with one that is a standby. Once it can be listened to, the
        subscribers are told to `resync`."""
        self._dsn = dsn
        self._may_come_later = may_come_later
        self._subscribers: set[Callable[[Message], None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def open(self) -> None:
        """Begin to listen; returns once messages arrive, or it is known that they come later."""
        self._task = asyncio.create_task(self._listen())
        await self._ready.wait()

    async def close(self) -> None:
        """Stop listening."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    @contextlib.contextmanager
    def subscribed(self, callback: Callable[[Message], None]) -> Iterator[None]:
        """Call `callback` (quick, not async) for every message inside the block."""
        self._subscribers.add(callback)
        try:
            yield
        finally:
            self._subscribers.discard(callback)

    def subscribe(self, callback: Callable[[Message], None]) -> None:
        """Call `callback` (quick, not async) for every message as long as this process lives."""
        self._subscribers.add(callback)

    def resync(self) -> None:
        """Tell every subscriber that anything may have happened while nobody listened."""
        self._dispatch(Message("resync"))

    async def _listen(self) -> None:
        said = ""
        while True:
            lost = asyncio.Event()
            try:
                connection = await connect(self._dsn)
                try:
                    connection.add_termination_listener(lambda _: lost.set())  # noqa: B023
                    await self._hear(connection)
                    if self._ready.is_set():
                        self._dispatch(Message("resync"))
                    self._ready.set()
                    said = ""
                    await lost.wait()
                finally:
                    with contextlib.suppress(Exception):
                        await connection.close(timeout=1)
            except (*LostConnection, ConnectionIsClosed) as error:
                if said != type(error).__name__:  # a host that does not serve may be without one for days
                    log.warning("live updates: lost the database (%s), trying again", error)
                said = type(error).__name__
            if self._may_come_later:
                self._ready.set()
            await asyncio.sleep(RETRY_SECONDS)

    async def _hear(self, connection: Any) -> None:
        while True:
            try:
                # Asked first, because PostgreSQL writes every refused LISTEN into its log.
                if not self._may_come_later or await connection.fetchval(GET_WRITABLE):
                    await connection.add_listener(CHANNEL, self._receive)
                    return
            except ReadOnlyDatabase:
                if not self._may_come_later:
                    raise
            self._ready.set()
            await asyncio.sleep(STANDBY_SECONDS)

    def _receive(self, _connection: Any, _pid: int, _channel: str, payload: Any) -> None:
        self._dispatch(msgspec.json.decode(payload, type=Message))

    def _dispatch(self, message: Message) -> None:
        for callback in tuple(self._subscribers):
            try:
                callback(message)
            except Exception:
                log.exception("a subscriber of live updates failed on %s", message.topic)
