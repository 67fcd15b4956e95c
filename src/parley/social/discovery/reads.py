"""Search and trends: what is found, as the viewer may see it."""

from __future__ import annotations

import re
from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.html import fold_tag
from parley.kit.ids import MAX_ID, id_at
from parley.kit.settings import Settings
from parley.social.accounts.reads import get_account_by_address, list_accounts
from parley.social.accounts.views import AccountView, Viewer
from parley.social.discovery import store
from parley.social.discovery.people import find_accounts
from parley.social.discovery.query import read_query
from parley.social.discovery.views import FoundTag, SearchView
from parley.social.statuses.hydrate import list_statuses
from parley.social.statuses.views import StatusView

MOST_SKIPPED = 2_000
"""The furthest that a search may be read into."""
TREND_WINDOW = timedelta(days=7)
STATUS_TREND_WINDOW = timedelta(days=3)
TREND_PEOPLE = 2
TREND_MARKS = 2

_STATUS_PATHS = (
    re.compile(r"/@[^/]+/(?P<id>\d{1,19})/?"),
    re.compile(r"/users/[^/]+/statuses/(?P<id>\d{1,19})/?"),
)
_ACCOUNT_PATH = re.compile(r"/(?:@|users/)(?P<name>[^/@]+)/?")


async def search(
    tx: Tx,
    viewer: Viewer | None,
    settings: Settings,
    text: str,
    *,
    type: str | None = None,
    limit: int = 20,
    offset: int = 0,
    following: bool = False,
    account_id: int | None = None,
    max_id: int | None = None,
    min_id: int | None = None,
) -> SearchView:
    """People, posts and tags for `text`; `type` (accounts, statuses, hashtags) asks for one kind alone.

    An address of a post or a profile finds just that. `account_id` looks through one author's posts. Asks no other
    server.
    """
    text = text.replace("\x00", "").strip()
    if not text or offset > MOST_SKIPPED:
        return SearchView([], [], [])
    if text.startswith(("http://", "https://")):
        return await _find_address(tx, viewer, settings, text)
    accounts: list[AccountView] = []
    statuses: list[StatusView] = []
    tags: list[FoundTag] = []
    if type in (None, "accounts") and not text.startswith("#"):
        accounts = await find_accounts(tx, viewer, text, settings, limit=limit, offset=offset, following=following)
    if type in (None, "statuses") and not text.startswith("@"):
        statuses = await search_statuses(
            tx,
            viewer,
            settings,
            text,
            limit=limit,
            offset=offset,
            account_id=account_id,
            max_id=max_id,
            min_id=min_id,
        )
    if type in (None, "hashtags") and not text.startswith("@") and len(text.split()) == 1:
        since = id_at(now() - TREND_WINDOW)
        name = fold_tag(text.removeprefix("#"))[:100]
        if name:
            tags = await store.list_found_tags(tx, name, since_id=since, limit=limit, offset=offset)
    return SearchView(accounts, statuses, tags)


async def search_statuses(
    tx: Tx,
    viewer: Viewer | None,
    settings: Settings,
    text: str,
    *,
    limit: int = 20,
    offset: int = 0,
    account_id: int | None = None,
    max_id: int | None = None,
    min_id: int | None = None,
) -> list[StatusView]:
    """Posts that hold the words, newest first: see `query` for the operators."""
    query = read_query(text)
    if query.is_empty:
        return []
    author_id = account_id
    if query.author is not None:
        try:
            author_id = await _author_id(tx, viewer, settings, query.author)
        except NotFound:
            return []
        if account_id not in (None, author_id):
            return []
    ids = await store.list_found_statuses(
        tx,
        viewer.account_id if viewer else 0,
        query,
        author_id=author_id,
        below=MAX_ID if max_id is None else max_id,
        above=min_id or 0,
        limit=limit,
        offset=offset,
    )
    return await list_statuses(tx, viewer, ids)


async def _author_id(tx: Tx, viewer: Viewer | None, settings: Settings, name: str) -> int:
    if name.lower() == "me" and viewer is not None:
        return viewer.account_id
    return (await get_account_by_address(tx, viewer, name, settings)).id


async def _find_address(tx: Tx, viewer: Viewer | None, settings: Settings, url: str) -> SearchView:
    """The one post or profile at an address that this server knows."""
    path = url.removeprefix(settings.base_url) if url.startswith(settings.base_url + "/") else ""
    path = path.partition("?")[0].partition("#")[0]
    status_id: int | None = None
    for pattern in _STATUS_PATHS:
        if match := pattern.fullmatch(path):
            status_id = min(int(match["id"]), MAX_ID)
    status_id = status_id or await store.get_status_id_by_uri(tx, url[:2000])
    if status_id is not None:
        return SearchView([], await list_statuses(tx, viewer, [status_id]), [])
    if match := _ACCOUNT_PATH.fullmatch(path):
        try:
            return SearchView([await get_account_by_address(tx, viewer, match["name"], settings)], [], [])
        except NotFound:
            return SearchView([], [], [])
    account_id = await store.get_account_id_by_uri(tx, url[:2000])
    found = await list_accounts(tx, viewer, [account_id]) if account_id is not None else []
    return SearchView(found, [], [])


async def list_trending_tags(tx: Tx, *, limit: int = 10, offset: int = 0) -> list[int]:
    """Ids of the tags that most people used in the last seven days."""
    return await store.list_trend_tags(
        tx, since_id=id_at(now() - TREND_WINDOW), people=TREND_PEOPLE, limit=limit, offset=offset
    )


async def list_trending_statuses(
    tx: Tx, viewer: Viewer | None, *, limit: int = 20, offset: int = 0
) -> list[StatusView]:
    """Public posts of the last three days that people boosted and liked, as the viewer may see them."""
    ids = await store.list_trend_statuses(
        tx, since_id=id_at(now() - STATUS_TREND_WINDOW), marks=TREND_MARKS, limit=limit, offset=offset
    )
    return await list_statuses(tx, viewer, ids)
