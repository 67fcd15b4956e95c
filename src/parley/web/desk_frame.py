"""The frame of the moderators' pages: who may see them, and the counts that stand in their navigation.

Every page under /desk leaves through `render_desk`. Who is not staff gets the same 404 as for a page that is not there.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.limits import bucket_of, check_rate
from parley.social.accounts.views import Viewer
from parley.web.pages import render
from parley.web.visits import Visit


class DeskFrame(msgspec.Struct, frozen=True, kw_only=True):
    """What the navigation shows: how much waits at each place of the desk."""

    counts: dict[str, int]


def need_staff(visit: Visit) -> Viewer:
    """The moderator who asks; for a member it raises NotFound, for nobody SignInNeeded."""
    viewer = visit.need_member()
    if not viewer.is_staff:
        raise NotFound
    return viewer


MOST_WRITES = 600
WRITES_PER = timedelta(hours=1)
"""Far more than anybody decides with care; what goes beyond is a script with a stolen session."""


async def count_write(tx: Tx, visit: Visit) -> None:
    """Count a change that a moderator makes; raises RateLimited beyond 600 an hour."""
    viewer = need_staff(visit)
    await check_rate(tx, visit.instance.settings, bucket_of("desk", viewer.account_id), MOST_WRITES, WRITES_PER)


async def render_desk(visit: Visit, template: str, *, code: int = 200, **values: Any) -> Response[str]:
    """A page of the desk. It is never kept by a browser."""
    need_staff(visit)
    return await render(visit, template, code=code, desk=DeskFrame(counts={}), keep=False, **values)
