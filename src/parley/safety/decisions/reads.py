"""What may be seen of decisions: by the staff everything, by whom they are about what concerns them. A fixed number of
queries each. Moderators are never named to anybody else."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.paging import Page
from parley.safety.cases.reads import get_case
from parley.safety.cases.views import CaseView
from parley.safety.decisions import store, store_proposals, store_told
from parley.safety.decisions.linking import list_linked
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.suggesting import make_suggestions
from parley.safety.decisions.telling import is_silent
from parley.safety.decisions.templates import choose_language
from parley.safety.decisions.views import (
    ActionView,
    DecisionView,
    HistoryView,
    NewDecision,
    Proposal,
    RestrictionView,
    StrikeView,
    Suggestion,
    Suggestions,
    ToldReport,
)
from parley.safety.log.views import Subject
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.restrictions import list_restrictions
from parley.social.accounts.views import AccountView, Viewer

MOST_DECISIONS = 100
MOST_STRIKES = 100
MOST_PROPOSALS = 200


async def get_decision(tx: Tx, viewer: Viewer, decision_id: int) -> DecisionView:
    """A decision, for the staff whole, for whom it is about without names. Raises NotFound for everybody else, and
    where its author was not told of it because nothing was done. At most five queries."""
    rows = await store.list_decisions(tx, [decision_id])
    if not rows or not (viewer.is_staff or viewer.account_id == rows[0].account_id):
        raise NotFound
    for_author = not viewer.is_staff or viewer.account_id == rows[0].account_id
    views = await _present(tx, rows, for_author=for_author)
    if not views:
        raise NotFound
    return views[0]


async def list_decisions_about(
    tx: Tx, viewer: Viewer, account_id: int, *, page: Page | None = None
) -> list[DecisionView]:
    """Decisions about an account, the newest first, for the staff. Raises NotFound."""
    if not viewer.is_staff:
        raise NotFound
    page = page or Page(limit=20)
    ids = await store.list_about(tx, account_id, page.below, min(page.limit, MOST_DECISIONS))
    return await _present(tx, await store.list_decisions(tx, ids), for_author=viewer.account_id == account_id)


async def list_case_decisions(tx: Tx, viewer: Viewer, case_id: int) -> list[DecisionView]:
    """Decisions in a case, the newest first, for the staff. Raises NotFound."""
    if not viewer.is_staff:
        raise NotFound
    ids = await store.list_of_case(tx, case_id, MOST_DECISIONS)
    return await _present(tx, await store.list_decisions(tx, ids), for_author=False)


async def list_my_decisions(tx: Tx, viewer: Viewer, *, page: Page | None = None) -> list[DecisionView]:
    """Decisions about the viewer's own account, the newest first, as the viewer was told of them."""
    page = page or Page(limit=20)
    ids = await store.list_about(tx, viewer.account_id, page.below, min(page.limit, MOST_DECISIONS))
    return await _present(tx, await store.list_decisions(tx, ids), for_author=True)


async def _present(tx: Tx, rows: Sequence[DecisionRow], *, for_author: bool) -> list[DecisionView]:
    if not rows:
        return []
    actions: dict[int, list[ActionRow]] = {row.id: [] for row in rows}
    named = [row.id for row in rows]
    for action in await store.list_actions(tx, named):
        actions[action.decision_id].append(action)
    weights = await store.list_weights(tx, named)
    people = {id_ for row in rows for id_ in (row.account_id, row.decided_by, row.approved_by) if id_ is not None}
    accounts = await get_account_views(tx, people)
    return [
        _view(row, actions[row.id], weights.get(row.id, 0), accounts, for_author=for_author)
        for row in rows
        if row.account_id in accounts and not (for_author and _is_untold(row, actions[row.id]))
    ]


def _is_untold(row: DecisionRow, actions: list[ActionRow]) -> bool:
    """Whether its author was told nothing of it."""
    return row.reverses_id is None and is_silent(row, actions)


def _view(
    row: DecisionRow,
    actions: Sequence[ActionRow],
    weight: int,
    accounts: dict[int, AccountView],
    *,
    for_author: bool,
) -> DecisionView:
    return DecisionView(
        id=row.id,
        case_id=None if for_author else row.case_id,
        account=accounts[row.account_id],
        kind=row.kind,
        decided_by=None if for_author else accounts.get(row.decided_by or 0),
        approved_by=None if for_author else accounts.get(row.approved_by or 0),
        automated_detection=row.automated_detection,
        automated_decision=row.automated_decision,
        source=row.source,
        clause=row.clause,
        clause_title=row.clause_title,
        clause_text=row.clause_text,
        severity=row.severity,
        policy_sha256=row.policy_sha256,
        ruleset=row.ruleset,
        facts=row.facts,
        reasons=row.reasons,
        language=row.language,
        actions=tuple(_action(action) for action in actions),
        strikes=weight,
        reverses_id=row.reverses_id,
        reversed_by_id=row.reversed_by_id,
        created_at=row.created_at,
        appeal_until=row.appeal_until,
        for_author=for_author,
    )


def _action(row: ActionRow) -> ActionView:
    return ActionView(
        id=row.id,
        kind=row.kind,
        subject=Subject(row.subject_type, row.subject_id, row.revision),  # type: ignore[arg-type]
        ends_at=row.ends_at,
        applied_at=row.applied_at,
        reversed_at=row.reversed_at,
        label=row.label,
    )


async def get_history(tx: Tx, viewer: Viewer, account_id: int) -> HistoryView:
    """What is known of an account's conduct, for the staff. Raises NotFound. At most twelve queries."""
    if not viewer.is_staff:
        raise NotFound
    account = (await get_account_views(tx, [account_id])).get(account_id)
    if account is None:
        raise NotFound
    _, weight = await store.count_strikes(tx, account_id, now())
    strikes = await store.list_strikes(tx, account_id, MOST_STRIKES)
    restrictions = await list_restrictions(tx, account_id)
    return HistoryView(
        account=account,
        weight=weight,
        strikes=tuple(
            StrikeView(
                id=one.id,
                decision_id=one.decision_id,
                clause=one.clause,
                weight=one.weight,
                created_at=one.created_at,
                expires_at=one.expires_at,
                refunded_at=one.refunded_at,
            )
            for one in strikes
        ),
        restrictions=tuple(
            RestrictionView(kind=one.kind, clause=one.clause, decision_id=one.decision_id, until=one.until)
            for one in restrictions
        ),
        decisions=tuple(await list_decisions_about(tx, viewer, account_id)),
        linked=tuple(await list_linked(tx, viewer, account_id)),
    )


async def list_suggestions(tx: Tx, viewer: Viewer, view: CaseView, history: HistoryView) -> Suggestions:
    """What the policy offers for a case that the viewer has read already; one query. Raises NotFound."""
    if not viewer.is_staff:
        raise NotFound
    language = await choose_language(tx, None, view.case.account.id)
    return make_suggestions(live_ruleset(), view, history.weight, language)


async def suggest(tx: Tx, viewer: Viewer, case_id: int) -> Suggestion:
    """Clause and action by the policy's ladder, for a case. Raises NotFound."""
    view = await get_case(tx, viewer, case_id)
    history = await get_history(tx, viewer, view.case.account.id)
    return (await list_suggestions(tx, viewer, view, history)).best


async def list_report_outcomes(tx: Tx, viewer: Viewer, *, page: Page | None = None) -> list[ToldReport]:
    """What came of the viewer's own reports, the newest first; two queries and one for the accounts."""
    page = page or Page(limit=20)
    rows = await store_told.list_outcomes(tx, viewer.account_id, page.below, min(page.limit, MOST_DECISIONS))
    until = {row.id: row.appeal_until for row in await store.list_decisions(tx, [row.decision_id for row in rows])}
    accounts = await get_account_views(tx, [row.target_id for row in rows])
    return [
        ToldReport(
            report_id=row.report_id,
            target=accounts[row.target_id],
            outcome=row.outcome,
            decision_id=row.decision_id,
            decided_at=row.closed_at,
            contest_until=until[row.decision_id],
        )
        for row in rows
        if row.target_id in accounts and row.decision_id in until
    ]


async def get_proposal(tx: Tx, viewer: Viewer, proposal_id: int) -> Proposal:
    """A decision that waits (or waited) for a second person, for the staff. Raises NotFound."""
    rows = await store_proposals.list_proposals(tx, [proposal_id]) if viewer.is_staff else []
    if not rows or _is_about(present_proposal(rows[0]), viewer):
        raise NotFound
    return present_proposal(rows[0])


async def list_proposals(tx: Tx, viewer: Viewer, *, case_id: int | None = None) -> list[Proposal]:
    """What waits for a second person (in one case, or anywhere), the oldest first. Raises NotFound. Two queries."""
    if not viewer.is_staff:
        raise NotFound
    if case_id is not None:
        ids = await store_proposals.list_waiting_in(tx, case_id)
    else:
        ids = await store_proposals.list_waiting(tx, MOST_PROPOSALS)
    return [
        proposal
        for proposal in map(present_proposal, await store_proposals.list_proposals(tx, ids))
        if not _is_about(proposal, viewer)
    ]


def _is_about(proposal: Proposal, viewer: Viewer) -> bool:
    """Whether it is about the viewer, who then neither answers it nor reads it."""
    return viewer.account_id in {proposal.account_id, *(new.account_id for new in proposal.decisions)}


def present_proposal(row: store_proposals.ProposalRow) -> Proposal:
    """A stored proposal as the staff see it."""
    return Proposal(
        id=row.id,
        case_id=row.case_id,
        account_id=row.account_id,
        why=row.why,
        state=row.state,
        decisions=tuple(msgspec.convert(row.decisions, list[NewDecision])),
        proposed_by=row.proposed_by,
        answered_by=row.answered_by,
        answer=row.answer,
        decision_ids=tuple(row.decision_ids),
        created_at=row.created_at,
        ended_at=row.ended_at,
        reverses_id=row.reverses_id,
        copies_of_id=row.copies_of_id,
    )
