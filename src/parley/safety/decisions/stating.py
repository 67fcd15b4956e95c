"""Decisions about what a program has just done to posts: many at once, in the transaction of what was done.

The effect is an action of the room that owns the post, as for a verdict while somebody posts. Here comes what its
author has a right to: a decision that names clause and policy, a notice, an appeal, and a way back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.decisions import store
from parley.safety.decisions.kinds import AUTOMATIC, STATUS_STATES
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.telling import put_notice
from parley.safety.decisions.templates import choose_language, describe_subjects, texts_of
from parley.safety.decisions.views import ActionKind
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, system
from parley.screening import Ruleset, live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.events.actions import record
from parley.social.events.facts import DecisionMade
from parley.social.statuses.enforcing import lock_status
from parley.social.verdicts.reads import get_results

StatedKind = Literal["sweep", "screening", "interim"]
_SCREENED: dict[str, ActionKind] = {"limited": "limit", "hidden_interim": "hide"}
"""What screening makes of a post that is published, and the action that says so."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to one post. `before` is what reversing the action puts back; `sentence` is the judge's, for its
    author."""

    account_id: int
    kind: ActionKind
    subject: Subject
    clause: str | None
    before: dict[str, Any]
    sentence: str = ""


async def state_reasons(
    tx: Tx, settings: Settings, actor: Actor, done: Sequence[Done], *, kind: StatedKind
) -> list[int]:
    """Make a decision about each of these, with its notice; returns their ids, in order."""
    if not done:
        return []
    assert {one.kind for one in done} <= AUTOMATIC
    policy, moment = live_ruleset(), now()
    ids = await store.list_new_ids(tx, 2 * len(done))
    languages = {
        account_id: await choose_language(tx, None, account_id) for account_id in {one.account_id for one in done}
    }
    rows = [
        _row(one, decision_id, kind, policy, languages[one.account_id], moment)
        for one, decision_id in zip(done, ids[::2], strict=True)
    ]
    actions = [_action(one, row, action_id) for one, row, action_id in zip(done, rows, ids[1::2], strict=True)]
    await append_event(
        tx,
        actor,
        "decisions_made",
        kind=kind,
        policy=policy.policy_sha256,
        decisions=[
            {
                "decision": str(row.id),
                "account": str(row.account_id),
                "clause": row.clause,
                "action": f"{action.kind} {action.subject_type}:{action.subject_id}",
            }
            for row, action in zip(rows, actions, strict=True)
        ],
    )
    await store.insert_decisions(tx, rows)
    await store.insert_actions(tx, actions)
    accounts = await get_account_views(tx, list(languages))
    for row, action in zip(rows, actions, strict=True):
        account = accounts.get(row.account_id)
        if account is not None and account.is_local:
            await put_notice(tx, settings, row, [action])
        made = DecisionMade(account_id=0, decision_id=row.id, target_id=row.account_id, kind=kind, case_id=None)
        await record(tx, made)
    return [row.id for row in rows]


async def state_screening(tx: Tx, settings: Settings, status_id: int, revision: int, screening_id: int) -> int | None:
    """Make the decision about what screening has just done to a post; None where there is one, or nothing to decide.

    What was shown before it was limited or hidden is shown again when the decision is reversed.
    """
    status = await lock_status(tx, status_id)
    if status is None or status.state not in _SCREENED or status.revision != revision:
        return None
    if any(one.kind in STATUS_STATES for one in await store.list_in_force(tx, "status", status_id)):
        return None
    result = (await get_results(tx, [screening_id])).get(screening_id)
    if result is None:
        return None
    one = Done(
        account_id=status.account_id,
        kind=_SCREENED[status.state],
        subject=Subject("status", status_id, revision),
        clause=result.clause,
        before={"state": "published"},
        sentence=result.sentence,
    )
    return (await state_reasons(tx, settings, system("screening"), [one], kind="screening"))[0]


async def is_in_force(tx: Tx, decision_id: int) -> bool:
    """Whether all of a decision still is as it was made."""
    await store.lock_decision(tx, decision_id)
    return all(action.reversed_at is None for action in await store.list_actions(tx, [decision_id]))


def _row(
    one: Done, decision_id: int, kind: StatedKind, policy: Ruleset, language: str, moment: datetime
) -> DecisionRow:
    clause = policy.clauses.get(one.clause or "")
    found = str(texts_of(language)["found"]["screening" if kind == "screening" else "sweep"])
    return DecisionRow(
        id=decision_id,
        case_id=None,
        account_id=one.account_id,
        kind=kind,
        decided_by=None,
        approved_by=None,
        automated_detection=True,
        automated_decision=True,
        source="automated",
        clause=clause.id if clause else None,
        clause_title=clause.title if clause else "",
        clause_text=clause.text if clause else "",
        severity=clause.severity if clause else None,
        policy_sha256=policy.policy_sha256,
        ruleset=policy.sha256,
        facts=f"{describe_subjects(language, [one.subject])} {found}",
        reasons="" if clause else one.sentence or found,
        language=language,
        reverses_id=None,
        reversed_by_id=None,
        appeal_until=moment + timedelta(days=policy.head.clocks.appeal_open_days),
        request_key=None,
        created_at=moment,
    )


def _action(one: Done, row: DecisionRow, action_id: int) -> ActionRow:
    return ActionRow(
        id=action_id,
        decision_id=row.id,
        account_id=row.account_id,
        kind=one.kind,
        subject_type=one.subject.type,
        subject_id=one.subject.id,
        revision=one.subject.revision,
        label="",
        ends_at=None,
        before=one.before,
        applied_at=row.created_at,
        reversed_at=None,
        reversed_by_id=None,
        decision_kind=row.kind,
    )
