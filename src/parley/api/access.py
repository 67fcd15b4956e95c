"""Who calls the API, and whether the token's scopes allow it. One guard for every route.

Each handler declares what it needs: `@get("/api/v1/x", scope="read:statuses")`. `scope=None` is public (a token is
still read, and must be valid if given); `"user"` is any token of a member; `"app"` any token at all. Several scopes
of which one suffices are written `"profile read:accounts"`. A test fails for a route that declares nothing.
"""

from __future__ import annotations

from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures.headers import MutableScopeHeaders
from litestar.handlers import BaseRouteHandler
from litestar.types import Message, Scope

from parley.kit.errors import Forbidden, RateLimited, Unauthorized
from parley.kit.http import client_address
from parley.kit.instance import Instance
from parley.kit.limits import Allowance, RequestLimiter
from parley.social.accounts.restrictions import check_may_write
from parley.social.accounts.views import Viewer
from parley.social.sessions.scopes import has_scope
from parley.social.sessions.tokens import TokenGrant, viewer_of_token

LIMITED = ("/api/", "/oauth/")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_TO_FROZEN = (
    *("/oauth/", "/api/v1/markers", "/api/v1/reports", "/api/v1/domain_blocks", "/api/v1/emails"),
    *("/api/v1/notifications", "/api/v2/notifications", "/api/v1/filters", "/api/v2/filters"),
)
PROTECTIVE = ("/block", "/unblock", "/mute", "/unmute", "/unfollow", "/remove_from_followers", "/revoke", "/read")
"""What a member whose account is frozen may still write: what concerns nobody else, or protects the member. Deleting
the own statuses is among it."""


def bearer_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The bearer token of the request (RFC 6750, header only), or None."""
    header = connection.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def check_access(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard: authenticate, then require what the handler's `scope` says.

    Raises Unauthorized (401) without a valid token, Forbidden (403) when a scope is missing or the member may not
    use the instance now, RateLimited (429).
    """
    needed = handler.opt.get("scope", "undeclared")
    token = bearer_of(connection)
    instance = cast(Instance, connection.app.state.instance)
    if token is None:
        _count_request(connection, instance, None)
        if needed is not None:
            raise Unauthorized
        return
    try:
        grant = await viewer_of_token(instance, token)
    except Unauthorized:
        _count_request(connection, instance, None)
        raise
    _count_request(connection, instance, grant)
    connection.scope["state"]["grant"] = grant
    if needed is None or needed == "app":
        return
    if grant.viewer is None:
        if grant.refusal:
            raise Forbidden(grant.refusal)
        raise Unauthorized("This method requires an authenticated user")
    if grant.viewer.restriction is not None and connection.scope.get("method", "GET") not in SAFE_METHODS:
        _check_frozen(connection, grant.viewer)
    if needed != "user" and not any(has_scope(grant.scopes, scope) for scope in needed.split()):
        raise Forbidden("This action is outside the authorized scopes")


def _check_frozen(connection: ASGIConnection[Any, Any, Any, Any], viewer: Viewer) -> None:
    path, method = connection.scope["path"], connection.scope.get("method")
    deletes = method == "DELETE" and path.startswith(("/api/v1/statuses/", "/api/v1/scheduled_statuses/"))
    if not (path.startswith(OPEN_TO_FROZEN) or path.endswith(PROTECTIVE) or deletes):
        check_may_write(viewer)


def _count_request(
    connection: ASGIConnection[Any, Any, Any, Any], instance: Instance, grant: TokenGrant | None
) -> None:
    """Count a call of the API, by member or else by address; raises RateLimited. Files are not counted.

    Not by token: anybody may have any number of tokens that belong to an app alone, and a member many.
    """
    if instance.settings.rate_limits == "off" or not connection.scope["path"].startswith(LIMITED):
        return
    state = connection.app.state
    if "request_limiter" not in state:
        state.request_limiter = RequestLimiter()
    limiter = cast(RequestLimiter, state.request_limiter)
    address = client_address(cast("Request[Any, Any, Any]", connection), instance.settings)
    allowance = limiter.count(grant.account_id if grant and grant.account_id else address)
    connection.scope["state"]["allowance"] = allowance
    if not allowance.allowed:
        raise RateLimited(retry_after=allowance.retry_after)


async def add_limit_headers(message: Message, scope: Scope) -> None:
    """Litestar's before_send hook: tell the client what is left of its requests, on errors too."""
    if message["type"] != "http.response.start":
        return
    allowance = scope.get("state", {}).get("allowance")
    if isinstance(allowance, Allowance):
        headers = MutableScopeHeaders.from_message(message)
        for name, value in allowance.headers.items():
            headers[name] = value


def grant_of(request: Request[Any, Any, Any]) -> TokenGrant | None:
    """What the request's token grants, or None when there is none."""
    return cast("TokenGrant | None", request.scope["state"].get("grant"))


def viewer_of(request: Request[Any, Any, Any]) -> Viewer | None:
    """Who asks, or None when signed out (or when only an app asks)."""
    grant = grant_of(request)
    return grant.viewer if grant else None


def viewer_for(request: Request[Any, Any, Any], scope: str) -> Viewer | None:
    """Who asks on a public route, or None when signed out; raises Forbidden for a member's token without `scope`.

    A token that may not read statuses must not learn of private ones on a route that anybody may call.
    """
    grant = grant_of(request)
    if grant is None or grant.viewer is None:
        return None
    if not has_scope(grant.scopes, scope):
        raise Forbidden("This action is outside the authorized scopes")
    return grant.viewer


def need_viewer(request: Request[Any, Any, Any]) -> Viewer:
    """Who asks; raises Unauthorized when signed out."""
    viewer = viewer_of(request)
    if viewer is None:
        raise Unauthorized("This method requires an authenticated user")
    return viewer
