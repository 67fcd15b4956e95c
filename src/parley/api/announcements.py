"""Announcements: https://docs.joinmastodon.org/methods/announcements/

Operators of this version cannot publish announcements, so the list is empty and none can be dismissed.
"""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.kit.errors import NotFound

Asked = Request[Any, Any, Any]


@get("/api/v1/announcements", scope="user")
async def list_announcements(request: Asked) -> list[Any]:
    """None: see the note above."""
    need_viewer(request)
    return []


@post("/api/v1/announcements/{id:str}/dismiss", scope="write:accounts", status_code=200)
async def dismiss_announcement(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """There is none to dismiss."""
    raise NotFound


routes = [list_announcements, dismiss_announcement]
