"""How a member signs in: two steps, recovery codes, passkeys, and the browsers that are signed in."""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import ParleyError
from parley.kit.ids import parse_id
from parley.social.sessions.browsers import list_sessions, revoke_other_sessions, revoke_session
from parley.social.sessions.factors.otp import begin_otp_setup, disable_otp, enable_otp, new_recovery_codes
from parley.social.sessions.factors.passkeys import (
    begin_passkey_registration,
    delete_passkey,
    finish_passkey_registration,
)
from parley.social.sessions.reads import get_security
from parley.web.pages import as_markup, redirect, render
from parley.web.sign_in import read_credential
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (409, 422)


@get("/settings/security")
async def show_security(request: AnyRequest) -> Response[str]:
    """All of it on one page."""
    return await _security_page(await visit_of(request))


async def _security_page(
    visit: Visit, *, error: ParleyError | None = None, recovery_codes: tuple[str, ...] = ()
) -> Response[str]:
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        security = await get_security(tx, viewer)
        sessions = await list_sessions(tx, viewer)
    return await render(
        visit,
        "settings_security.html",
        code=error.status if error else 200,
        title="Security",
        security=security,
        sessions=sessions,
        recovery_codes=recovery_codes,
        said=error.text if error else "",
        keep=False,
    )


@post("/settings/security/otp")
async def begin_otp(request: AnyRequest) -> Response[str]:
    """Make a secret for an authenticator app and show it."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        setup = await begin_otp_setup(visit.instance, viewer, str(form.get("password", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _security_page(visit, error=error)
    return await _otp_page(visit, setup.secret, setup.uri)


async def _otp_page(visit: Visit, secret: str, uri: str, *, said: str = "") -> Response[str]:
    """The secret as a picture and as letters. It comes back with the form, so that a wrong code can be tried again."""
    spaced = " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
    return await render(
        visit,
        "settings_otp.html",
        code=422 if said else 200,
        title="Two steps",
        qr=as_markup(draw_qr(uri)),
        secret=spaced,
        uri=uri,
        said=said,
        keep=False,
    )


def draw_qr(text: str) -> str:
    """A QR code as SVG, without any style of its own (our policy allows none inline)."""
    import segno

    out = io.BytesIO()
    segno.make(text, micro=False).save(
        out, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2, dark="#000", light="#fff"
    )
    return out.getvalue().decode()


@post("/settings/security/otp/enable")
async def switch_otp_on(request: AnyRequest) -> Response[str]:
    """The first code proves that the app has the secret; the recovery codes are shown this once."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        async with visit.instance.db.write() as tx:
            codes = await enable_otp(tx, visit.instance.settings, viewer, str(form.get("code", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        uri = str(form.get("uri", ""))[:500]
        secret = "".join(parse_qs(urlsplit(uri).query).get("secret", []))
        if not _SECRET.fullmatch(secret):
            return await _security_page(visit, error=error)
        return await _otp_page(visit, secret, uri, said=error.text)
    return await _security_page(visit, recovery_codes=tuple(codes))


_SECRET = re.compile(r"[A-Z2-7]{16,64}")


@post("/settings/security/otp/disable")
async def switch_otp_off(request: AnyRequest) -> Response[str]:
    """Back to the password alone."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        await disable_otp(visit.instance, viewer, str(form.get("password", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _security_page(visit, error=error)
    return redirect(visit, "/settings/security", "otp-off")


@post("/settings/security/otp/codes")
async def make_codes(request: AnyRequest) -> Response[str]:
    """New recovery codes; the old ones no longer work."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    try:
        codes = await new_recovery_codes(visit.instance, viewer, str(form.get("password", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _security_page(visit, error=error)
    return await _security_page(visit, recovery_codes=tuple(codes))


@post("/settings/security/passkeys/options")
async def begin_passkey(request: AnyRequest) -> Response[dict[str, Any]]:
    """What the browser needs to make a passkey."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    headers = {"Cache-Control": "no-store"}
    try:
        begun = await begin_passkey_registration(visit.instance, viewer, str(form.get("password", "")))
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return Response({"error": error.text}, status_code=error.status, headers=headers)
    return Response({"options": begun.options, "handle": begun.handle}, headers=headers)


@post("/settings/security/passkeys")
async def add_passkey(request: AnyRequest) -> Response[str]:
    """Keep the passkey that the browser made."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    credential = read_credential(str(form.get("credential", "")))
    try:
        async with visit.instance.db.write() as tx:
            await finish_passkey_registration(
                tx,
                visit.instance.settings,
                viewer,
                str(form.get("handle", "")),
                credential,
                name=str(form.get("name", "")),
            )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _security_page(visit, error=error)
    return redirect(visit, "/settings/security", "passkey")


@post("/settings/security/passkeys/{passkey_id:str}/delete")
async def remove_passkey(request: AnyRequest, passkey_id: FromPath[str]) -> Response[str]:
    """Remove a passkey."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await delete_passkey(tx, viewer, parse_id(passkey_id))
    return redirect(visit, "/settings/security", "revoked")


@post("/settings/security/sessions/{session_id:str}/revoke")
async def sign_browser_out(request: AnyRequest, session_id: FromPath[str]) -> Response[str]:
    """End another browser's session."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await revoke_session(tx, viewer, parse_id(session_id))
    return redirect(visit, "/settings/security", "revoked")


@post("/settings/security/sessions/revoke-others")
async def sign_others_out(request: AnyRequest) -> Response[str]:
    """End every session but this one."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await revoke_other_sessions(tx, viewer)
    return redirect(visit, "/settings/security", "revoked")


routes = [
    show_security,
    begin_otp,
    switch_otp_on,
    switch_otp_off,
    make_codes,
    begin_passkey,
    add_passkey,
    remove_passkey,
    sign_browser_out,
    sign_others_out,
]
