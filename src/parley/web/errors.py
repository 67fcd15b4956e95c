"""How the pages show an error: a page with a sentence, a line in the corner for htmx, a redirect to sign in.

`parley.main` decides what an exception means; here it only gets its looks.
"""

from __future__ import annotations

import logging

from litestar.response import Response

from parley.kit.errors import DatabaseLost, Invalid, NotFound, ParleyError, RateLimited, ReadOnly
from parley.social.accounts.restrictions import Restricted
from parley.social.verdicts.actions import Rejection, keep_rejection
from parley.web.holding import render_refusal
from parley.web.pages import redirect, render, render_bare, render_fragment
from parley.web.visits import AnyRequest, SignInNeeded, Visit, sign_in_path, stranger, visit_of

TITLES = {
    400: "That could not be understood",
    401: "Sign in first",
    403: "Not allowed",
    404: "Nothing here",
    405: "Not like this",
    409: "Somebody was faster",
    410: "Deleted",
    413: "Too large",
    422: "That does not work yet",
    429: "Slow down a little",
    500: "Our mistake",
    503: "One moment",
}
MISSING = "There is no such page, or it is not for you to see. It may have been moved or deleted."


log = logging.getLogger(__name__)


async def render_error(request: AnyRequest, error: ParleyError) -> Response[str]:
    """The answer to a request whose handler raised `error`; a plain one when the database cannot be asked."""
    try:
        if isinstance(error, ReadOnly | DatabaseLost) and not stranger(request).is_fragment:
            return await render_refusal(request, error)
        return await _render_error(request, error)
    except Exception:
        log.exception("an error page could not be rendered whole")
        title = TITLES.get(error.status, "Something went wrong")
        visit = stranger(request)
        return render_bare(visit, "error_bare.html", error.status, title=title, text=error.text)


async def _render_error(request: AnyRequest, error: ParleyError) -> Response[str]:
    visit = await visit_of(request)
    if isinstance(error, SignInNeeded) and not visit.is_fragment:
        return redirect(visit, sign_in_path(visit))
    text = MISSING if isinstance(error, NotFound) and error.text == NotFound.default_text else error.text
    if visit.is_fragment:
        answer = await render_fragment(visit, "toast.html", code=error.status, text=text)
        answer.headers.update({"HX-Retarget": "#toasts", "HX-Reswap": "beforeend"})
        return answer
    title = TITLES.get(error.status, "Something went wrong")
    if isinstance(error, RateLimited):
        return render_bare(visit, "error_bare.html", error.status, title=title, text=error.text)  # without a query
    return await render(
        visit,
        "error.html",
        code=error.status,
        title=title,
        text=text,
        status_code=error.status,
        restricted=isinstance(error, Restricted),
    )


async def keep_refusal(visit: Visit, error: ParleyError) -> None:
    """Put a refusal by screening on record when a form shows it instead of an error page."""
    if isinstance(error, Rejection):
        await keep_rejection(visit.instance.db, error)


def wrong_fields(error: ParleyError) -> dict[str, list[str]]:
    """What is wrong with each field of a form, as sentences to show beside it."""
    if not isinstance(error, Invalid):
        return {}
    return {name: [f"{_words(name)} {text}." for _, text in problems] for name, problems in error.fields.items()}


def _words(name: str) -> str:
    """`sign_up_reason` as `Sign up reason`."""
    return name.replace("_", " ").capitalize()
