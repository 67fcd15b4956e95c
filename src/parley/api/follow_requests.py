"""Who asks to follow the viewer: https://docs.joinmastodon.org/methods/follow_requests/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.graph import Relationship, relationship_entity
from parley.api.relationships import accounts_response
from parley.kit.http import instance_of, page_of
from parley.kit.ids import parse_id
from parley.social.graph import actions, reads

Asked = Request[Any, Any, Any]


@get("/api/v1/follow_requests", scope="read:follows follow")
async def list_follow_requests(request: Asked) -> Response[list[Any]]:
    """Who waits for an answer."""
    page = page_of(request, default=40, most=80)
    async with instance_of(request).db.read() as tx:
        found = await reads.list_follow_requests(tx, need_viewer(request), page)
    return accounts_response(request, found)


@post("/api/v1/follow_requests/{account_id:str}/authorize", scope="write:follows follow", status_code=200)
async def authorize(request: Asked, account_id: FromPath[str]) -> Relationship:
    """Let the account follow."""
    async with instance_of(request).db.write() as tx:
        view = await actions.authorize_follow(tx, need_viewer(request), parse_id(account_id))
    return relationship_entity(view)


@post("/api/v1/follow_requests/{account_id:str}/reject", scope="write:follows follow", status_code=200)
async def reject(request: Asked, account_id: FromPath[str]) -> Relationship:
    """Turn the account down."""
    async with instance_of(request).db.write() as tx:
        view = await actions.reject_follow(tx, need_viewer(request), parse_id(account_id))
    return relationship_entity(view)


routes = [list_follow_requests, authorize, reject]
