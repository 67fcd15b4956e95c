"""Hashtags: https://docs.joinmastodon.org/methods/tags/, followed_tags/ and featured_tags/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer, viewer_of
from parley.api.entities.timelines import FeaturedTag, Tag, featured_tag_entity, tag_entity
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, link_header, page_of, parse
from parley.kit.ids import parse_id
from parley.social.accounts.reads import get_account
from parley.social.timelines import actions, reads

Asked = Request[Any, Any, Any]


class NameForm(msgspec.Struct):
    """The tag to show on the profile."""

    name: str | None = None


@get("/api/v1/tags/{name:str}", scope=None)
async def get_tag(request: Asked, name: FromPath[str]) -> Tag:
    """A tag with its use in the last seven days."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        view = await reads.get_tag(tx, viewer_of(request), actions.clean_tag_name(name))
    return tag_entity(view, instance.settings)


@post("/api/v1/tags/{name:str}/follow", scope="write:follows", status_code=200)
async def follow_tag(request: Asked, name: FromPath[str]) -> Tag:
    """Public posts with the tag come into the viewer's home."""
    instance = instance_of(request)
    async with instance.db.write() as tx:
        view = await actions.follow_tag(tx, need_viewer(request), name)
    return tag_entity(view, instance.settings)


@post("/api/v1/tags/{name:str}/unfollow", scope="write:follows", status_code=200)
async def unfollow_tag(request: Asked, name: FromPath[str]) -> Tag:
    """They come no longer."""
    instance = instance_of(request)
    async with instance.db.write() as tx:
        view = await actions.unfollow_tag(tx, need_viewer(request), name)
    return tag_entity(view, instance.settings)


@post("/api/v1/tags/{name:str}/feature", scope="write:accounts", status_code=200)
async def feature_tag(request: Asked, name: FromPath[str]) -> Tag:
    """Show the tag on the viewer's profile."""
    instance, viewer = instance_of(request), need_viewer(request)
    async with instance.db.write() as tx:
        await actions.feature_tag(tx, viewer, name)
        view = await reads.get_tag(tx, viewer, name)
    return tag_entity(view, instance.settings)


@post("/api/v1/tags/{name:str}/unfeature", scope="write:accounts", status_code=200)
async def unfeature_tag(request: Asked, name: FromPath[str]) -> Tag:
    """Take it off the profile."""
    instance = instance_of(request)
    async with instance.db.write() as tx:
        view = await actions.unfeature_tag_by_name(tx, need_viewer(request), name)
    return tag_entity(view, instance.settings)


@get("/api/v1/followed_tags", scope="read:follows")
async def list_followed_tags(request: Asked) -> Response[list[Tag]]:
    """The tags that the viewer follows."""
    instance, viewer = instance_of(request), need_viewer(request)
    page = page_of(request, default=100, most=200)
    async with instance.db.read() as tx:
        views = await reads.list_followed_tags(tx, viewer, page)
    newest, oldest = (views[0].follow_id, views[-1].follow_id) if views else (None, None)
    return Response(
        [tag_entity(view.tag, instance.settings) for view in views],
        headers=link_header(request, instance.settings, newest, oldest),
    )


@get("/api/v1/featured_tags", scope="read:accounts")
async def list_featured_tags(request: Asked) -> list[FeaturedTag]:
    """The tags on the viewer's profile."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        views = await reads.list_featured_tags(tx, need_viewer(request).account_id)
    return [featured_tag_entity(view, instance.settings) for view in views]


@post("/api/v1/featured_tags", scope="write:accounts", status_code=200)
async def add_featured_tag(request: Asked) -> FeaturedTag:
    """Show a tag on the viewer's profile."""
    instance, form = instance_of(request), await parse(request, NameForm)
    if not form.name:
        raise Invalid("Validation failed: name the hashtag to feature.")
    async with instance.db.write() as tx:
        view = await actions.feature_tag(tx, need_viewer(request), form.name)
    return featured_tag_entity(view, instance.settings)


@delete("/api/v1/featured_tags/{id:str}", scope="write:accounts", status_code=200)
async def remove_featured_tag(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Take one off the profile."""
    async with instance_of(request).db.write() as tx:
        await actions.unfeature_tag(tx, need_viewer(request), parse_id(id))
    return {}


@get("/api/v1/featured_tags/suggestions", scope="read:accounts")
async def suggest_featured_tags(request: Asked) -> list[Tag]:
    """Tags that the viewer uses most."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        views = await reads.suggest_featured_tags(tx, need_viewer(request))
    return [tag_entity(view, instance.settings) for view in views]


@get("/api/v1/accounts/{id:str}/featured_tags", scope=None)
async def list_account_featured_tags(request: Asked, id: FromPath[str]) -> list[FeaturedTag]:
    """The tags on somebody's profile."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        account = await get_account(tx, viewer_of(request), parse_id(id))
        views = await reads.list_featured_tags(tx, account.id)
    return [featured_tag_entity(view, instance.settings) for view in views]


routes = [
    get_tag,
    follow_tag,
    unfollow_tag,
    feature_tag,
    unfeature_tag,
    list_followed_tags,
    list_featured_tags,
    add_featured_tag,
    remove_featured_tag,
    suggest_featured_tags,
    list_account_featured_tags,
]
