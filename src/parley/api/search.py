"""Search: https://docs.joinmastodon.org/methods/search/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get

from parley.api.access import need_viewer, viewer_for
from parley.api.entities.accounts import account_entity
from parley.api.entities.statuses import status_entity
from parley.api.entities.timelines import Search, tag_entity
from parley.kit.db import Tx
from parley.kit.errors import Invalid, Unauthorized
from parley.kit.http import instance_of, read_params, to_struct
from parley.kit.ids import parse_id
from parley.social.discovery import reads
from parley.social.discovery.views import SearchView
from parley.social.statuses.filtered import mark_filtered
from parley.social.timelines.reads import list_tags

Asked = Request[Any, Any, Any]

KINDS = ("accounts", "statuses", "hashtags")


class SearchForm(msgspec.Struct):
    """What is looked for."""

    q: str = ""
    type: str = ""
    resolve: bool = False
    following: bool = False
    account_id: str = ""
    limit: int = 20
    offset: int = 0
    max_id: str = ""
    min_id: str = ""
    exclude_unreviewed: bool = False


@get("/api/v2/search", scope=None)
async def search(request: Asked) -> Response[bytes]:
    """People, posts and hashtags. Without a token neither `resolve` nor `offset` is open."""
    instance, viewer = instance_of(request), viewer_for(request, "read:search")
    form = await _form_of(request)
    async with instance.db.read() as tx:
        found = await _search(tx, request, form)
        tags = await list_tags(tx, viewer, [tag.id for tag in found.tags])
    statuses = await mark_filtered(instance, viewer, found.statuses)
    answer = Search(
        [account_entity(account, instance.settings) for account in found.accounts],
        [status_entity(status, instance.settings) for status in statuses],
        [tag_entity(tag, instance.settings) for tag in tags],
    )
    return Response(msgspec.json.encode(answer), media_type=MediaType.JSON)


@get("/api/v1/search", scope="read:search")
async def search_v1(request: Asked) -> dict[str, Any]:
    """The older form: hashtags are names alone."""
    need_viewer(request)
    settings = instance_of(request).settings
    form = await _form_of(request)
    async with instance_of(request).db.read() as tx:
        found = await _search(tx, request, form)
    return {
        "accounts": [account_entity(account, settings) for account in found.accounts],
        "statuses": [status_entity(status, settings) for status in found.statuses],
        "hashtags": [tag.name for tag in found.tags],
    }


async def _form_of(request: Asked) -> SearchForm:
    form = to_struct(await read_params(request), SearchForm)
    if not form.q.strip():
        raise Invalid("Validation failed: q must say what to search for.")
    if form.type and form.type not in KINDS:
        raise Invalid(f"Validation failed: type must be one of {', '.join(KINDS)}.")
    if viewer_for(request, "read:search") is None and (form.resolve or form.offset):
        raise Unauthorized("This method requires an authenticated user")
    return form


async def _search(tx: Tx, request: Asked, form: SearchForm) -> SearchView:
    return await reads.search(
        tx,
        viewer_for(request, "read:search"),
        instance_of(request).settings,
        form.q,
        type=form.type or None,
        limit=max(1, min(form.limit, 40)),
        offset=max(0, form.offset) if form.type else 0,
        following=form.following,
        account_id=parse_id(form.account_id) if form.account_id else None,
        max_id=parse_id(form.max_id) if form.max_id else None,
        min_id=parse_id(form.min_id) if form.min_id else None,
    )


routes = [search, search_v1]
