"""Streaming by server-sent events and WebSocket: https://docs.joinmastodon.org/methods/streaming/

A browser can set no header on either, so the token may also come as `access_token` in the query or, for a WebSocket,
as its protocol; that is why these routes authenticate themselves instead of leaving it to the guard. What belongs to a
stream and what its viewer may see of it is decided in `social.timelines.live`, never here.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, WebSocket, get, websocket
from litestar.connection import ASGIConnection
from litestar.exceptions import WebSocketDisconnect
from litestar.params import FromPath
from litestar.response import Stream as StreamResponse

from parley.api.access import bearer_of
from parley.api.entities.notifications import decisions_named, notification_entity
from parley.api.entities.statuses import status_entity
from parley.api.entities.timelines import conversation_entity
from parley.kit.errors import BadRequest, Forbidden, NotFound, ParleyError, Unauthorized
from parley.kit.html import fold_tag
from parley.kit.http import instance_of, query_pairs
from parley.kit.ids import parse_id
from parley.kit.instance import Instance
from parley.kit.tasks import run_until_first
from parley.safety.appeals.reads import list_author_appeals
from parley.safety.cases.reads import list_told_reports
from parley.social.accounts.views import Viewer
from parley.social.graph.reads import get_list
from parley.social.notifications.reads import get_notification
from parley.social.sessions.scopes import has_scope
from parley.social.sessions.tokens import TokenGrant, viewer_of_token
from parley.social.statuses.filtered import mark_filtered
from parley.social.timelines.live import Listener, LiveEvent, Stream, listening
from parley.social.timelines.reads import get_conversation

Connection = ASGIConnection[Any, Any, Any, Any]

PLAIN_STREAMS = frozenset(
    {
        "user",
        "user:notification",
        "direct",
        "public",
        "public:local",
        "public:remote",
        "public:media",
        "public:local:media",
        "public:remote:media",
    }
)
MOST_STREAMS = 64
"""How many streams one connection may listen to."""
CLOSED_FOR_RIGHTS = 4001

_encode = msgspec.json.Encoder().encode


class StreamForm(msgspec.Struct):
    """Which stream: the query of a connection, or one message of a WebSocket."""

    type: str = ""
    stream: str = ""
    tag: str = ""
    list: str | int = ""
    only_media: bool = False


async def _authenticate(connection: Connection, token: str | None) -> tuple[Viewer, TokenGrant]:
    """Who listens; raises Unauthorized or Forbidden. Nobody listens signed out."""
    if not token:
        raise Unauthorized("Missing access token")
    grant = await viewer_of_token(connection.app.state.instance, token)
    if grant.viewer is None:
        raise (Forbidden(grant.refusal) if grant.refusal else Unauthorized())
    return grant.viewer, grant


def _token_of(connection: Connection) -> str | None:
    return bearer_of(connection) or dict(connection.query_params).get("access_token")


async def _choose(instance: Instance, viewer: Viewer, grant: TokenGrant, form: StreamForm) -> Stream:
    """The stream that is asked for; raises BadRequest, Forbidden or NotFound."""
    name = form.stream
    needed = "read:notifications" if name == "user:notification" else "read:statuses"
    if not has_scope(grant.scopes, needed):
        raise Forbidden("Access token does not have the required scopes")
    if name in PLAIN_STREAMS:
        media = form.only_media and name in ("public", "public:local", "public:remote")
        return Stream(f"{name}:media" if media else name)
    if name in ("hashtag", "hashtag:local"):
        if not form.tag:
            raise BadRequest("Missing tag name parameter")
        return Stream(name, fold_tag(form.tag.removeprefix("#")[:100]))
    if name == "list":
        if not form.list:
            raise BadRequest("Missing list name parameter")
        if not has_scope(grant.scopes, "read:lists"):
            raise Forbidden("Access token does not have the required scopes")
        async with instance.db.read() as tx:
            chosen = await get_list(tx, viewer, parse_id(str(form.list)))
        return Stream(name, str(chosen.id))
    raise BadRequest("Unknown stream type")


async def _payload(instance: Instance, viewer: Viewer, grant: TokenGrant, event: LiveEvent) -> str | None:
    """What the client reads, or None when the viewer may not see it (any more)."""
    settings = instance.settings
    if event.status is not None:
        (status,) = await mark_filtered(instance, viewer, [event.status])
        return _encode(status_entity(status, settings)).decode()
    if event.kind == "delete":
        return str(event.id)
    if event.kind == "filters_changed":
        return ""
    try:
        if event.kind == "notification" and has_scope(grant.scopes, "read:notifications"):
            async with instance.db.read() as tx:
                notification = await get_notification(tx, viewer, event.id)
                details = [notification.detail]
                reports = await list_told_reports(tx, viewer, details)
                appeals = await list_author_appeals(tx, viewer, decisions_named(details))
            return _encode(notification_entity(notification, settings, reports, appeals)).decode()
        if event.kind == "conversation":
            async with instance.db.read() as tx:
                conversation = await get_conversation(tx, viewer, event.id)
            return _encode(conversation_entity(conversation, settings)).decode()
    except NotFound:
        return None
    return None


@get("/api/v1/streaming/health", scope=None)
async def health(request: Request[Any, Any, Any]) -> Response[str]:
    """The words that Mastodon's clients look for."""
    return Response("OK", media_type=MediaType.TEXT)


@get(
    ["/api/v1/streaming/{kind:str}", "/api/v1/streaming/{kind:str}/{part:str}"],
    scope=None,  # authenticated below
)
async def follow_events(
    request: Request[Any, Any, Any], kind: FromPath[str], part: FromPath[FromPath[str] | None] = None
) -> StreamResponse:
    """One stream as server-sent events: user, user/notification, public, public/local, public/remote, hashtag,
    hashtag/local, list, direct."""
    instance = instance_of(request)
    viewer, grant = await _authenticate(request, _token_of(request))
    name = kind if part is None else f"{kind}:{part}"
    query = dict(query_pairs(request))
    form = StreamForm(
        stream=name,
        tag=query.get("tag", ""),
        list=query.get("list", ""),
        only_media=query.get("only_media", "") in ("true", "1", "on"),
    )
    stream = await _choose(instance, viewer, grant, form)
    return StreamResponse(
        _events(instance, viewer, grant, stream),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(instance: Instance, viewer: Viewer, grant: TokenGrant, stream: Stream) -> AsyncGenerator[bytes, None]:
    with listening(instance, viewer, {stream}) as listener:
        yield b":)\n\n"
        while True:
            event = await listener.next_event()
            if event.kind == "end":
                return
            if event.kind == "heartbeat":
                yield b":thump\n\n"
                continue
            payload = await _payload(instance, viewer, grant, event)
            if payload is not None:
                yield f"event: {event.kind}\ndata: {payload}\n\n".encode()


@websocket("/api/v1/streaming", scope=None)  # authenticated below
async def follow_socket(socket: WebSocket[Any, Any, Any]) -> None:
    """Any number of streams over one WebSocket, begun by the query and changed by messages of the client."""
    instance: Instance = socket.app.state.instance
    protocol = socket.headers.get("sec-websocket-protocol", "").split(",")[0].strip()
    try:
        viewer, grant = await _authenticate(socket, _token_of(socket) or protocol or None)
        streams: set[Stream] = set()
        query = dict(socket.query_params)
        if query.get("stream"):
            form = msgspec.convert({**query, "type": ""}, StreamForm, strict=False)
            streams.add(await _choose(instance, viewer, grant, form))
    except (ParleyError, msgspec.ValidationError) as error:
        await socket.close(code=4000 + (error.status if isinstance(error, ParleyError) else 400))
        return
    await socket.accept(subprotocols=protocol or None)
    with listening(instance, viewer, streams) as listener, contextlib.suppress(WebSocketDisconnect):
        await run_until_first(
            _hear(socket, instance, viewer, grant, listener), _speak(socket, instance, viewer, grant, listener)
        )


async def _hear(
    socket: WebSocket[Any, Any, Any], instance: Instance, viewer: Viewer, grant: TokenGrant, listener: Listener
) -> None:
    """Take the client's subscribe and unsubscribe messages until it goes."""
    while True:
        text = await socket.receive_text()
        try:
            form = msgspec.json.decode(text, type=StreamForm, strict=False)
            if form.type not in ("subscribe", "unsubscribe"):
                raise BadRequest("Unknown message type")
            if form.type == "subscribe" and len(listener.streams) >= MOST_STREAMS:
                raise BadRequest(f"One connection listens to at most {MOST_STREAMS} streams")
            stream = await _choose(instance, viewer, grant, form)
        except msgspec.DecodeError:
            await socket.send_text(_encode({"error": "The message is not valid JSON", "status": 400}).decode())
        except ParleyError as error:
            await socket.send_text(_encode({"error": error.text, "status": error.status}).decode())
        else:
            if form.type == "subscribe":
                listener.streams.add(stream)
            else:
                listener.streams.discard(stream)


async def _speak(
    socket: WebSocket[Any, Any, Any], instance: Instance, viewer: Viewer, grant: TokenGrant, listener: Listener
) -> None:
    """Send what happens, once for each stream that it belongs to, until the viewer's rights change."""
    while True:
        event = await listener.next_event()
        if event.kind == "end":
            with contextlib.suppress(RuntimeError):
                await socket.close(code=CLOSED_FOR_RIGHTS)
            return
        if event.kind == "heartbeat":
            continue
        payload = await _payload(instance, viewer, grant, event)
        if payload is None:
            continue
        for stream in event.streams:
            name = [stream.name, stream.detail] if stream.detail else [stream.name]
            body = {"stream": name, "event": event.kind, "payload": payload}
            await socket.send_text(_encode(body).decode())


routes = [health, follow_events, follow_socket]
