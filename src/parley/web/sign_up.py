"""Joining: the form, the mail that confirms the address, and what waits for a moderator."""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.errors import ParleyError
from parley.kit.http import client_address
from parley.screening import live_ruleset
from parley.social.sessions.browsers import open_session
from parley.social.sessions.sign_up import confirm_email, resend_confirmation, sign_up
from parley.social.sessions.views import NewUser
from parley.web.errors import keep_refusal, wrong_fields
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, Visit, begin_session, device_of, read_form, visit_of

SHOWN_AGAIN = (409, 422)
"""Statuses of errors that the form shows with what was typed, instead of an error page."""
FORM_FIELDS = {"username", "email", "password", "reason", "agreement"}


@get("/sign-up")
async def show_sign_up(request: AnyRequest, invite: FromQuery[str] = "") -> Response[str]:
    """The form; `invite` is the code of an invitation."""
    visit = await visit_of(request)
    if visit.viewer is not None:
        return redirect(visit, "/")
    return await _form_page(visit, invite_code=invite[:100])


@post("/sign-up")
async def send_sign_up(request: AnyRequest) -> Response[str]:
    """Make the account; sign in at once when nothing else is needed."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    form = await read_form(request)
    typed = {name: str(form.get(name, "")) for name in ("username", "email", "reason", "invite_code")}
    new = NewUser(
        username=typed["username"].strip().removeprefix("@"),
        email=typed["email"].strip(),
        password=str(form.get("password", "")),
        agreement=form.get("agreement") == "1",
        reason=typed["reason"],
        invite_code=typed["invite_code"],
        address=client_address(request, settings),
    )
    try:
        done = await sign_up(visit.instance, new)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        await keep_refusal(visit, error)
        wrong = wrong_fields(error)
        values = {**typed, "agreement": new.agreement}
        said = "Some of this needs another look." if wrong and wrong.keys() <= FORM_FIELDS else error.text
        return await _form_page(visit, invite_code=new.invite_code, code=422, values=values, wrong=wrong, said=said)
    if done.needs_confirmation:
        return await _say(visit, "Check your mail", _mail_text(new.email), resend=new.email)
    if done.needs_approval:
        return await _say(visit, "Thank you", "A moderator reads your request. You get a mail when you are in.")
    async with visit.instance.db.write() as tx:
        agent = request.headers.get("user-agent", "")
        token = await open_session(tx, done.account_id, agent, new.address, "password", device=device_of(visit))
    begin_session(visit, token)
    return redirect(visit, "/")


@get("/confirm/{token:str}")
async def ask_confirm(request: AnyRequest, token: FromPath[str]) -> Response[str]:
    """Where the link of the mail leads. Opening it changes nothing: mail scanners open links too."""
    visit = await visit_of(request)
    return await render(
        visit,
        "confirm.html",
        title="One click more",
        text="Confirm that this e-mail address is yours.",
        action="/confirm",
        token=token,
        button="Confirm the address",
        keep=False,
    )


@post("/confirm")
async def confirm(request: AnyRequest) -> Response[str]:
    """Confirm the address."""
    visit = await visit_of(request)
    form = await read_form(request)
    async with visit.instance.db.write() as tx:
        await confirm_email(tx, str(form.get("token", "")))
    return redirect(visit, "/" if visit.viewer else "/sign-in", "confirmed")


@get("/confirm/again")
async def show_send_again(request: AnyRequest) -> Response[str]:
    """For somebody whose mail did not come."""
    visit = await visit_of(request)
    text = "We send the link again, if this address waits for it."
    return await render(visit, "message.html", title="No mail?", text=text, resend=" ")


@post("/confirm/again")
async def send_again(request: AnyRequest) -> Response[str]:
    """Send the mail once more. The answer is the same whether the address is known or not."""
    visit = await visit_of(request)
    form = await read_form(request)
    email = str(form.get("email", "")).strip()
    await resend_confirmation(visit.instance, email, client_address(request, visit.instance.settings))
    return await _say(visit, "Check your mail", _mail_text(email), resend=email)


def _mail_text(email: str) -> str:
    return f"We sent a link to {email}. Open it to confirm that the address is yours."


async def _form_page(visit: Visit, *, invite_code: str, code: int = 200, **values: Any) -> Response[str]:
    values.setdefault("values", {"username": "", "email": "", "reason": "", "agreement": False})
    return await render(
        visit,
        "sign_up.html",
        code=code,
        title="Join",
        registrations=visit.instance.settings.registrations,
        invite_code=invite_code,
        rules=list(live_ruleset().clauses.values()),
        **values,
    )


async def _say(visit: Visit, title: str, text: str, **values: Any) -> Response[str]:
    return await render(visit, "message.html", title=title, text=text, keep=False, **values)


routes = [show_sign_up, send_sign_up, ask_confirm, confirm, show_send_again, send_again]
