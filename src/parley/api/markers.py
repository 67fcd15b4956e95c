"""How far one has read: https://docs.joinmastodon.org/methods/markers/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post

from parley.api.access import need_viewer
from parley.api.entities.timelines import Marker, markers_entity
from parley.kit.http import instance_of, listify, parse, read_params, to_struct
from parley.kit.ids import parse_id
from parley.social.timelines import actions, reads

Asked = Request[Any, Any, Any]


class MarkersQuery(msgspec.Struct):
    """Which timelines."""

    timeline: list[str] = []


class MarkerForm(msgspec.Struct):
    """The newest thing that was read."""

    last_read_id: str | None = None


class MarkersForm(msgspec.Struct):
    """New positions."""

    home: MarkerForm | None = None
    notifications: MarkerForm | None = None


@get("/api/v1/markers", scope="read:statuses")
async def get_markers(request: Asked) -> dict[str, Marker]:
    """The viewer's positions."""
    query = to_struct(listify(await read_params(request), MarkersQuery), MarkersQuery)
    async with instance_of(request).db.read() as tx:
        return markers_entity(await reads.get_markers(tx, need_viewer(request), query.timeline))


@post("/api/v1/markers", scope="write:statuses", status_code=200)
async def save_markers(request: Asked) -> dict[str, Marker]:
    """Remember the viewer's positions."""
    form = await parse(request, MarkersForm)
    read_to = {
        name: parse_id(given.last_read_id)
        for name, given in (("home", form.home), ("notifications", form.notifications))
        if given is not None and given.last_read_id
    }
    async with instance_of(request).db.write(local=True) as tx:
        return markers_entity(await actions.save_markers(tx, need_viewer(request), read_to))


routes = [get_markers, save_markers]
