"""Four eyes: ending an account, deciding about many subjects at once, and undoing either takes a second member of the
staff.

Nothing happens until that one agrees; then it is as if the first had decided at that moment, with both on record. A
proposal that cannot be agreed to any more becomes stale, and whoever made it hears why.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation, get_new_id
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.cases import store as cases
from parley.safety.decisions import store, store_copies, store_proposals
from parley.safety.decisions.copying import renew_copy
from parley.safety.decisions.making import MOST_CHARACTERS, Maker, check_decision, make_decision
from parley.safety.decisions.ranks import check_asked, check_rank
from parley.safety.decisions.reads import get_decision, get_proposal, present_proposal
from parley.safety.decisions.reversing import check_may_undo, reverse_decision
from parley.safety.decisions.views import DecisionView, NewDecision, Proposal
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, human, system
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer

ME = system("decisions")
WAITS = timedelta(days=14)
"""How long a proposal waits for a second person."""
LONGEST_ALONE = 366 * 24.0
"""Hours for which one person may shut an account."""
MOST_ANSWER = 2000


def why_second(decisions: Sequence[NewDecision]) -> str | None:
    """Why these need a second person: termination (a year's suspension is as good as one), many; None: they do not."""
    actions = [action for new in decisions for action in new.actions]
    shut = [one for one in actions if one.kind in ("suspend", "freeze") and (one.hours or 0) > LONGEST_ALONE]
    if shut or any(action.kind == "terminate" for action in actions):
        return "termination"
    subjects = {(action.subject.type, action.subject.id) for action in actions if action.kind != "no_action"}
    return "many" if len(subjects) > live_ruleset().head.decisions.four_eyes_over_subjects else None


async def propose(
    tx: Tx, viewer: Viewer, decisions: Sequence[NewDecision], why: str, *, copies_of_id: int | None = None
) -> Proposal:
    """Keep checked decisions until a second person agrees; `copies_of_id` is a decision that they repeat."""
    proposal_id = await get_new_id(tx)
    first = decisions[0]
    await append_event(
        tx,
        human(viewer),
        "decision_proposed",
        case_id=first.case_id,
        subject=Subject("account", first.account_id),
        proposal=str(proposal_id),
        why=why,
        accounts=[str(new.account_id) for new in decisions],
        subjects=sum(len(new.actions) for new in decisions),
        copies=sum(len(new.actions) for new in decisions if new.is_copy),
    )
    await store_proposals.insert_proposal(
        tx,
        proposal_id,
        first.case_id,
        first.account_id,
        why,
        msgspec.to_builtins(list(decisions)),
        viewer.account_id,
        first.key,
        now(),
        None,
        copies_of_id,
    )
    await enqueue(tx, "mail_proposal", {"proposal_id": proposal_id})
    return await get_proposal(tx, viewer, proposal_id)


async def undo_decision(
    tx: Tx, settings: Settings, viewer: Viewer, decision_id: int, *, reasons: str = ""
) -> int | Proposal:
    """Take a decision back, with those that repeat it for copies; gives the id of the reversal, or a Proposal where two
    people had decided any of it: that takes two again. Raises NotFound, Forbidden, Conflict."""
    row = await check_may_undo(tx, viewer, decision_id)
    copies = await store_copies.list_copies_in_force(tx, decision_id)
    two = row.approved_by is not None or any(one.approved_by for one in await store.list_decisions(tx, copies))
    if not two or row.reversed_by_id is not None or not settings.four_eyes:
        return (await _reverse_all(tx, settings, viewer, decision_id, reasons, None))[0]
    said = reasons.replace("\x00", "").strip()[:MOST_CHARACTERS]
    proposal_id = await get_new_id(tx)
    await append_event(
        tx,
        human(viewer),
        "undo_proposed",
        case_id=row.case_id,
        subject=Subject("account", row.account_id),
        proposal=str(proposal_id),
        decision=str(decision_id),
        copies=len(copies),
    )
    kept = NewDecision(account_id=row.account_id, actions=(), case_id=row.case_id, reasons=said)
    values = (row.case_id, row.account_id, "undo", msgspec.to_builtins([kept]), viewer.account_id, None, now())
    try:
        async with tx.transaction():
            await store_proposals.insert_proposal(tx, proposal_id, *values, decision_id, None)
    except UniqueViolation as error:
        raise Conflict("Somebody has proposed to undo this already: it waits for a second person.") from error
    await enqueue(tx, "mail_proposal", {"proposal_id": proposal_id})
    return await get_proposal(tx, viewer, proposal_id)


async def _reverse_all(
    tx: Tx, settings: Settings, viewer: Viewer, decision_id: int, reasons: str, approved_by: int | None
) -> list[int]:
    """Take a decision back, and then those that repeat it for copies; ids of the reversals."""
    copies = await store_copies.list_copies_in_force(tx, decision_id)
    return [
        await reverse_decision(
            tx,
            settings,
            human(viewer),
            number,
            kind="undo",
            reasons=reasons,
            viewer=viewer,
            approved_by=approved_by,
        )
        for number in (decision_id, *copies)
    ]


async def make_copy(tx: Tx, settings: Settings, maker: Maker, new: NewDecision, *, copy_of_id: int) -> int:
    """Make a decision that repeats another for copies; returns its id."""
    decision_id = await make_decision(tx, settings, maker, new)
    await store_copies.insert_copy(tx, decision_id, copy_of_id)
    return decision_id


async def approve_proposal(tx: Tx, settings: Settings, viewer: Viewer, proposal_id: int) -> tuple[DecisionView, ...]:
    """Agree to what somebody else proposed: it is decided now. Raises NotFound, Forbidden for one's own, Conflict."""
    proposal = await _waiting(tx, viewer, proposal_id)
    if proposal.proposed_by == viewer.account_id:
        raise Forbidden("You proposed this yourself: somebody else has to agree.")
    proposer = (await get_account_views(tx, [proposal.proposed_by])).get(proposal.proposed_by)
    if proposer is None or (void := await find_stale(tx, proposal, proposer)):
        raise Conflict(void if proposer is not None else GONE)
    await _check_escalated(tx, viewer, proposal.case_id)
    if proposal.reverses_id is not None:
        return await _approve_undo(tx, settings, viewer, proposal, proposer)
    checked = []
    for new in proposal.decisions:
        await check_rank(tx, viewer, new.account_id)
        await _check_escalated(tx, viewer, new.case_id)
        checked.append(check_decision(new, needs_clause=True))
    actor = Actor("human", proposal.proposed_by, proposer.username)
    maker = Maker(actor=actor, kind="decision", by=proposal.proposed_by, approved_by=viewer.account_id)
    ids: list[int] = []
    first = proposal.copies_of_id
    for new in checked:
        if not new.is_copy:
            ids.append(await make_decision(tx, settings, maker, new))
            first = first or ids[0]
        elif first is not None and (left := await renew_copy(tx, new)) is not None:
            ids.append(await make_copy(tx, settings, maker, left, copy_of_id=first))
    if not ids:
        raise Conflict("All of this was done meanwhile. Refuse it, so that it does not wait any longer.")
    await _end(tx, human(viewer), proposal, "approved", viewer.account_id, "", ids)
    return tuple([await get_decision(tx, viewer, decision_id) for decision_id in ids])


async def _approve_undo(
    tx: Tx, settings: Settings, viewer: Viewer, proposal: Proposal, proposer: AccountView
) -> tuple[DecisionView, ...]:
    assert proposal.reverses_id is not None
    await check_rank(tx, viewer, proposal.account_id)
    by = Viewer(account_id=proposer.id, username=proposer.username, role=proposer.role)
    said = proposal.decisions[0].reasons if proposal.decisions else ""
    ids = await _reverse_all(tx, settings, by, proposal.reverses_id, said, viewer.account_id)
    await _end(tx, human(viewer), proposal, "approved", viewer.account_id, "", ids)
    return tuple([await get_decision(tx, viewer, number) for number in ids])


async def _check_escalated(tx: Tx, viewer: Viewer, case_id: int | None) -> None:
    case = await cases.get_locked_case(tx, case_id) if case_id is not None else None
    if case is not None:
        check_asked(viewer, case.escalated_to)


GONE = "Whoever proposed this is not of the staff any more. Decide it anew."


async def find_stale(tx: Tx, proposal: Proposal, proposer: AccountView) -> str:
    """Why nobody can agree to a waiting proposal any more; empty: somebody can."""
    if proposer.role == "member" or proposer.state != "active":
        return GONE
    if proposal.reverses_id is not None:
        undone = (await store.list_decisions(tx, [proposal.reverses_id]))[0].reversed_by_id is not None
        return "The decision was taken back already." if undone else ""
    if proposal.copies_of_id is not None:
        repeated = (await store.list_decisions(tx, [proposal.copies_of_id]))[0]
        if repeated.reversed_by_id is not None:
            return "The decision that this repeats for copies was taken back."
    for new in proposal.decisions:
        if new.is_copy:  # what became of one of many stops nothing: see `renew_copy`
            continue
        case = await cases.get_locked_case(tx, new.case_id) if new.case_id is not None else None
        if case is not None and case.state == "closed":
            return "The case was decided otherwise meanwhile. Decide anew if it is still needed."
        try:
            check_decision(new, needs_clause=True)
        except Invalid as error:
            return f"This cannot be decided any more as it was proposed: {error.text}"
    return ""


async def end_stale(tx: Tx, proposal_id: int) -> bool:
    """End a waiting proposal that nobody can agree to any more, or that waited too long; False: it still waits."""
    if not await store_proposals.lock_proposal(tx, proposal_id):
        return False
    proposal = present_proposal((await store_proposals.list_proposals(tx, [proposal_id]))[0])
    if proposal.state != "waiting":
        return False
    proposer = (await get_account_views(tx, [proposal.proposed_by])).get(proposal.proposed_by)
    why = await find_stale(tx, proposal, proposer) if proposer is not None else GONE
    if not why and now() - proposal.created_at > WAITS:
        why = f"Nobody agreed or refused within {WAITS.days} days. Propose it again if it is still needed."
    if not why:
        return False
    await _end(tx, ME, proposal, "stale", None, why, [])
    await enqueue(tx, "mail_stale_proposal", {"proposal_id": proposal_id})
    return True


async def refuse_proposal(tx: Tx, viewer: Viewer, proposal_id: int, *, answer: str = "") -> None:
    """Do not agree; whoever proposed it may also withdraw it so. Raises NotFound, Conflict."""
    proposal = await _waiting(tx, viewer, proposal_id)
    said = answer.replace("\x00", "").strip()[:MOST_ANSWER]
    await _end(tx, human(viewer), proposal, "refused", viewer.account_id, said, [])


async def _waiting(tx: Tx, viewer: Viewer, proposal_id: int) -> Proposal:
    if not viewer.is_staff or not await store_proposals.lock_proposal(tx, proposal_id):
        raise NotFound
    proposal = await get_proposal(tx, viewer, proposal_id)
    if proposal.state != "waiting":
        raise Conflict(f"This proposal was {proposal.state} already.")
    return proposal


async def _end(
    tx: Tx, actor: Actor, proposal: Proposal, state: str, by: int | None, answer: str, decision_ids: Sequence[int]
) -> None:
    await append_event(
        tx,
        actor,
        f"proposal_{state}",
        case_id=proposal.case_id,
        subject=Subject("account", proposal.account_id),
        proposal=str(proposal.id),
    )
    await store_proposals.update_ended(tx, proposal.id, state, by, answer, decision_ids, now())
