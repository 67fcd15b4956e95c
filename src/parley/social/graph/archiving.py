"""A member's own graph as it goes into an archive: all of it, a batch at a time, for its owner alone.

Every function takes the viewer and reads the viewer's own rows; nobody else's can be asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from parley.kit.db import Database, Tx
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.graph import store, store_archive
from parley.social.graph.reads import list_lists

BATCH = 1000
T = TypeVar("T")
Key = TypeVar("Key", int, str)


class FollowedView(msgspec.Struct, frozen=True):
    """Somebody whom the viewer follows; `domain` None: a member."""

    username: str
    domain: str | None
    show_reblogs: bool
    notify: bool
    languages: tuple[str, ...]


class PersonView(msgspec.Struct, frozen=True):
    """Somebody by address, with what the viewer keeps about them: a note, the title of a list."""

    username: str
    domain: str | None
    note: str = ""


class MutedPersonView(msgspec.Struct, frozen=True):
    """Somebody whom the viewer mutes."""

    username: str
    domain: str | None
    hide_notifications: bool


class GraphCounts(msgspec.Struct, frozen=True):
    """How much of each the viewer has."""

    following: int
    blocks: int
    mutes: int
    domains: int
    lists: int


async def count_graph(tx: Tx, viewer: Viewer) -> GraphCounts:
    """How many rows each file of the viewer's has; one query."""
    return GraphCounts(*await store_archive.count_own(tx, viewer.account_id))


async def _walk(
    db: Database, first: Key, read: Callable[[Tx, Key], Awaitable[Sequence[T]]], key_of: Callable[[T], Key]
) -> AsyncIterator[tuple[Sequence[T], dict[int, Any]]]:
    """Batches of rows with the accounts that they name; each in a read of its own, so that no connection is kept."""
    after = first
    while True:
        async with db.read() as tx:
            rows = await read(tx, after)
            keys: list[Any] = [key_of(row) for row in rows]
            accounts = await get_account_views(tx, [key for key in keys if isinstance(key, int)])
        if not rows:
            return
        yield rows, accounts
        after = key_of(rows[-1])


async def walk_following(db: Database, viewer: Viewer) -> AsyncIterator[FollowedView]:
    """Everybody whom the viewer follows."""

    async def read(tx: Tx, after: int) -> Sequence[store_archive.FollowRow]:
        return await store_archive.list_follows(tx, viewer.account_id, after, BATCH)

    async for rows, accounts in _walk(db, 0, read, lambda row: row.account_id):
        for row in rows:
            if (one := accounts.get(row.account_id)) is not None:
                languages = tuple(row.languages or ())
                yield FollowedView(one.username, one.domain, row.show_reblogs, row.notify, languages)


async def _walk_ids(db: Database, read: Callable[[Tx, int], Awaitable[Sequence[int]]]) -> AsyncIterator[PersonView]:
    async for rows, accounts in _walk(db, 0, read, int):
        for account_id in rows:
            if (one := accounts.get(account_id)) is not None:
                yield PersonView(one.username, one.domain)


def walk_followers(db: Database, viewer: Viewer) -> AsyncIterator[PersonView]:
    """Everybody who follows the viewer."""
    return _walk_ids(db, lambda tx, after: store.list_follower_ids(tx, viewer.account_id, after, BATCH))


def walk_blocked(db: Database, viewer: Viewer) -> AsyncIterator[PersonView]:
    """Everybody whom the viewer blocks."""
    return _walk_ids(db, lambda tx, after: store_archive.list_blocked_ids(tx, viewer.account_id, after, BATCH))


def walk_endorsed(db: Database, viewer: Viewer) -> AsyncIterator[PersonView]:
    """Everybody whom the viewer features on the profile."""
    return _walk_ids(db, lambda tx, after: store_archive.list_endorsed_ids(tx, viewer.account_id, after, BATCH))


async def walk_muted(db: Database, viewer: Viewer) -> AsyncIterator[MutedPersonView]:
    """Everybody whom the viewer mutes now."""

    async def read(tx: Tx, after: int) -> Sequence[store_archive.MuteRow]:
        return await store_archive.list_muted(tx, viewer.account_id, after, BATCH)

    async for rows, accounts in _walk(db, 0, read, lambda row: row.account_id):
        for row in rows:
            if (one := accounts.get(row.account_id)) is not None:
                yield MutedPersonView(one.username, one.domain, row.notifications)


async def walk_domains(db: Database, viewer: Viewer) -> AsyncIterator[str]:
    """Every domain that the viewer blocks."""

    async def read(tx: Tx, after: str) -> Sequence[str]:
        return await store_archive.list_blocked_domains(tx, viewer.account_id, after, BATCH)

    async for rows, _ in _walk(db, "", read, str):
        for domain in rows:
            yield domain


async def walk_listed(db: Database, viewer: Viewer) -> AsyncIterator[PersonView]:
    """Everybody in each of the viewer's lists; the title is the note. Empty lists are left out, as Mastodon does."""
    async with db.read() as tx:
        lists = await list_lists(tx, viewer)
    for one in lists:

        async def read(tx: Tx, after: int, list_id: int = one.id) -> Sequence[int]:
            return await store_archive.list_listed_ids(tx, viewer.account_id, list_id, after, BATCH)

        async for person in _walk_ids(db, read):
            yield PersonView(person.username, person.domain, one.title)


async def walk_notes(db: Database, viewer: Viewer) -> AsyncIterator[PersonView]:
    """Everybody about whom the viewer keeps a private note."""

    async def read(tx: Tx, after: int) -> Sequence[store_archive.NoteRow]:
        return await store_archive.list_notes(tx, viewer.account_id, after, BATCH)

    async for rows, accounts in _walk(db, 0, read, lambda row: row.account_id):
        for row in rows:
            if (one := accounts.get(row.account_id)) is not None:
                yield PersonView(one.username, one.domain, row.comment)


async def list_following_ids(tx: Tx, viewer: Viewer, after: int, limit: int) -> list[int]:
    """Ids of those whom the viewer follows, above `after`."""
    return await store.list_followed_ids(tx, viewer.account_id, after, limit)


async def list_blocked_ids(tx: Tx, viewer: Viewer, after: int, limit: int) -> list[int]:
    """Ids of those whom the viewer blocks, above `after`."""
    return await store_archive.list_blocked_ids(tx, viewer.account_id, after, limit)


async def list_muted_ids(tx: Tx, viewer: Viewer, after: int, limit: int) -> list[int]:
    """Ids of those whom the viewer mutes, above `after`."""
    return [row.account_id for row in await store_archive.list_muted(tx, viewer.account_id, after, limit)]


async def list_all_domains(tx: Tx, viewer: Viewer) -> list[str]:
    """Every domain that the viewer blocks."""
    return await store_archive.list_blocked_domains(tx, viewer.account_id, "", 1_000_000)


async def list_members_of(tx: Tx, viewer: Viewer, list_id: int) -> set[int]:
    """Ids of everybody in one of the viewer's lists."""
    return set(await store_archive.list_listed_ids(tx, viewer.account_id, list_id, 0, 1_000_000))
