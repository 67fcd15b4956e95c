"""Apps: https://docs.joinmastodon.org/methods/apps/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post

from parley.api.access import grant_of
from parley.api.entities.apps import (
    Application,
    CredentialApplication,
    application_entity,
    credential_application_entity,
)
from parley.kit.errors import Unauthorized
from parley.kit.http import client_address, instance_of, read_params, to_struct
from parley.social.sessions.oauth.actions import register_app
from parley.social.sessions.oauth.reads import get_app
from parley.social.sessions.views import NewApp

Asked = Request[Any, Any, Any]


class AppForm(msgspec.Struct):
    """What an app says of itself. `redirect_uris` is a list, or (as before 4.3) text with one address a line."""

    client_name: str = ""
    redirect_uris: str | list[str] = ""
    scopes: str = ""
    website: str | None = None


@post("/api/v1/apps", scope=None, status_code=200)
async def create_app(request: Asked) -> CredentialApplication:
    """Register an app. The secret is shown this once."""
    instance = instance_of(request)
    params = await read_params(request)
    if isinstance(params.get("scopes"), list):
        params["scopes"] = " ".join(str(scope) for scope in params["scopes"])
    form = to_struct(params, AppForm)
    uris = form.redirect_uris
    new = NewApp(
        name=form.client_name,
        redirect_uris=tuple(uris.split() if isinstance(uris, str) else uris),
        scopes=form.scopes,
        website=form.website,
    )
    address = client_address(request, instance.settings)
    return credential_application_entity(await register_app(instance, new, address=address))


@get("/api/v1/apps/verify_credentials", scope="app")
async def verify_app(request: Asked) -> Application:
    """The app whose token this is."""
    grant = grant_of(request)
    if grant is None or grant.app_id is None:
        raise Unauthorized
    async with instance_of(request).db.read() as tx:
        return application_entity(await get_app(tx, grant.app_id))


routes = [create_app, verify_app]
