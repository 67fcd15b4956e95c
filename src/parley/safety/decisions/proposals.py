"""Four eyes: ending an account, and deciding about many subjects at once, takes a second member of the staff.

Nothing happens until that one agrees; then it is as if the first had decided at that moment, with both on record.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.cases import store as cases
from parley.safety.decisions import store_proposals
from parley.safety.decisions.making import Maker, check_decision, make_decision
from parley.safety.decisions.reads import get_decision, get_proposal
from parley.safety.decisions.views import DecisionView, NewDecision, Proposal
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, human
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer

RANKS = ("member", "moderator", "admin", "owner")
MOST_ANSWER = 2000


def why_second(decisions: Sequence[NewDecision]) -> str | None:
    """Why these need a second person: termination, many; None: they do not."""
    actions = [action for new in decisions for action in new.actions]
    if any(action.kind == "terminate" for action in actions):
        return "termination"
    subjects = {(action.subject.type, action.subject.id) for action in actions if action.kind != "no_action"}
    return "many" if len(subjects) > live_ruleset().head.decisions.four_eyes_over_subjects else None


async def check_rank(tx: Tx, viewer: Viewer, account_id: int) -> None:
    """Raise Forbidden unless the viewer stands above whom it is about: nobody decides about the own account, and
    members of the staff are for those above them. Raises NotFound."""
    target = (await get_account_views(tx, [account_id])).get(account_id)
    if target is None:
        raise NotFound
    if viewer.account_id == account_id:
        raise Forbidden("This is about you: somebody else has to decide.")
    if target.role != "member" and RANKS.index(target.role) >= RANKS.index(viewer.role):
        raise Forbidden("This is about a member of the staff of your rank or above: somebody above them has to decide.")


async def propose(tx: Tx, viewer: Viewer, decisions: Sequence[NewDecision], why: str) -> Proposal:
    """Keep checked decisions until a second person agrees."""
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
    )
    await enqueue(tx, "mail_proposal", {"proposal_id": proposal_id})
    return await get_proposal(tx, viewer, proposal_id)


async def approve_proposal(tx: Tx, settings: Settings, viewer: Viewer, proposal_id: int) -> tuple[DecisionView, ...]:
    """Agree to what somebody else proposed: it is decided now. Raises NotFound, Forbidden for one's own, Conflict."""
    proposal = await _waiting(tx, viewer, proposal_id)
    if proposal.proposed_by == viewer.account_id:
        raise Forbidden("You proposed this yourself: somebody else has to agree.")
    proposer = (await get_account_views(tx, [proposal.proposed_by])).get(proposal.proposed_by)
    if proposer is None or proposer.role == "member" or proposer.state != "active":
        raise Conflict("Whoever proposed this is not of the staff any more. Decide it anew.")
    checked = []
    for new in proposal.decisions:
        await check_rank(tx, viewer, new.account_id)
        case = await cases.get_locked_case(tx, new.case_id) if new.case_id is not None else None
        if case is not None and case.state == "closed":
            raise Conflict("The case was decided otherwise meanwhile. Refuse this proposal, and decide anew.")
        if case is not None and case.escalated_to in ("admin", "owner") and not viewer.runs_instance:
            raise Forbidden(f"This case was escalated to {case.escalated_to}, who alone agrees to it.")
        try:
            checked.append(check_decision(new, needs_clause=True))
        except Invalid as error:
            raise Conflict(f"This cannot be decided any more as it was proposed: {error.text}") from error
    actor = Actor("human", proposal.proposed_by, proposer.username)
    maker = Maker(actor=actor, kind="decision", by=proposal.proposed_by, approved_by=viewer.account_id)
    ids = [await make_decision(tx, settings, maker, new) for new in checked]
    await _end(tx, viewer, proposal, "approved", "", ids)
    return tuple([await get_decision(tx, viewer, decision_id) for decision_id in ids])


async def refuse_proposal(tx: Tx, viewer: Viewer, proposal_id: int, *, answer: str = "") -> None:
    """Do not agree; whoever proposed it may also withdraw it so. Raises NotFound, Conflict."""
    proposal = await _waiting(tx, viewer, proposal_id)
    said = answer.replace("\x00", "").strip()[:MOST_ANSWER]
    await _end(tx, viewer, proposal, "refused", said, [])


async def _waiting(tx: Tx, viewer: Viewer, proposal_id: int) -> Proposal:
    if not viewer.is_staff or not await store_proposals.lock_proposal(tx, proposal_id):
        raise NotFound
    proposal = await get_proposal(tx, viewer, proposal_id)
    if proposal.state != "waiting":
        raise Conflict(f"This proposal was {proposal.state} already.")
    return proposal


async def _end(
    tx: Tx, viewer: Viewer, proposal: Proposal, state: str, answer: str, decision_ids: Sequence[int]
) -> None:
    await append_event(
        tx,
        human(viewer),
        f"proposal_{state}",
        case_id=proposal.case_id,
        subject=Subject("account", proposal.account_id),
        proposal=str(proposal.id),
    )
    await store_proposals.update_ended(tx, proposal.id, state, viewer.account_id, answer, decision_ids, now())
