"""Deciding a case: the last look, the decision, taking it back, and what a second person must agree to.

What is typed is never lost: whatever goes wrong, the page comes back with the form as it was. No rule stands here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, ParleyError
from parley.kit.ids import parse_id
from parley.safety.cases.reads import get_case, list_similar
from parley.safety.cases.views import CaseView
from parley.safety.decisions.actions import (
    approve_proposal,
    decide,
    refuse_proposal,
    undo_decision,
)
from parley.safety.decisions.copying import get_copies
from parley.safety.decisions.previewing import preview_decision
from parley.safety.decisions.reads import get_decision, list_proposals
from parley.safety.decisions.views import Copies, DecisionView, Proposal
from parley.safety.drafts import confirm_draft, refuse_draft
from parley.safety.log.views import Subject
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.policies.reads import list_bank_drafts
from parley.social.policies.views import Staff
from parley.social.statuses.copies import CopyView, list_samples
from parley.web.desk import go_on
from parley.web.desk_case import GONE, MOST_COPIES, render_case
from parley.web.desk_deciding import Chosen, compose, count_copies, fields_of, read_chosen, say_actions
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.desk_words import action_words
from parley.web.pages import redirect, render_fragment
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SECOND = {
    "termination": "Ending an account takes two people. It is put before a second member of the staff; until then "
    "nothing of it happens.",
    "many": "This is about very many things. It is put before a second member of the staff; until then nothing of it "
    "happens.",
}
MOST_SAMPLES = 5
"""So many copies a second person is shown of a proposal."""
COPIES_WAIT = (
    "The copies are very many: they are put before a second member of the staff, and stay as they are until then."
)
SHOWN_AGAIN = (403, 409, 422)


@post("/desk/cases/{case_id:str}/review")
async def review(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """What would be done, and exactly what its author would get: a page of its own, or the inside of a dialog."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    chosen = read_chosen(await read_form(request))
    try:
        async with visit.instance.db.read() as tx:
            view = await get_case(tx, viewer, number)
            new = compose(view, chosen)
            copies = await _copies(tx, viewer, view, chosen) if chosen.copies else []
            preview = await preview_decision(tx, visit.instance.settings, viewer, new, copies=copies)
            lines = say_actions(preview.new, view.case.account.acct)
            if copies:
                lines.append(f"The same for {count_copies(len(copies))}: each author gets a decision of their own.")
            if copies and preview.copies_wait:
                lines.append(COPIES_WAIT)
    except (Conflict, Forbidden, Invalid) as error:
        if visit.is_fragment:
            return await _refuse_fragment(visit, number, error)
        return await render_case(request, number, chosen=chosen, said=error.text, code=error.status)
    values: dict[str, Any] = {
        "case": view.case,
        "chosen": chosen,
        "fields": fields_of(chosen),
        "lines": lines,
        "letter": preview.letter,
        "second": SECOND.get(preview.second or "", ""),
    }
    if visit.is_fragment:
        return await render_fragment(visit, "desk_review.html", **values)
    return await render_desk(visit, "desk_review_page.html", title="Decide", **values)


async def _refuse_fragment(visit: Visit, case_id: int, error: ParleyError) -> Response[str]:
    return await render_fragment(visit, "desk_refused.html", code=error.status, case_id=case_id, text=error.text)


@post("/desk/cases/{case_id:str}/decide")
async def decide_case(request: AnyRequest, case_id: FromPath[str]) -> Response[str]:
    """Decide as the review showed, and go on: to what is left of the case, else to the next one."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(case_id)
    chosen = read_chosen(await read_form(request))
    settings = visit.instance.settings
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            view = await get_case(tx, viewer, number)
            copies = await _copies(tx, viewer, view, chosen) if chosen.copies else []
            made = await decide(tx, settings, viewer, compose(view, chosen), copies=copies)
            wait = isinstance(made, DecisionView) and copies and (await get_copies(tx, viewer, made.id)).waiting
            left = (await get_case(tx, viewer, number)).case
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await render_case(request, number, chosen=chosen, said=error.text, code=error.status)
    if isinstance(made, Proposal):
        visit.set_cookie("flash", "proposed", seconds=60)
        return await go_on(request, passed=number, free=True)
    if wait:
        visit.set_cookie("flash", "copies-proposed", seconds=60)
    if left.state != "closed" and left.mine:
        return redirect(visit, f"/desk/cases/{number}?done={made.id}")
    return await go_on(request, passed=number, done=made.id)


async def _copies(tx: Tx, viewer: Viewer, view: CaseView, chosen: Chosen) -> list[Subject]:
    """The copies of a post of this case that are not in the case themselves. Raises NotFound for another post."""
    copied = parse_id(chosen.copies)
    own = {subject.id for subject in view.subjects if subject.type == "status"}
    found = await list_similar(tx, viewer, view.case.id, copied, limit=MOST_COPIES)
    return [Subject("status", copy.id) for copy in found if copy.id not in own and copy.state not in GONE]


@get("/desk/decisions/{decision_id:str}")
async def show_decision(request: AnyRequest, decision_id: FromPath[str]) -> Response[str]:
    """One decision, for the staff."""
    return await _decision_page(request, parse_id(decision_id))


async def _decision_page(request: AnyRequest, number: int, *, said: str = "", code: int = 200) -> Response[str]:
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        found = await get_decision(tx, viewer, number)
        copies = await get_copies(tx, viewer, number)
    own = viewer.account_id in {one.id for one in (found.decided_by, found.approved_by) if one is not None}
    undoable = found.reversed_by_id is None and found.reverses_id is None
    return await render_desk(
        visit,
        "desk_decision.html",
        code=code,
        title="Decision",
        d=found,
        copies=copies,
        copies_said=count_copies(copies.subjects),
        waiting_said=count_copies(copies.waiting),
        may_undo=undoable and (own or viewer.runs_instance),
        said=said,
    )


@post("/desk/decisions/{decision_id:str}/undo")
async def undo(request: AnyRequest, decision_id: FromPath[str]) -> Response[str]:
    """Take a decision back; everything becomes as it was."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    number = parse_id(decision_id)
    reasons = str((await read_form(request)).get("reasons", ""))
    settings = visit.instance.settings
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            found = await get_decision(tx, viewer, number)
            made = await undo_decision(tx, settings, viewer, number, reasons=reasons)
            single = (await get_copies(tx, viewer, number)).copy_of_id is not None
    except (Conflict, Forbidden, Invalid) as error:
        return await _decision_page(request, number, said=error.text, code=error.status)
    said = "proposed" if isinstance(made, Proposal) else "undone-copy" if single else "undone"
    return redirect(visit, f"/desk/cases/{found.case_id}" if found.case_id else f"/desk/decisions/{number}", said)


class ProposalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal with names, and what it would do in words."""

    proposal: Proposal
    acct: str
    by: str
    own: bool
    lines: list[str]
    facts: str
    samples: list[CopyView]
    """Some of the copies that it is about too."""
    more: int
    """How many copies are not among the samples."""


@get("/desk/proposals")
async def show_proposals(request: AnyRequest) -> Response[str]:
    """What waits for a second person."""
    return await _proposals_page(request)


async def _proposals_page(request: AnyRequest, *, said: str = "", code: int = 200) -> Response[str]:
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        found = await list_proposals(tx, viewer)
        people = {new.account_id for one in found for new in one.decisions} | {one.proposed_by for one in found}
        accounts = await get_account_views(tx, people | {one.account_id for one in found})
        ids = {one.id: _copy_ids(one)[:MOST_SAMPLES] for one in found}
        samples = {
            one.id: one for one in await list_samples(tx, viewer, [id_ for some in ids.values() for id_ in some])
        }
        undone = {one.id: await get_copies(tx, viewer, one.reverses_id) for one in found if one.reverses_id is not None}
        lists = await list_bank_drafts(tx)
    names = {account_id: view.acct for account_id, view in accounts.items()}
    rows = [
        ProposalRow(
            proposal=one,
            acct=names.get(one.account_id, "somebody"),
            by=names.get(one.proposed_by, "somebody"),
            own=one.proposed_by == viewer.account_id,
            lines=_say_proposal(one, names, undone.get(one.id)),
            facts="\n\n".join(text for new in one.decisions[:1] for text in (new.facts, new.reasons) if text),
            samples=[samples[id_] for id_ in ids[one.id] if id_ in samples],
            more=max(len(_copy_ids(one)) - MOST_SAMPLES, 0),
        )
        for one in found
    ]
    return await render_desk(
        visit,
        "desk_proposals.html",
        code=code,
        title="Second eyes",
        rows=rows,
        lists=lists,
        own_id=viewer.account_id,
        own_name=viewer.username,
        said=said,
    )


def _copy_ids(proposal: Proposal) -> list[int]:
    return [action.subject.id for new in proposal.decisions if new.is_copy for action in new.actions]


def _say_proposal(proposal: Proposal, names: dict[int, str], undone: Copies | None) -> list[str]:
    """What would be done; what is done to copies once, however many there are."""
    lines: list[str] = []
    for new in proposal.decisions:
        if not new.is_copy:
            lines += say_actions(new, names.get(new.account_id, "somebody"))
    copies = [new for new in proposal.decisions if new.is_copy]
    if copies:
        many, authors = count_copies(len(_copy_ids(proposal))), len({new.account_id for new in copies})
        by = names.get(copies[0].account_id, "somebody")
        by = f"@{by}" if authors == 1 else f"{authors} accounts"
        if proposal.copies_of_id is None:
            lines.append(f"The same for {many} by {by}: each author gets a decision of their own.")
        else:
            what = action_words(copies[0].actions[0].kind).capitalize()
            lines.append(f"{what} {many} by {by}, as was done to the post that they repeat.")
            lines.append(f"Under clause {copies[0].clause}." if copies[0].clause else "No clause was broken.")
    if proposal.reverses_id is not None:
        lines.append("Everything becomes as it was, strikes are refunded, and the author is told.")
    if undone is not None and undone.subjects:
        lines.append(f"The same for {count_copies(undone.subjects)}, which were decided with it.")
    return lines


@post("/desk/proposals/{proposal_id:str}/approve")
async def approve(request: AnyRequest, proposal_id: FromPath[str]) -> Response[str]:
    """Agree: it is decided now."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await approve_proposal(tx, visit.instance.settings, viewer, parse_id(proposal_id))
    except (Conflict, Forbidden, Invalid) as error:
        return await _proposals_page(request, said=error.text, code=error.status)
    return redirect(visit, "/desk/proposals", "agreed")


@post("/desk/proposals/{proposal_id:str}/refuse")
async def refuse(request: AnyRequest, proposal_id: FromPath[str]) -> Response[str]:
    """Do not agree, and say why."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    answer = str((await read_form(request)).get("answer", "")).strip()
    try:
        if not answer:
            raise Invalid("Say why, so that whoever proposed it can learn from it.")
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            await refuse_proposal(tx, viewer, parse_id(proposal_id), answer=answer)
    except (Conflict, Forbidden, Invalid) as error:
        return await _proposals_page(request, said=error.text, code=error.status)
    return redirect(visit, "/desk/proposals", "refused")


@post("/desk/lists/{draft_id:str}/confirm")
async def confirm_list(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    """Stand behind a list for a bank: with the second person all of it is looked for now."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            staff = Staff(viewer.account_id, viewer.username, viewer.role)
            done = await confirm_draft(tx, visit.instance.settings, staff, parse_id(draft_id))
    except (Conflict, Forbidden, Invalid) as error:
        return await _proposals_page(request, said=error.text, code=error.status)
    return redirect(visit, "/desk/proposals", "list_confirmed" if done.enough else "list_noted")


@post("/desk/lists/{draft_id:str}/refuse")
async def refuse_list(request: AnyRequest, draft_id: FromPath[str]) -> Response[str]:
    """Do not take a list for a bank in, and say why; one's own is withdrawn so."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    answer = str((await read_form(request)).get("answer", "")).strip()
    try:
        if not answer:
            raise Invalid("Say why, so that whoever brought the list in can learn from it.")
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            staff = Staff(viewer.account_id, viewer.username, viewer.role)
            await refuse_draft(tx, staff, parse_id(draft_id), answer=answer)
    except (Conflict, Forbidden, Invalid) as error:
        return await _proposals_page(request, said=error.text, code=error.status)
    return redirect(visit, "/desk/proposals", "refused")


routes = [
    *(review, decide_case, show_decision, undo),
    *(show_proposals, approve, refuse, confirm_list, refuse_list),
]
