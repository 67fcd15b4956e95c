"""The directory of those who want to be found: https://docs.joinmastodon.org/methods/directory/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get

from parley.api.access import viewer_of
from parley.api.entities.accounts import account_entity
from parley.kit.http import instance_of, parse
from parley.social.discovery.people import browse_directory

Asked = Request[Any, Any, Any]


class DirectoryQuery(msgspec.Struct):
    """`order` is active or new."""

    offset: int = 0
    limit: int = 40
    order: str = "active"
    local: bool = False


@get("/api/v1/directory", scope=None)
async def show_directory(request: Asked) -> list[msgspec.Raw]:
    """Discoverable accounts, without those that the viewer blocks or mutes."""
    query = await parse(request, DirectoryQuery)
    viewer = viewer_of(request)
    instance = instance_of(request)
    async with instance.db.read() as tx:
        views = await browse_directory(
            tx,
            viewer,
            newest=query.order == "new",
            local=query.local,
            limit=max(1, min(query.limit, 80)),
            offset=max(0, query.offset),
        )
    return [account_entity(view, instance.settings) for view in views]


routes = [show_directory]
