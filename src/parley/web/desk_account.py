"""All about one account, for moderators: cases, decisions, strikes, restrictions, notes, linked accounts."""

from __future__ import annotations

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import Invalid
from parley.kit.ids import parse_id
from parley.safety.cases.actions import add_case_note, open_case
from parley.safety.cases.reads import get_reporter, list_account_cases, list_account_notes
from parley.safety.cases.reporters import mute_reporter
from parley.safety.decisions.reads import get_history
from parley.safety.log.views import human
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, read_form, visit_of


@get("/desk/accounts/{account_id:str}")
async def show_account(request: AnyRequest, account_id: FromPath[str]) -> Response[str]:
    """One account, for the staff."""
    return await _account_page(request, parse_id(account_id))


async def _account_page(request: AnyRequest, number: int, *, said: str = "", code: int = 200) -> Response[str]:
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        history = await get_history(tx, viewer, number)
        cases = await list_account_cases(tx, viewer, number)
        notes = await list_account_notes(tx, viewer, number)
        reporter = await get_reporter(tx, viewer, number)
    return await render_desk(
        visit,
        "desk_account.html",
        code=code,
        title=f"@{history.account.acct}",
        account=history.account,
        history=history,
        cases=cases,
        open_case=next((case.id for case in cases if case.state != "closed"), None),
        notes_found=notes,
        reporter=reporter if history.account.is_local else None,
        said=said,
    )


@post("/desk/accounts/{account_id:str}/note")
async def write_account_note(request: AnyRequest, account_id: FromPath[str]) -> Response[str]:
    """Keep a note on the account itself."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(account_id)
    text = str((await read_form(request)).get("text", ""))
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await add_case_note(tx, viewer, number, None, text)
    except Invalid as error:
        return await _account_page(request, number, said=error.text, code=error.status)
    return redirect(visit, f"/desk/accounts/{number}", "saved")


@post("/desk/accounts/{account_id:str}/mute")
async def mute_account_reports(request: AnyRequest, account_id: FromPath[str]) -> Response[str]:
    """Listen no more to what the account reports, or again. Nobody but the staff learns of it."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(account_id)
    muted = (await read_form(request)).get("muted") == "yes"
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await mute_reporter(tx, viewer, number, muted=muted)
    except Invalid as error:
        return await _account_page(request, number, said=error.text, code=error.status)
    return redirect(visit, f"/desk/accounts/{number}", "saved")


@post("/desk/accounts/{account_id:str}/case")
async def open_account_case(request: AnyRequest, account_id: FromPath[str]) -> Response[str]:
    """Open a case that nobody reported, about the account as a whole."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(account_id)
    async with visit.instance.db.write() as tx:
        await count_write(tx, visit)
        await get_history(tx, viewer, number)  # NotFound where there is no such account
        case_id = await open_case(tx, visit.instance.settings, human(viewer), number, (), source="user")
    return redirect(visit, f"/desk/cases/{case_id}")


routes = [show_account, write_account_note, mute_account_reports, open_account_case]
