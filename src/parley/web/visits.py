"""Who visits a page: the session cookie, the anti-forgery token, and where to go back to.

Every state-changing request of the pages passes `check_forgery`: the router calls it before any handler, so a handler
cannot forget it. The token in a form is an HMAC keyed with a secret cookie over the session's token: somebody who
can plant a cookie still lacks the session, and a token from before signing in is worthless after it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import quote, urlsplit

from litestar import Request
from litestar.datastructures import Cookie
from litestar.enums import RequestEncodingType
from litestar.exceptions import ClientException

from parley.kit.errors import BadRequest, Forbidden, Unauthorized
from parley.kit.http import instance_of
from parley.kit.instance import Instance
from parley.social.accounts.views import Viewer
from parley.social.sessions.browsers import viewer_of_session

AnyRequest: TypeAlias = "Request[Any, Any, Any]"

SESSION_SECONDS = 60 * 60 * 24 * 90
DEVICE_SECONDS = 60 * 60 * 24 * 365
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
FORGED = "This form is out of date or came from elsewhere. Go back, reload the page and send it again."


class SignInNeeded(Unauthorized):
    """The page is for members: the visitor is sent to sign in and comes back afterwards."""

    default_text = "Sign in first."


@dataclass
class Visit:
    """One request to a page: who it is from, and the cookies that its answer sets."""

    request: AnyRequest
    instance: Instance
    viewer: Viewer | None
    session_token: str | None
    forgery_secret: str
    cookies: list[Cookie] = field(default_factory=list)

    @property
    def is_fragment(self) -> bool:
        """Whether htmx asks and only a piece of the page is wanted."""
        return self.request.headers.get("hx-request") == "true"

    @property
    def path(self) -> str:
        """The path of this page."""
        return self.request.url.path

    @property
    def page_path(self) -> str:
        """The page that the visitor looks at: this one or, for a fragment, the one that asks for it."""
        if not self.is_fragment:
            return self.here
        try:
            parts = urlsplit(self.request.headers.get("hx-current-url", ""))
        except ValueError:
            return "/"
        return safe_path(f"{parts.path}?{parts.query}" if parts.query else parts.path)

    @property
    def here(self) -> str:
        """Path and query of this page, to come back to."""
        query = self.request.url.query
        return f"{self.path}?{query}" if query else self.path

    def need_member(self) -> Viewer:
        """The member who asks; raises SignInNeeded for anybody else."""
        if self.viewer is None:
            raise SignInNeeded
        return self.viewer

    def csrf_token(self) -> str:
        """A token for this visitor's forms: another one for each page, so that compression tells nothing about it."""
        return _forgery_token(self.forgery_secret, self.session_token, secrets.token_hex(8))

    def set_cookie(self, name: str, value: str, *, seconds: int, path: str = "/") -> None:
        """Set a cookie with the answer: never readable by scripts; `seconds` 0 deletes it."""
        self.cookies.append(
            Cookie(
                key=cookie_name(self.instance, name),
                value=value,
                max_age=seconds,
                path=path,
                httponly=True,
                samesite="lax",
                secure=is_https(self.instance),
            )
        )

    def cookie(self, name: str) -> str | None:
        """A cookie that `set_cookie` set earlier."""
        return self.request.cookies.get(cookie_name(self.instance, name))


def is_https(instance: Instance) -> bool:
    """Whether people reach this instance over https."""
    return instance.settings.base_url.startswith("https://")


def cookie_name(instance: Instance, name: str) -> str:
    """`__Host-` binds a cookie to this very host and to https; plain http on loopback cannot have it."""
    return f"__Host-parley_{name}" if is_https(instance) else f"parley_{name}"


async def visit_of(request: AnyRequest) -> Visit:
    """The visit that `request` makes; found once per request."""
    state = request.scope["state"]
    known = state.get("visit")
    if isinstance(known, Visit):
        return known
    instance = instance_of(request)
    token = request.cookies.get(cookie_name(instance, "session"))
    viewer = await viewer_of_session(instance, token) if token else None
    secret = request.cookies.get(cookie_name(instance, "csrf"), "")
    visit = Visit(request, instance, viewer, token if viewer else None, secret)
    if not _is_secret(secret):
        visit.forgery_secret = secrets.token_urlsafe(32)
        visit.set_cookie("csrf", visit.forgery_secret, seconds=SESSION_SECONDS)
    state["visit"] = visit
    return visit


def stranger(request: AnyRequest) -> Visit:
    """A visit of nobody in particular, for a page that must not ask the database."""
    return Visit(request, instance_of(request), None, None, "")


def device_of(visit: Visit) -> str:
    """What this browser keeps beyond signing out, by which somebody who was shut out is known again. Its hash alone is
    stored, with the session."""
    known = visit.cookie("device")
    device = known if known and _is_secret(known) else secrets.token_urlsafe(32)
    visit.set_cookie("device", device, seconds=DEVICE_SECONDS)
    return device


def begin_session(visit: Visit, token: str) -> None:
    """Give the browser its session, with a fresh anti-forgery secret."""
    visit.set_cookie("session", token, seconds=SESSION_SECONDS)
    visit.set_cookie("csrf", secrets.token_urlsafe(32), seconds=SESSION_SECONDS)


def end_session(visit: Visit) -> None:
    """Take the browser's session away."""
    visit.set_cookie("session", "", seconds=0)
    visit.set_cookie("csrf", "", seconds=0)


async def check_forgery(request: AnyRequest) -> None:
    """Refuse a state-changing request that did not come from one of our own forms (Forbidden).

    A route with `opt={"reads_own_form": True}` receives large uploads: it must call `check_form_token` itself.
    """
    if request.method in SAFE_METHODS:
        return
    _check_origin(request)
    if request.route_handler.opt.get("reads_own_form"):
        return
    visit = await visit_of(request)
    check_form_token(visit, str((await read_form(request)).get("csrf", "")))


def check_form_token(visit: Visit, given: str) -> None:
    """Raise Forbidden unless `given` is a token of this visitor's forms."""
    salt = given[:200].partition(".")[0]
    expected = _forgery_token(visit.forgery_secret, visit.session_token, salt)
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Forbidden(FORGED)


async def read_form(request: AnyRequest) -> Any:
    """The form in the body as a multi-dict; raises BadRequest when it is malformed or no form."""
    if request.content_type[0] not in (RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART):
        raise BadRequest("Send this as a form.")
    try:
        return await request.form()
    except (ValueError, ClientException) as error:
        raise BadRequest("The form in the request's body is malformed.", detail=str(error)) from error


def accepts_gzip(request: AnyRequest) -> bool:
    """Whether the browser takes a zipped answer (RFC 9110, section 12.5.3)."""
    offered = [part.strip().lower() for part in request.headers.get("accept-encoding", "").split(",")]
    return any(part.partition(";")[0] == "gzip" and not part.endswith("q=0") for part in offered)


def safe_path(path: str | None, default: str = "/") -> str:
    """`path` when it leads to a page of ours, else `default`: a redirect never leaves this site."""
    if not path or not path.startswith("/") or path.startswith("//"):
        return default
    if "\\" in path or any(ord(sign) < 32 for sign in path):
        return default
    parts = urlsplit(path)
    return default if parts.scheme or parts.netloc else path


def sign_in_path(visit: Visit) -> str:
    """Where a signed-out visitor signs in, to come back here (for a page) or home (for a form)."""
    there = visit.here if visit.request.method in SAFE_METHODS else "/"
    return "/sign-in" if there == "/" else f"/sign-in?next={quote(there, safe='')}"


def _is_secret(text: str) -> bool:
    return 32 <= len(text) <= 64


def _forgery_token(secret: str, session_token: str | None, salt: str) -> str:
    said = f"{salt}:{session_token or ''}"
    return f"{salt}.{hmac.new(secret.encode(), said.encode(), hashlib.sha256).hexdigest()}"


def _check_origin(request: AnyRequest) -> None:
    """The browser's own word on where a request comes from, where it gives one (Fetch Metadata, Origin)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Forbidden(FORGED)
    origin = request.headers.get("origin")
    if origin is None:
        return
    ours = {urlsplit(instance_of(request).settings.base_url).netloc, request.headers.get("host", "")}
    try:
        theirs = urlsplit(origin).netloc
    except ValueError:
        raise Forbidden(FORGED) from None
    if theirs not in ours:
        raise Forbidden(FORGED)
