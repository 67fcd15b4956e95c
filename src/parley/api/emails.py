"""Confirming an e-mail address: https://docs.joinmastodon.org/methods/emails/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post

from parley.api.access import grant_of
from parley.kit.errors import Forbidden
from parley.kit.http import client_address, instance_of, parse
from parley.social.sessions.sign_up import resend_own_confirmation
from parley.social.sessions.standing import REFUSALS

Asked = Request[Any, Any, Any]


class ConfirmationForm(msgspec.Struct):
    """`email` corrects the address."""

    email: str | None = None


def _owner_of(request: Asked) -> tuple[int, int | None]:
    """Account and app of the token. It works for a member who may not use the instance yet."""
    grant = grant_of(request)
    if grant is None or grant.account_id is None:
        raise Forbidden("This method requires the token of a member")
    return grant.account_id, grant.app_id


@post("/api/v1/emails/confirmations", scope="app", status_code=200)
async def send_confirmation(request: Asked) -> dict[str, Any]:
    """Send the confirmation mail again; only the app through which the person signed up may ask."""
    instance = instance_of(request)
    account_id, app_id = _owner_of(request)
    form = await parse(request, ConfirmationForm)
    address = client_address(request, instance.settings)
    await resend_own_confirmation(instance, account_id, app_id, form.email, address)
    return {}


@get("/api/v1/emails/check_confirmation", scope="app")
async def check_confirmation(request: Asked) -> bool:
    """Whether the address of the token's owner is confirmed."""
    _owner_of(request)
    grant = grant_of(request)
    return grant is not None and grant.refusal != REFUSALS["unconfirmed"]


routes = [send_confirmation, check_confirmation]
