"""Domains that a member blocks: https://docs.joinmastodon.org/methods/domain_blocks/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post

from parley.api.access import need_viewer
from parley.kit.http import instance_of, link_header, page_of, parse
from parley.social.graph import actions, reads

Asked = Request[Any, Any, Any]


class DomainForm(msgspec.Struct):
    """The domain that is meant."""

    domain: str = ""


@get("/api/v1/domain_blocks", scope="read:blocks follow")
async def list_domain_blocks(request: Asked) -> Response[list[str]]:
    """The domains that the viewer blocks."""
    page = page_of(request, default=100, most=200)
    instance = instance_of(request)
    async with instance.db.read() as tx:
        found = await reads.list_domain_blocks(tx, need_viewer(request), page)
    headers = link_header(request, instance.settings, found.newest, found.oldest)
    return Response(found.domains, headers=headers)


@post("/api/v1/domain_blocks", scope="write:blocks follow", status_code=200)
async def block_domain(request: Asked) -> dict[str, Any]:
    """Block a domain."""
    form = await parse(request, DomainForm)
    async with instance_of(request).db.write() as tx:
        await actions.block_domain(tx, need_viewer(request), form.domain)
    return {}


@delete("/api/v1/domain_blocks", scope="write:blocks follow", status_code=200)
async def unblock_domain(request: Asked) -> dict[str, Any]:
    """Lift the block of a domain."""
    form = await parse(request, DomainForm)
    async with instance_of(request).db.write() as tx:
        await actions.unblock_domain(tx, need_viewer(request), form.domain)
    return {}


routes = [list_domain_blocks, block_domain, unblock_domain]
