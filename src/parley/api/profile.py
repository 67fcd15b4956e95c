"""The viewer's own profile, for editing: https://docs.joinmastodon.org/methods/profile/"""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, patch

from parley.api.access import need_viewer
from parley.api.accounts import own_account
from parley.api.entities.accounts import CredentialAccount, ProfileEntity, profile_entity
from parley.api.profile_forms import change_of, receive_profile
from parley.kit.http import instance_of
from parley.social.accounts.actions import update_profile
from parley.social.accounts.profiles import ProfileChange
from parley.social.accounts.reads import get_own_account

Asked = Request[Any, Any, Any]


@get("/api/v1/profile", scope="profile read:accounts")
async def get_profile(request: Asked) -> ProfileEntity:
    """The profile as its owner typed it."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        return profile_entity(await get_own_account(tx, need_viewer(request)), instance.settings)


@patch("/api/v1/profile", scope="write:accounts", request_max_body_size=None)
async def change_profile(request: Asked) -> ProfileEntity:
    """Change what is given."""
    instance = instance_of(request)
    viewer = need_viewer(request)
    async with receive_profile(request) as received:
        change = await change_of(request, viewer, received)
    async with instance.db.write() as tx:
        account = await update_profile(tx, instance.settings, viewer, change)
    return profile_entity(account, instance.settings)


@delete("/api/v1/profile/avatar", scope="write:accounts", status_code=200)
async def delete_avatar(request: Asked) -> CredentialAccount:
    """Back to the default picture."""
    return await _without(request, ProfileChange(avatar=None))


@delete("/api/v1/profile/header", scope="write:accounts", status_code=200)
async def delete_header(request: Asked) -> CredentialAccount:
    """Back to the default header."""
    return await _without(request, ProfileChange(header=None))


async def _without(request: Asked, change: ProfileChange) -> CredentialAccount:
    instance = instance_of(request)
    viewer = need_viewer(request)
    async with instance.db.write() as tx:
        account = await update_profile(tx, instance.settings, viewer, change)
        return await own_account(tx, viewer, account, instance.settings)


routes = [get_profile, change_profile, delete_avatar, delete_header]
