"""The frame of the moderators' pages: who may see them, and the counts that stand in their navigation.

Every page under /desk leaves through `render_desk`. Who is not staff gets the same 404 as for a page that is not there.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import msgspec
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.limits import bucket_of, check_rate
from parley.safety.appeals.reads import count_appeals
from parley.safety.cases.reads import count_queues
from parley.safety.decisions.reads import list_proposals
from parley.safety.evidence.requests import list_requests
from parley.safety.incidents.reads import get_running
from parley.safety.notices.reads import count_notices
from parley.social.accounts.views import Viewer
from parley.social.policies.reads import count_bank_drafts
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


async def render_desk(
    visit: Visit, template: str, *, code: int = 200, open_cases: int | None = None, **values: Any
) -> Response[str]:
    """A page of the desk. It is never kept by a browser. `open_cases`: where the page has counted them itself."""
    frame = DeskFrame(counts=await _count_places(visit, open_cases))
    return await render(visit, template, code=code, desk=frame, keep=False, **values)


KEPT_SECONDS = 5.0
"""For how long a process shows the same counts in the navigation; the pages themselves always count anew."""


async def _count_places(visit: Visit, open_cases: int | None) -> dict[str, int]:
    """How much waits at each place of the desk: the same for everybody of the staff."""
    viewer = need_staff(visit)
    state = visit.request.app.state
    kept = state.get("desk_counts")
    if kept is not None and kept[0] is visit.instance and time.monotonic() - kept[1] < KEPT_SECONDS:
        return {**kept[2], "cases": kept[2]["cases"] if open_cases is None else open_cases}
    async with visit.instance.db.read() as tx:
        running = await get_running(tx, viewer)
        counts = {
            "cases": (await count_queues(tx, viewer)).cases if open_cases is None else open_cases,
            "proposals": len(await list_proposals(tx, viewer)) + await count_bank_drafts(tx),
            "appeals": (await count_appeals(tx, viewer)).open,
            "notices": (await count_notices(tx, viewer))[0],
            "incidents": 1 if running is not None else 0,
            "legal": len(await list_requests(tx, viewer)),
        }
    state.desk_counts = (visit.instance, time.monotonic(), counts)
    return counts
