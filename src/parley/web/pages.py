"""Rendering: every page and fragment leaves through here, with its security headers and cookies.

The Content-Security-Policy allows our own files and nothing inline. No rule of the product stands here.
"""

from __future__ import annotations

import gzip
import secrets
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from litestar.response import Response
from markupsafe import Markup

from parley.kit.clock import now
from parley.kit.http import page_of, query_pairs
from parley.kit.paging import Page
from parley.social.accounts.reads import get_own_account
from parley.social.accounts.restrictions import describe_restriction, is_in_force
from parley.social.accounts.views import AccountView, Viewer
from parley.social.notifications.reads import count_unread
from parley.web.assets import load_assets
from parley.web.desk_words import DESK_FILTERS
from parley.web.filters import FILTERS
from parley.web.visits import AnyRequest, Visit, accepts_gzip, safe_path

TEMPLATES = Path(__file__).parent / "templates"
THEMES = ("light", "dark")
ACCEPTED_FILES = "image/*,video/mp4,video/webm,video/quicktime,audio/*"

HTMX_CONFIG = msgspec.json.encode(
    {
        "includeIndicatorStyles": False,
        "allowEval": False,
        "allowScriptTags": False,
        "selfRequestsOnly": True,
        # An element does only what it says itself: a picture inside the composer must not post the composer.
        "disableInheritance": True,
        "historyEnabled": False,
        "historyCacheSize": 0,
        # A refusal comes as a line for the corner of the page, or for the form it is about: it is shown too.
        "responseHandling": [
            {"code": "204", "swap": False},
            {"code": "[23]..", "swap": True},
            {"code": "[45]..", "swap": True, "error": True},
        ],
    }
).decode()

# What a page says once after an action. The cookie carries the key alone, so nobody can put words in our mouth.
FLASHES = {
    "saved": "Saved.",
    "posted": "Posted.",
    "held": "Your post waits for a moderator. Until then only you can see it.",
    "support": "Posted. If you are in danger, please call the emergency number of your country now. You do not have "
    "to go through this alone: About this server leads to people to talk to, day and night.",
    "deleted": "Deleted.",
    "reported": "Thank you. The moderators will look at it.",
    "answered": "Thank you. Somebody reads your answer, and decides.",
    "asked": "The question is on its way to whoever sent the notice.",
    "asked-no-more": "Nobody waits for the answer any more: the clock goes on.",
    "contested": "Somebody else will look at it. The answer comes here, and by mail if you gave an address.",
    "notice-filed": "The notice is filed, and its clock runs.",
    "responded": "The answer is on its way.",
    "signed-out": "You are signed out.",
    "password": "Your password is changed. Every other session is signed out.",
    "email": "We sent a link to the new address. It takes effect once you open it.",
    "confirmed": "Your e-mail address is confirmed. You can sign in now.",
    "otp-off": "Two steps are off.",
    "passkey": "The passkey is added.",
    "revoked": "Done: it no longer has access.",
    "profile-held": "Your new profile waits for a moderator. Until then others see the old one.",
    "cleared": "Your notifications are cleared.",
    "accepted": "They can follow you now.",
    "rejected": "The request is gone.",
    "blocked": "Blocked. They cannot follow you or see your posts, and you will not see theirs.",
    "muted": "Muted. They will not know.",
    "list": "The list is saved.",
    "scheduled": "Scheduled.",
    "appealed": "Your appeal is filed. Another person than the first looks at it, and we write to you.",
    "voted": "Thank you.",
    "wellness": "Saved. Take care of yourself.",
    "incident": "The incident is in force, and everybody of the staff is told.",
    "incident-over": "The incident is over: the policy of before judges again.",
    "no-case": "Nothing waits that nobody works on. Enjoy the quiet.",
    "handed-over": "Handed over. They are told by mail.",
    "escalated": "Escalated. A mail goes to whom it is for.",
    "proposed": "Proposed. Nothing happens until a second person agrees.",
    "undone": "Undone: everything is as it was before, copies that were decided with it too.",
    "undone-copy": "Undone for this author. The post that it repeats, and other copies, stay as they were decided.",
    "copies-proposed": "Decided. Its copies are very many: they wait for a second person, under Second eyes.",
    "agreed": "Agreed, and done.",
    "list_confirmed": "Confirmed: it is looked for now.",
    "list_noted": "Noted. Somebody else has to confirm it too.",
    "archive": "Your archive is being made. We write to you when it is ready.",
    "importing": "It has begun.",
    "import-dropped": "Dropped. What had been taken stays.",
    "refused": "Refused. Whoever proposed it reads why.",
}


@cache
def environment() -> Environment:
    """The templates. An undefined name is an error in a test, and never an empty hole in a page."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters.update(FILTERS)
    made.filters.update(DESK_FILTERS)
    made.globals.update(
        random_key=lambda: secrets.token_urlsafe(16),
        htmx_config=HTMX_CONFIG,
        accepted_files=ACCEPTED_FILES,
    )
    return made


async def render(
    visit: Visit, template: str, *, code: int = 200, form_action: str = "", keep: bool = True, **values: Any
) -> Response[str]:
    """A whole page. `form_action` adds a source to which its form may lead; `keep=False` forbids storing it."""
    me, unread = await _load_frame(visit)
    theme = visit.cookie("theme")
    html = (
        environment()
        .get_template(template)
        .render(
            **{
                **_OPTIONAL,
                **_context(visit),
                "me": me,
                "unread": unread,
                "theme": theme if theme in THEMES else "",
                "assets": load_assets(),
                "flash": _take_flash(visit),
                **values,
            }
        )
    )
    return _respond(visit, html, code, form_action=form_action, keep=keep and visit.viewer is None)


def render_bare(visit: Visit, template: str, code: int, **values: Any) -> Response[str]:
    """A whole page without anything from the database."""
    html = render_piece(visit, template, unread=0, theme="", flash="", assets=load_assets(), status_code=code, **values)
    return _respond(visit, html, code)


async def render_fragment(visit: Visit, template: str, *, code: int = 200, **values: Any) -> Response[str]:
    """A piece of a page, for htmx or a live update."""
    return _respond(visit, render_piece(visit, template, **values), code, keep=False)


def render_piece(visit: Visit, template: str, **values: Any) -> str:
    """The HTML of a piece of a page."""
    return environment().get_template(template).render(**{**_OPTIONAL, **_context(visit), **values})


def redirect(visit: Visit, path: str, flash: str = "") -> Response[str]:
    """303 to a page of ours; `flash` is a key of FLASHES. Whole-page forms that htmx sent go there too."""
    if flash:
        visit.set_cookie("flash", flash, seconds=60)
    response = _respond(visit, "", 303, keep=False)
    # A header holds ASCII alone; what is encoded already (%) stays as it is.
    response.headers["Location"] = quote(path, safe="/?#&=%@:+,;~!$'()*[]")
    return response


def redirect_out(visit: Visit, address: str) -> Response[str]:
    """303 to an address that is not ours: only for an OAuth redirect that the rooms have validated."""
    response = _respond(visit, "", 303, keep=False)
    response.headers["Location"] = address
    return response


def back_path(visit: Visit, form: Any, default: str = "/", anchor: str = "") -> str:
    """Where the form said that its page was, when that is a page of ours."""
    path = safe_path(form.get("back"), default)
    return f"{path.partition('#')[0]}#{anchor}" if anchor else path


def older_path(visit: Visit, page: Page, oldest: int | None, count: int) -> str:
    """The address of the next, older part of a list, or "" when this was the last."""
    if oldest is None or count < page.limit * SPARSE:
        return ""
    kept = [(name, value) for name, value in query_pairs(visit.request) if name not in PAGE_NAMES]
    return f"{visit.path}?{urlencode([*kept, ('max_id', str(oldest))])}"


SPARSE = 0.5
"""A page may hold fewer than were asked for, because some are not for this viewer: below this share it is the last."""

PAGE_NAMES = ("max_id", "since_id", "min_id", "limit")


def read_page(request: AnyRequest) -> Page:
    """Which part of a list this request asks for."""
    return page_of(request, default=20, most=40)


# Names that templates may leave out of what a handler gives them.
_OPTIONAL: dict[str, Any] = {
    "title": "",
    "note": "",
    "said": "",
    "wrong": {},
    "draft": None,
    "tabs": (),
    "live": "",
    "back_to": "",
    "welcome": False,
    "compact": False,
    "next_page": "",
    "empty_title": "",
    "empty_text": "",
    "suggestions": (),
    "resend": "",
    "link": None,
    "me": None,
    "requests": False,
    "undo": "",
}


def _restricted_text(viewer: Viewer | None) -> str:
    """What the viewer may not do now, for the top of every page; empty: nothing."""
    if viewer is None or viewer.restriction is None or not is_in_force(viewer.restriction, now()):
        return ""
    return describe_restriction(viewer.restriction)


def _context(visit: Visit) -> dict[str, Any]:
    return {
        "settings": visit.instance.settings,
        "viewer": visit.viewer,
        "restricted_text": _restricted_text(visit.viewer),
        "path": visit.path,
        "here": visit.page_path,
        "csrf_token": visit.csrf_token(),
    }


async def _load_frame(visit: Visit) -> tuple[AccountView | None, int]:
    """What the frame of a member's page shows: the member, and how much is unread."""
    if visit.viewer is None:
        return None, 0
    async with visit.instance.db.read() as tx:
        return await get_own_account(tx, visit.viewer), await count_unread(tx, visit.viewer)


def _take_flash(visit: Visit) -> str:
    key = visit.cookie("flash")
    if key is None:
        return ""
    visit.set_cookie("flash", "", seconds=0)
    return FLASHES.get(key, "")


def _respond(visit: Visit, html: str, status: int, *, form_action: str = "", keep: bool = False) -> Response[Any]:
    zipped = len(html) > WORTH_ZIPPING and accepts_gzip(visit.request)
    return Response(
        content=gzip.compress(html.encode(), ZIP_LEVEL) if zipped else html,
        status_code=status,
        media_type="text/html",
        headers={
            "Content-Security-Policy": content_security_policy(form_action),
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": "camera=(), microphone=(), geolocation=(), browsing-topics=()",
            "Cache-Control": "private, no-cache" if keep else "private, no-store",
            "Vary": "Cookie, HX-Request, Accept-Encoding",
            **({"Content-Encoding": "gzip"} if zipped else {}),
        },
        cookies=visit.cookies,
    )


WORTH_ZIPPING = 1500
"""Bytes; a smaller answer fits one packet anyhow."""
ZIP_LEVEL = 5


def content_security_policy(form_action: str = "") -> str:
    """Our own files only, nothing inline, no frames; forms lead here, and to `form_action` when given."""
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{' ' + form_action if form_action else ''}"
    )


def as_markup(svg: str) -> Markup:
    """SVG that we drew ourselves (a QR code). Never anything that came from a visitor."""
    return Markup(svg)  # noqa: S704
