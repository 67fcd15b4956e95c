"""The viewer's favourites: https://docs.joinmastodon.org/methods/favourites/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from parley.api.access import need_viewer
from parley.api.statuses import statuses_response
from parley.kit.http import instance_of, page_of
from parley.social.statuses.reads import list_favourites as read_favourites


@get("/api/v1/favourites", scope="read:favourites")
async def list_favourites(request: Request[Any, Any, Any]) -> Response[list[Any]]:
    """What the viewer likes, latest first."""
    page = page_of(request, default=20, most=40)
    async with instance_of(request).db.read() as tx:
        found = await read_favourites(tx, need_viewer(request), page)
    return statuses_response(request, found)


routes = [list_favourites]
