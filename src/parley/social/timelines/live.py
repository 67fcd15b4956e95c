"""What happens while somebody watches: each status to the open timelines that it belongs to.

A message between processes carries ids only. One task of each process asks, in a few queries for all its listeners
together, which of them the status concerns; each listener then reads the status as its own viewer may see it, so
nothing is shown live that a page would not show. This file must not know how a door speaks to its clients.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterator
from weakref import WeakKeyDictionary

import msgspec

from parley.kit.db import LostConnection
from parley.kit.errors import RateLimited, Unavailable
from parley.kit.instance import Instance
from parley.kit.live import Live, Message
from parley.social.accounts.views import Viewer
from parley.social.statuses.hydrate import list_statuses
from parley.social.statuses.views import StatusView
from parley.social.timelines import store, store_live
from parley.social.timelines.store import Delivery

log = logging.getLogger(__name__)

HEARTBEAT = 15.0
"""Seconds of silence after which a listener hears a heartbeat, so that proxies keep the connection."""

MOST_LISTENERS = 5000
"""Open connections of one process."""

MOST_SIGNED_OUT = 1000
"""Of these, those of visitors who are signed out: they must not take the places of members."""

MOST_OF_ONE_VIEWER = 50

MOST_WAITING = 200
"""Events that wait for one slow listener; later ones are dropped, and the client reads the page again."""

_STATUS_TOPICS = frozenset({"status", "status.update", "delete"})
_OWN_TOPICS = frozenset({"notification", "conversation", "filters_changed", "announcement"})
_END_TOPICS = frozenset({"token_revoked", "account_changed"})


class Stream(msgspec.Struct, frozen=True):
    """One timeline to listen to: `name` as in Mastodon's API (user, user:notification, public:local, hashtag, list,
    direct), `detail` the tag (folded) or the list's id."""

    name: str
    detail: str = ""


HOME = Stream("user")


class LiveEvent(msgspec.Struct, frozen=True):
    """`kind`: update, status.update, delete, notification, conversation, filters_changed, heartbeat or end.

    `id` is the status, notification or conversation; `status` is set for update and status.update. After `end`
    nothing comes: the viewer's rights have changed, and the door must ask for them anew.
    """

    kind: str
    id: int = 0
    status: StatusView | None = None
    streams: tuple[Stream, ...] = ()


_KINDS = {"status": "update"}


class Listener:
    """One open connection: whose it is, what it listens to (may change), and what waits for it."""

    def __init__(self, instance: Instance, viewer: Viewer | None, streams: set[Stream]) -> None:
        self.viewer = viewer
        self.streams = streams
        self._instance = instance
        self._waiting: asyncio.Queue[LiveEvent] = asyncio.Queue(MOST_WAITING)

    @property
    def reader_id(self) -> int:
        """The viewer's account, 0 when signed out."""
        return self.viewer.account_id if self.viewer else 0

    def offer(self, event: LiveEvent) -> None:
        """Queue an event; a listener that does not keep up loses it."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait(event)

    def end(self) -> None:
        """Make `end` the next thing that the listener hears."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        self._waiting.put_nowait(LiveEvent("end"))

    async def next_event(self, *, patience: float = HEARTBEAT) -> LiveEvent:
        """The next event, with its status as the viewer may see it now; a heartbeat after `patience` seconds."""
        loop = asyncio.get_running_loop()
        until = loop.time() + patience
        while True:
            try:
                event = await asyncio.wait_for(self._waiting.get(), max(0.0, until - loop.time()))
            except TimeoutError:
                return LiveEvent("heartbeat")
            if event.kind not in ("update", "status.update"):
                return event
            async with self._instance.db.read() as tx:
                statuses = await list_statuses(tx, self.viewer, [event.id])
            if statuses:
                return msgspec.structs.replace(event, status=statuses[0])


class Hub:
    """This process's listeners, and the one task that finds out whom a message concerns."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._listeners: set[Listener] = set()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        instance.live.subscribe(self._hear)

    def _hear(self, message: Message) -> None:
        if not self._listeners:
            return
        if message.topic in _END_TOPICS:
            self._end_distrusted(message)
        elif message.topic == "resync":
            for listener in tuple(self._listeners):
                listener.end()  # something may have been missed: let clients come back and read the page
        elif message.topic in _OWN_TOPICS:
            self._offer_own(message)
        elif message.topic in _STATUS_TOPICS:
            self._inbox.put_nowait(message)

    def _end_distrusted(self, message: Message) -> None:
        for listener in tuple(self._listeners):
            viewer = listener.viewer
            if viewer is None:
                continue
            by_token = viewer.token_id is not None and viewer.token_id in message.ids
            by_account = viewer.account_id in message.account_ids
            if by_token or (by_account and (message.topic == "account_changed" or viewer.token_id is None)):
                listener.end()

    def _offer_own(self, message: Message) -> None:
        wanted = {
            "notification": ("user", "user:notification"),
            "conversation": ("direct",),
            "filters_changed": ("user",),
            "announcement": ("user",),
        }[message.topic]
        for listener in tuple(self._listeners):
            streams = tuple(stream for stream in listener.streams if stream.name in wanted)
            if streams and (listener.reader_id in message.account_ids or not message.account_ids):
                for thing_id in message.ids or (0,):
                    listener.offer(LiveEvent(message.topic, thing_id, streams=streams))

    def _offer_gone(self, status_id: int, homes: set[int]) -> None:
        """A boost that was taken back has left no row: its homes are all that is known of it."""
        for listener in tuple(self._listeners):
            streams = tuple(stream for stream in listener.streams if stream.name == "user")
            if streams and listener.reader_id in homes:
                listener.offer(LiveEvent("delete", status_id, streams=streams))

    async def _work(self) -> None:
        while True:
            message = await self._inbox.get()
            try:
                for status_id in message.ids:
                    await self._deliver(message, status_id)
            except LostConnection as error:
                log.warning("live updates: a status was not delivered (%s)", error)
            except Exception:
                log.exception("live updates: a status could not be delivered")

    async def _deliver(self, message: Message, status_id: int) -> None:
        topic, listeners = message.topic, tuple(self._listeners)
        readers = sorted({listener.reader_id for listener in listeners if listener.viewer})
        async with self._instance.db.read() as tx:
            delivery = await store.get_delivery(tx, status_id)
            if delivery is None and topic == "delete":
                homes = await store_live.list_home_readers(tx, status_id, readers) | {*message.account_ids}
                self._offer_gone(status_id, homes)
            if delivery is None or (topic != "delete" and not delivery.open):
                return
            list_ids = sorted({int(s.detail) for listener in listeners for s in listener.streams if s.name == "list"})
            hiding = await store_live.list_hiding_readers(tx, delivery, readers) if readers else set()
            homes = await store_live.list_home_readers(tx, status_id, readers) if readers else set()
            if delivery.merge_on_read and readers:
                homes |= await store.list_merged_readers(tx, delivery, readers)
            lists = await store_live.list_lists_with_status(tx, delivery, list_ids) if list_ids else set()
        public = _public_streams(delivery)
        for listener in listeners:
            if listener.reader_id in hiding and listener.reader_id != delivery.author_id:
                continue
            streams = tuple(
                stream for stream in listener.streams if _belongs(stream, listener, delivery, public, homes, lists)
            )
            if streams:
                listener.offer(LiveEvent(_KINDS.get(topic, topic), status_id, streams=streams))

    def check_room(self, listener: Listener) -> None:
        """Raise when this process, or this viewer, has as many connections as it may."""
        if len(self._listeners) >= MOST_LISTENERS:
            raise Unavailable("Too many people listen right now. Please try again in a minute.", retry_after=60)
        if listener.viewer is None:
            if sum(1 for other in self._listeners if other.viewer is None) >= MOST_SIGNED_OUT:
                raise Unavailable("Too many visitors listen right now. Please try again later.", retry_after=600)
            return
        own = sum(1 for other in self._listeners if other.viewer and other.reader_id == listener.reader_id)
        if own >= MOST_OF_ONE_VIEWER:
            raise RateLimited("You have too many open connections; close some and try again.")

    @contextlib.contextmanager
    def joined(self, listener: Listener) -> Iterator[None]:
        """Let `listener` hear what concerns it inside the block."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        self._listeners.add(listener)
        try:
            yield
        finally:
            self._listeners.discard(listener)
            if not self._listeners and self._task is not None:
                self._task.cancel()
                self._task = None


def _belongs(
    stream: Stream,
    listener: Listener,
    delivery: Delivery,
    public: frozenset[str],
    homes: set[int],
    lists: set[int],
) -> bool:
    if stream.name == "user":
        return listener.reader_id in homes or listener.reader_id == delivery.author_id
    if stream.name == "list":
        return int(stream.detail) in lists
    if stream.name in public:
        return listener.viewer is not None or not delivery.local_only
    if stream.name in ("hashtag", "hashtag:local"):
        here = stream.detail in delivery.tags and _is_listed(delivery)
        return here and (delivery.local or stream.name == "hashtag")
    return False


def _is_listed(delivery: Delivery) -> bool:
    """Public originals; a deleted one counts as what it was."""
    return (
        delivery.visibility == "public"
        and delivery.original_id == delivery.id
        and (delivery.listed or not delivery.open)
    )


def _public_streams(delivery: Delivery) -> frozenset[str]:
    if not _is_listed(delivery) or (delivery.is_reply and delivery.reply_to_id is not None):
        return frozenset()
    names = {"public", "public:local" if delivery.local else "public:remote"}
    return frozenset(names | {f"{name}:media" for name in names} if delivery.has_media else names)


_hubs: WeakKeyDictionary[Live, Hub] = WeakKeyDictionary()


@contextlib.contextmanager
def listening(instance: Instance, viewer: Viewer | None, streams: set[Stream]) -> Iterator[Listener]:
    """A listener that hears `streams` inside the block. Whether the viewer may listen to a list, the caller asks.

    Raises RateLimited or Unavailable when too many listen already.
    """
    hub = _hubs.get(instance.live)
    if hub is None:
        hub = _hubs[instance.live] = Hub(instance)
    listener = Listener(instance, viewer, streams)
    hub.check_room(listener)
    with hub.joined(listener):
        yield listener


async def follow_home(instance: Instance, viewer: Viewer) -> AsyncIterator[LiveEvent]:
    """What happens in the viewer's home, until the caller stops or the viewer's rights change."""
    async for event in follow_streams(instance, viewer, {HOME}):
        yield event


async def follow_streams(instance: Instance, viewer: Viewer | None, streams: set[Stream]) -> AsyncIterator[LiveEvent]:
    """What happens in `streams`, with a heartbeat in every silence; ends when the viewer's rights change."""
    with listening(instance, viewer, streams) as listener:
        while True:
            event = await listener.next_event()
            if event.kind == "end":
                return
            yield event
