"""The moderators' pages of appeals: what waits, and one appeal with the decision that it is about.

Who may review which, and what an answer does, `safety/appeals` says. The page never names who decided.
"""

from __future__ import annotations

from typing import Any, cast

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit.errors import Invalid, ParleyError
from parley.kit.ids import parse_id
from parley.safety.appeals.actions import MOST_CHARACTERS, claim_appeal, decide_appeal, release_appeal
from parley.safety.appeals.reads import count_appeals, get_appeal, list_appeals, list_decision_words
from parley.safety.appeals.states import OUTCOMES, Outcome
from parley.safety.appeals.views import AppealView
from parley.safety.decisions.copying import get_copies
from parley.safety.decisions.kinds import SUBJECTS
from parley.safety.decisions.reads import get_decision
from parley.safety.decisions.views import ActionKind, DecisionView, NewAction, NewDecision
from parley.safety.log.views import Subject
from parley.screening import live_ruleset, rules_page
from parley.web.desk_deciding import LENGTHS
from parley.web.desk_frame import count_write, need_staff, render_desk
from parley.web.desk_words import ACCOUNT_CHOICES, POST_CHOICES, WITH_HOURS
from parley.web.pages import redirect
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

SHOWN_AGAIN = (403, 409, 422, 429)
ANSWERS = (
    ("upheld", "u", "The decision stands", "Say why; nothing changes."),
    ("overturned", "o", "Take the decision back", "What it did is undone, strikes are refunded, the judge learns."),
    ("modified", "m", "Put another in its place", "It is taken back, and what you choose below is done instead."),
)


@get("/desk/appeals")
async def show_appeals(request: AnyRequest) -> Response[str]:
    """Open appeals, the oldest first, and those that were decided lately."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        waiting = await count_appeals(tx, viewer)
        appeals = await list_appeals(tx, viewer, limit=100)
        ended = await list_appeals(tx, viewer, ended=True, limit=20)
    return await render_desk(visit, "desk_appeals.html", title="Appeals", waiting=waiting, appeals=appeals, ended=ended)


@get("/desk/appeals/{appeal_id:str}")
async def show_appeal(request: AnyRequest, appeal_id: FromPath[str]) -> Response[str]:
    """One appeal with the decision, what it was about, and the form for the answer."""
    return await _page(await visit_of(request), parse_id(appeal_id))


async def _page(
    visit: Visit, appeal_id: int, *, said: str = "", code: int = 200, typed: dict[str, str] | None = None
) -> Response[str]:
    viewer = need_staff(visit)
    async with visit.instance.db.read() as tx:
        appeal = await get_appeal(tx, viewer, appeal_id)
        decision = await get_decision(tx, viewer, appeal.decision_id)
        words = await list_decision_words(tx, viewer, decision)
        copies = await get_copies(tx, viewer, decision.id)
    return await render_desk(
        visit,
        "desk_appeal.html",
        code=code,
        title="An appeal",
        appeal=appeal,
        decision=decision,
        words=words,
        copies=copies,
        mine=appeal.state == "in_review" and appeal.reviewer_id == viewer.account_id,
        answers=ANSWERS,
        kinds=[(one.kind, one.label) for one in POST_CHOICES],
        account_kinds=[(one.kind, one.label) for one in ACCOUNT_CHOICES if one.kind != "terminate"],
        lengths=LENGTHS,
        clauses=[(one.id, f"{one.id} {one.title}") for one in rules_page(live_ruleset())],
        most=MOST_CHARACTERS,
        typed=typed or {},
        said=said,
    )


@post("/desk/appeals/{appeal_id:str}/{step:str}")
async def act_on_appeal(request: AnyRequest, appeal_id: FromPath[str], step: FromPath[str]) -> Response[str]:
    """`claim`, `release` or `decide`."""
    visit = await visit_of(request)
    viewer = need_staff(visit)
    found = parse_id(appeal_id)
    form = await read_form(request)
    typed = {
        name: str(form.get(name, ""))
        for name in ("outcome", "answer", "action", "account_action", "clause", "hours", "one_alone")
    }
    try:
        async with visit.instance.db.write() as tx:
            await count_write(tx, visit)
            if step == "claim":
                await claim_appeal(tx, viewer, found)
            elif step == "release":
                await release_appeal(tx, viewer, found)
            else:
                appeal = await get_appeal(tx, viewer, found)
                decision = await get_decision(tx, viewer, appeal.decision_id)
                outcome, new = _read(appeal, decision, typed)
                await decide_appeal(
                    tx,
                    visit.instance.settings,
                    viewer,
                    found,
                    outcome,
                    answer=typed["answer"],
                    decision=new,
                    copies=not typed["one_alone"],
                )
    except ParleyError as error:
        if error.status not in SHOWN_AGAIN:
            raise
        return await _page(visit, found, said=error.text, code=error.status, typed=typed)
    return redirect(visit, "/desk/appeals" if step == "decide" else f"/desk/appeals/{found}", "saved")


def _read(appeal: AppealView, decision: DecisionView, typed: dict[str, Any]) -> tuple[Outcome, NewDecision | None]:
    """The answer as it was sent, with the decision that takes the place of the first one, where one does."""
    outcome = next((one for one in OUTCOMES if one == typed["outcome"]), None)
    if outcome is None:
        raise Invalid("Choose an answer: the decision stands, is taken back, or is replaced.")
    if outcome == "upheld" or (outcome == "overturned" and appeal.role == "author"):
        return outcome, None
    actions = []
    if typed["action"] in {one.kind for one in POST_CHOICES}:
        kind = cast(ActionKind, typed["action"])
        about = {action.subject for action in decision.actions if action.subject.type in SUBJECTS[kind]}
        actions = [NewAction(kind, one) for one in sorted(about, key=lambda one: (one.type, one.id))]
    if typed["account_action"] in {one.kind for one in ACCOUNT_CHOICES if one.kind}:
        kind = cast(ActionKind, typed["account_action"])
        hours = float(typed["hours"]) if typed["hours"] in dict(LENGTHS) and typed["hours"] else None
        subject = Subject("account", appeal.account_id)
        actions.append(NewAction(kind, subject, hours if kind in WITH_HOURS else None))
    if not actions:
        return outcome, None
    clause = typed["clause"] if typed["clause"] in live_ruleset().clauses else None
    return outcome, NewDecision(
        account_id=appeal.account_id,
        actions=tuple(actions),
        clause=clause,
        reasons=typed["answer"],
        source=decision.source,
    )


routes = [show_appeals, show_appeal, act_on_appeal]
