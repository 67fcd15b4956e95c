"""The public notice form (DSA, Article 16), for anybody without an account, and the page behind its receipt.

Whoever holds a receipt sees where the notice stands, the decision on each address with its reasons, and may contest it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound, ParleyError, RateLimited
from parley.kit.http import client_address
from parley.kit.ids import parse_id
from parley.kit.limits import bucket_of, check_rate, count_try
from parley.kit.mail import is_mail_address
from parley.kit.settings import Settings
from parley.safety.appeals.actions import file_appeal
from parley.safety.appeals.reads import get_chance
from parley.safety.appeals.views import Chance
from parley.safety.log.views import Actor
from parley.safety.notices.actions import file_notice
from parley.safety.notices.challenges import make_challenge, use_solution
from parley.safety.notices.harms import CHILD_ABUSE, load_harms, read_harms
from parley.safety.notices.questions import answer_question
from parley.safety.notices.reads import get_notice_by_receipt, list_responses, load_ledgers, make_receipt
from parley.safety.notices.strangers import check_strangers, count_stranger, get_load
from parley.safety.notices.views import OUTCOME_WORDS, LedgerLine, NewNotice
from parley.screening import live_ruleset
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

MOST_CONTESTED = 20
NOTICES_PER = timedelta(hours=1)
MOST_MAILED = 10
"""Notices in an hour for which one address gets mails."""
MOST_URLS = 200
MOST_EXPLANATION = 10_000

Form = dict[str, str]
PROGRESS_WORDS = {
    "QUEUED": "Received. A moderator will look at it.",
    "PROCESSING": "A moderator is looking at it.",
    "COMPLETED": "Decided.",
}
ASKED = "A moderator has a question for you."


@get("/notice")
async def show_notice_form(request: AnyRequest, url: FromQuery[str] = "") -> Response[str]:
    """The form; `url` names what it starts from."""
    return await _form(await visit_of(request), {"urls": url[:4000]})


@post("/notice")
async def send_notice(request: AnyRequest) -> Response[str]:
    """Take a notice from anybody, and lead to its receipt."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    typed = {name: str(value) for name, value in (await read_form(request)).items() if isinstance(value, str)}
    address = client_address(request, settings)
    try:
        await count_stranger(visit.instance.db, settings, address)
        new = _read(typed)
        urgent = read_harms(load_harms(settings).harms, live_ruleset(), new.harms, source=new.source).severity == 0
        async with visit.instance.db.write() as tx:
            await use_solution(tx, settings, typed.get("proof", ""), await get_load(tx, settings))
            await check_strangers(tx, settings, urgent=urgent, urls=len(new.urls))
            notice_id = await file_notice(tx, settings, Actor("public"), await _spare(tx, settings, new))
    except ParleyError as error:
        if error.status not in (422, 429):
            raise
        form = await _form(visit, typed, said=error.text, code=error.status)
        if isinstance(error, RateLimited):
            form.headers["Retry-After"] = str(error.retry_after)
        return form
    return redirect(visit, f"/notice/{make_receipt(settings, notice_id)}")


async def _spare(tx: Tx, settings: Settings, new: NewNotice) -> NewNotice:
    """The same without mails to an address that gets too many of them: anybody can type in somebody else's."""
    if not new.answer_to:
        return new
    try:
        async with tx.transaction():
            await check_rate(tx, settings, bucket_of("abuse-receipt", new.answer_to.lower()), MOST_MAILED, NOTICES_PER)
    except RateLimited:
        return msgspec.structs.replace(new, answer_to="", wants_receipt=False)
    return new


def _read(typed: Form) -> NewNotice:
    """What was filled in. Raises Invalid with what is missing (Article 16(2))."""
    urls = [line.strip() for line in typed.get("urls", "").split() if line.strip()]
    harm, mail = typed.get("harm", ""), typed.get("mail", "").strip()
    explanation, name = typed.get("explanation", "").strip(), typed.get("name", "").strip()
    if not urls:
        raise Invalid("Give the exact address (URL) of each thing that you report.")
    if len(urls) > MOST_URLS:
        raise Invalid(f"At most {MOST_URLS} addresses fit one notice. Send the others in another.")
    if not harm:
        raise Invalid("Choose what it is about.")
    if not 10 <= len(explanation) <= MOST_EXPLANATION:
        raise Invalid(f"Explain in 10 to {MOST_EXPLANATION:,} characters why you think that it is illegal.")
    if harm != CHILD_ABUSE and (not name or not mail):
        raise Invalid("Give your name and mail address. They are not needed for sexual abuse of children alone.")
    if mail and not is_mail_address(mail):
        raise Invalid("This is not a mail address.")
    if not typed.get("good_faith"):
        raise Invalid("Confirm that what you say is right and complete, as far as you know.")
    return NewNotice(
        source="public_notice",
        channel="form",
        urls=tuple(urls),
        statement=explanation,
        harms=(harm,),
        format="form",
        reporter_name=name,
        reporter_mail=mail,
        answer_to=mail,
        wants_receipt=bool(mail),
        good_faith=True,
        received_at=now(),
    )


async def _form(visit: Visit, typed: Form, *, said: str = "", code: int = 200) -> Response[str]:
    settings = visit.instance.settings
    async with visit.instance.db.read() as tx:
        load = await get_load(tx, settings)
    return await render(
        visit,
        "notice.html",
        code=code,
        keep=False,
        title="Report illegal content",
        typed=typed,
        said=said,
        choices=load_harms(settings).form,
        child_abuse=CHILD_ABUSE,
        challenge=msgspec.json.encode(make_challenge(settings, load)).decode(),
    )


class Contested(msgspec.Struct, frozen=True):
    """A decision on an address, and whether it can still be contested."""

    decision_id: int
    chance: Chance


@get("/notice/{receipt:str}")
async def show_receipt(request: AnyRequest, receipt: FromPath[str]) -> Response[str]:
    """Where a notice stands, for whoever holds its receipt."""
    return await _receipt(await visit_of(request), receipt)


async def _receipt(
    visit: Visit, receipt: str, *, said: str = "", code: int = 200, typed: Form | None = None
) -> Response[str]:
    settings = visit.instance.settings
    async with visit.instance.db.read() as tx:
        notice = await get_notice_by_receipt(tx, settings, receipt)
        lines = (await load_ledgers(tx, [notice.id]))[notice.id]
        responses = await list_responses(tx, notice.id)
        contested = {line.id: await _contested(tx, notice.id, line) for line in lines[:MOST_URLS]}
    return await render(
        visit,
        "notice_receipt.html",
        code=code,
        keep=False,
        title=f"Notice {notice.id}",
        notice=notice,
        lines=lines,
        responses=responses,
        contested=contested,
        receipt=receipt,
        address=f"{settings.base_url}/notice/{receipt}",
        progress=ASKED if notice.open_question else PROGRESS_WORDS[notice.progress],
        outcome_words=OUTCOME_WORDS,
        said=said,
        typed=typed or {},
    )


async def _contested(tx: Tx, notice_id: int, line: LedgerLine) -> Contested | None:
    decided = next((one for one in line.subjects if one.decision_id is not None and one.decided_at is not None), None)
    if decided is None or decided.decision_id is None or line.outcome in ("waiting", "hidden"):
        return None
    try:
        chance = await get_chance(tx, None, decided.decision_id, role="reporter", notice_id=notice_id)
    except NotFound:
        return None
    return Contested(decided.decision_id, chance)


@post("/notice/{receipt:str}/answer")
async def answer(request: AnyRequest, receipt: FromPath[str]) -> Response[str]:
    """Whoever sent the notice answers a moderator's question: the clock goes on."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    typed = {name: str(value) for name, value in (await read_form(request)).items() if isinstance(value, str)}
    await count_try(visit.instance.db, settings, bucket_of("contest", receipt), MOST_CONTESTED, NOTICES_PER)
    try:
        async with visit.instance.db.write() as tx:
            notice = await get_notice_by_receipt(tx, settings, receipt)
            await answer_question(tx, Actor("public"), notice.id, typed.get("answer", ""))
    except (Invalid, Conflict) as error:
        return await _receipt(visit, receipt, said=error.text, code=error.status, typed=typed)
    return redirect(visit, f"/notice/{receipt}", "answered")


@post("/notice/{receipt:str}/contest")
async def contest(request: AnyRequest, receipt: FromPath[str]) -> Response[str]:
    """Whoever sent the notice asks for another look at a decision on it: somebody else takes it."""
    visit = await visit_of(request)
    settings = visit.instance.settings
    typed = {name: str(value) for name, value in (await read_form(request)).items() if isinstance(value, str)}
    decision_id = parse_id(typed.get("decision_id", ""))
    await count_try(visit.instance.db, settings, bucket_of("contest", receipt), MOST_CONTESTED, NOTICES_PER)
    try:
        async with visit.instance.db.write() as tx:
            notice = await get_notice_by_receipt(tx, settings, receipt)
            lines = (await load_ledgers(tx, [notice.id]))[notice.id]
            if decision_id not in {one.decision_id for line in lines for one in line.subjects}:
                raise NotFound
            await file_appeal(
                tx, settings, None, decision_id, typed.get("text", ""), role="reporter", notice_id=notice.id
            )
    except (Invalid, Conflict, Forbidden) as error:
        return await _receipt(visit, receipt, said=error.text, code=error.status, typed=typed)
    return redirect(visit, f"/notice/{receipt}", "contested")


routes: list[Any] = [show_notice_form, send_notice, show_receipt, answer, contest]
