"""Conversations by direct message: https://docs.joinmastodon.org/methods/conversations/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.timelines import Conversation, conversation_entity
from parley.kit.http import instance_of, link_header, page_of
from parley.kit.ids import parse_id
from parley.social.timelines import actions, reads

Asked = Request[Any, Any, Any]


@get("/api/v1/conversations", scope="read:statuses")
async def list_conversations(request: Asked) -> Response[list[Conversation]]:
    """The viewer's conversations; pages go by the newest message of each."""
    instance, viewer, page = instance_of(request), need_viewer(request), page_of(request)
    async with instance.db.read() as tx:
        views = await reads.list_conversations(tx, viewer, page)
    newest, oldest = (views[0].last_status_id, views[-1].last_status_id) if views else (None, None)
    return Response(
        [conversation_entity(view, instance.settings) for view in views],
        headers=link_header(request, instance.settings, newest, oldest),
    )


@post("/api/v1/conversations/{id:str}/read", scope="write:conversations", status_code=200)
async def read_conversation(request: Asked, id: FromPath[str]) -> Conversation:
    """Mark one as read."""
    instance = instance_of(request)
    async with instance.db.write(local=True) as tx:
        view = await actions.mark_conversation_read(tx, need_viewer(request), parse_id(id))
    return conversation_entity(view, instance.settings)


@delete("/api/v1/conversations/{id:str}", scope="write:conversations", status_code=200)
async def delete_conversation(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Take one off the viewer's list."""
    async with instance_of(request).db.write() as tx:
        await actions.delete_conversation(tx, need_viewer(request), parse_id(id))
    return {}


routes = [list_conversations, read_conversation, delete_conversation]
