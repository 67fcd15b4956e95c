"""How many pages one visitor may ask for: by member or else by address, beside the API's own count.

Files and assets are not counted. No rule of the product stands here.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import cast

from parley.kit.errors import RateLimited
from parley.kit.http import client_address
from parley.kit.limits import RequestLimiter
from parley.web.visits import AnyRequest, check_forgery, visit_of

MOST = 600
PER = timedelta(minutes=5)
"""A page asks for some pieces of itself, and a household or an office may share one address."""


async def check_page_request(request: AnyRequest) -> None:
    """What every request to a page must pass before its handler runs. Raises RateLimited, Forbidden, BadRequest."""
    visit = await visit_of(request)
    if visit.instance.settings.rate_limits == "on":
        viewer = visit.viewer
        allowance = _limiter_of(request).count(
            viewer.account_id if viewer else client_address(request, visit.instance.settings)
        )
        if not allowance.allowed:
            raise RateLimited(retry_after=max(1, int(allowance.reset_at - time.time()) + 1))
    await check_forgery(request)


def _limiter_of(request: AnyRequest) -> RequestLimiter:
    state = request.app.state
    if "page_limiter" not in state:
        state.page_limiter = RequestLimiter(MOST, PER)
    return cast(RequestLimiter, state.page_limiter)
