"""Filters for apps from before Mastodon 4: https://docs.joinmastodon.org/methods/filters/#v1"""

from __future__ import annotations

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.filters import FilterV1, filter_v1_entity
from parley.api.filters import Asked, forget_filters, read_seconds
from parley.kit.http import instance_of, listify, read_params, to_struct
from parley.kit.ids import parse_id
from parley.social.filters import phrases
from parley.social.filters.phrases import PhraseChange


class PhraseForm(msgspec.Struct):
    """A new filter, or changes of one. `expires_in` in seconds; empty for ever."""

    phrase: str | None = None
    context: list[str] | None = None
    irreversible: bool | None = None
    whole_word: bool | None = None
    expires_in: int | str | None = None


async def _change_of(request: Asked) -> PhraseChange:
    form = to_struct(listify(await read_params(request), PhraseForm), PhraseForm)
    return PhraseChange(
        phrase=form.phrase,
        contexts=form.context,
        irreversible=form.irreversible,
        whole_word=form.whole_word,
        expires_in=read_seconds(form.expires_in),
    )


@get("/api/v1/filters", scope="read:filters")
async def list_filters_v1(request: Asked) -> list[FilterV1]:
    """Every keyword of the viewer's filters."""
    async with instance_of(request).db.read() as tx:
        return [filter_v1_entity(view) for view in await phrases.list_phrases(tx, need_viewer(request))]


@get("/api/v1/filters/{id:str}", scope="read:filters")
async def get_filter_v1(request: Asked, id: FromPath[str]) -> FilterV1:
    """One of them."""
    async with instance_of(request).db.read() as tx:
        return filter_v1_entity(await phrases.get_phrase(tx, need_viewer(request), parse_id(id)))


@post("/api/v1/filters", scope="write:filters", status_code=200)
async def create_filter_v1(request: Asked) -> FilterV1:
    """Make one."""
    change = await _change_of(request)
    async with instance_of(request).db.write() as tx:
        view = await phrases.create_phrase(tx, need_viewer(request), change)
    forget_filters(request)
    return filter_v1_entity(view)


@put("/api/v1/filters/{id:str}", scope="write:filters")
async def update_filter_v1(request: Asked, id: FromPath[str]) -> FilterV1:
    """Change one."""
    change = await _change_of(request)
    async with instance_of(request).db.write() as tx:
        view = await phrases.update_phrase(tx, need_viewer(request), parse_id(id), change)
    forget_filters(request)
    return filter_v1_entity(view)


@delete("/api/v1/filters/{id:str}", scope="write:filters", status_code=200)
async def delete_filter_v1(request: Asked, id: FromPath[str]) -> dict[str, str]:
    """Remove one."""
    async with instance_of(request).db.write() as tx:
        await phrases.delete_phrase(tx, need_viewer(request), parse_id(id))
    forget_filters(request)
    return {}


routes = [list_filters_v1, get_filter_v1, create_filter_v1, update_filter_v1, delete_filter_v1]
