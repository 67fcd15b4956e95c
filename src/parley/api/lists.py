"""The viewer's lists: https://docs.joinmastodon.org/methods/lists/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.accounts import account_entity
from parley.api.entities.graph import List, list_entity
from parley.api.relationships import accounts_response
from parley.kit.http import instance_of, page_of, parse, query_pairs
from parley.kit.ids import parse_id
from parley.kit.paging import Page
from parley.social.graph import actions, reads

Asked = Request[Any, Any, Any]

MOST_MEMBERS = 8000
"""A list's members are followed accounts, so there cannot be many more than one may follow."""


class ListForm(msgspec.Struct):
    """A new list, or changes of one."""

    title: str | None = None
    replies_policy: str | None = None
    exclusive: bool | None = None


@get("/api/v1/lists", scope="read:lists")
async def list_lists(request: Asked) -> list[List]:
    """Every list of the viewer."""
    async with instance_of(request).db.read() as tx:
        return [list_entity(view) for view in await reads.list_lists(tx, need_viewer(request))]


@get("/api/v1/lists/{id:str}", scope="read:lists")
async def get_list(request: Asked, id: FromPath[str]) -> List:
    """One list of the viewer."""
    async with instance_of(request).db.read() as tx:
        return list_entity(await reads.get_list(tx, need_viewer(request), parse_id(id)))


@post("/api/v1/lists", scope="write:lists", status_code=200)
async def create_list(request: Asked) -> List:
    """Make a list."""
    form = await parse(request, ListForm)
    async with instance_of(request).db.write() as tx:
        view = await actions.create_list(
            tx,
            need_viewer(request),
            form.title or "",
            replies_policy=form.replies_policy or "list",
            exclusive=bool(form.exclusive),
        )
    return list_entity(view)


@put("/api/v1/lists/{id:str}", scope="write:lists")
async def update_list(request: Asked, id: FromPath[str]) -> List:
    """Change a list."""
    form = await parse(request, ListForm)
    async with instance_of(request).db.write() as tx:
        view = await actions.update_list(
            tx,
            need_viewer(request),
            parse_id(id),
            title=form.title,
            replies_policy=form.replies_policy,
            exclusive=form.exclusive,
        )
    return list_entity(view)


@delete("/api/v1/lists/{id:str}", scope="write:lists", status_code=200)
async def delete_list(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Delete a list."""
    async with instance_of(request).db.write() as tx:
        await actions.delete_list(tx, need_viewer(request), parse_id(id))
    return {}


@get("/api/v1/lists/{id:str}/accounts", scope="read:lists")
async def list_list_accounts(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Who is in the list; `limit=0` asks for all at once."""
    viewer = need_viewer(request)
    instance = instance_of(request)
    everybody = dict(query_pairs(request)).get("limit") == "0"
    page = Page(MOST_MEMBERS) if everybody else page_of(request, default=40, most=80)
    async with instance.db.read() as tx:
        found = await reads.list_list_accounts(tx, viewer, parse_id(id), page)
    if everybody:
        return Response([account_entity(account, instance.settings) for account in found.accounts])
    return accounts_response(request, found)


class MembersForm(msgspec.Struct):
    """Accounts to put in or take out."""

    account_ids: list[str] = []

    def numbers(self) -> list[int]:
        """The ids; raises NotFound for what cannot be one."""
        return [parse_id(text) for text in self.account_ids]


@post("/api/v1/lists/{id:str}/accounts", scope="write:lists", status_code=200)
async def add_list_accounts(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Put followed accounts into the list."""
    form = await parse(request, MembersForm)
    async with instance_of(request).db.write() as tx:
        await actions.add_to_list(tx, need_viewer(request), parse_id(id), form.numbers())
    return {}


@delete("/api/v1/lists/{id:str}/accounts", scope="write:lists", status_code=200)
async def remove_list_accounts(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Take accounts out of the list."""
    form = await parse(request, MembersForm)
    async with instance_of(request).db.write() as tx:
        await actions.remove_from_list(tx, need_viewer(request), parse_id(id), form.numbers())
    return {}


routes = [
    list_lists,
    get_list,
    create_list,
    update_list,
    delete_list,
    list_list_accounts,
    add_list_accounts,
    remove_list_accounts,
]
