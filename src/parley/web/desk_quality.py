"""The moderators' page of quality: how often second readers agree, how juries do, and how those who moderate are doing.

Figures and rules come from the rooms; here they are only drawn. What is to be judged again is shown without its answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import ParleyError
from parley.kit.ids import parse_id
from parley.safety.juries.reads import get_figures, list_juries
from parley.safety.quality.actions import answer_check, claim_next_check
from parley.safety.quality.reads import get_quality
from parley.safety.quality.strata import WORDS
from parley.safety.quality.views import CheckView
from parley.safety.wellness.actions import set_wishes
from parley.safety.wellness.reads import list_loads, wellness_of
from parley.safety.wellness.views import Wishes
from parley.screening import live_ruleset, rules_page
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.operator_charts import HEIGHT, WIDE, Bar, Chart, Part, round_up
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SERIES = (("allow", "Agreed"), ("hold", "Seen otherwise"))
SHOWN_WEEKS = 13
SHOWN_AGAIN = (403, 409, 422)


@get("/desk/quality")
async def show_quality(request: AnyRequest) -> Response[str]:
    """The figures of ninety days, the viewer's own load and wishes, and the way to the next blind check."""
    return await _page(await visit_of(request))


async def _page(visit: Visit, *, said: str = "", code: int = 200, check: CheckView | None = None) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        quality = await get_quality(tx, viewer)
        wellness = await wellness_of(tx, viewer)
        loads = await list_loads(tx, viewer)
        figures = await get_figures(tx, viewer)
        juries = await list_juries(tx, viewer)
    return await render_desk(
        visit,
        "desk_quality.html",
        code=code,
        title="Quality",
        quality=quality,
        words=WORDS,
        charts=[_chart(quality.weeks)] if quality.weeks else [],
        series=SERIES,
        wellness=wellness,
        loads=loads,
        figures=figures,
        juries=juries,
        blind=check,
        clauses=[(one.id, f"{one.id} {one.title}") for one in rules_page(live_ruleset())],
        said=said,
    )


def _chart(weeks: Sequence[tuple[datetime, int, int]]) -> Chart:
    """Agreed and disagreed, week by week."""
    known = {week: (agreed, other) for week, agreed, other in weeks}
    first = weeks[-1][0] - timedelta(weeks=SHOWN_WEEKS - 1)
    shown = [first + timedelta(weeks=n) for n in range(SHOWN_WEEKS)]
    weeks = [(week, *known.get(week, (0, 0))) for week in shown]
    top = round_up(max((agreed + other for _, agreed, other in weeks), default=0))
    bars = []
    for place, (week, agreed, other) in enumerate(weeks):
        x, y, parts = round(place + (1 - WIDE) / 2, 3), HEIGHT, []
        for key, count in (("allow", agreed), ("hold", other)):
            height = count * HEIGHT / top
            if height:
                y -= height
                parts.append(Part(key, x, round(y, 3), round(height, 3)))
        bars.append(Bar(f"week of {week:%d %b}: agreed {agreed}, seen otherwise {other}", x, tuple(parts)))
    labels = tuple(f"{week:%d %b}" for week, _, _ in weeks[:: max(len(weeks) // 4, 1)])
    total = sum(agreed + other for _, agreed, other in weeks)
    return Chart("Second opinions by the week", len(bars), top, total, ("allow", "hold"), tuple(bars), labels)


@post("/desk/quality/next")
async def take_check(request: AnyRequest) -> Response[str]:
    """The next blind check."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.write() as tx:
        await count_write(tx, visit)
        check = await claim_next_check(tx, viewer)
    return await _page(visit, check=check, said="" if check else "Nothing waits that you may judge now.")


@post("/desk/quality/wellness")
async def save_wellness(request: AnyRequest) -> Response[str]:
    """How the moderator wishes to work."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    form = await read_form(request)
    most = str(form.get("severe_per_day", "")).strip()
    wishes = Wishes(
        no_severe_today=bool(form.get("no_severe_today")),
        severe_per_day=int(most) if most.isdigit() and len(most) < 5 else None,
        unblurred=bool(form.get("unblurred")),
    )
    try:
        async with visit.instance.db.write() as tx:
            await set_wishes(tx, viewer, wishes)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status)
    return redirect(visit, "/desk/quality", "wellness")


@post("/desk/quality/{check_id:str}")
async def answer(request: AnyRequest, check_id: FromPath[str]) -> Response[str]:
    """Give the second opinion, and go to the next."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    form = await read_form(request)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            chosen = str(form.get("clause", "")) or None
            await answer_check(tx, viewer, parse_id(check_id), str(form.get("answer", "")), clause=chosen)
            check = await claim_next_check(tx, viewer)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status)
    return await _page(visit, check=check, said="")


routes = [show_quality, take_check, save_wellness, answer]
