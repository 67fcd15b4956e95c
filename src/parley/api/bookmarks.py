"""The viewer's bookmarks: https://docs.joinmastodon.org/methods/bookmarks/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from parley.api.access import need_viewer
from parley.api.statuses import statuses_response
from parley.kit.http import instance_of, page_of
from parley.social.statuses.reads import list_bookmarks as read_bookmarks


@get("/api/v1/bookmarks", scope="read:bookmarks")
async def list_bookmarks(request: Request[Any, Any, Any]) -> Response[list[Any]]:
    """What the viewer keeps for later, latest first."""
    page = page_of(request, default=20, most=40)
    async with instance_of(request).db.read() as tx:
        found = await read_bookmarks(tx, need_viewer(request), page)
    return statuses_response(request, found)


routes = [list_bookmarks]
