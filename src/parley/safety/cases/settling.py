"""How subjects, reports and cases come to their end, and how they are opened again.

A report closes when all that it names is settled, a case when nothing of it waits. Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, NotFound
from parley.kit.jobs import enqueue
from parley.safety.cases import store, store_notes, store_reports, store_subjects
from parley.safety.cases.clocks import meet_subject_clocks, start_subject_clocks
from parley.safety.cases.sla import list_promises
from parley.safety.cases.states import check_transition
from parley.safety.cases.store import StateRow
from parley.safety.cases.store_subjects import SubjectRow
from parley.safety.cases.views import Settled
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Actor, Subject
from parley.screening import live_ruleset

MOST_WEIGHED = 500
"""Reports whose reporters are weighed by one job."""


async def settle_subjects(tx: Tx, actor: Actor, case_id: int, subjects: Sequence[Subject], decision_id: int) -> bool:
    """These subjects of a case are decided: their clocks are met, and reports about them closed with the outcome.

    For whoever decides, in the transaction of the decision, once its actions are stored. What the case does not have is
    passed over. True when nothing is left: then the case is closed. Raises NotFound.
    """
    case = await store.get_locked_case(tx, case_id)
    if case is None:
        raise NotFound
    named = [(subject.type, subject.id) for subject in subjects]
    rows = await store_subjects.list_named_subjects(tx, case_id, named)
    return await settle_rows(tx, actor, case, rows, "decided", decision_id)


async def settle_rows(
    tx: Tx, actor: Actor, case: StateRow, rows: Sequence[SubjectRow], how: Settled, decision_id: int | None = None
) -> bool:
    """The same for rows of a locked case; `how` they ended. The caller has appended an event."""
    ids = [row.id for row in rows]
    if ids:
        await store_subjects.update_settled(tx, ids, now(), how, decision_id)
        await meet_subject_clocks(tx, case.id, ids)
        await _close_reports(tx, case.id, ids)
    if case.state == "closed" or await store_subjects.count_waiting(tx, case.id):
        return case.state == "closed"
    check_transition(case.state, "closed")
    async with keep_cause(tx):
        decision = str(decision_id) if decision_id is not None else None
        await append_event(
            tx, actor, "case_closed", case_id=case.id, subject=Subject("account", case.account_id), decision=decision
        )
        await store.update_case_closed(tx, case.id, now())
    return True


async def _close_reports(tx: Tx, case_id: int, case_subject_ids: Sequence[int]) -> None:
    """Close those reports about these subjects of which nothing is left to decide."""
    settled = await store_reports.list_settled_reports(tx, case_id, case_subject_ids)
    moment = now()
    for outcome, ids in (
        ("acted", [one.id for one in settled if one.decided and one.acted]),
        ("not_acted", [one.id for one in settled if one.decided and not one.acted]),
        (None, [one.id for one in settled if not one.decided]),
    ):
        if ids:
            check_transition("open", "closed")
            await store_reports.update_reports_closed(tx, ids, moment, outcome)
    decided = [one.id for one in settled if one.decided]
    for first in range(0, len(decided), MOST_WEIGHED):
        await enqueue(tx, "weigh_reporters", {"report_ids": decided[first : first + MOST_WEIGHED]})


async def note_interim(tx: Tx, case_id: int, subjects: Sequence[Subject], decision_id: int | None) -> None:
    """These subjects are hidden by that decision until somebody decides (None: no longer); their promise of a first
    action, and of an interim measure, is kept. The caller has appended an event."""
    case = await store.get_locked_case(tx, case_id)
    if case is None:
        raise NotFound
    named = [(subject.type, subject.id) for subject in subjects]
    ids = [row.id for row in await store_subjects.list_named_subjects(tx, case_id, named)]
    if not ids:
        return
    await store_subjects.update_interim(tx, ids, decision_id)
    if decision_id is not None:
        await meet_subject_clocks(tx, case_id, ids, kinds=("interim", "first_action"))


async def reopen_case(tx: Tx, actor: Actor, case_id: int, *, decision_id: int | None = None, why: str) -> None:
    """What was decided (by that decision, or all of it) is to be decided again; reports about it wait again.

    Raises NotFound; Conflict when the account has another open case by now.
    """
    account_id = await store_notes.get_case_account(tx, case_id)
    if account_id is None:
        raise NotFound
    await store.lock_account_cases(tx, account_id)  # before the row, as whoever opens a case does
    case = await store.get_locked_case(tx, case_id)
    assert case is not None
    if case.state == "closed":
        check_transition(case.state, "open")
        other = await store.get_open_case(tx, case.account_id)
        if other is not None:
            raise Conflict(f"This account has another open case: {other.id}. Decide there.")
    await append_event(
        tx, actor, "case_reopened", case_id=case_id, subject=Subject("account", case.account_id), why=why
    )
    if case.state == "closed":
        await store.update_case_reopened(tx, case_id)
    ids = await store_subjects.update_unsettled(tx, case_id, decision_id)
    if ids:
        check_transition("closed", "open")
        await store_reports.update_reports_reopened(tx, case_id, ids)
        policy = live_ruleset()
        clocks = [
            (row.id, row.source, row.severity, list_promises(policy, row.source, row.severity, row.clause, calm=True))
            for row in await store_subjects.list_case_subjects(tx, case_id, 1000)
            if row.id in set(ids)
        ]
        await start_subject_clocks(tx, case_id, clocks, now())
        await store.update_case_due(tx, case_id)
    await enqueue(tx, "weigh_case", {"case_id": case_id}, dedupe_key=f"weigh_case:{case_id}")
