"""Accounts: https://docs.joinmastodon.org/methods/accounts/

Sign-up, the viewer's own account, and reading others. What one does to another (follow, block, mute...) is in
`api/relationships.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.params import FromPath

from parley.api.access import grant_of, need_viewer, viewer_for, viewer_of
from parley.api.entities.accounts import CredentialAccount, account_entity, credential_account_entity
from parley.api.entities.statuses import status_entity
from parley.api.profile_forms import change_of, preferences_of, receive_profile
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Unauthorized
from parley.kit.http import client_address, instance_of, link_header, page_of, parse, query_pairs
from parley.kit.ids import parse_id
from parley.kit.settings import Settings
from parley.social.accounts import reads
from parley.social.accounts.actions import update_profile
from parley.social.accounts.views import AccountView, Viewer
from parley.social.discovery.people import find_accounts
from parley.social.graph.reads import count_follow_requests
from parley.social.sessions import preferences
from parley.social.sessions.oauth.actions import issue_token
from parley.social.sessions.reads import get_preferences
from parley.social.sessions.scopes import has_scope
from parley.social.sessions.sign_up import sign_up as join
from parley.social.sessions.views import IssuedToken, NewUser
from parley.social.statuses.filtered import mark_filtered
from parley.social.statuses.reads import list_account_statuses

Asked = Request[Any, Any, Any]

MOST_IDS = 80


class SignUpForm(msgspec.Struct):
    """A person who wants to join."""

    username: str = ""
    email: str = ""
    password: str = ""
    agreement: bool = False
    locale: str = "en"
    reason: str = ""
    invite_code: str = ""


@post("/api/v1/accounts", scope="app", status_code=200)
async def sign_up(request: Asked) -> IssuedToken:
    """Join; the token works at once, or as soon as the address is confirmed and the member approved."""
    instance = instance_of(request)
    grant = grant_of(request)
    if grant is None or grant.app_id is None:
        raise Unauthorized
    if grant.account_id is not None:
        raise Forbidden("You are signed in already. Use the token of an app to sign somebody up.")
    if not has_scope(grant.scopes, "write:accounts"):
        raise Forbidden("This action is outside the authorized scopes")
    form = await parse(request, SignUpForm)
    new = NewUser(
        username=form.username,
        email=form.email,
        password=form.password,
        agreement=form.agreement,
        locale=form.locale,
        reason=form.reason,
        invite_code=form.invite_code,
        address=client_address(request, instance.settings),
        app_id=grant.app_id,
    )
    joined = await join(instance, new)
    async with instance.db.write() as tx:
        return await issue_token(tx, joined.account_id, grant.app_id, sorted(grant.scopes))


async def own_account(tx: Tx, viewer: Viewer, account: AccountView, settings: Settings) -> CredentialAccount:
    """The viewer's account with what only its owner sees: two more queries."""
    preferences = await get_preferences(tx, viewer)
    return credential_account_entity(account, preferences, await count_follow_requests(tx, viewer), settings)


@get("/api/v1/accounts/verify_credentials", scope="profile read:accounts")
async def verify_credentials(request: Asked) -> CredentialAccount:
    """Whose token this is."""
    instance = instance_of(request)
    viewer = need_viewer(request)
    async with instance.db.read() as tx:
        return await own_account(tx, viewer, await reads.get_own_account(tx, viewer), instance.settings)


@patch("/api/v1/accounts/update_credentials", scope="write:accounts", request_max_body_size=None)
async def update_credentials(request: Asked) -> CredentialAccount:
    """Change the own profile and the defaults for new posts."""
    instance = instance_of(request)
    viewer = need_viewer(request)
    async with receive_profile(request) as received:
        change = await change_of(request, viewer, received)
        defaults = preferences_of(received.form.source)
    async with instance.db.write() as tx:
        account = await update_profile(tx, instance.settings, viewer, change)
        if defaults is not None:
            await preferences.update_preferences(tx, viewer, defaults)
        return await own_account(tx, viewer, account, instance.settings)


@get("/api/v1/accounts/{id:str}", scope=None)
async def get_account(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """One account."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        view = await reads.get_account(tx, viewer_of(request), parse_id(id))
    return account_entity(view, instance.settings)


@get("/api/v1/accounts", scope=None)
async def list_accounts(request: Asked) -> list[msgspec.Raw]:
    """Several accounts by id; those that are missing or invisible are left out."""
    instance = instance_of(request)
    ids = [value for name, value in query_pairs(request) if name in ("id[]", "id")][:MOST_IDS]
    numbers = [int(text) for text in dict.fromkeys(ids) if text.isascii() and text.isdigit() and len(text) < 19]
    async with instance.db.read() as tx:
        views = await reads.list_accounts(tx, viewer_of(request), numbers)
    return [account_entity(view, instance.settings) for view in views]


@get("/api/v1/accounts/lookup", scope=None)
async def lookup(request: Asked) -> msgspec.Raw:
    """The account behind an address that is known here."""
    instance = instance_of(request)
    address = dict(query_pairs(request)).get("acct", "")
    async with instance.db.read() as tx:
        view = await reads.get_account_by_address(tx, viewer_of(request), address, instance.settings)
    return account_entity(view, instance.settings)


class StatusesQuery(msgspec.Struct):
    """Which of an account's statuses are wanted."""

    only_media: bool = False
    exclude_replies: bool = False
    exclude_reblogs: bool = False
    pinned: bool = False
    tagged: str | None = None


@get("/api/v1/accounts/{id:str}/statuses", scope=None)
async def list_statuses(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """An account's statuses as far as the viewer may see them."""
    instance = instance_of(request)
    viewer = viewer_for(request, "read:statuses")
    query = await parse(request, StatusesQuery)
    page = page_of(request, default=20, most=40)
    async with instance.db.read() as tx:
        found = await list_account_statuses(
            tx,
            viewer,
            parse_id(id),
            page,
            only_media=query.only_media,
            exclude_replies=query.exclude_replies,
            exclude_reblogs=query.exclude_reblogs,
            pinned=query.pinned,
            tagged=query.tagged,
        )
    statuses = await mark_filtered(instance, viewer, found.statuses)
    bounds = (None, None) if query.pinned else (found.newest, found.oldest)
    return Response(
        [status_entity(view, instance.settings) for view in statuses],
        headers=link_header(request, instance.settings, *bounds),
    )


class SearchQuery(msgspec.Struct):
    """What is looked for. `resolve` is accepted; addresses of other servers are found once they are known here."""

    q: str = ""
    limit: int = 40
    offset: int = 0
    following: bool = False
    resolve: bool = False


@get("/api/v1/accounts/search", scope="read:accounts")
async def search(request: Asked) -> list[msgspec.Raw]:
    """Accounts by address or name."""
    instance = instance_of(request)
    query = await parse(request, SearchQuery)
    async with instance.db.read() as tx:
        views = await find_accounts(
            tx,
            need_viewer(request),
            query.q,
            instance.settings,
            limit=max(1, min(query.limit, 80)),
            offset=max(0, query.offset),
            following=query.following,
        )
    return [account_entity(view, instance.settings) for view in views]


routes = [
    sign_up,
    verify_credentials,
    update_credentials,
    list_accounts,
    lookup,
    search,
    get_account,
    list_statuses,
]
