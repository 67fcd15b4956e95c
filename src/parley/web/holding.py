"""/status: the instance's own copy of its holding page, with the feed and the signed JSON."""

from __future__ import annotations

import asyncio

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from parley.hosting.holding import holding_files, page_policy
from parley.kit.errors import NotFound
from parley.kit.http import instance_of
from parley.web.visits import AnyRequest

SHORT = {"Cache-Control": "public, max-age=30"}


@get("/status")
async def show_holding(request: AnyRequest) -> Response[bytes]:
    """The page. It asks no database, and so it is there when nothing else is."""
    return await _file(request, "index.html")


@get("/status/{name:str}")
async def show_holding_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """The feed, the JSON and its signature."""
    return await _file(request, name)


async def _file(request: AnyRequest, name: str) -> Response[bytes]:
    settings = instance_of(request).settings
    files = await asyncio.to_thread(holding_files, settings, folder="status/")
    if name not in files:
        raise NotFound
    data, content_type = files[name]
    return Response(data, media_type=content_type, headers={**SHORT, "Content-Security-Policy": page_policy()})


routes = [show_holding, show_holding_file]
