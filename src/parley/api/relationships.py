"""How the viewer stands to other accounts: https://docs.joinmastodon.org/methods/accounts/

Follow, block, mute, note, endorse, and the questions about them. Rules live in `social.graph`, never here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer, viewer_for
from parley.api.entities.accounts import account_entity
from parley.api.entities.graph import (
    List,
    Relationship,
    familiar_followers_entity,
    list_entity,
    relationship_entity,
)
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, link_header, listify, page_of, parse, read_params, to_struct
from parley.kit.ids import MAX_ID, parse_id
from parley.kit.paging import Page
from parley.social.accounts.views import Viewer
from parley.social.graph import actions, reads
from parley.social.graph.views import AccountsPage

Asked = Request[Any, Any, Any]


class IdsQuery(msgspec.Struct):
    """Accounts that are asked about, as `id[]=1&id[]=2` or `id=1`."""

    id: list[str] = []
    with_suspended: bool = False

    def numbers(self) -> list[int]:
        """Those that can be ids at all; anything else names nobody."""
        found = (int(text) for text in self.id if text.isascii() and text.isdigit() and len(text) <= 19)
        return [number for number in found if 0 < number <= MAX_ID]


async def _ids_of(request: Asked) -> IdsQuery:
    return to_struct(listify(await read_params(request), IdsQuery), IdsQuery)


@get("/api/v1/accounts/relationships", scope="read:follows")
async def list_relationships(request: Asked) -> list[Relationship]:
    """How the viewer stands to each of the accounts."""
    query = await _ids_of(request)
    viewer = need_viewer(request)
    async with instance_of(request).db.read() as tx:
        found = await reads.get_relationships(tx, viewer, query.numbers(), with_suspended=query.with_suspended)
    return [relationship_entity(view) for view in found]


@get("/api/v1/accounts/familiar_followers", scope="read:follows")
async def list_familiar_followers(request: Asked) -> list[dict[str, Any]]:
    """The followers of each account whom the viewer follows."""
    query = await _ids_of(request)
    instance = instance_of(request)
    async with instance.db.read() as tx:
        found = await reads.familiar_followers(tx, need_viewer(request), query.numbers())
    return [familiar_followers_entity(view, instance.settings) for view in found]


class FollowOptions(msgspec.Struct):
    """What the viewer wants to receive; what is left out stays as it is."""

    reblogs: bool | None = None
    notify: bool | None = None
    languages: list[str] | None = None


@post("/api/v1/accounts/{id:str}/follow", scope="write:follows", status_code=200)
async def follow(request: Asked, id: FromPath[str]) -> Relationship:
    """Follow, ask to follow, or change what is received."""
    options = await parse(request, FollowOptions)
    async with instance_of(request).db.write() as tx:
        view = await actions.follow_account(
            tx,
            need_viewer(request),
            parse_id(id),
            reblogs=options.reblogs,
            notify=options.notify,
            languages=options.languages,
        )
    return relationship_entity(view)


@post("/api/v1/accounts/{id:str}/unfollow", scope="write:follows", status_code=200)
async def unfollow(request: Asked, id: FromPath[str]) -> Relationship:
    """Follow no longer, or take back the request."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.unfollow_account(tx, need_viewer(request), parse_id(id)))


@post("/api/v1/accounts/{id:str}/remove_from_followers", scope="write:follows", status_code=200)
async def remove_from_followers(request: Asked, id: FromPath[str]) -> Relationship:
    """End the account's follow of the viewer."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.remove_follower(tx, need_viewer(request), parse_id(id)))


@post("/api/v1/accounts/{id:str}/block", scope="write:blocks", status_code=200)
async def block(request: Asked, id: FromPath[str]) -> Relationship:
    """Block the account."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.block_account(tx, need_viewer(request), parse_id(id)))


@post("/api/v1/accounts/{id:str}/unblock", scope="write:blocks", status_code=200)
async def unblock(request: Asked, id: FromPath[str]) -> Relationship:
    """Lift the block."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.unblock_account(tx, need_viewer(request), parse_id(id)))


class MuteOptions(msgspec.Struct):
    """`duration` is in seconds; 0 has no end."""

    notifications: bool = True
    duration: int = 0


@post("/api/v1/accounts/{id:str}/mute", scope="write:mutes", status_code=200)
async def mute(request: Asked, id: FromPath[str]) -> Relationship:
    """Mute the account."""
    options = await parse(request, MuteOptions)
    try:
        duration = timedelta(seconds=options.duration)
    except OverflowError as error:
        raise Invalid("Validation failed: duration must be up to ten years, in seconds.") from error
    async with instance_of(request).db.write() as tx:
        view = await actions.mute_account(
            tx, need_viewer(request), parse_id(id), notifications=options.notifications, duration=duration
        )
    return relationship_entity(view)


@post("/api/v1/accounts/{id:str}/unmute", scope="write:mutes", status_code=200)
async def unmute(request: Asked, id: FromPath[str]) -> Relationship:
    """Lift the mute."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.unmute_account(tx, need_viewer(request), parse_id(id)))


class NoteForm(msgspec.Struct):
    """A private note; empty forgets it."""

    comment: str = ""


@post("/api/v1/accounts/{id:str}/note", scope="write:accounts", status_code=200)
async def note(request: Asked, id: FromPath[str]) -> Relationship:
    """Keep a private note about the account."""
    form = await parse(request, NoteForm)
    async with instance_of(request).db.write() as tx:
        view = await actions.set_account_note(tx, need_viewer(request), parse_id(id), form.comment)
    return relationship_entity(view)


@post(
    ["/api/v1/accounts/{id:str}/endorse", "/api/v1/accounts/{id:str}/pin"],
    scope="write:accounts",
    status_code=200,
)
async def endorse(request: Asked, id: FromPath[str]) -> Relationship:
    """Feature the account on the viewer's profile (`pin` is the older name)."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.endorse(tx, need_viewer(request), parse_id(id)))


@post(
    ["/api/v1/accounts/{id:str}/unendorse", "/api/v1/accounts/{id:str}/unpin"],
    scope="write:accounts",
    status_code=200,
)
async def unendorse(request: Asked, id: FromPath[str]) -> Relationship:
    """Feature the account no longer (`unpin` is the older name)."""
    async with instance_of(request).db.write() as tx:
        return relationship_entity(await actions.unendorse(tx, need_viewer(request), parse_id(id)))


def accounts_response(request: Asked, found: AccountsPage) -> Response[list[Any]]:
    """A page of accounts with its Link header."""
    settings = instance_of(request).settings
    return Response(
        [account_entity(account, settings) for account in found.accounts],
        headers=link_header(request, settings, found.newest, found.oldest),
    )


People = Callable[[Tx, Viewer | None, int, Page], Awaitable[AccountsPage]]


async def show_people(request: Asked, id: str, scope: str, read: People) -> Response[list[Any]]:
    """The page of accounts that `read` finds for the thing of this id; a member's token needs `scope`."""
    page, viewer = page_of(request, default=40, most=80), viewer_for(request, scope)
    async with instance_of(request).db.read() as tx:
        found = await read(tx, viewer, parse_id(id), page)
    return accounts_response(request, found)


@get("/api/v1/endorsements", scope="read:accounts")
async def list_own_endorsements(request: Asked) -> Response[list[Any]]:
    """Whom the viewer features."""
    viewer = need_viewer(request)
    page = page_of(request, default=40, most=80)
    async with instance_of(request).db.read() as tx:
        found = await reads.list_endorsements(tx, viewer, viewer.account_id, page)
    return accounts_response(request, found)


@get("/api/v1/accounts/{id:str}/endorsements", scope=None)
async def list_endorsements(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Whom the account features."""
    return await show_people(request, id, "read:accounts", reads.list_endorsements)


@get("/api/v1/accounts/{id:str}/followers", scope=None)
async def list_followers(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Who follows the account, unless it hides that."""
    return await show_people(request, id, "read:accounts", reads.list_followers)


@get("/api/v1/accounts/{id:str}/following", scope=None)
async def list_following(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Whom the account follows, unless it hides that."""
    return await show_people(request, id, "read:accounts", reads.list_following)


@get("/api/v1/accounts/{id:str}/lists", scope="read:lists")
async def list_lists_with(request: Asked, id: FromPath[str]) -> list[List]:
    """The viewer's lists that the account is in."""
    async with instance_of(request).db.read() as tx:
        found = await reads.lists_with_account(tx, need_viewer(request), parse_id(id))
    return [list_entity(view) for view in found]


routes = [
    list_relationships,
    list_familiar_followers,
    follow,
    unfollow,
    remove_from_followers,
    block,
    unblock,
    mute,
    unmute,
    note,
    endorse,
    unendorse,
    list_own_endorsements,
    list_endorsements,
    list_followers,
    list_following,
    list_lists_with,
]
