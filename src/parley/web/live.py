"""New posts while a page is open: server-sent events, each the HTML of a row as this very visitor may see it.

https://html.spec.whatwg.org/multipage/server-sent-events.html. What a visitor hears is decided by the timelines room.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator

from litestar import get
from litestar.params import FromPath
from litestar.response import Response, ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from parley.kit.errors import NotFound
from parley.social.notifications.reads import count_unread
from parley.social.timelines.live import LiveEvent, Stream, follow_streams
from parley.web.pages import render_piece
from parley.web.visits import AnyRequest, Visit, visit_of

STREAMS = {"home": Stream("user"), "local": Stream("public:local"), "public": Stream("public")}
PAGES = {"home": "/", "local": "/local", "public": "/public"}
RETRY_MS = 4000

Events = AsyncGenerator[ServerSentEventMessage, None]


@get("/live/{name:str}")
async def follow(request: AnyRequest, name: FromPath[str]) -> Response[str] | ServerSentEvent:
    """The events of one timeline. A visitor who has signed out meanwhile is told not to come back (204)."""
    if name not in STREAMS:
        raise NotFound
    visit = await visit_of(request)
    if name == "home" and visit.viewer is None:
        return Response("", status_code=204)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "X-Content-Type-Options": "nosniff"}
    return ServerSentEvent(_events(visit, name), headers=headers)


async def _events(visit: Visit, name: str) -> Events:
    streams = {STREAMS[name], Stream("user:notification")} if visit.viewer else {STREAMS[name]}
    yield ServerSentEventMessage(comment="hello", retry=RETRY_MS)
    async for event in follow_streams(visit.instance, visit.viewer, streams):
        yield await _message(visit, name, event)


async def _message(visit: Visit, name: str, event: LiveEvent) -> ServerSentEventMessage:
    if event.status is not None and STREAMS[name] in event.streams:
        html = render_piece(visit, "status_row.html", status=event.status, here=PAGES[name])
        return ServerSentEventMessage(event="status" if event.kind == "update" else "change", data=html)
    if event.kind == "delete":
        return ServerSentEventMessage(event="gone", data=str(event.id))
    if event.kind == "notification" and visit.viewer is not None:
        async with visit.instance.db.read() as tx:
            unread = await count_unread(tx, visit.viewer)
        return ServerSentEventMessage(event="unread", data=str(unread))
    return ServerSentEventMessage(comment="still here")


routes = [follow]
