"""A member's own statuses, favourites and bookmarks as they go into an archive, for their owner alone.

They are read by the same `list_statuses` as every page: what the owner may not see (what moderators took down) is not
handed out here either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import msgspec

from parley.kit.db import Database, Tx
from parley.kit.ids import MAX_ID
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_uri
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.statuses import store_archive
from parley.social.statuses.hydrate import list_statuses
from parley.social.statuses.views import StatusView

BATCH = 250


class OwnStatus(msgspec.Struct, frozen=True):
    """A status of the viewer's, and the identifier of what it answers (None: nothing)."""

    view: StatusView
    parent_uri: str | None


class OwnCounts(msgspec.Struct, frozen=True):
    """How much the viewer has."""

    statuses: int
    with_media: int
    bookmarks: int


async def count_own(tx: Tx, viewer: Viewer) -> OwnCounts:
    """How many statuses (some with media) and bookmarks the viewer has; one query."""
    return OwnCounts(*await store_archive.count_own(tx, viewer.account_id))


async def walk_own_statuses(db: Database, settings: Settings, viewer: Viewer) -> AsyncIterator[OwnStatus]:
    """The viewer's own statuses and boosts, oldest first. Each batch is a read of its own: no connection is kept."""
    after = 0
    while True:
        async with db.read() as tx:
            ids = await store_archive.list_own_ids(tx, viewer.account_id, after, BATCH)
            views = await list_statuses(tx, viewer, ids)
            parents = [view.in_reply_to_id for view in views if view.in_reply_to_id is not None]
            uris = await get_status_uris(tx, settings, parents)
        if not ids:
            return
        for view in views:
            yield OwnStatus(view, uris.get(view.in_reply_to_id or 0))
        after = ids[-1]


async def get_status_uris(tx: Tx, settings: Settings, ids: Sequence[int]) -> dict[int, str]:
    """Identifiers of statuses by id; two queries, or none. An identifier says nothing of what the status holds."""
    if not ids:
        return {}
    places = await store_archive.list_places(tx, list(set(ids)))
    accounts = await get_account_views(tx, {place.account_id for place in places if place.uri is None})
    uris = {place.id: place.uri for place in places if place.uri is not None}
    for place in places:
        author = accounts.get(place.account_id)
        if author is not None:
            tail = "/activity" if place.is_boost else ""
            uris[place.id] = f"{member_uri(settings, author.username)}/statuses/{place.id}{tail}"
    return uris


def walk_favourited(db: Database, settings: Settings, viewer: Viewer) -> AsyncIterator[str]:
    """Identifiers of what the viewer favourited."""
    return _walk_marked(
        db, settings, lambda tx, before: store_archive.list_favourited_ids(tx, viewer.account_id, before, BATCH)
    )


def walk_bookmarked(db: Database, settings: Settings, viewer: Viewer) -> AsyncIterator[str]:
    """Identifiers of what the viewer bookmarked."""
    return _walk_marked(
        db, settings, lambda tx, before: store_archive.list_bookmarked_ids(tx, viewer.account_id, before, BATCH)
    )


async def list_bookmarked_ids(tx: Tx, viewer: Viewer, before: int, limit: int) -> list[int]:
    """Ids of what the viewer bookmarked, below `before`."""
    return await store_archive.list_bookmarked_ids(tx, viewer.account_id, before, limit)


async def _walk_marked(
    db: Database, settings: Settings, read: Callable[[Tx, int], Awaitable[list[int]]]
) -> AsyncIterator[str]:
    before = MAX_ID
    while True:
        async with db.read() as tx:
            ids = await read(tx, before)
            uris = await get_status_uris(tx, settings, ids)
        if not ids:
            return
        for status_id in ids:
            if status_id in uris:
                yield uris[status_id]
        before = ids[-1]


async def has_status(tx: Tx, status_id: int, *, author_id: int | None = None) -> bool:
    """Whether there is such a status in any state; with `author_id`, whether it is theirs and still stands."""
    return await store_archive.has_status(tx, status_id, author_id)
