"""Taking decisions back: undone by who made them, overturned by an appeal, or ended by themselves.

Everything is put back as it was found; strikes are refunded, the author is told, the judge learns of its mistake. An
action that merely came to its end leaves the decision, and its strike, as they are.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Forbidden, NotFound
from parley.kit.settings import Settings
from parley.safety.cases import store as cases
from parley.safety.cases.actions import open_case, reopen_case
from parley.safety.cases.views import NewSubject, Source
from parley.safety.decisions import store, store_copies
from parley.safety.decisions.effects import restore_again, restore_ended, reverse_action
from parley.safety.decisions.kinds import GENTLE
from parley.safety.decisions.making import MOST_CHARACTERS
from parley.safety.decisions.ranks import check_rank
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.strikes import refund_strikes
from parley.safety.decisions.telling import tell_author
from parley.safety.decisions.views import ReversalKind
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject
from parley.screening import Outcome, live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import DecisionMade, DecisionReversed
from parley.social.verdicts.labels import record_label

REVERSIBLE = frozenset({"decision", "interim", "jury", "sweep", "screening"})
"""Kinds of decisions that can be taken back; the others only take back."""


async def reverse_decision(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    decision_id: int,
    *,
    kind: ReversalKind,
    reasons: str = "",
    viewer: Viewer | None = None,
    only: Collection[int] | None = None,
    approved_by: int | None = None,
) -> int:
    """Take a decision back, by a decision of its own; returns that one's id.

    `viewer` is the member of the staff who does it, None for a clock or a jury: undoing is for whoever decided or
    agreed, and for those who run the instance. What two people decided is undone by two: `approved_by` is the second.
    `only` are actions that came to their end, for `expiry`. Asking again gives the same answer. Raises NotFound,
    Forbidden, Conflict.
    """
    for known in await store.list_decisions(tx, [decision_id]):
        if known.case_id is not None:  # before anything that it is about, as everywhere
            await cases.get_locked_case(tx, known.case_id)
    if not await store.lock_decision(tx, decision_id):
        raise NotFound
    row = (await store.list_decisions(tx, [decision_id]))[0]
    actions = await store.list_actions(tx, [decision_id])
    if viewer is not None:
        await _check_viewer(tx, viewer, row, kind)
    if row.reversed_by_id is not None and kind != "expiry":
        return await _same_again(tx, row, kind)
    takes_two = kind == "undo" and viewer is not None and row.approved_by is not None and settings.four_eyes
    if takes_two and (viewer is None or approved_by in (None, viewer.account_id)):
        raise Forbidden("Two people decided this: it takes two to undo it. Propose it, and somebody else agrees.")
    if row.kind not in REVERSIBLE:
        raise Conflict("This took something back itself. Decide anew instead.")
    ended = [one for one in actions if one.reversed_at is None and (only is None or one.id in only)]
    if kind == "expiry" and not ended:
        raise Conflict("Nothing of this decision has to end now.")
    by, moment = viewer.account_id if viewer else None, now()
    reversal_id = await get_new_id(tx)
    await append_event(
        tx,
        actor,
        "decision_ended" if kind == "expiry" else "decision_reversed",
        case_id=row.case_id,
        subject=Subject("account", row.account_id),
        decision=str(decision_id),
        by_decision=str(reversal_id),
        kind=kind,
        actions=[f"{one.kind} {one.subject_type}:{one.subject_id}" for one in ended],
        **({"approved_by": str(approved_by)} if approved_by is not None else {}),
    )
    made = _row(row, reversal_id, kind, by, reasons, moment)
    await store.insert_decision(tx, msgspec.structs.replace(made, approved_by=approved_by))
    for action in reversed(ended):
        await reverse_action(tx, action, kind=kind, by=by)
        await store.update_action_reversed(tx, action.id, moment, reversal_id)
    if kind != "expiry":
        await _take_back(tx, settings, actor, row, actions, reversal_id, kind, by)
    await tell_author(tx, settings, reversal_id, ended=tuple(ended) if kind == "expiry" else ())
    await _record(tx, row, reversal_id, kind, by)
    return reversal_id


async def overturn_copies(
    tx: Tx, settings: Settings, actor: Actor, decision_id: int, *, viewer: Viewer | None
) -> list[int]:
    """After an appeal overturned a decision: overturn what repeated it for copies, too; ids of the reversals.

    What was no breach of one is none of the others, whose authors need not appeal. Copies by people about whom the
    viewer may not decide stay; their authors can appeal.
    """
    made = []
    for number in await store_copies.list_copies_in_force(tx, decision_id):
        row = (await store.list_decisions(tx, [number]))[0]
        if viewer is not None:
            try:
                await check_rank(tx, viewer, row.account_id)
            except (Forbidden, NotFound):
                continue
        made.append(await reverse_decision(tx, settings, actor, number, kind="appeal", viewer=viewer))
    return made


async def check_may_undo(tx: Tx, viewer: Viewer, decision_id: int) -> DecisionRow:
    """The decision, if the viewer may take it back. Raises NotFound, Forbidden, Conflict."""
    rows = await store.list_decisions(tx, [decision_id]) if viewer.is_staff else []
    if not rows:
        raise NotFound
    await _check_viewer(tx, viewer, rows[0], "undo")
    if rows[0].kind not in REVERSIBLE:
        raise Conflict("This took something back itself. Decide anew instead.")
    return rows[0]


async def _check_viewer(tx: Tx, viewer: Viewer, row: DecisionRow, kind: ReversalKind) -> None:
    if not viewer.is_staff:
        raise NotFound
    await check_rank(tx, viewer, row.account_id)
    own = viewer.account_id in (row.decided_by, row.approved_by)
    if kind == "undo" and not (own or viewer.runs_instance or row.automated_decision):
        raise Forbidden("Somebody else decided this. Ask them to undo it, or an admin.")


async def _same_again(tx: Tx, row: DecisionRow, kind: ReversalKind) -> int:
    assert row.reversed_by_id is not None
    earlier = (await store.list_decisions(tx, [row.reversed_by_id]))[0]
    if earlier.kind != kind:
        raise Conflict("This decision was taken back already.")
    return earlier.id


def _row(
    row: DecisionRow, reversal_id: int, kind: ReversalKind, by: int | None, reasons: str, moment: datetime
) -> DecisionRow:
    policy = live_ruleset()
    return msgspec.structs.replace(
        row,
        id=reversal_id,
        kind=kind,
        decided_by=by,
        approved_by=None,
        automated_detection=False,
        automated_decision=kind == "expiry",
        policy_sha256=policy.policy_sha256,
        ruleset=policy.sha256,
        facts="",
        reasons=reasons.replace("\x00", "").strip()[:MOST_CHARACTERS],
        reverses_id=row.id,
        reversed_by_id=None,
        appeal_until=moment + timedelta(days=policy.head.clocks.appeal_open_days),
        request_key=None,
        created_at=moment,
    )


async def _take_back(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    row: DecisionRow,
    actions: list[ActionRow],
    reversal_id: int,
    kind: ReversalKind,
    by: int | None,
) -> None:
    """What undoing and overturning do besides restoring: refund, let the judge learn, put the case back."""
    await store.update_reversed(tx, row.id, reversal_id)
    await refund_strikes(tx, row.account_id, row.id, now())
    if kind == "appeal":
        for action in actions:
            if action.reversed_at is not None:
                await restore_ended(tx, action)
        await _tell_judge(tx, actions, by)
        return
    for action in await store.list_reversed_by(tx, row.id):  # what machines had done until then is in force again
        await store.update_action_in_force(tx, action.id)
        await restore_again(tx, action)
    await store.update_not_reversed(tx, row.id)
    if row.case_id is not None and row.kind in ("decision", "jury"):
        await _put_back(tx, settings, actor, row, actions)


async def _tell_judge(tx: Tx, actions: list[ActionRow], by: int | None) -> None:
    """What was found to be wrong by mistake is a false positive."""
    wrong = {
        (action.subject_type, action.subject_id, action.revision)
        for action in actions
        if action.subject_type in ("status", "profile") and action.revision is not None and action.kind not in GENTLE
    }
    for subject_type, subject_id, revision in sorted(wrong):
        assert revision is not None
        key = (subject_type, subject_id, revision)
        await record_label(tx, key, Outcome.ALLOW, clause=None, source="appeal", by=by)


async def _put_back(tx: Tx, settings: Settings, actor: Actor, row: DecisionRow, actions: list[ActionRow]) -> None:
    """What is undone waits for a decision again: in its case, or in the account's newer one."""
    assert row.case_id is not None
    try:
        await reopen_case(tx, actor, row.case_id, decision_id=row.id, why="undone")
    except Conflict:
        subjects = [
            NewSubject(type=one.subject_type, id=one.subject_id, revision=one.revision, clause=row.clause)  # type: ignore[arg-type]
            for one in actions
        ]
        source: Source = row.source  # type: ignore[assignment]
        await open_case(tx, settings, actor, row.account_id, subjects, source=source)


async def _record(tx: Tx, row: DecisionRow, reversal_id: int, kind: ReversalKind, by: int | None) -> None:
    if kind == "expiry":
        await record(
            tx,
            DecisionMade(
                account_id=by or 0, decision_id=reversal_id, target_id=row.account_id, kind=kind, case_id=row.case_id
            ),
        )
        return
    await record(
        tx,
        DecisionReversed(account_id=by or 0, decision_id=row.id, by_decision_id=reversal_id, target_id=row.account_id),
    )
