"""Builds the ASGI application: the one file that knows every door.

It opens the instance's parts, mounts the doors and renders errors once for each of them. No rule lives here.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, get
from litestar.config.cors import CORSConfig
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException
from litestar.exceptions import ValidationException as LitestarValidation
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from parley import screening
from parley.abuse.routes import abuse_routes
from parley.api.access import add_limit_headers
from parley.api.metrics import show_metrics
from parley.api.routes import api_routes
from parley.hosting.standby.asking import look_elsewhere
from parley.kit.db import LEFT_HOST, Interrupted, LostConnection, ReadOnlyDatabase, UnstorableText
from parley.kit.errors import (
    BadRequest,
    DatabaseLost,
    Invalid,
    NotFound,
    ParleyError,
    RateLimited,
    ReadOnly,
    TooLarge,
    Unavailable,
)
from parley.kit.files import NO_ROOM, SCRATCH, refused
from parley.kit.gate import gate_of, journey
from parley.kit.http import instance_of
from parley.kit.instance import Instance, keep_warm, open_instance
from parley.kit.metrics import count_requests
from parley.kit.processes import DSN, end_with_parent
from parley.kit.settings import Settings, load_settings
from parley.social.policies.live import catch_up, compile_ahead, follow_policy
from parley.social.verdicts.actions import Rejection, keep_rejection
from parley.web.errors import render_error
from parley.web.routes import web_routes

if TYPE_CHECKING:
    from parley.handing.door import Door

log = logging.getLogger(__name__)

MACHINE_PATHS = (
    "/api/",
    "/oauth/token",
    "/oauth/revoke",
    "/oauth/userinfo",
    "/.well-known/",
    "/nodeinfo/",
    "/health",
    "/metrics",
)

EXPOSED = [
    "Link",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-Request-Id",
    "Retry-After",
]


AGAIN_SECONDS = 0.1
"""How often a host tries to load what it needs, once it is to serve."""

MOST_AGAIN_SECONDS = 2.0
"""How often at least, while another host serves, or none."""


@get("/health", scope=None)
async def health(request: Request[Any, Any, Any]) -> Response[str]:
    """200 once the instance can take writes; 503 with a sentence while it cannot."""
    if not await instance_of(request).db.can_write():
        raise Unavailable("The database is not taking writes right now.")
    return Response("OK", media_type=MediaType.TEXT)


class _ErrorResponse(Response[None]):
    """An error that is rendered while it is sent: Litestar's exception handlers may not await, our rendering does."""

    def __init__(self, error: Exception) -> None:
        super().__init__(None)
        self.error = error

    def to_asgi_response(self, app: Litestar | None, request: Request[Any, Any, Any], **options: Any) -> Any:
        """An ASGI application that renders the error and sends it."""

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            trip = journey.get()
            if trip is not None and isinstance(self.error, LEFT_HOST) and trip.hand_back(self.error):
                return  # nothing was sent: the door begins the request again, here or on another host
            response = await show_error(request, self.error)
            await response.to_asgi_response(app, request, **options)(scope, receive, send)

        return answer


def handle_error(_request: Request[Any, Any, Any], error: Exception) -> Response[None]:
    """Litestar's handler of every exception."""
    return _ErrorResponse(error)


async def show_error(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The one rendering of errors: JSON for machines, a page for people. What is not ours to show is a 500."""
    known = _known(error)
    if known is None:
        log.exception("%s %s failed", request.method, _route_of(request), exc_info=error)
        known = ParleyError()
    elif known.detail:
        log.info("%s %s: %s (%s)", request.method, _route_of(request), known.text, known.detail)
    if isinstance(known, Rejection):
        await keep_rejection(instance_of(request).db, known)
    headers = {}
    if isinstance(known, RateLimited | Unavailable):
        headers["Retry-After"] = str(known.retry_after)
    if request.scope["path"].startswith(MACHINE_PATHS):
        body = msgspec.json.encode({"error": known.text, **known.extra})
        return Response(body, status_code=known.status, media_type=MediaType.JSON, headers=headers)
    page = await render_error(request, known)
    page.headers.update(headers)
    return page


def _route_of(request: Request[Any, Any, Any]) -> str:
    """What was asked for, as a log may hold it: an address can carry a secret, such as a link that sets a password."""
    return str(request.scope.get("path_template") or "a path of no route")


def _known(error: Exception) -> ParleyError | None:
    if isinstance(error, ParleyError):
        return error
    if isinstance(error, NotFoundException):
        return NotFound()
    if isinstance(error, MethodNotAllowedException):
        known: ParleyError = BadRequest("This method is not allowed here.")
        known.status = 405
        return known
    if isinstance(error, LitestarValidation):
        return Invalid("The request is not valid.", detail=str(error.extra))
    if isinstance(error, HTTPException) and error.status_code == 413:
        return TooLarge()
    if isinstance(error, HTTPException) and error.status_code < 500:
        known = BadRequest(error.detail if error.status_code == 400 else None)
        known.status = error.status_code
        return known
    if isinstance(error, UnstorableText):
        return BadRequest("Text may not hold a null character.")
    if isinstance(error, ReadOnlyDatabase):
        return ReadOnly(detail=str(error))
    if isinstance(error, Interrupted):
        return Unavailable("This was interrupted, and nothing of it was kept. Please try again.", detail=str(error))
    if isinstance(error, OSError) and error.errno in NO_ROOM:
        return refused(SCRATCH, "put", error)
    if isinstance(error, LostConnection):
        return DatabaseLost(detail=str(error))
    return None


def create_app(settings: Settings, dsn: str) -> Litestar:
    """The application of one web process, over the database at `dsn`."""
    door: Door | None = None

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_instance(settings, dsn) as instance:
            app.state.instance = instance
            look_elsewhere(settings, instance.files)
            await asyncio.to_thread(screening.warm_models)
            if door is None:
                await follow_policy(instance)
                yield
                return
            getting_ready = asyncio.create_task(_get_ready(instance, door))
            try:
                yield
            finally:
                getting_ready.cancel()
                await door.away.close()

    made = Litestar(
        route_handlers=[health, show_metrics, *api_routes, *abuse_routes, *web_routes],
        lifespan=[lifespan],
        before_send=[add_limit_headers],
        exception_handlers={Exception: handle_error},
        cors_config=CORSConfig(allow_origins=["*"], expose_headers=EXPOSED, max_age=86400),
        openapi_config=None,
        request_max_body_size=4 * 1024 * 1024,
        logging_config=None,
    )
    made.asgi_handler = answer_head(made.asgi_handler)
    if gate_of(settings).has_agent:
        from parley.handing.door import Door

        made.asgi_handler = door = Door(made.asgi_handler, settings, gate_of(settings), machine_paths=MACHINE_PATHS)
    made.asgi_handler = count_requests(made.asgi_handler)
    return made


async def _get_ready(instance: Instance, door: Door) -> None:
    """Load what judges, before anything is written. On a host that is not the primary the database may come later."""
    load, pause, said = follow_policy, AGAIN_SECONDS, ""
    while True:
        try:
            await load(instance)
        except (*LostConnection, ReadOnlyDatabase, Unavailable) as error:
            if said != str(error):
                log.info("the policy cannot be loaded yet: %s", error)
            said = str(error)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await door.wait_for_turn()
                await asyncio.sleep(AGAIN_SECONDS)
            pause = min(pause * 1.5, MOST_AGAIN_SECONDS)
            continue
        except Exception:
            log.exception("the policy cannot be loaded; nothing is served until it can")
            await asyncio.sleep(5)
            continue
        pause, said = AGAIN_SECONDS, ""
        await door.serve_until_closed()
        # Nobody tells a host that does not serve what changes. When it is to serve, it looks before anybody writes.
        warming = asyncio.create_task(keep_warm(instance.db))
        await door.wait_for_turn()
        warming.cancel()
        load = catch_up


def answer_head(inner: ASGIApp) -> ASGIApp:
    """Answer HEAD as GET without the body (RFC 9110, 9.3.2), wherever no handler answers it itself.

    Files answer HEAD themselves, because reading one only to throw it away would be waste.
    """

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "HEAD" or scope["path"].startswith("/media/"):
            await inner(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await inner({**scope, "method": "GET"}, receive, send_head)  # type: ignore[arg-type]

    return outer


def app() -> Litestar:
    """Entry point of the HTTP server's workers; the supervisor hands the database's address on."""
    settings = load_settings()
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    end_with_parent()
    made = _build_once(settings)
    _calm_garbage_collection()
    return made


@cache
def _build_once(settings: Settings) -> Litestar:
    """The application, built in the process that forks the others: they share it, 20 MB each."""
    return create_app(settings, os.environ.get(DSN) or settings.database_url)


def preload(settings: Settings) -> None:
    """Load what all web processes share, in the process that forks them. It opens nothing and starts no thread."""
    screening.warm_models()
    compile_ahead(settings)
    _build_once(settings)
    gc.collect()
    gc.freeze()


def _calm_garbage_collection() -> None:
    """Leave what lives as long as the process out of collections, and make them rarer: pages are short-lived trees."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(25_000, 20, 20)
