"""Trends: https://docs.joinmastodon.org/methods/trends/

Tags by the people who used them in the last seven days, posts by what others did with them in the last three. Links
are not counted here, so their list is empty.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get

from parley.api.access import viewer_for, viewer_of
from parley.api.entities.statuses import status_entity
from parley.api.entities.timelines import Tag, tag_entity
from parley.kit.http import instance_of, read_params, to_struct
from parley.social.discovery import reads
from parley.social.timelines.reads import list_tags

Asked = Request[Any, Any, Any]


class TrendsQuery(msgspec.Struct):
    """How many, and how many to leave out."""

    limit: int = 0
    offset: int = 0

    def span(self, default: int, most: int) -> dict[str, int]:
        """As arguments of a read."""
        return {"limit": max(1, min(self.limit or default, most)), "offset": max(0, min(self.offset, 1000))}


@get(["/api/v1/trends/tags", "/api/v1/trends"], scope=None)
async def list_trending_tags(request: Asked) -> list[Tag]:
    """Tags that are used more than others."""
    instance = instance_of(request)
    query = to_struct(await read_params(request), TrendsQuery)
    async with instance.db.read() as tx:
        found = await reads.list_trending_tags(tx, **query.span(10, 20))
        views = await list_tags(tx, viewer_of(request), found)
    return [tag_entity(view, instance.settings) for view in views]


@get("/api/v1/trends/statuses", scope=None)
async def list_trending_statuses(request: Asked) -> Response[bytes]:
    """Posts that others boost and like."""
    instance = instance_of(request)
    query = to_struct(await read_params(request), TrendsQuery)
    async with instance.db.read() as tx:
        views = await reads.list_trending_statuses(tx, viewer_for(request, "read:statuses"), **query.span(20, 40))
    body = msgspec.json.encode([status_entity(view, instance.settings) for view in views])
    return Response(body, media_type=MediaType.JSON)


@get("/api/v1/trends/links", scope=None)
async def list_trending_links(request: Asked) -> list[Any]:
    """None: links are not counted."""
    return []


routes = [list_trending_tags, list_trending_statuses, list_trending_links]
