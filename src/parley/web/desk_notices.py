"""The moderators' pages of notices: what hosts, app stores, authorities and strangers wrote, address by address.

What they wrote is shown as plain text, the raw message too; who reads that is on record. What is decided about each
address is decided in its case.
"""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import Conflict, Invalid, NotFound, ParleyError
from parley.kit.ids import parse_id
from parley.kit.mail import is_mail_address
from parley.safety.cases.views import Source
from parley.safety.notices.actions import file_bulk_notice
from parley.safety.notices.harms import load_harms
from parley.safety.notices.keeping import MOST_SHOWN, note_raw_access, read_raw
from parley.safety.notices.questions import ask_sender, stop_waiting
from parley.safety.notices.reads import (
    count_notices,
    get_notice,
    list_ledger,
    list_messages,
    list_notices,
    list_providers,
    list_responses,
    receipt_address,
)
from parley.safety.notices.responses import respond_to_notice
from parley.safety.notices.views import OUTCOME_WORDS, NewNotice, OrderKind
from parley.screening import live_ruleset
from parley.web.desk_case import render_case
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.desk_words import SOURCES
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (404, 409, 422, 429)
CHANNELS = {"api": "API", "mail": "Mail", "form": "Form", "desk": "Pasted", "shell": "Command"}
FILED: dict[str, tuple[str, Source, OrderKind | None]] = {
    "provider_notice": ("A host or app store", "provider_notice", None),
    "removal": ("An authority orders removal", "authority_order", "removal"),
    "preservation": ("An authority wants it kept", "authority_order", "preservation"),
    "trusted_flagger": ("A trusted flagger", "trusted_flagger", None),
    "public_notice": ("Somebody else", "public_notice", None),
}
FOUND_WORDS = {
    "status": "post",
    "media": "file",
    "profile": "profile",
    "account": "account",
    "gone": "deleted by its author",
    "unknown": "nothing known there",
    "not_ours": "not ours",
}
Form = dict[str, str]


@get("/desk/notices")
async def show_notices(request: AnyRequest) -> Response[str]:
    """Notices without an answer, those that are due first; or all of them, the newest first."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    query = request.query_params
    source = query.get("source") if query.get("source") in SOURCES else None
    everything = query.get("all") == "1"
    after = parse_id(query["after"]) if query.get("after") else None
    async with visit.instance.db.read() as tx:
        page = await list_notices(tx, viewer, unanswered=None if everything else True, source=source, after=after)
        unanswered, overdue = await count_notices(tx, viewer)
    return await render_desk(
        visit,
        "desk_notices.html",
        title="Notices",
        page=page,
        unanswered=unanswered,
        overdue=overdue,
        everything=everything,
        source=source or "",
        sources=SOURCES,
        channels=CHANNELS,
    )


@get("/desk/notices/new")
async def show_new_notice(request: AnyRequest) -> Response[str]:
    """The form for what came by telephone, by letter, or in a table."""
    return await _new(await visit_of(request), {})


async def _new(visit: Visit, typed: Form, *, said: str = "", code: int = 200) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        providers = [one for one in await list_providers(tx, viewer) if one.revoked_at is None]
    return await render_desk(
        visit,
        "desk_notice_new.html",
        code=code,
        title="File a notice",
        typed=typed,
        said=said,
        providers=providers,
        filed={key: words for key, (words, _, _) in FILED.items()},
        harms=load_harms(visit.instance.settings).form,
        clauses=[(one.id, f"{one.id} {one.title}") for one in live_ruleset().clauses.values()],
    )


@post("/desk/notices/new")
async def file_new_notice(request: AnyRequest) -> Response[str]:
    """File a list of addresses."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    typed = {name: str(value) for name, value in (await read_form(request)).items() if isinstance(value, str)}
    try:
        new = _read(typed)
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            notice_id = await file_bulk_notice(
                tx, visit.instance.settings, viewer, typed.get("urls", "").split(), new=new
            )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _new(visit, typed, said=error.text, code=error.status)
    return redirect(visit, f"/desk/notices/{notice_id}", "notice-filed")


def _read(typed: Form) -> NewNotice:
    if typed.get("from") not in FILED:
        raise Invalid("Choose who says it.")
    _, source, order = FILED[typed["from"]]
    mail = typed.get("mail", "").strip()
    if mail and not is_mail_address(mail):
        raise Invalid("The address for the answer is not a mail address.")
    harms = [f"clause:{typed['clause']}"] if typed.get("clause") else []
    provider = typed.get("provider", "")
    return NewNotice(
        source=source,
        channel="desk",
        statement=typed.get("statement", ""),
        harms=tuple(harms),
        provider_id=parse_id(provider) if provider else None,
        reference=typed.get("reference", ""),
        order_kind=order,
        authority=typed.get("authority", "") if order else "",
        basis=typed.get("basis", ""),
        reporter_name=typed.get("name", "") if not order else "",
        reporter_mail=mail,
        answer_to=mail,
        good_faith=True,
    )


@get("/desk/notices/{notice_id:str}")
async def show_notice(request: AnyRequest, notice_id: FromPath[str]) -> Response[str]:
    """A notice with its ledger."""
    return await _notice(await visit_of(request), parse_id(notice_id))


async def _notice(
    visit: Visit,
    notice_id: int,
    *,
    said: str = "",
    code: int = 200,
    words: str = "",
    question: str = "",
    raw: str = "",
    cut: bool = False,
) -> Response[str]:
    viewer = need_staff(visit)
    settings = visit.instance.settings
    async with visit.instance.db.read() as tx:
        notice = await get_notice(tx, viewer, notice_id)
        lines = await list_ledger(tx, viewer, notice_id)
        responses = await list_responses(tx, notice_id)
        messages = await list_messages(tx, viewer, notice_id)
    return await render_desk(
        visit,
        "desk_notice.html",
        code=code,
        title=f"Notice of {notice.sender}",
        notice=notice,
        lines=lines,
        responses=responses,
        messages=messages,
        waiting=sum(not line.settled for line in lines),
        outcome_words=OUTCOME_WORDS,
        found_words=FOUND_WORDS,
        sources=SOURCES,
        channels=CHANNELS,
        receipt=receipt_address(settings, notice_id),
        said=said,
        words=words,
        question=question,
        raw=raw,
        cut=cut,
    )


@post("/desk/notices/{notice_id:str}/raw")
async def show_raw(request: AnyRequest, notice_id: FromPath[str]) -> Response[str]:
    """The raw message as text, byte for byte as far as text can be; reading it goes into the log."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(notice_id)
    async with visit.instance.db.write() as tx:
        await count_write(tx, visit)
        name = await note_raw_access(tx, viewer, found)
    try:
        body = await read_raw(visit.instance.files, name, most=MOST_SHOWN + 1)
    except NotFound:
        return await _notice(visit, found, said="The raw message is not in the store any more.", code=404)
    text = "".join(
        sign if sign.isprintable() or sign in "\n\t" else "\ufffd"
        for sign in body[:MOST_SHOWN].decode("utf-8", "replace").replace("\r\n", "\n")
    )
    return await _notice(visit, found, raw=text, cut=len(body) > MOST_SHOWN)


@post("/desk/notices/{notice_id:str}/respond")
async def respond(request: AnyRequest, notice_id: FromPath[str]) -> Response[str]:
    """Answer in words, beside the ledger as it is."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(notice_id)
    words = str((await read_form(request)).get("words", ""))
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await respond_to_notice(tx, visit.instance.settings, viewer, found, words)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _notice(visit, found, said=error.text, code=error.status, words=words)
    return redirect(visit, f"/desk/notices/{found}", "responded")


@post("/desk/notices/{notice_id:str}/ask")
async def ask(request: AnyRequest, notice_id: FromPath[str]) -> Response[str]:
    """Ask whoever sent the notice for what is missing: its clock stands still until they answer."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(notice_id)
    form = await read_form(request)
    case, question = str(form.get("case", "")), str(form.get("question", ""))
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await ask_sender(tx, viewer, found, question)
    except (Invalid, Conflict) as error:
        return await _show_again(request, visit, found, case, error, question)
    return _back(visit, found, case, "asked")


@post("/desk/notices/{notice_id:str}/go-on")
async def go_on(request: AnyRequest, notice_id: FromPath[str]) -> Response[str]:
    """Wait no more for the answer to a question."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(notice_id)
    case = str((await read_form(request)).get("case", ""))
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await stop_waiting(tx, viewer, found)
    except Conflict as error:
        return await _show_again(request, visit, found, case, error)
    return _back(visit, found, case, "asked-no-more")


async def _show_again(
    request: AnyRequest, visit: Visit, notice_id: int, case: str, error: ParleyError, question: str = ""
) -> Response[str]:
    """The page that a question was asked on, the case's (`case` is its id) or the notice's, with what went wrong."""
    if case:
        return await render_case(request, parse_id(case), said=error.text, code=error.status, question=question)
    return await _notice(visit, notice_id, said=error.text, code=error.status, question=question)


def _back(visit: Visit, notice_id: int, case: str, flash: str) -> Response[str]:
    return redirect(visit, f"/desk/cases/{parse_id(case)}" if case else f"/desk/notices/{notice_id}", flash)


routes: list[Any] = [show_notices, show_new_notice, file_new_notice, show_notice, show_raw, respond, ask, go_on]
