"""Polls: https://docs.joinmastodon.org/methods/polls/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer, viewer_for
from parley.api.entities.statuses import Poll, poll_entity
from parley.kit.http import instance_of, parse
from parley.kit.ids import parse_id
from parley.social.statuses import actions, reads

Asked = Request[Any, Any, Any]


class VoteForm(msgspec.Struct):
    """Which options to vote for, by their place from 0."""

    choices: list[int] = []


@get("/api/v1/polls/{id:str}", scope=None)
async def get_poll(request: Asked, id: FromPath[str]) -> Poll:
    """One poll, as far as its status may be seen."""
    instance, viewer = instance_of(request), viewer_for(request, "read:statuses")
    async with instance.db.read() as tx:
        return poll_entity(await reads.get_poll(tx, viewer, parse_id(id)), instance.settings)


@post("/api/v1/polls/{id:str}/votes", scope="write:statuses", status_code=200)
async def vote_in_poll(request: Asked, id: FromPath[str]) -> Poll:
    """Vote, once."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await parse(request, VoteForm)
    async with instance.db.write() as tx:
        view = await actions.vote_in_poll(tx, viewer, parse_id(id), form.choices)
    return poll_entity(view, instance.settings)


routes = [get_poll, vote_in_poll]
