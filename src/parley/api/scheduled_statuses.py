"""Statuses that wait for their time: https://docs.joinmastodon.org/methods/scheduled_statuses/"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, put
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.statuses import ScheduledStatus, scheduled_entity
from parley.kit.http import instance_of, link_header, page_of, parse
from parley.kit.ids import parse_id
from parley.social.statuses import actions, reads

Asked = Request[Any, Any, Any]


class TimeForm(msgspec.Struct):
    """When to post it."""

    scheduled_at: datetime


@get("/api/v1/scheduled_statuses", scope="read:statuses")
async def list_scheduled_statuses(request: Asked) -> Response[list[ScheduledStatus]]:
    """The viewer's own, newest first."""
    settings, page = instance_of(request).settings, page_of(request, default=20, most=40)
    async with instance_of(request).db.read() as tx:
        views = await reads.list_scheduled(tx, need_viewer(request), page)
    bounds = (views[0].id, views[-1].id) if views else (None, None)
    return Response(
        [scheduled_entity(view, settings) for view in views], headers=link_header(request, settings, *bounds)
    )


@get("/api/v1/scheduled_statuses/{id:str}", scope="read:statuses")
async def get_scheduled_status(request: Asked, id: FromPath[str]) -> ScheduledStatus:
    """One of the viewer's own."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        view = await reads.get_scheduled(tx, need_viewer(request), parse_id(id))
    return scheduled_entity(view, instance.settings)


@put("/api/v1/scheduled_statuses/{id:str}", scope="write:statuses")
async def update_scheduled_status(request: Asked, id: FromPath[str]) -> ScheduledStatus:
    """Post it at another time."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await parse(request, TimeForm)
    async with instance.db.write() as tx:
        view = await actions.update_scheduled(tx, viewer, parse_id(id), form.scheduled_at)
    return scheduled_entity(view, instance.settings)


@delete("/api/v1/scheduled_statuses/{id:str}", scope="write:statuses", status_code=200)
async def cancel_scheduled_status(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Drop it."""
    async with instance_of(request).db.write() as tx:
        await actions.cancel_scheduled(tx, need_viewer(request), parse_id(id))
    return {}


routes = [
    list_scheduled_statuses,
    get_scheduled_status,
    update_scheduled_status,
    cancel_scheduled_status,
]
