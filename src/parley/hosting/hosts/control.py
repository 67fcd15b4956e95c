"""The agent's control API: operations by name, for hosts of `hosts.json` and for commands of this machine.

ASGI, because it is served on connections of the link and on a unix socket alike. Who asks was settled by the
connection; this file says what each may ask, and how large it may be.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_type_hints

import msgspec

from parley.hosting.hosts import joining, membership, operations, rotating
from parley.hosting.hosts.client import Refusal
from parley.hosting.hosts.errors import HostError, HostUnreachable
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.link import PEER, PEER_KEY, Asgi
from parley.hosting.hosts.views import Asker
from parley.hosting.journals import JournalError, JournalMoved

log = logging.getLogger(__name__)

MOST_BYTES = 8 * 1024 * 1024
MOST_JOIN_BYTES = 16 * 1024

Route = Callable[[Host, Any, Any, Any], Awaitable[None]]
"""An ASGI application with the host before its arguments."""

ANYBODY_OURS = (
    operations.status,
    operations.hold,
    operations.fence,
    operations.verify,
    operations.serve_rest,
    operations.promote,
    operations.promise,
    operations.forward,
    operations.rejoin,
    operations.release,
    operations.smoke,
    operations.set_commits,
    operations.set_degraded,
    operations.journal,
    operations.read_journal,
    operations.note,
    operations.announce,
    membership.hosts,
    membership.refresh_hosts,
    rotating.announce_key,
    rotating.confirm_key,
)
"""What this machine's commands and the instance's other hosts may ask for."""

THIS_MACHINE = (
    operations.start,
    operations.opened,
    membership.add_host,
    membership.remove_host,
    rotating.rotate_key,
)
"""What commands of this machine alone may ask for."""


class _Operation:
    """A function and the shape of its arguments, read from its own signature."""

    def __init__(self, function: Callable[..., Awaitable[Any]]) -> None:
        self.function = function
        hints = get_type_hints(function)
        fields: list[Any] = []
        self.wants_asker = "asker" in inspect.signature(function).parameters
        for name, one in list(inspect.signature(function).parameters.items())[1:]:
            if name == "asker":  # who asks is known from the connection, and never from what they say
                continue
            needed = one.default is inspect.Parameter.empty
            fields.append((name, hints[name]) if needed else (name, hints[name], one.default))
        made = msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)
        self.decode = msgspec.json.Decoder(made).decode


OURS = {one.__name__: _Operation(one) for one in ANYBODY_OURS}
LOCAL = {one.__name__: _Operation(one) for one in THIS_MACHINE}


def control_app(host: Host, routes: Mapping[str, Route]) -> Asgi:
    """The application. `routes`: what other floors serve to our hosts, by the beginning of their paths."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        peer, path = scope[PEER], scope["path"]
        if peer == "":
            await _answer_join(host, scope, receive, send)
            return
        if peer is not None and host.hosts.find(peer) is None:
            await respond(send, 403, _refused("You are no host of this instance any more.", "host"))
            return
        for prefix, route in routes.items():
            if path.startswith(prefix):
                await route(host, scope, receive, send)
                return
        name = path.removeprefix("/operations/")
        operation = OURS.get(name) or (LOCAL.get(name) if peer is None else None)
        if operation is None or scope["method"] != "POST" or not path.startswith("/operations/"):
            await respond(send, 404, _refused("There is no such operation.", "host"))
            return
        await _answer(host, operation, Asker(peer or "", scope[PEER_KEY]), receive, send)

    return app


async def _answer(host: Host, operation: _Operation, asker: Asker, receive: Any, send: Any) -> None:
    try:
        given = operation.decode(await read_body(receive, MOST_BYTES))
        arguments = {one: getattr(given, one) for one in given.__struct_fields__}
        if operation.wants_asker:
            arguments["asker"] = asker
        result = await operation.function(host, **arguments)
    except Exception as error:
        status, body = _status_of(error, operation.function.__name__)
        await respond(send, status, body)
    else:
        await respond(send, 200, msgspec.json.encode(result))


async def _answer_join(host: Host, scope: Any, receive: Any, send: Any) -> None:
    """All that whoever has no certificate may ask."""
    if scope["path"] != "/join" or scope["method"] != "POST":
        await respond(send, 404, _refused("There is nothing here.", "host"))
        return
    try:
        asked = msgspec.json.decode(await read_body(receive, MOST_JOIN_BYTES), type=joining.Joining)
        welcome = await membership.welcome_host(host, asked)
    except Exception as error:
        status, body = _status_of(error, "join")
        await respond(send, status, body)
    else:
        await respond(send, 200, msgspec.json.encode(welcome))


def _status_of(error: Exception, name: str) -> tuple[int, bytes]:
    match error:
        case JournalMoved():
            return 409, _refused(str(error), "journal_moved")
        case JournalError():
            return 409, _refused(str(error), "journal")
        case HostUnreachable():
            return 409, _refused(str(error), "unreachable")
        case HostError():
            return 409, _refused(str(error), "host")
        case msgspec.DecodeError():
            return 400, _refused(f"What was asked for cannot be read: {error}.", "host")
    log.error("the operation %s failed", name, exc_info=error)
    return 500, _refused(f"{name} failed on this host ({type(error).__name__}): see its log.", "host")


def _refused(sentence: str, code: str) -> bytes:
    return msgspec.json.encode(Refusal(sentence, code))


async def read_body(receive: Any, most: int) -> bytes:
    """The whole body of a request; raises HostError when it is larger than `most` bytes."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HostError("The connection ended before everything was said.")
        part = message.get("body", b"")
        size += len(part)
        if size > most:
            raise HostError(f"More than {most} bytes were sent.")
        parts.append(part)
        if not message.get("more_body"):
            return b"".join(parts)


async def respond(send: Any, status: int, body: bytes, content_type: bytes = b"application/json") -> None:
    """Send a whole answer."""
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
