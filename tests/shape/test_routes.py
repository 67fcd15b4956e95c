"""Every route of the API declares the scope that it needs."""

from __future__ import annotations

from parley.api.routes import api_routes
from parley.social.sessions.scopes import ALL_SCOPES

PUBLIC_WRITES = {
    # Doors for people who have no token yet; each has its own credentials and rate limit.
    "/api/v1/apps",
    "/oauth/token",
    "/oauth/revoke",
}


def handlers():
    for router in api_routes:
        for route in router.routes:
            for handler in getattr(route, "route_handlers", None) or [route.route_handler]:
                if getattr(handler, "http_methods", None) != {"OPTIONS"}:  # the framework's own, for CORS
                    yield route.path, handler


def test_every_route_of_the_api_declares_its_scope() -> None:
    undeclared = [path for path, handler in handlers() if "scope" not in handler.opt]
    assert undeclared == []


def test_declared_scopes_exist() -> None:
    unknown = [
        (path, scope)
        for path, handler in handlers()
        for scope in (handler.opt.get("scope") or "").split()
        if scope not in {*ALL_SCOPES, "user", "app"}
    ]
    assert unknown == []


def test_no_write_is_open_to_everybody() -> None:
    open_writes = {
        path
        for path, handler in handlers()
        if handler.opt.get("scope") is None
        for method in getattr(handler, "http_methods", ())
        if method in ("POST", "PUT", "PATCH", "DELETE")
    }
    assert open_writes <= PUBLIC_WRITES
