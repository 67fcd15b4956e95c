"""Who calls the API, and whether the token's scopes allow it. One guard for every route.

Each handler declares what it needs: `@get("/api/v1/x", scope="read:statuses")`. `scope=None` is public (a token is
still read, and must be valid if given); `"user"` is any token of a member; `"app"` any token at all. Several scopes
of which one suffices are written `"profile read:accounts"`. A test fails for a route that declares nothing.
"""

from __future__ import annotations

from typing import Any, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from parley.kit.errors import Forbidden, Unauthorized
from parley.kit.instance import Instance
from parley.social.accounts.views import Viewer
from parley.social.sessions.scopes import has_scope
from parley.social.sessions.tokens import TokenGrant, viewer_of_token


def bearer_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    """The bearer token of the request (RFC 6750, header only), or None."""
    header = connection.headers.get("authorization", "")
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


async def check_access(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Litestar guard: authenticate, then require what the handler's `scope` says.

    Raises Unauthorized (401) without a valid token, Forbidden (403) when a scope is missing.
    """
    needed = handler.opt.get("scope", "undeclared")
    token = bearer_of(connection)
    state = connection.scope["state"]
    if token is None:
        if needed is not None:
            raise Unauthorized
        return
    instance = cast(Instance, connection.app.state.instance)
    grant = await viewer_of_token(instance, token)
    state["grant"] = grant
    if needed is None or needed == "app":
        return
    if grant.viewer is None:
        raise Unauthorized("This method requires an authenticated user")
    if needed != "user" and not any(has_scope(grant.scopes, scope) for scope in needed.split()):
        raise Forbidden("This action is outside the authorized scopes")


def grant_of(request: Request[Any, Any, Any]) -> TokenGrant | None:
    """What the request's token grants, or None when there is none."""
    return cast("TokenGrant | None", request.scope["state"].get("grant"))


def viewer_of(request: Request[Any, Any, Any]) -> Viewer | None:
    """Who asks, or None when signed out (or when only an app asks)."""
    grant = grant_of(request)
    return grant.viewer if grant else None


def need_viewer(request: Request[Any, Any, Any]) -> Viewer:
    """Who asks; raises Unauthorized when signed out."""
    viewer = viewer_of(request)
    if viewer is None:
        raise Unauthorized("This method requires an authenticated user")
    return viewer
