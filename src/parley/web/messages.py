"""Private conversations: posts that only the people mentioned can see, one row for each thread."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.ids import parse_id
from parley.social.timelines.actions import delete_conversation, mark_conversation_read
from parley.social.timelines.reads import list_conversations
from parley.web.pages import older_path, read_page, redirect, render
from parley.web.visits import AnyRequest, visit_of


@get("/messages")
async def show_messages(request: AnyRequest) -> Response[str]:
    """The member's conversations, the latest first."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        found = await list_conversations(tx, viewer, page)
    oldest = found[-1].last_status_id if found else None
    return await render(
        visit,
        "messages.html",
        title="Messages",
        conversations=found,
        next_page=older_path(visit, page, oldest, len(found)),
    )


@post("/messages/{conversation_id:str}/open")
async def open_conversation(request: AnyRequest, conversation_id: FromPath[str]) -> Response[str]:
    """Mark it as read and go to its latest message."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        conversation = await mark_conversation_read(tx, viewer, parse_id(conversation_id))
    last = conversation.last_status
    return redirect(visit, f"/@{last.account.acct}/{last.id}" if last else "/messages")


@post("/messages/{conversation_id:str}/delete")
async def remove_conversation(request: AnyRequest, conversation_id: FromPath[str]) -> Response[str]:
    """Take it off the list; the messages stay with those who have them."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await delete_conversation(tx, viewer, parse_id(conversation_id))
    return redirect(visit, "/messages", "deleted")


routes = [show_messages, open_conversation, remove_conversation]
