"""Addresses that programs expect on every server, and those that are `uri` in the client API: each leads to a page.

Nothing is looked up here: the page that it leads to says whether there is something, and for whom.
"""

from __future__ import annotations

import re

from litestar import MediaType, get
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import NotFound
from parley.kit.ids import parse_id
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, visit_of

_NAME = re.compile(r"[A-Za-z0-9_]{1,30}")

ROBOTS = """User-agent: *
Disallow: /api/
Disallow: /oauth/
Disallow: /search
Disallow: /settings/
"""
"""What search engines need not look at. What they may keep, each page says itself: members decide about their own."""


@get("/users/{name:str}")
async def follow_uri_of_account(request: AnyRequest, name: FromPath[str]) -> Response[str]:
    """From an account's `uri` to its page."""
    return redirect(await visit_of(request), f"/@{_read_name(name)}")


@get("/users/{name:str}/statuses/{id:str}")
async def follow_uri_of_status(request: AnyRequest, name: FromPath[str], id: FromPath[str]) -> Response[str]:
    """From a status's `uri` to its thread."""
    return redirect(await visit_of(request), f"/@{_read_name(name)}/{parse_id(id)}")


def _read_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise NotFound
    return name


@get("/.well-known/change-password")
async def lead_to_password(request: AnyRequest) -> Response[str]:
    """Where password managers send people: https://w3c.github.io/webappsec-change-password-url/"""
    return redirect(await visit_of(request), "/settings/account")


@get("/robots.txt", media_type=MediaType.TEXT)
async def show_robots() -> str:
    """RFC 9309."""
    return ROBOTS


routes = [follow_uri_of_account, follow_uri_of_status, lead_to_password, show_robots]
