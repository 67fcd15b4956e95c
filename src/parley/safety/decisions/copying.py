"""Copies: doing to posts that say the same what was decided about one of them, a decision for each account.

Such decisions know which one they repeat (`decision_copies`): what is undone is undone for the copies too.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.safety.cases import store as cases
from parley.safety.decisions import store, store_copies, store_proposals
from parley.safety.decisions.kinds import DONE_ONCE
from parley.safety.decisions.making import check_decision
from parley.safety.decisions.ranks import check_rank
from parley.safety.decisions.views import Copies, DecisionView, NewAction, NewDecision
from parley.safety.log.views import Subject
from parley.social.accounts.views import Viewer
from parley.social.statuses.reads import list_authors


async def compose_copies(tx: Tx, viewer: Viewer, first: NewDecision, subjects: Sequence[Subject]) -> list[NewDecision]:
    """What is to be decided about copies of what `first` is about: the same, for each account that posted some.

    They get what is done to a status by `first`; nothing is done to their accounts but the strike that the clause
    gives. Raises NotFound for posts that are not there, Forbidden for those of people of the viewer's rank, Invalid.
    """
    like = next((action for action in first.actions if action.subject.type == "status"), None)
    if like is None or not subjects:
        raise Invalid("Choose copies of a post that this decision is about.")
    if any(subject.type != "status" for subject in subjects):
        raise Invalid("Copies are posts.")
    authors = await list_authors(tx, [subject.id for subject in subjects])
    by_account: dict[int, list[Subject]] = {}
    for subject in dict.fromkeys(subjects):
        if subject.id not in authors:
            raise NotFound
        by_account.setdefault(authors[subject.id], []).append(subject)
    made = []
    for account_id, copies in sorted(by_account.items()):
        await check_rank(tx, viewer, account_id)
        new = NewDecision(
            account_id=account_id,
            actions=tuple(msgspec.structs.replace(like, subject=copy) for copy in copies),
            clause=first.clause,
            facts=first.facts,
            reasons=first.reasons,
            source=first.source,
            automated_detection=True,
            is_copy=True,
        )
        made.append(check_decision(new, needs_clause=True))
    return made


def repeat(decision: DecisionView) -> NewDecision:
    """A decision that was made, as something to be decided."""
    return NewDecision(
        account_id=decision.account.id,
        actions=tuple(
            NewAction(
                one.kind,  # type: ignore[arg-type]
                one.subject,
                (one.ends_at - one.applied_at).total_seconds() / 3600 if one.ends_at else None,
                one.label,
            )
            for one in decision.actions
        ),
        clause=decision.clause,
        facts=decision.facts,
        reasons=decision.reasons,
        source=decision.source,
    )


async def without_done(tx: Tx, new: NewDecision) -> NewDecision | None:
    """Without what people have done already; None when nothing is left. What stands in a case is decided there anyway:
    it has to come to its end."""
    if new.case_id is not None:
        return new
    asked = [action for action in new.actions if action.kind in DONE_ONCE and action.hours is None]
    if not asked:
        return new
    found = await store.list_lasting(tx, [(action.subject.type, action.subject.id) for action in asked])
    done = {action for action in asked if (action.subject.type, action.subject.id, action.kind) in found}
    left = tuple(action for action in new.actions if action not in done)
    return msgspec.structs.replace(new, actions=left) if left else None


async def renew_copy(tx: Tx, new: NewDecision) -> NewDecision | None:
    """What is left of a decision about copies that has waited: one author's closed case, and what was done meanwhile,
    do not stop the rest. None when nothing is."""
    if new.case_id is not None:
        case = await cases.get_locked_case(tx, new.case_id)
        if case is None or case.state == "closed":
            new = msgspec.structs.replace(new, case_id=None)
    return await without_done(tx, new)


async def get_copies(tx: Tx, viewer: Viewer, decision_id: int) -> Copies:
    """What was decided about copies along with a decision, and what waits, for the staff. Raises NotFound."""
    if not viewer.is_staff:
        raise NotFound
    waiting = await store_proposals.list_proposals(tx, await store_copies.list_waiting_copies(tx, decision_id))
    return Copies(
        copy_of_id=await store_copies.get_copy_of(tx, decision_id),
        decisions=tuple(await store_copies.list_copies_in_force(tx, decision_id)),
        subjects=await store_copies.count_copy_subjects(tx, decision_id),
        waiting=sum(len(new["actions"]) for row in waiting for new in row.decisions),
    )
