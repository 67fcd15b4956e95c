"""A juror's page: one question after another, words without names, answered with three buttons. Works without scripts.

Nothing here knows which answers are known, nor what others said.
"""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import ParleyError
from parley.kit.ids import parse_id
from parley.safety.juries.actions import answer_question, decline_question, set_jury_wish
from parley.safety.juries.reads import get_duties
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (403, 409, 422)


@get("/jury")
async def show_jury(request: AnyRequest) -> Response[str]:
    """What the member is asked now, and whether they wish to be asked at all."""
    return await _page(await visit_of(request))


async def _page(visit: Visit, *, said: str = "", code: int = 200) -> Response[str]:
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        duty = await get_duties(tx, visit.instance.settings, viewer)
    return await render(visit, "jury.html", code=code, title="Jury", duty=duty, said=said)


@post("/jury/wish")
async def save_wish(request: AnyRequest) -> Response[str]:
    """Take part, or no longer."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    wish = bool((await read_form(request)).get("wish"))
    try:
        async with visit.instance.db.write() as tx:
            await set_jury_wish(tx, visit.instance.settings, viewer, wish)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status)
    return redirect(visit, "/jury", "saved")


@post("/jury/{seat_id:str}")
async def answer(request: AnyRequest, seat_id: FromPath[str]) -> Response[str]:
    """Answer one question, or leave it to somebody else."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    vote = str((await read_form(request)).get("vote", ""))
    try:
        async with visit.instance.db.write() as tx:
            if vote == "decline":
                await decline_question(tx, visit.instance.settings, viewer, parse_id(seat_id))
            else:
                await answer_question(tx, visit.instance.settings, viewer, parse_id(seat_id), vote)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, said=error.text, code=error.status)
    return redirect(visit, "/jury", "voted")


routes = [show_jury, save_wish, answer]
