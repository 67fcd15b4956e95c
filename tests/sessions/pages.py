"""A browser for tests: forms with their anti-forgery token, signing in, and the mails that the instance wrote."""

from __future__ import annotations

import email
import email.policy
import html
import re
from base64 import urlsafe_b64encode
from email.message import EmailMessage
from hashlib import sha256
from typing import Any

import httpx

from parley.kit.settings import Settings
from tests.conftest import PASSWORD, World

VERIFIER = "an-unguessable-verifier-of-at-least-43-characters-0123456789"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "https://app.example/callback"


async def csrf_of(browser: httpx.AsyncClient, page: str = "/sign-in") -> str:
    """The anti-forgery token of the visitor's forms."""
    answer = await browser.get(page)
    found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
    assert found, f"{page} ({answer.status_code}) has no form: {answer.text[:300]}"
    return html.unescape(found.group(1))


async def send_form(browser: httpx.AsyncClient, page: str, action: str, **fields: Any) -> httpx.Response:
    """Open `page` and send one of its forms to `action`."""
    token = await csrf_of(browser, page)
    return await browser.post(action, data={"csrf": token, **fields})


async def sign_in(world: World, name: str, password: str = PASSWORD) -> httpx.AsyncClient:
    """A browser in which `name` is signed in by password."""
    browser = world.browser()
    answer = await send_form(browser, "/sign-in", "/sign-in", login=name, password=password)
    assert answer.status_code in (302, 303), answer.text
    return browser


async def register(world: World, **fields: Any) -> dict[str, Any]:
    """A newly registered app."""
    form = {"client_name": "Test app", "redirect_uris": CALLBACK, "scopes": "read write follow push", **fields}
    answer = await world.anonymous.post("/api/v1/apps", json=form)
    assert answer.status_code == 200, answer.text
    return answer.json()


def authorize_params(app: dict[str, Any], **changes: Any) -> dict[str, str]:
    """What an app sends to the consent page, with PKCE. A change to None leaves a parameter out."""
    params = {
        "response_type": "code",
        "client_id": app["client_id"],
        "redirect_uri": app["redirect_uris"][0],
        "scope": "read write",
        "state": "the state",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


async def consent(browser: httpx.AsyncClient, params: dict[str, str], decision: str = "allow") -> httpx.Response:
    """The member opens the consent page and answers."""
    page = await browser.get("/oauth/authorize", params=params)
    assert page.status_code == 200, page.text
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    answer = {**params, "csrf": html.unescape(token.group(1)), "decision": decision}
    return await browser.post("/oauth/authorize", data=answer)


async def code_for(browser: httpx.AsyncClient, params: dict[str, str]) -> str:
    """The code that the member's yes sends to the app."""
    answer = await consent(browser, params)
    assert answer.status_code in (302, 303), answer.text
    return httpx.URL(answer.headers["location"]).params["code"]


def token_params(app: dict[str, Any], code: str, **changes: Any) -> dict[str, str]:
    """What an app sends to exchange its code."""
    params = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": app["client_id"],
        "client_secret": app["client_secret"],
        "redirect_uri": app["redirect_uris"][0],
        "code_verifier": VERIFIER,
        **changes,
    }
    return {name: value for name, value in params.items() if value is not None}


def mails(settings: Settings) -> list[EmailMessage]:
    """The mails that were written to the data folder, oldest first."""
    folder = settings.path("mail")
    found = sorted(folder.glob("*.eml")) if folder.exists() else []
    return [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in found]


def link_in(message: EmailMessage) -> str:
    """The last part of the link in a mail: its token."""
    text = message.get_content()
    found = re.search(r"^https?://\S+/(?:confirm|password/new)/(\S+)\s*$", text, re.MULTILINE)
    assert found, text
    return found.group(1)
