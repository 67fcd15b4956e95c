"""The moderators' queue: every open case, the most urgent first, and the way to the next one.

Nothing here decides an order or who may claim what: `safety/cases` does. What a filter leaves out is still counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import get, post
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid
from parley.safety.cases.actions import claim_next_case, release_case
from parley.safety.cases.reads import count_queues, get_case, list_cases
from parley.safety.cases.routing import QUEUES
from parley.safety.cases.views import Backlog, QueueCount
from parley.safety.wellness.reads import wellness_of
from parley.social.accounts.views import Viewer
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.desk_undo import read_done
from parley.web.desk_words import SEVERITIES, SOURCES, queue_word
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, read_form, visit_of

WHOSE = (("", "Anybody's"), ("mine", "Mine"), ("nobody", "Nobody's"))
ORIGINS = (("", "People and screening"), ("people", "Reported by people"), ("screening", "Found by screening"))
ON_A_PAGE = 40
MOST_DIGITS = 19


class Filter(msgspec.Struct, frozen=True):
    """Which cases are shown. Empty: all."""

    queue: str = ""
    source: str = ""
    severity: str = ""
    whose: str = ""
    origin: str = ""

    def __getitem__(self, name: str) -> str:
        return str(getattr(self, name))

    @property
    def query(self) -> dict[str, str]:
        """As it stands in an address."""
        return {name: self[name] for name in self.__struct_fields__ if self[name]}

    @property
    def reads(self) -> dict[str, Any]:
        """As the read of cases takes it."""
        return {
            "queue": self.queue or None,
            "source": self.source or None,
            "severity": int(self.severity) if self.severity else None,
            "mine": self.whose == "mine",
            "unassigned": self.whose == "nobody",
            "automated": {"people": False, "screening": True}.get(self.origin),
        }


class Tile(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits in one queue, or at one severity, with the way there."""

    title: str
    href: str
    current: bool
    cases: int
    overdue: int
    oldest: datetime | None
    next_due: datetime | None

    @property
    def bad(self) -> bool:
        """Whether something is late."""
        return self.overdue > 0


@get("/desk")
async def show_queue(request: AnyRequest) -> Response[str]:
    """The backlog whole, and a page of the cases that the filter leaves."""
    return await render_queue(request)


async def render_queue(
    request: AnyRequest, *, said: str = "", code: int = 200, done: int | None = None, rest: bool = False
) -> Response[str]:
    """The queue; `said` is what went wrong on the way to a case, `done` the decision that was just made, `rest` says
    that a break is due."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    chosen = _read_filter(request)
    async with visit.instance.db.read() as tx:
        backlog = await count_queues(tx, viewer)
        after = request.query_params.get("after")
        page = await list_cases(tx, viewer, **chosen.reads, after=after, limit=ON_A_PAGE)
        last = await read_done(tx, viewer, request.query_params.get("done") if done is None else str(done))
    following = f"/desk?{urlencode({**chosen.query, 'after': page.after})}" if page.after else ""
    return await render_desk(
        visit,
        "desk_queue.html",
        code=code,
        title="Queue",
        open_cases=backlog.cases,
        backlog=backlog,
        tiles=_tiles(backlog, chosen),
        cases=page.cases,
        chosen=chosen,
        filtered=bool(chosen.query),
        selects=_selects(),
        next_page=following,
        done=last,
        said=said,
        rest=rest,
        gently=code == 200,
    )


@post("/desk/next")
async def take_next(request: AnyRequest) -> Response[str]:
    """Claim the most urgent case that nobody has, and open it; where there is none, the queue says so.

    `passed` is a case that the moderator leaves for others now: it is given back.
    """
    visit = await visit_of(request)
    need_staff(visit)
    form = await read_form(request)
    queue, passed = str(form.get("queue", "")), str(form.get("passed", ""))
    return await go_on(request, queue=queue, passed=_number(passed), free=True, anyway=bool(form.get("anyway")))


async def go_on(
    request: AnyRequest,
    *,
    queue: str = "",
    passed: int | None = None,
    free: bool = False,
    done: int | None = None,
    anyway: bool = False,
) -> Response[str]:
    """To the next case, claimed. `passed` is not taken (again), and with `free` given back; `done` was just decided.

    Whoever should take a break is told so first, and goes on when they wish (`anyway`).
    """
    visit = await visit_of(request)
    viewer = need_staff(visit)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            if free and passed is not None:
                await _give_back(tx, viewer, passed)
            well = await wellness_of(tx, viewer)
            rest = well.break_due and not anyway
            view = (
                None
                if rest
                else await claim_next_case(
                    tx,
                    viewer,
                    queue=queue if queue in QUEUES else None,
                    passed=(passed,) if passed is not None else (),
                    least_severity=well.least_severity,
                )
            )
    except (Conflict, Forbidden, Invalid) as error:
        return await render_queue(request, said=error.text, code=error.status, done=done)
    if view is None and (rest or well.least_severity):
        said = well.advice or "You asked for nothing severe today, and nothing else waits."
        return await render_queue(request, said=said, done=done, rest=rest)
    kept = f"?done={done}" if done is not None else ""
    if view is None:
        return redirect(visit, f"/desk{kept}", "" if done is not None else "no-case")
    return redirect(visit, f"/desk/cases/{view.case.id}{kept}")


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < MOST_DIGITS else None


async def _give_back(tx: Tx, viewer: Viewer, case_id: int) -> None:
    view = await get_case(tx, viewer, case_id)
    if view.case.mine:
        await release_case(tx, viewer, case_id)


def _read_filter(request: AnyRequest) -> Filter:
    asked = request.query_params
    return Filter(
        queue=_one_of(asked.get("queue"), QUEUES),
        source=_one_of(asked.get("source"), SOURCES),
        severity=_one_of(asked.get("severity"), [str(n) for n in range(len(SEVERITIES))]),
        whose=_one_of(asked.get("whose"), [key for key, _ in WHOSE]),
        origin=_one_of(asked.get("origin"), [key for key, _ in ORIGINS]),
    )


def _one_of(value: str | None, allowed: Iterable[str]) -> str:
    return value if value and value in allowed else ""


def _selects() -> list[tuple[str, str, list[tuple[str, str]]]]:
    severities = [("", "Every severity"), *((str(n), word) for n, word in enumerate(SEVERITIES))]
    return [
        ("queue", "Queue", [("", "All queues"), *((queue, queue_word(queue)) for queue in QUEUES)]),
        ("severity", "Severity", severities),
        ("source", "Who says it", [("", "All sources"), *SOURCES.items()]),
        ("origin", "Found by", list(ORIGINS)),
        ("whose", "Held by", list(WHOSE)),
    ]


def _tiles(backlog: Backlog, chosen: Filter) -> list[Tile]:
    """One tile for each severity, then one for each queue in which something waits."""
    by_severity = [[one for one in backlog.queues if one.severity == n] for n in range(len(SEVERITIES))]
    tiles = [
        _tile(word, {"severity": str(n)}, found, chosen.severity == str(n))
        for n, (word, found) in enumerate(zip(SEVERITIES, by_severity, strict=True))
    ]
    for queue in QUEUES:
        found = [one for one in backlog.queues if one.queue == queue]
        if found and queue != "main":
            tiles.append(_tile(f"in {queue_word(queue)}", {"queue": queue}, found, chosen.queue == queue))
    if backlog.mine:
        mine = Tile(
            title="yours",
            href="/desk?whose=mine",
            current=chosen.whose == "mine",
            cases=backlog.mine,
            overdue=0,
            oldest=None,
            next_due=None,
        )
        tiles.append(mine)
    return tiles


def _tile(title: str, query: dict[str, str], found: list[QueueCount], current: bool) -> Tile:
    return Tile(
        title=title.lower() if title in SEVERITIES else title,
        href=f"/desk?{urlencode(query)}",
        current=current,
        cases=sum(one.cases for one in found),
        overdue=sum(one.overdue for one in found),
        oldest=min((one.oldest for one in found if one.oldest), default=None),
        next_due=min((one.next_due for one in found if one.next_due), default=None),
    )


routes = [show_queue, take_next]
