"""The page of one case, and what a moderator does with a case besides deciding: claim, note, hand over, escalate.

Everything that the page says of a case was read by `safety/cases` and `safety/decisions`; no rule stands here.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid
from parley.kit.ids import parse_id
from parley.safety.cases.actions import add_case_note, claim_case, escalate_case, hand_over_case, release_case
from parley.safety.cases.reads import get_case
from parley.safety.cases.views import CaseView
from parley.safety.decisions.reads import get_history, list_proposals, list_suggestions
from parley.safety.decisions.templates import languages
from parley.safety.decisions.views import Suggestion, Suggestions
from parley.safety.evidence.actions import note_evidence_viewed
from parley.safety.log.views import EventView, human
from parley.safety.notices.reads import list_case_notices
from parley.safety.notices.views import NoticeView
from parley.safety.wellness.reads import wellness_of
from parley.screening import live_ruleset
from parley.social.accounts.reads import list_staff
from parley.social.accounts.views import Viewer
from parley.social.statuses.copies import CopyView, list_copies
from parley.web.desk_deciding import LENGTHS, Chosen, split_suggestion
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.desk_subjects import make_card
from parley.web.desk_undo import read_done
from parley.web.desk_words import ACCOUNT_CHOICES, POST_CHOICES
from parley.web.pages import redirect, render_fragment
from parley.web.visits import AnyRequest, read_form, visit_of

ESCALATIONS = (("staff", "everybody of the staff"), ("admin", "those who run this place"), ("owner", "its owner"))
MOST_COPIES = 100
GONE = frozenset({"removed", "author_deleted"})
"""States of copies about which nothing is left to decide."""
DEFAULT_HOURS = "168"
LANGUAGES = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "tr": "Turkish",
}


class ClauseLine(msgspec.Struct, frozen=True, kw_only=True):
    """A clause of the policy as the form shows it, with what is suggested for it."""

    id: str
    title: str
    text: str
    hint: str
    named: str
    """Why it stands first: `reported`, `found`; empty for the others."""
    action: str
    account: str
    hours: str
    why: str
    facts: str
    reasons: str


@get("/desk/cases/{case_id:str}")
async def show_case(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """One case, whole."""
    return await render_case(request, parse_id(case_id))


async def render_case(
    request: AnyRequest,
    case_id: int,
    *,
    chosen: Chosen | None = None,
    said: str = "",
    code: int = 200,
    question: str = "",
) -> Response[str]:
    """The page; `chosen` is what stood in its form when something went wrong (`question`: what was to be asked), `said`
    what that was.

    That its evidence was looked at goes into the log, once for each look, whichever way it came about.
    """
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        view = await get_case(tx, viewer, case_id)
        history = await get_history(tx, viewer, view.case.account.id)
        suggestions = await list_suggestions(tx, viewer, view, history)
        copied, copies = await _find_copies(tx, viewer, view)
        colleagues = [one for one in await list_staff(tx, viewer) if one.id != viewer.account_id]
        proposals = await list_proposals(tx, viewer, case_id=case_id)
        wellness = await wellness_of(tx, viewer)
        notices = await _list_notices(tx, viewer, view)
        done = await read_done(tx, viewer, request.query_params.get("done"))
    async with visit.instance.db.write() as tx:  # once the case is known to be there, and the viewer's to see
        await note_evidence_viewed(tx, viewer, case_id)
    best = suggestions.best
    case = view.case
    closed = case.state == "closed"
    held_by = case.assigned_to if case.assigned_to and not case.mine and not closed else None
    return await render_desk(
        visit,
        "desk_case.html",
        code=code,
        title=f"@{case.account.acct}",
        view=view,
        events=_join_looks(view.events),
        case=case,
        history=history,
        cards=[make_card(subject, visit.instance.settings, case_id) for subject in view.subjects],
        clauses=_clauses(view, suggestions),
        chosen=chosen or _first_choice(best),
        why=" ".join(best.because),
        said_facts=best.facts,
        said_reasons=best.reasons,
        **_list_choices(best),
        proposals=proposals,
        asked=[(one, q) for one in notices for q in one.questions],
        askable=[one for one in notices if one.answered_at is None and one.open_question is None],
        question=question,
        wellness=wellness,
        copies=copies,
        copies_of=copied,
        colleagues=colleagues,
        held_by=held_by,
        closed=closed,
        may=not closed and held_by is None,
        done=done,
        said=said,
        open_count=_count_open(view),
        reports_count=max(case.reports_count, len(view.reports)),  # the first is counted by a job, a moment later
        chosen_count=len(chosen.subjects) if chosen and chosen.subjects is not None else _count_open(view),
    )


def _list_choices(best: Suggestion) -> dict[str, Any]:
    """What can be chosen in the form of every case."""
    return {
        "languages": [(code, LANGUAGES.get(code, code)) for code in languages()],
        "language_name": LANGUAGES.get(best.language, best.language),
        "post_choices": POST_CHOICES,
        "account_choices": ACCOUNT_CHOICES,
        "lengths": LENGTHS,
        "escalations": ESCALATIONS,
    }


async def _list_notices(tx: Tx, viewer: Viewer, view: CaseView) -> list[NoticeView]:
    """The notices that led to the case; nothing is asked for one that only members reported."""
    if all(report.notice_id is None for report in view.reports):
        return []
    return await list_case_notices(tx, viewer, view.case.id)


def _join_looks(events: Sequence[EventView]) -> list[tuple[EventView, int]]:
    """Entries with how often each was written in a row: who looks again and again at the evidence fills no page."""
    joined: list[tuple[EventView, int]] = []
    for event in events:
        if event.type == "evidence_viewed" and joined:
            last, times = joined[-1]
            if last.type == event.type and last.actor == event.actor:
                joined[-1] = (last, times + 1)
                continue
        joined.append((event, 1))
    return joined


def _count_open(view: CaseView) -> int:
    return sum(1 for one in view.subjects if one.settled_at is None)


async def _find_copies(tx: Tx, viewer: Viewer, view: CaseView) -> tuple[int | None, list[CopyView]]:
    """The gravest post that waits, and what says the same elsewhere and is not decided yet."""
    posts = [one for one in view.subjects if one.type == "status" and one.settled_at is None and one.status is not None]
    if not posts:
        return None, []
    own = {one.id for one in view.subjects}
    found = await list_copies(tx, viewer, posts[0].id, limit=MOST_COPIES)
    return posts[0].id, [copy for copy in found if copy.id not in own and copy.state not in GONE]


def _first_choice(best: Suggestion) -> Chosen:
    """The form as it is first shown: what the policy suggests."""
    action, account, hours = split_suggestion(best)
    return Chosen(
        clause=best.clause or "",
        action=action,
        account_action=account,
        hours=hours or DEFAULT_HOURS,
        language=best.language,
        key=secrets.token_urlsafe(12),
    )


def _clauses(view: CaseView, suggestions: Suggestions) -> list[ClauseLine]:
    """Nothing broken, then the clauses that somebody or something named, then all others in order."""
    reported = {rule for report in view.reports for rule in report.rule_ids}
    found = {one.signals.clause for one in view.subjects if one.signals is not None and one.signals.clause}
    lines = [_line("", suggestions.nothing, "")]
    for id, suggestion in suggestions.by_clause.items():
        named = "found" if id in found else "reported" if id in reported else ""
        lines.append(_line(id, suggestion, named))
    return sorted(lines, key=lambda line: (line.id != "", not line.named))


def _line(id: str, suggestion: Suggestion, named: str) -> ClauseLine:
    action, account, hours = split_suggestion(suggestion)
    clause = live_ruleset().clauses.get(id)
    return ClauseLine(
        id=id,
        title=clause.title if clause else "Nothing is broken",
        text=clause.text if clause else "Everything stays as it is, and what was held is published.",
        hint=clause.hint if clause else "",
        named=named,
        action=action,
        account=account,
        hours=hours,
        why=" ".join(suggestion.because),
        facts=suggestion.facts,
        reasons=suggestion.reasons,
    )


@post("/desk/cases/{case_id:str}/claim")
async def claim(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Take the case, or keep it longer; for htmx and scripts the answer is the line about the lease."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            view = await claim_case(tx, viewer, number)
    except Conflict as error:
        if visit.is_fragment:
            raise
        return await render_case(request, number, said=error.text, code=error.status)
    if visit.is_fragment:
        return await render_fragment(visit, "desk_lease.html", case=view.case)
    return redirect(visit, f"/desk/cases/{number}")


@post("/desk/cases/{case_id:str}/release")
async def release(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Give the case back to everybody."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.write() as tx:
        await count_write(tx, visit)
        await release_case(tx, viewer, parse_id(case_id))
    return redirect(visit, "/desk")


@post("/desk/cases/{case_id:str}/note")
async def write_note(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Keep a note on the case."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    text = str((await read_form(request)).get("text", ""))
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            view = await get_case(tx, viewer, number)
            await add_case_note(tx, viewer, view.case.account.id, number, text)
    except Invalid as error:
        return await render_case(request, number, said=error.text, code=error.status)
    return redirect(visit, f"/desk/cases/{number}", "saved")


@post("/desk/cases/{case_id:str}/hand-over")
async def hand_over(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Give the case to a colleague, who is told."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    to = str((await read_form(request)).get("to", ""))
    try:
        if not to:
            raise Invalid("Choose to whom the case goes.")
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await hand_over_case(tx, viewer, number, parse_id(to))
    except (Invalid, Conflict) as error:
        return await render_case(request, number, said=error.text, code=error.status)
    return redirect(visit, "/desk", "handed-over")


@post("/desk/cases/{case_id:str}/escalate")
async def escalate(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Ask for somebody with more say."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    form = await read_form(request)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            to, why = str(form.get("to", "")), str(form.get("why", ""))
            await escalate_case(tx, human(viewer), number, to=to, why=why, viewer=viewer)
    except (Invalid, Conflict) as error:
        return await render_case(request, number, said=error.text, code=error.status)
    return redirect(visit, "/desk", "escalated")


routes = [show_case, claim, release, write_note, hand_over, escalate]
