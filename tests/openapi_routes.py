"""Which operations of Mastodon's API the application has: its routes, matched with the published description."""

from __future__ import annotations

import re
from typing import Any

from tests.oracle import list_operations


def _shape(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "{}", path.rstrip("/"))


def list_routes(app: Any) -> set[tuple[str, str]]:
    """Method and path of every HTTP route, placeholders without names."""
    return {
        (method, _shape(route.path_format))
        for route in app.routes
        for method in getattr(route, "methods", ())
        if method != "OPTIONS"
    }


STREAMS = "/api/v1/streaming/"
"""Below it one route of ours serves what the description writes out stream by stream."""


def list_implemented(app: Any) -> dict[str, tuple[dict[str, Any], str, str]]:
    """The operations that have a route, by operationId."""
    routes = list_routes(app)
    has_streams = ("GET", STREAMS + "{}") in routes
    return {
        name: found
        for name, found in list_operations().items()
        if (found[1], _shape(found[2])) in routes or (has_streams and found[2].startswith(STREAMS))
    }
