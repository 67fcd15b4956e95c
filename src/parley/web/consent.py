"""Where a member lets an app in (RFC 6749, section 4.1.1): the page says in plain words what the app may do.

The request is checked when the page is shown and again when the member answers; only then is a code made.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode, urlsplit

from litestar import get, post
from litestar.response import Response

from parley.social.sessions.oauth.actions import (
    authorization_request,
    deny_authorization,
    grant_authorization,
)
from parley.social.sessions.scopes import describe_scopes
from parley.social.sessions.views import ConsentRequest
from parley.web.pages import redirect, redirect_out, render
from parley.web.visits import AnyRequest, Visit, read_form, sign_in_path, visit_of

_SOURCE = re.compile(r"[a-z][a-z0-9+.\-]*:(//[A-Za-z0-9.\-\[\]:]+)?")

REQUEST_FIELDS = (
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)
"""What travels from the app's request through the page's form to the answer."""


@get("/oauth/authorize")
async def show_consent(request: AnyRequest) -> Response[str]:
    """Ask the member; somebody who is signed out signs in first and comes back here."""
    visit = await visit_of(request)
    params = {name: value for name, value in request.query_params.items() if isinstance(value, str)}
    async with visit.instance.db.read() as tx:
        asked = await authorization_request(tx, params)
    if visit.viewer is None:
        return redirect(visit, sign_in_path(visit))
    if asked.force_login:
        return await _sign_in_again(visit, params)
    return await render(
        visit,
        "consent.html",
        title=f"Let {asked.app.name} in?",
        app=asked.app,
        scope_words=describe_scopes(asked.scopes),
        returns_to=_destination(asked),
        request_fields={name: params[name] for name in REQUEST_FIELDS if params.get(name)},
        form_action=_form_action(asked),
        keep=False,
    )


@post("/oauth/authorize")
async def answer_consent(request: AnyRequest) -> Response[str]:
    """The member's yes or no. The browser goes back to the app, or shows the code for copying."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    params = {name: str(form[name]) for name in REQUEST_FIELDS if form.get(name)}
    async with visit.instance.db.write() as tx:
        asked = await authorization_request(tx, params)
        if form.get("decision") != "allow":
            leads_to = deny_authorization(asked)
            if leads_to is None:
                text = f"{asked.app.name} got nothing. You can close this page."
                return await render(visit, "message.html", title="Refused", text=text, keep=False)
            return redirect_out(visit, leads_to)
        granted = await grant_authorization(tx, viewer, asked)
    if granted.redirect_to is None:
        return await render(
            visit, "consent_code.html", title="Your code", app_name=asked.app.name, granted=granted.code, keep=False
        )
    return redirect_out(visit, granted.redirect_to)


async def _sign_in_again(visit: Visit, params: dict[str, str]) -> Response[str]:
    """The app wants the member to choose the account anew: offer to sign out and come back."""
    kept = urlencode({name: value for name, value in params.items() if name != "force_login"})
    return await render(
        visit, "consent_again.html", title="Which account?", back_here=f"/oauth/authorize?{kept}", keep=False
    )


def _destination(asked: ConsentRequest) -> str:
    """Where the browser goes afterwards, in a word that a person can judge: a host, or the app itself."""
    parts = urlsplit(asked.redirect_uri)
    if asked.is_out_of_band:
        return ""
    return parts.netloc if parts.scheme in ("http", "https") else "the app on this device"


def _form_action(asked: ConsentRequest) -> str:
    """The redirect's source for the Content-Security-Policy: browsers check where a form's answer leads."""
    parts = urlsplit(asked.redirect_uri)
    source = f"{parts.scheme}:"
    if parts.scheme in ("http", "https"):
        source += f"//{parts.netloc.rpartition('@')[2]}"
    # An app chose this text: nothing in it may end the directive and begin another.
    return source if not asked.is_out_of_band and _SOURCE.fullmatch(source) else ""


routes = [show_consent, answer_consent]
