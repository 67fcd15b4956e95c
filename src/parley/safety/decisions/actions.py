"""Who may decide what: people of the staff, machines within limits, and taking decisions back.

What a decision does is made in `making.py`; what waits for a second person stands in `proposals.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.cases import store as cases
from parley.safety.cases import store_subjects as case_subjects
from parley.safety.decisions import store, store_proposals
from parley.safety.decisions.copying import compose_copies, repeat, without_done
from parley.safety.decisions.kinds import AUTOMATIC
from parley.safety.decisions.making import Maker, check_decision, make_decision
from parley.safety.decisions.proposals import approve_proposal as approve_proposal
from parley.safety.decisions.proposals import make_copy, propose, why_second
from parley.safety.decisions.proposals import refuse_proposal as refuse_proposal
from parley.safety.decisions.proposals import undo_decision as undo_decision
from parley.safety.decisions.ranks import check_asked, check_rank
from parley.safety.decisions.reads import get_decision, get_proposal
from parley.safety.decisions.reversing import reverse_decision as reverse_decision
from parley.safety.decisions.views import AutomaticKind, DecisionView, NewDecision, Proposal
from parley.safety.log.views import Actor, Subject, human
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer

NOT_BY_JURY = frozenset({"terminate", "suspend", "freeze"})


async def decide(
    tx: Tx, settings: Settings, viewer: Viewer, new: NewDecision, *, copies: Sequence[Subject] = ()
) -> DecisionView | Proposal:
    """Decide about subjects of one account; gives a Proposal where a second member of the staff must agree first.

    `copies` are posts of anybody that say what one of the subjects says: the same is done to them. They are part of the
    Proposal where there is one; where they alone are too many, they wait (`get_copies`) while the rest is done.

    A request with the same `key` gives what the first one made. Raises NotFound for whoever is not staff and for what
    there is not; Forbidden for one's own account and for people of one's own rank; Conflict while somebody else works
    on the case, when it is closed, and when what waits was changed meanwhile; Invalid for what makes no sense.
    """
    if not viewer.is_staff:
        raise NotFound
    new = check_decision(new, needs_clause=True)
    if (earlier := await _get_earlier(tx, viewer, new.key)) is not None:
        return earlier
    await check_rank(tx, viewer, new.account_id)
    new = await _in_case(tx, viewer, new)
    if await without_done(tx, new) is None:
        raise Conflict("All of this has been done already, and is in force.")
    why = why_second([new])
    if why is not None and settings.four_eyes:
        also = await _find_copies(tx, viewer, new, copies) if copies else []
        return await propose(tx, viewer, [new, *also], why)
    maker = Maker(actor=human(viewer), kind="decision", by=viewer.account_id, alone=why is not None)
    decision_id = await make_decision(tx, settings, maker, new)
    if copies and (also := await _find_copies(tx, viewer, new, copies)):
        await _do_copies(tx, settings, viewer, decision_id, also)
    return await get_decision(tx, viewer, decision_id)


async def decide_copies(
    tx: Tx, settings: Settings, viewer: Viewer, decision_id: int, subjects: Sequence[Subject]
) -> list[DecisionView] | Proposal:
    """Do the same to copies of what a decision was about: one decision for each account that posted some.

    The copies get what was done to a status by that decision; nothing is done to their accounts but the strike that
    the clause gives. Above the policy's number of subjects, and for what needs it anyway, a second member of the staff
    agrees first. Raises NotFound, Forbidden, Conflict, Invalid.
    """
    original = await get_decision(tx, viewer, decision_id)
    if not viewer.is_staff:
        raise NotFound
    if original.reversed_by_id is not None:
        raise Conflict("This decision was taken back, so it cannot be repeated for copies.")
    made = await _find_copies(tx, viewer, repeat(original), subjects)
    if not made:
        raise Conflict("The same has been done to all of these copies already.")
    return await _do_copies(tx, settings, viewer, decision_id, made)


async def _find_copies(tx: Tx, viewer: Viewer, first: NewDecision, subjects: Sequence[Subject]) -> list[NewDecision]:
    """What is left to decide about copies, each in the case that it belongs to."""
    composed = [await _in_case(tx, viewer, new) for new in await compose_copies(tx, viewer, first, subjects)]
    return [left for new in composed if (left := await without_done(tx, new)) is not None]


async def _do_copies(
    tx: Tx, settings: Settings, viewer: Viewer, decision_id: int, made: Sequence[NewDecision]
) -> list[DecisionView] | Proposal:
    why = why_second(made)
    if why is not None and settings.four_eyes:
        return await propose(tx, viewer, made, why, copies_of_id=decision_id)
    maker = Maker(actor=human(viewer), kind="decision", by=viewer.account_id, alone=why is not None)
    return [
        await get_decision(tx, viewer, await make_copy(tx, settings, maker, new, copy_of_id=decision_id))
        for new in made
    ]


async def decide_automatically(
    tx: Tx, settings: Settings, actor: Actor, new: NewDecision, *, kind: AutomaticKind
) -> int:
    """Decide without a member of the staff; returns the decision's id.

    A jury may do what moderators may, but for what shuts an account. A machine may only do what one person's word takes
    back: hide, limit, label, mark, lock away. What machines have in force already is not done twice: asking again gives
    that decision. Raises NotFound, Invalid.
    """
    new = check_decision(new, needs_clause=kind == "jury")
    kinds = {action.kind for action in new.actions}
    if kind == "jury":
        if kinds & NOT_BY_JURY:
            raise Invalid("A jury does not shut accounts. Put it before the moderators.")
    elif not kinds <= AUTOMATIC:
        raise Invalid(f"Only people may {', '.join(sorted(kinds - AUTOMATIC))}.")
    else:
        if new.case_id is not None:  # before the key, as whoever holds the case already: no two wait for each other
            await cases.get_locked_case(tx, new.case_id)
        await store.lock_key(tx, f"automatic:{new.account_id}")
        new, earlier = await _leave_out_done(tx, new)
        if earlier is not None:
            return earlier
    return await make_decision(tx, settings, Maker(actor=actor, kind=kind), new)


async def _leave_out_done(tx: Tx, new: NewDecision) -> tuple[NewDecision, int | None]:
    """Without what is in force already; the decision that did it when nothing else is left."""
    named = [(action.subject.type, action.subject.id) for action in new.actions]
    found = {(one.subject_type, one.subject_id, one.kind): one for one in await store.list_automatic(tx, named)}
    keys = [(action.subject.type, action.subject.id, action.kind) for action in new.actions]
    left = tuple(action for action, key in zip(new.actions, keys, strict=True) if key not in found)
    if not left:
        return new, found[keys[0]].decision_id
    return msgspec.structs.replace(new, actions=left), None


async def _get_earlier(tx: Tx, viewer: Viewer, key: str | None) -> DecisionView | Proposal | None:
    """What a request with the same key has made; two at the same time go one after the other."""
    if not key:
        return None
    await store.lock_key(tx, f"{viewer.account_id}:{key}")
    decision_id = await store.get_by_key(tx, viewer.account_id, key)
    if decision_id is not None:
        return await get_decision(tx, viewer, decision_id)
    proposal_id = await store_proposals.get_by_key(tx, viewer.account_id, key)
    return await get_proposal(tx, viewer, proposal_id) if proposal_id is not None else None


async def _in_case(tx: Tx, viewer: Viewer, new: NewDecision) -> NewDecision:
    """The decision as part of the case that it belongs to: locked, open, and nobody else's now.

    Without one, the account's open case is taken if what is decided about stands in it.
    """
    if new.case_id is None:
        found = await cases.get_open_case(tx, new.account_id)
        named = [(action.subject.type, action.subject.id) for action in new.actions]
        if found is None or not await case_subjects.list_named_subjects(tx, found.id, named):
            await store.lock_key(tx, f"decide:{new.account_id}")  # as a case is: two go one after the other
            return new
        new = msgspec.structs.replace(new, case_id=found.id)
    assert new.case_id is not None
    case = await cases.get_locked_case(tx, new.case_id)
    if case is None or case.account_id != new.account_id:
        raise NotFound
    if case.state == "closed":
        raise Conflict("This case is closed: everything in it is decided. Undo a decision, or decide without the case.")
    busy = case.assigned_to not in (None, viewer.account_id) and case.leased_until and case.leased_until > now()
    if busy and case.assigned_to is not None:
        who = (await get_account_views(tx, [case.assigned_to])).get(case.assigned_to)
        name = f"@{who.username}" if who else "Somebody else"
        raise Conflict(f"{name} works on this case until {case.leased_until:%H:%M} UTC. Take another one, or wait.")
    check_asked(viewer, case.escalated_to)
    return new
