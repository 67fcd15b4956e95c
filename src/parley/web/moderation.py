"""A member's own pages about moderation: what was decided about them and why, strikes, restrictions, appeals.

They stay open to those who are suspended (limits.py), and work without scripts. No rule stands here: the rooms decide
who may see what and who may appeal.
"""

from __future__ import annotations

from typing import Any

from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound, ParleyError
from parley.kit.ids import parse_id
from parley.kit.paging import Page
from parley.safety.appeals.actions import MOST_CHARACTERS, file_appeal
from parley.safety.appeals.reads import (
    get_chance,
    get_my_standing,
    get_reported,
    list_author_appeals,
    list_decision_words,
    list_my_appeals,
)
from parley.safety.appeals.views import Role
from parley.safety.cases.reads import list_my_reports
from parley.safety.decisions.reads import get_decision, list_my_decisions, list_report_outcomes
from parley.social.accounts.views import Viewer
from parley.web.pages import redirect, render
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (403, 409, 422, 429)
REPORTS_SHOWN = 20

DID = {
    "no_action": "Nothing was done.",
    "publish": "Your post was published.",
    "warn": "This is a warning.",
    "label": "A label was put on it for its readers.",
    "sensitive": "Its media are behind a warning.",
    "limit": "It is shown to fewer people: it is not in public timelines, search and suggestions.",
    "hide": "It is hidden until people have looked at it.",
    "remove": "It was removed.",
    "remove_media": "Its media were removed; the words stay.",
    "quarantine": "It was taken away, and kept as evidence.",
    "require_change": "It is hidden until you change it.",
    "restrict_posting": "You may not post.",
    "limit_account": "Your posts are shown to fewer people.",
    "freeze": "Your account may read, but not write.",
    "suspend": "Your account is suspended.",
    "terminate": "Your account has been ended.",
}
"""What each kind of action means for its author, in plain words."""

RESTRICTED = {
    "restrict_posting": "You may not post",
    "limit_account": "Your posts are shown to fewer people",
    "freeze": "You may read, but not write",
    "suspend": "Your account is suspended",
    "terminate": "Your account has been ended",
}


@get("/moderation")
async def show_moderation(request: AnyRequest) -> Response[str]:
    """Everything that was decided about the member, what counts now, and their appeals."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        decisions = await list_my_decisions(tx, viewer)
        standing = await get_my_standing(tx, viewer)
        appeals = await list_author_appeals(tx, viewer, [one.id for one in decisions])
        contested = [one for one in await list_my_appeals(tx, viewer) if one.role == "reporter"]
    return await render(
        visit,
        "moderation.html",
        title="Moderation",
        decisions=decisions,
        standing=standing,
        appeals=appeals,
        contested=contested,
        did=DID,
        restricted=RESTRICTED,
        moment=now(),
    )


@get("/moderation/decisions/{decision_id:str}")
async def show_decision(request: AnyRequest, decision_id: FromPath[str]) -> Response[str]:
    """One decision with its reasons and the form to appeal; for its author, and in short for who reported it."""
    visit = await visit_of(request)
    return await _page(visit, visit.need_member(), parse_id(decision_id))


@post("/moderation/decisions/{decision_id:str}/appeal")
async def appeal_decision(request: AnyRequest, decision_id: FromPath[str]) -> Response[str]:
    """File an appeal."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    found = parse_id(decision_id)
    text = str((await read_form(request)).get("text", ""))
    try:
        async with visit.instance.db.write() as tx:
            role = await _role_of(tx, viewer, found)
            await file_appeal(tx, visit.instance.settings, viewer, found, text, role=role)
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, viewer, found, said=error.text, typed=text, code=error.status)
    return redirect(visit, f"/moderation/decisions/{found}", "appealed")


async def _role_of(tx: Tx, viewer: Viewer, decision_id: int) -> Role:
    """author, when it is about the viewer; else reporter. Whether that is so the rooms check."""
    try:
        decision = await get_decision(tx, viewer, decision_id)
    except NotFound:
        return "reporter"
    return "author" if decision.account.id == viewer.account_id else "reporter"


async def _page(
    visit: Visit, viewer: Viewer, decision_id: int, *, said: str = "", typed: str = "", code: int = 200
) -> Response[str]:
    async with visit.instance.db.read() as tx:
        role = await _role_of(tx, viewer, decision_id)
        chance = await get_chance(tx, viewer, decision_id, role=role)
        values: dict[str, Any]
        if role == "reporter":
            values = {"reported": await get_reported(tx, viewer, decision_id), "decision": None, "words": []}
        else:
            decision = await get_decision(tx, viewer, decision_id)
            words = await list_decision_words(tx, viewer, decision)
            values = {"decision": decision, "reported": None, "words": words}
    return await render(
        visit,
        "moderation_decision.html",
        code=code,
        title="A decision" if role == "author" else "Your report",
        chance=chance,
        did=DID,
        said=said,
        typed=typed,
        most=MOST_CHARACTERS,
        **values,
    )


REPORT_STATES = {
    "received": "Received. A moderator will look at it.",
    "looked_at": "A moderator is looking at it.",
    "acted": "Something was done about it.",
    "not_acted": "We looked at it, and it breaks no rule.",
    "settled": "It was settled without a decision: what you reported is not there any more.",
}


@get("/reports")
async def show_reports(request: AnyRequest, below: FromQuery[str] = "") -> Response[str]:
    """What the member reported, where each stands, and the way to ask for another look."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    page = Page(max_id=parse_id(below) if below else None, limit=REPORTS_SHOWN)
    async with visit.instance.db.read() as tx:
        reports = await list_my_reports(tx, viewer, below=page.below, limit=REPORTS_SHOWN)
        told = {one.report_id: one for one in await list_report_outcomes(tx, viewer, page=page)}
    return await render(
        visit,
        "reports.html",
        title="Your reports",
        reports=reports,
        told=told,
        states=REPORT_STATES,
        older=reports[-1].id if len(reports) == REPORTS_SHOWN else None,
        moment=now(),
    )


routes = [show_moderation, show_decision, appeal_decision, show_reports]
