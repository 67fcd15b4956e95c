"""Whom the viewer blocks and mutes: https://docs.joinmastodon.org/methods/blocks/ and .../mutes/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from parley.api.access import need_viewer
from parley.api.entities.graph import muted_account_entity
from parley.api.relationships import accounts_response
from parley.kit.http import instance_of, link_header, page_of
from parley.social.graph import reads

Asked = Request[Any, Any, Any]


@get("/api/v1/blocks", scope="read:blocks follow")
async def list_blocks(request: Asked) -> Response[list[Any]]:
    """Accounts that the viewer blocks."""
    page = page_of(request, default=40, most=80)
    async with instance_of(request).db.read() as tx:
        found = await reads.list_blocks(tx, need_viewer(request), page)
    return accounts_response(request, found)


@get("/api/v1/mutes", scope="read:mutes follow")
async def list_mutes(request: Asked) -> Response[list[Any]]:
    """Accounts that the viewer mutes, and until when."""
    page = page_of(request, default=40, most=80)
    instance = instance_of(request)
    async with instance.db.read() as tx:
        found = await reads.list_mutes(tx, need_viewer(request), page)
    return Response(
        [muted_account_entity(view, instance.settings) for view in found.mutes],
        headers=link_header(request, instance.settings, found.newest, found.oldest),
    )


routes = [list_blocks, list_mutes]
