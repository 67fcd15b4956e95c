"""OAuth 2 for programs: token, revocation, user information and metadata.

https://docs.joinmastodon.org/methods/oauth/ The page where a member consents is the web door's. Errors have the shape
of RFC 6749 (5.2); nothing here may be cached.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import MediaType, Request, Response, get, post

from parley.api.access import need_viewer
from parley.api.entities.accounts import file_url
from parley.kit.http import client_address, instance_of, read_params
from parley.kit.settings import Settings
from parley.social.accounts.profiles import member_uri, member_url
from parley.social.accounts.reads import get_own_account
from parley.social.sessions.oauth.actions import exchange_token, revoke_token
from parley.social.sessions.oauth.errors import OAuthError
from parley.social.sessions.scopes import ALL_SCOPES

Asked = Request[Any, Any, Any]

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
AUTH_METHODS = ["client_secret_basic", "client_secret_post", "none"]


def _answer(body: Any, status: int = 200, headers: Mapping[str, str] = NO_STORE) -> Response[bytes]:
    encoded = msgspec.json.encode(body)
    return Response(encoded, status_code=status, media_type=MediaType.JSON, headers=dict(headers))


def _refusal(error: OAuthError) -> Response[bytes]:
    """The error in RFC 6749's shape, with the challenge that a 401 must carry."""
    headers = dict(NO_STORE)
    if error.status == 401:
        headers["WWW-Authenticate"] = f'Basic realm="OAuth", error="{error.code}"'
    return _answer({"error": error.code, "error_description": error.text}, error.status, headers)


@post("/oauth/token", scope=None)
async def create_token(request: Asked) -> Response[bytes]:
    """A code, or the app's own credentials, for an access token."""
    instance = instance_of(request)
    try:
        token = await exchange_token(
            instance,
            await read_params(request),
            authorization=request.headers.get("authorization", ""),
            address=client_address(request, instance.settings),
        )
    except OAuthError as error:
        return _refusal(error)
    return _answer(token)


@post("/oauth/revoke", scope=None)
async def void_token(request: Asked) -> Response[bytes]:
    """Make an access token useless."""
    instance = instance_of(request)
    try:
        await revoke_token(
            instance,
            await read_params(request),
            authorization=request.headers.get("authorization", ""),
            address=client_address(request, instance.settings),
        )
    except OAuthError as error:
        return _refusal(error)
    return _answer({})


class UserInfo(msgspec.Struct):
    """Standard claims about the member (OpenID Connect Core, 5.1), as Mastodon gives them."""

    iss: str
    sub: str
    name: str
    preferred_username: str
    profile: str
    picture: str | None


async def _user_info(request: Asked) -> UserInfo:
    settings = instance_of(request).settings
    async with instance_of(request).db.read() as tx:
        account = await get_own_account(tx, need_viewer(request))
    return UserInfo(
        iss=settings.base_url,
        sub=member_uri(settings, account.username),
        name=account.name,
        preferred_username=account.username,
        profile=member_url(settings, account.username),
        picture=file_url(settings, account.avatar_file) if account.avatar_file else None,
    )


@get("/oauth/userinfo", scope="profile")
async def show_user_info(request: Asked) -> UserInfo:
    """Whose token this is, as standard claims."""
    return await _user_info(request)


@post("/oauth/userinfo", scope="profile", status_code=200)
async def show_user_info_by_post(request: Asked) -> UserInfo:
    """The same for clients that POST, as OpenID Connect allows."""
    return await _user_info(request)


def server_metadata(settings: Settings) -> dict[str, Any]:
    """RFC 8414, with Mastodon's address for registering apps."""
    base = settings.base_url
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "userinfo_endpoint": f"{base}/oauth/userinfo",
        "app_registration_endpoint": f"{base}/api/v1/apps",
        "scopes_supported": list(ALL_SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": AUTH_METHODS,
        "revocation_endpoint_auth_methods_supported": AUTH_METHODS,
        "code_challenge_methods_supported": ["S256"],
        "service_documentation": "https://docs.joinmastodon.org/",
    }


@get("/.well-known/oauth-authorization-server", scope=None)
async def show_metadata(request: Asked) -> Response[bytes]:
    """Where everything is, for clients that ask first."""
    headers = {"Cache-Control": "public, max-age=3600"}
    return _answer(server_metadata(instance_of(request).settings), headers=headers)


routes = [create_token, void_token, show_user_info, show_user_info_by_post, show_metadata]
