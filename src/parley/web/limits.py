"""How many pages one visitor may ask for: by member or else by address, beside the API's own count.

Files and assets are not counted. Which pages stay open to those whom moderators have shut out stands here; the rule
itself is `accounts/restrictions.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from litestar.response import Response

from parley.kit.errors import RateLimited
from parley.kit.http import client_address
from parley.kit.limits import RequestLimiter
from parley.social.accounts.restrictions import Restricted, check_may_enter, check_may_write
from parley.web.pages import redirect
from parley.web.visits import SAFE_METHODS, AnyRequest, check_forgery, visit_of

OPEN_TO_SUSPENDED = (
    "/moderation",
    "/sign-out",
    "/settings/export",
    "/settings/security",
    "/about",
    "/rules",
    "/privacy",
)
"""Pages that stay open to those whom moderators have shut out: what was decided, appeals, the own data."""
OPEN_TO_FROZEN = (
    *OPEN_TO_SUSPENDED,
    "/settings/account",
    "/settings/apps",
    "/settings/preferences",
    "/filters",
    "/notifications",
    "/look",
    "/oauth/authorize",
)
"""Forms that stay open to those whose account is frozen: besides these, what protects the member from others."""
PROTECTIVE = ("/block", "/unblock", "/mute", "/unmute", "/unfollow", "/report", "/delete", "/revoke")

MOST = 600
PER = timedelta(minutes=5)
"""A page asks for some pieces of itself, and a household or an office may share one address."""


async def check_page_request(request: AnyRequest) -> Response[str] | None:
    """What every request to a page must pass before its handler runs.

    Whoever is shut out and comes home (after signing in, say) is sent to what was decided. Raises RateLimited,
    Forbidden, Restricted, BadRequest.
    """
    visit = await visit_of(request)
    if visit.instance.settings.rate_limits == "on":
        viewer = visit.viewer
        allowance = _limiter_of(request).count(
            viewer.account_id if viewer else client_address(request, visit.instance.settings)
        )
        if not allowance.allowed:
            raise RateLimited(retry_after=allowance.retry_after)
    await check_forgery(request)
    if visit.viewer is not None and visit.viewer.restriction is not None:
        path = request.url.path
        if not _is_below(path, OPEN_TO_SUSPENDED):
            try:
                check_may_enter(visit.viewer)
            except Restricted:
                if path == "/" and request.method in SAFE_METHODS and not visit.is_fragment:
                    return redirect(visit, "/moderation")
                raise
        if request.method not in SAFE_METHODS and not (_is_below(path, OPEN_TO_FROZEN) or path.endswith(PROTECTIVE)):
            check_may_write(visit.viewer)
    return None


def _is_below(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def _limiter_of(request: AnyRequest) -> RequestLimiter:
    state = request.app.state
    if "page_limiter" not in state:
        state.page_limiter = RequestLimiter(MOST, PER)
    return cast(RequestLimiter, state.page_limiter)
