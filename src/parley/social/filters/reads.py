"""The viewer's filters. Kept in the process until they change, so that a page of statuses asks for nothing more."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from weakref import WeakKeyDictionary

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.kit.live import Live, Message
from parley.social.accounts.views import Viewer
from parley.social.filters import store
from parley.social.filters.views import FilteredStatusView, FilterView, KeywordView

MOST_KEPT = 10_000
KEEP_SECONDS = 300.0
CHANGED = "filters_changed"


async def list_filters(tx: Tx, viewer: Viewer) -> list[FilterView]:
    """Every filter of the viewer, oldest first."""
    return await store.list_filters(tx, viewer.account_id)


async def get_filter(tx: Tx, viewer: Viewer, filter_id: int) -> FilterView:
    """One filter of the viewer; raises NotFound."""
    found = await store.list_filters(tx, viewer.account_id, filter_id)
    if not found:
        raise NotFound
    return found[0]


async def get_keyword(tx: Tx, viewer: Viewer, keyword_id: int) -> KeywordView:
    """One keyword of the viewer's filters; raises NotFound."""
    found = await store.get_keyword(tx, viewer.account_id, keyword_id)
    if found is None:
        raise NotFound
    return found


async def get_filtered_status(tx: Tx, viewer: Viewer, entry_id: int) -> FilteredStatusView:
    """One status of the viewer's filters; raises NotFound."""
    found = await store.get_status(tx, viewer.account_id, entry_id)
    if found is None:
        raise NotFound
    return found


class FilterCache:
    """The filters that one process keeps, by account. Listens on `live`."""

    def __init__(self, live: Live) -> None:
        self._kept: OrderedDict[int, tuple[float, list[FilterView]]] = OrderedDict()
        self.changes = 0
        live.subscribe(self._hear)

    def _hear(self, message: Message) -> None:
        if message.topic == CHANGED:
            self.changes += 1
            for account_id in message.account_ids:
                self._kept.pop(account_id, None)
        elif message.topic == "resync":
            self.changes += 1
            self._kept.clear()

    def get(self, account_id: int) -> list[FilterView] | None:
        """What is known of the account, if it is fresh."""
        found = self._kept.get(account_id)
        if found is None or found[0] < time.monotonic():
            return None
        return found[1]

    def keep(self, account_id: int, filters: list[FilterView], *, read_at: int) -> None:
        """Keep what was read, unless some filter has changed since `read_at`."""
        if read_at != self.changes:
            return
        if len(self._kept) >= MOST_KEPT:
            self._kept.popitem(last=False)
        self._kept[account_id] = (time.monotonic() + KEEP_SECONDS, filters)

    def forget(self, account_id: int) -> None:
        """Forget an account at once, in the process that changes it."""
        self.changes += 1
        self._kept.pop(account_id, None)


_caches: WeakKeyDictionary[Live, FilterCache] = WeakKeyDictionary()


def cache_of(live: Live) -> FilterCache:
    """The cache of the process that `live` belongs to."""
    cache = _caches.get(live)
    if cache is None:
        cache = _caches[live] = FilterCache(live)
    return cache


async def list_active_filters(instance: Instance, viewer: Viewer) -> Sequence[FilterView]:
    """The viewer's filters that count now; usually from memory. Never call it while holding a connection."""
    cache = cache_of(instance.live)
    filters = cache.get(viewer.account_id)
    if filters is None:
        read_at = cache.changes
        async with instance.db.read() as tx:
            filters = await store.list_filters(tx, viewer.account_id)
        cache.keep(viewer.account_id, filters, read_at=read_at)
    if not filters:
        return ()
    moment = now()
    return [one for one in filters if one.expires_at is None or one.expires_at > moment]
