"""Signing in and out: password, the second step, passkeys, and a forgotten password."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.errors import BadRequest, ParleyError
from parley.kit.http import client_address
from parley.social.sessions.browsers import open_session, sign_out
from parley.social.sessions.credentials import request_password_reset, reset_password
from parley.social.sessions.factors.passkeys import begin_passkey_sign_in, finish_passkey_sign_in
from parley.social.sessions.sign_in import (
    finish_sign_in_with_otp,
    finish_sign_in_with_recovery_code,
    start_sign_in,
)
from parley.web.pages import redirect, render
from parley.web.visits import (
    AnyRequest,
    Visit,
    begin_session,
    device_of,
    end_session,
    read_form,
    safe_path,
    visit_of,
)

SHOWN_AGAIN = (401, 403, 422)
"""Statuses of errors that the form shows, instead of an error page."""


@get("/sign-in")
async def show_sign_in(request: AnyRequest, next: FromQuery[str] = "") -> Response[str]:
    """The form; `next` is the page to come back to."""
    visit = await visit_of(request)
    there = safe_path(next)
    if visit.viewer is not None:
        return redirect(visit, there)
    return await _sign_in_page(visit, there)


@post("/sign-in")
async def send_sign_in(request: AnyRequest) -> Response[str]:
    """Check the password; then done, or ask for the second step."""
    visit = await visit_of(request)
    form = await read_form(request)
    there = safe_path(str(form.get("next", "")))
    login = str(form.get("login", "")).strip()
    address = client_address(request, visit.instance.settings)
    try:
        step = await start_sign_in(visit.instance, login, str(form.get("password", "")), address)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _sign_in_page(visit, there, code=error.status, login=login, said=error.text)
    if step.account_id is None:
        return await _code_page(visit, there, step.pending_token)
    return await _enter(visit, step.account_id, step.method, there)


@post("/sign-in/code")
async def send_code(request: AnyRequest) -> Response[str]:
    """The second step: a code of the authenticator, or a recovery code."""
    visit = await visit_of(request)
    form = await read_form(request)
    there = safe_path(str(form.get("next", "")))
    pending = str(form.get("pending", ""))
    address = client_address(request, visit.instance.settings)
    recovery = str(form.get("recovery_code", "")).strip()
    try:
        if recovery:
            step = await finish_sign_in_with_recovery_code(visit.instance, pending, recovery, address)
        else:
            step = await finish_sign_in_with_otp(visit.instance, pending, str(form.get("code", "")), address)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _code_page(visit, there, pending, code=error.status, said=error.text)
    return await _enter(visit, step.account_id, step.method, there)


@post("/sign-in/passkey/options")
async def begin_passkey(request: AnyRequest) -> Response[dict[str, Any]]:
    """What the browser needs to ask for a passkey."""
    visit = await visit_of(request)
    begun = await begin_passkey_sign_in(visit.instance, client_address(request, visit.instance.settings))
    return Response({"options": begun.options, "handle": begun.handle}, headers={"Cache-Control": "no-store"})


@post("/sign-in/passkey")
async def send_passkey(request: AnyRequest) -> Response[str]:
    """Sign in with what the passkey answered."""
    visit = await visit_of(request)
    form = await read_form(request)
    there = safe_path(str(form.get("next", "")))
    credential = read_credential(str(form.get("credential", "")))
    try:
        step = await finish_passkey_sign_in(
            visit.instance, str(form.get("handle", "")), credential, client_address(request, visit.instance.settings)
        )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _sign_in_page(visit, there, code=error.status, said=error.text)
    if step.account_id is None:
        return await _code_page(visit, there, step.pending_token)
    return await _enter(visit, step.account_id, step.method, there)


def read_credential(text: str) -> dict[str, Any]:
    """The JSON that the browser's WebAuthn call gave; raises BadRequest."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise BadRequest("The passkey's answer could not be read. Try again.") from error
    if not isinstance(found, dict):
        raise BadRequest("The passkey's answer could not be read. Try again.")
    return found


@post("/sign-out")
async def leave(request: AnyRequest) -> Response[str]:
    """End this browser's session."""
    visit = await visit_of(request)
    form = await read_form(request)
    if visit.viewer is not None:
        async with visit.instance.db.write() as tx:
            await sign_out(tx, visit.viewer)
    end_session(visit)
    return redirect(visit, safe_path(str(form.get("back", ""))), "signed-out")


@get("/password/forgotten")
async def show_forgotten(request: AnyRequest) -> Response[str]:
    """Ask for the address."""
    visit = await visit_of(request)
    return await render(visit, "password_forgotten.html", title="New password")


@post("/password/forgotten")
async def send_forgotten(request: AnyRequest) -> Response[str]:
    """Send the link. The answer is the same whether the address is known or not."""
    visit = await visit_of(request)
    form = await read_form(request)
    email = str(form.get("email", "")).strip()
    await request_password_reset(visit.instance, email, client_address(request, visit.instance.settings))
    text = f"If {email} belongs to a member, a link is on its way. It works for a few hours."
    return await render(visit, "message.html", title="Check your mail", text=text, keep=False)


@get("/password/new/{token:str}")
async def show_new_password(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """Where the link of the mail leads."""
    visit = await visit_of(request)
    return await render(visit, "password_new.html", title="New password", token=token, keep=False)


@post("/password/new")
async def send_new_password(request: AnyRequest) -> Response[str]:
    """Set the new password and sign out everywhere."""
    visit = await visit_of(request)
    form = await read_form(request)
    token = str(form.get("token", ""))
    try:
        await reset_password(visit.instance, token, str(form.get("password", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await render(
            visit, "password_new.html", code=422, title="New password", token=token, said=error.text, keep=False
        )
    return redirect(visit, "/sign-in", "password")


async def _enter(visit: Visit, account_id: int | None, method: str, there: str) -> Response[str]:
    """Open the session and go where the visitor wanted to be."""
    if account_id is None:
        raise BadRequest("Start signing in again.")
    agent = visit.request.headers.get("user-agent", "")
    address = client_address(visit.request, visit.instance.settings)
    async with visit.instance.db.write() as tx:
        token = await open_session(tx, account_id, agent, address, method, device=device_of(visit))
    begin_session(visit, token)
    return redirect(visit, there)


async def _sign_in_page(visit: Visit, there: str, *, code: int = 200, login: str = "", said: str = "") -> Response[str]:
    return await render(
        visit, "sign_in.html", code=code, title="Sign in", next=there, login=login, said=said, keep=False
    )


async def _code_page(visit: Visit, there: str, pending: str, *, code: int = 200, said: str = "") -> Response[str]:
    return await render(
        visit, "sign_in_code.html", code=code, title="Sign in", next=there, pending=pending, said=said, keep=False
    )


routes = [
    show_sign_in,
    send_sign_in,
    send_code,
    begin_passkey,
    send_passkey,
    leave,
    show_forgotten,
    send_forgotten,
    show_new_password,
    send_new_password,
]
