"""Filters: https://docs.joinmastodon.org/methods/filters/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, delete, get, post, put
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.filters import (
    Filter,
    FilterKeyword,
    FilterStatus,
    filter_entity,
    filtered_status_entity,
    keyword_entity,
)
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, listify, read_params, to_struct
from parley.kit.ids import parse_id
from parley.social.filters import actions, reads
from parley.social.filters.actions import FilterChange, KeywordChange
from parley.social.statuses.reads import get_status

Asked = Request[Any, Any, Any]


class KeywordForm(msgspec.Struct):
    """One of `keywords_attributes`."""

    id: str | None = None
    keyword: str | None = None
    whole_word: bool | None = None
    destroy: bool = msgspec.field(default=False, name="_destroy")


class FilterForm(msgspec.Struct):
    """A new filter, or changes of one. `expires_in` in seconds; empty for ever."""

    title: str | None = None
    context: list[str] | None = None
    filter_action: str | None = None
    expires_in: int | str | None = None
    keywords_attributes: list[KeywordForm] = []

    def change(self) -> FilterChange:
        """As the room wants it."""
        return FilterChange(
            title=self.title,
            contexts=self.context,
            action=self.filter_action,
            expires_in=read_seconds(self.expires_in),
            keywords=[
                KeywordChange(
                    id=parse_id(one.id) if one.id else None,
                    keyword=one.keyword,
                    whole_word=one.whole_word,
                    destroy=one.destroy,
                )
                for one in self.keywords_attributes
            ],
        )


def read_seconds(value: int | str | None) -> int | None:
    """`expires_in` as apps write it: 0 for ever, None for no word about it; raises Invalid."""
    if value is None or isinstance(value, int):
        return value
    if not value.strip():
        return 0
    if not value.strip().isdigit() or len(value) > 12:
        raise Invalid("Validation failed: expires_in must be a number of seconds.")
    return int(value)


async def _form_of(request: Asked) -> FilterForm:
    return to_struct(listify(await read_params(request), FilterForm), FilterForm)


def forget_filters(request: Asked) -> None:
    """The process that made a change must not serve old filters until its own live message comes back."""
    reads.cache_of(instance_of(request).live).forget(need_viewer(request).account_id)


@get("/api/v2/filters", scope="read:filters")
async def list_filters(request: Asked) -> list[Filter]:
    """Every filter of the viewer."""
    async with instance_of(request).db.read() as tx:
        return [filter_entity(view) for view in await reads.list_filters(tx, need_viewer(request))]


@get("/api/v2/filters/{id:str}", scope="read:filters")
async def get_filter(request: Asked, id: FromPath[str]) -> Filter:
    """One of them."""
    async with instance_of(request).db.read() as tx:
        return filter_entity(await reads.get_filter(tx, need_viewer(request), parse_id(id)))


@post("/api/v2/filters", scope="write:filters", status_code=200)
async def create_filter(request: Asked) -> Filter:
    """Make one."""
    form = await _form_of(request)
    async with instance_of(request).db.write() as tx:
        view = await actions.create_filter(tx, need_viewer(request), form.change())
    forget_filters(request)
    return filter_entity(view)


@put("/api/v2/filters/{id:str}", scope="write:filters")
async def update_filter(request: Asked, id: FromPath[str]) -> Filter:
    """Change one."""
    form = await _form_of(request)
    async with instance_of(request).db.write() as tx:
        view = await actions.update_filter(tx, need_viewer(request), parse_id(id), form.change())
    forget_filters(request)
    return filter_entity(view)


@delete("/api/v2/filters/{id:str}", scope="write:filters", status_code=200)
async def delete_filter(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Remove one."""
    async with instance_of(request).db.write() as tx:
        await actions.delete_filter(tx, need_viewer(request), parse_id(id))
    forget_filters(request)
    return {}


@get("/api/v2/filters/{id:str}/keywords", scope="read:filters")
async def list_keywords(request: Asked, id: FromPath[str]) -> list[FilterKeyword]:
    """The words of one."""
    async with instance_of(request).db.read() as tx:
        view = await reads.get_filter(tx, need_viewer(request), parse_id(id))
    return [keyword_entity(one) for one in view.keywords]


@post("/api/v2/filters/{id:str}/keywords", scope="write:filters", status_code=200)
async def add_keyword(request: Asked, id: FromPath[str]) -> FilterKeyword:
    """Add a word."""
    form = to_struct(await read_params(request), KeywordForm)
    async with instance_of(request).db.write() as tx:
        view = await actions.add_keyword(
            tx, need_viewer(request), parse_id(id), form.keyword or "", whole_word=form.whole_word is not False
        )
    forget_filters(request)
    return keyword_entity(view)


@get("/api/v2/filters/keywords/{id:str}", scope="read:filters")
async def get_keyword(request: Asked, id: FromPath[str]) -> FilterKeyword:
    """One word."""
    async with instance_of(request).db.read() as tx:
        return keyword_entity(await reads.get_keyword(tx, need_viewer(request), parse_id(id)))


@put("/api/v2/filters/keywords/{id:str}", scope="write:filters")
async def update_keyword(request: Asked, id: FromPath[str]) -> FilterKeyword:
    """Change a word."""
    form = to_struct(await read_params(request), KeywordForm)
    async with instance_of(request).db.write() as tx:
        view = await actions.update_keyword(
            tx, need_viewer(request), parse_id(id), keyword=form.keyword, whole_word=form.whole_word
        )
    forget_filters(request)
    return keyword_entity(view)


@delete("/api/v2/filters/keywords/{id:str}", scope="write:filters", status_code=200)
async def delete_keyword(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Remove a word."""
    async with instance_of(request).db.write() as tx:
        await actions.delete_keyword(tx, need_viewer(request), parse_id(id))
    forget_filters(request)
    return {}


class StatusForm(msgspec.Struct):
    """The status to put under a filter."""

    status_id: str = ""


@get("/api/v2/filters/{id:str}/statuses", scope="read:filters")
async def list_filtered_statuses(request: Asked, id: FromPath[str]) -> list[FilterStatus]:
    """The statuses of one."""
    async with instance_of(request).db.read() as tx:
        view = await reads.get_filter(tx, need_viewer(request), parse_id(id))
    return [filtered_status_entity(one) for one in view.statuses]


@post("/api/v2/filters/{id:str}/statuses", scope="write:filters", status_code=200)
async def add_filtered_status(request: Asked, id: FromPath[str]) -> FilterStatus:
    """Put a status that the viewer may see under a filter."""
    form = to_struct(await read_params(request), StatusForm)
    viewer = need_viewer(request)
    async with instance_of(request).db.write() as tx:
        status = await get_status(tx, viewer, parse_id(form.status_id))
        view = await actions.add_filtered_status(tx, viewer, parse_id(id), status.id)
    forget_filters(request)
    return filtered_status_entity(view)


@get("/api/v2/filters/statuses/{id:str}", scope="read:filters")
async def get_filtered_status(request: Asked, id: FromPath[str]) -> FilterStatus:
    """One status of a filter."""
    async with instance_of(request).db.read() as tx:
        view = await reads.get_filtered_status(tx, need_viewer(request), parse_id(id))
    return filtered_status_entity(view)


@delete("/api/v2/filters/statuses/{id:str}", scope="write:filters", status_code=200)
async def delete_filtered_status(request: Asked, id: FromPath[str]) -> FilterStatus:
    """Take a status out of a filter; answers with what was taken out."""
    viewer = need_viewer(request)
    async with instance_of(request).db.write() as tx:
        view = await reads.get_filtered_status(tx, viewer, parse_id(id))
        await actions.delete_filtered_status(tx, viewer, view.id)
    forget_filters(request)
    return filtered_status_entity(view)


routes = [
    list_filters,
    get_filter,
    create_filter,
    update_filter,
    delete_filter,
    list_keywords,
    add_keyword,
    get_keyword,
    update_keyword,
    delete_keyword,
    list_filtered_statuses,
    add_filtered_status,
    get_filtered_status,
    delete_filtered_status,
]
