"""Timelines: https://docs.joinmastodon.org/methods/timelines/"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.params import FromPath

from parley.api.access import need_viewer, viewer_for, viewer_of
from parley.api.entities.statuses import status_entity
from parley.kit.errors import NotFound
from parley.kit.http import instance_of, link_header, listify, page_of, read_params, to_struct
from parley.kit.ids import parse_id
from parley.social.statuses.filtered import mark_filtered
from parley.social.statuses.views import StatusView
from parley.social.timelines import reads

Asked = Request[Any, Any, Any]

_encode = msgspec.json.Encoder().encode


async def statuses_response(request: Asked, views: Sequence[StatusView]) -> Response[bytes]:
    """A page of statuses, newest first, with the viewer's filters and Link headers that go by their own ids."""
    instance = instance_of(request)
    settings = instance.settings
    newest, oldest = (views[0].id, views[-1].id) if views else (None, None)
    marked = await mark_filtered(instance, viewer_of(request), views)
    return Response(
        _encode([status_entity(view, settings) for view in marked]),
        media_type=MediaType.JSON,
        headers=link_header(request, settings, newest, oldest),
    )


class PublicQuery(msgspec.Struct):
    """Which public posts."""

    local: bool = False
    remote: bool = False
    only_media: bool = False


class TagQuery(msgspec.Struct):
    """Which tagged posts: `any` of these tags too, `all` of these as well, `none` of these."""

    any: list[str] = []
    all: list[str] = []
    none: list[str] = []
    local: bool = False
    remote: bool = False
    only_media: bool = False


@get("/api/v1/timelines/home", scope="read:statuses")
async def home(request: Asked) -> Response[bytes]:
    """What the viewer follows."""
    viewer, page = need_viewer(request), page_of(request)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_home(tx, viewer, page)
    return await statuses_response(request, views)


@get("/api/v1/timelines/public", scope=None)
async def public(request: Asked) -> Response[bytes]:
    """Public posts of everybody."""
    query = to_struct(await read_params(request), PublicQuery)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_public(
            tx,
            viewer_for(request, "read:statuses"),
            page_of(request),
            local=query.local,
            remote=query.remote,
            only_media=query.only_media,
        )
    return await statuses_response(request, views)


@get("/api/v1/timelines/tag/{hashtag:str}", scope=None)
async def tag(request: Asked, hashtag: FromPath[str]) -> Response[bytes]:
    """Public posts with a hashtag."""
    query = to_struct(listify(await read_params(request), TagQuery), TagQuery)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_tag(
            tx,
            viewer_for(request, "read:statuses"),
            hashtag,
            page_of(request),
            any_of=query.any,
            all_of=query.all,
            none_of=query.none,
            local=query.local,
            remote=query.remote,
            only_media=query.only_media,
        )
    return await statuses_response(request, views)


@get("/api/v1/timelines/list/{id:str}", scope="read:lists")
async def list_timeline(request: Asked, id: FromPath[str]) -> Response[bytes]:
    """What the members of one of the viewer's lists say."""
    viewer, page = need_viewer(request), page_of(request)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_list_timeline(tx, viewer, parse_id(id), page)
    return await statuses_response(request, views)


@get("/api/v1/timelines/direct", scope="read:statuses")
async def direct(request: Asked) -> Response[bytes]:
    """Direct messages. Deprecated since Mastodon 3.0 in favour of conversations; old clients still ask."""
    viewer, page = need_viewer(request), page_of(request)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_direct(tx, viewer, page)
    return await statuses_response(request, views)


@get("/api/v1/timelines/link", scope=None)
async def link(request: Asked) -> Response[bytes]:
    """Posts about a trending link. No link trends here, and for any other Mastodon's API says 404."""
    raise NotFound


routes = [home, public, tag, list_timeline, direct, link]
