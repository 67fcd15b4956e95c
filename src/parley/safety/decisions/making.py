"""How a decision comes about: evidence, entry in the log, row, effects, strikes, notice, labels; one transaction.

Every decision is made here, whoever makes it; who may make which stands in `actions.py` and `proposals.py`. If any
step fails, nothing of it has happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.cases import store as cases
from parley.safety.cases import store_subjects as case_subjects
from parley.safety.cases.actions import note_interim, settle_subjects
from parley.safety.decisions import store
from parley.safety.decisions.effects import Applied, Ground, apply_action, reverse_action
from parley.safety.decisions.kinds import DONE_ONCE, GENTLE, REMOVALS, WITHOUT_STRIKE, check_action, outcome_of
from parley.safety.decisions.store import ActionRow, DecisionRow
from parley.safety.decisions.strikes import give_strike
from parley.safety.decisions.telling import tell_author
from parley.safety.decisions.templates import choose_language
from parley.safety.decisions.views import DecisionKind, NewAction, NewDecision
from parley.safety.evidence.actions import capture_all
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject
from parley.screening import Outcome, Ruleset, live_ruleset
from parley.screening.ruleset import Clause
from parley.social.accounts.reads import get_account_views
from parley.social.events.actions import record
from parley.social.events.facts import DecisionMade
from parley.social.statuses.copies import mark_removed
from parley.social.verdicts.labels import record_label

MOST_CHARACTERS = 5000
MOST_ACTIONS = 1000
AUTOMATED: frozenset[str] = frozenset({"interim", "screening", "sweep", "expiry"})
"""Kinds of decisions that no person makes."""


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Who makes a decision of which kind. `by` and `approved_by` are people of the staff; `alone`: a second one would
    have been needed, but this instance does without."""

    actor: Actor
    kind: DecisionKind
    by: int | None = None
    approved_by: int | None = None
    alone: bool = False

    @property
    def automated(self) -> bool:
        """Whether no person decides."""
        return self.kind in AUTOMATED


def check_decision(new: NewDecision, *, needs_clause: bool) -> NewDecision:
    """The decision with its texts cleaned and no action twice. Raises Invalid for what makes no sense."""
    if not new.actions:
        raise Invalid("Say what is to be done: no_action is a decision too.")
    if len(new.actions) > MOST_ACTIONS:
        raise Invalid(f"A decision has at most {MOST_ACTIONS} actions. Make several of it.")
    for action in new.actions:
        check_action(action)
    facts, reasons = (text.replace("\x00", "").strip() for text in (new.facts, new.reasons))
    if max(len(facts), len(reasons)) > MOST_CHARACTERS:
        raise Invalid(f"Facts and reasons have at most {MOST_CHARACTERS} characters each.")
    clauses = live_ruleset().clauses
    if new.clause is not None and new.clause not in clauses:
        raise Invalid(f"There is no rule {new.clause}. Choose one of the rules that are live now.")
    finds_fault = any(action.kind not in GENTLE for action in new.actions)
    if needs_clause and finds_fault and new.clause is None:
        raise Invalid("Name the rule that was broken: its author must be told. If none was, choose no_action.")
    clause = new.clause if finds_fault else None
    actions = tuple(dict.fromkeys(new.actions))
    return msgspec.structs.replace(new, actions=actions, clause=clause, facts=facts, reasons=reasons)


async def make_decision(tx: Tx, settings: Settings, maker: Maker, new: NewDecision) -> int:
    """Make a decision that was checked (`check_decision`); returns its id. Raises NotFound, Conflict."""
    target = (await get_account_views(tx, [new.account_id])).get(new.account_id)
    if target is None:
        raise NotFound
    if new.case_id is not None:  # before anything that it is about, as everywhere: no two can wait for each other
        await cases.get_locked_case(tx, new.case_id)
    policy, moment = live_ruleset(), now()
    clause = policy.clauses.get(new.clause or "")
    subjects = sorted({action.subject for action in new.actions}, key=lambda one: (one.type, one.id))
    await capture_all(tx, subjects, case_id=new.case_id, why=maker.kind)
    decision_id = await get_new_id(tx)
    language = await choose_language(tx, new.language, new.account_id)
    await _append(tx, maker, new, decision_id, policy)
    row = _row(maker, new, decision_id, clause, policy, language, moment)
    await store.insert_decision(tx, row)
    ground = Ground(
        decision_id=decision_id,
        account_id=new.account_id,
        clause=new.clause,
        title=clause.title if clause else "",
        by=maker.by,
        moment=moment,
        people=not maker.automated,
    )
    lasting = await store.list_lasting(tx, [(subject.type, subject.id) for subject in subjects])
    standing = {one for one in lasting if one[2] in DONE_ONCE}
    done = await _do(tx, ground, new.actions)
    if not maker.automated:
        await _replace_automatic(tx, new.case_id, decision_id, subjects, moment)
        await _answer_required(tx, decision_id, done, moment)
        await _tell_judge(tx, maker, new, done)
        news = {one.kind for action, one in done if (action.subject.type, action.subject.id, one.kind) not in standing}
        if clause is not None and not news <= WITHOUT_STRIKE:  # nobody is struck twice for what was done before
            await give_strike(tx, new.account_id, decision_id, clause, moment)
    await tell_author(tx, settings, decision_id)
    await _settle(tx, maker, new, subjects, decision_id)
    await record(
        tx,
        DecisionMade(
            account_id=maker.by or 0,
            decision_id=decision_id,
            target_id=new.account_id,
            kind=maker.kind,
            case_id=new.case_id,
        ),
    )
    return decision_id


async def _append(tx: Tx, maker: Maker, new: NewDecision, decision_id: int, policy: Ruleset) -> None:
    await append_event(
        tx,
        maker.actor,
        "decision_made",
        case_id=new.case_id,
        subject=Subject("account", new.account_id),
        decision=str(decision_id),
        kind=maker.kind,
        clause=new.clause,
        policy=policy.policy_sha256,
        actions=[f"{one.kind} {one.subject.type}:{one.subject.id}" for one in new.actions],
        **({"alone": True} if maker.alone else {}),
        **({"approved_by": str(maker.approved_by)} if maker.approved_by else {}),
    )


def _row(
    maker: Maker,
    new: NewDecision,
    decision_id: int,
    clause: Clause | None,
    policy: Ruleset,
    language: str,
    moment: datetime,
) -> DecisionRow:
    return DecisionRow(
        id=decision_id,
        case_id=new.case_id,
        account_id=new.account_id,
        kind=maker.kind,
        decided_by=maker.by,
        approved_by=maker.approved_by,
        automated_detection=new.automated_detection,
        automated_decision=maker.automated,
        source=new.source,
        clause=new.clause,
        clause_title=clause.title if clause else "",
        clause_text=clause.text if clause else "",
        severity=clause.severity if clause else None,
        policy_sha256=policy.policy_sha256,
        ruleset=policy.sha256,
        facts=new.facts,
        reasons=new.reasons,
        language=language,
        reverses_id=None,
        reversed_by_id=None,
        appeal_until=moment + timedelta(days=policy.head.clocks.appeal_open_days),
        request_key=new.key if maker.by is not None else None,
        created_at=moment,
    )


async def _do(tx: Tx, ground: Ground, actions: Sequence[NewAction]) -> list[tuple[NewAction, Applied]]:
    """The actions, in one order always, so that two decisions cannot wait for each other."""
    done = []
    for action in sorted(actions, key=lambda one: (one.subject.type, one.subject.id)):
        action_id = await get_new_id(tx)
        ends_at = ground.moment + timedelta(hours=action.hours) if action.hours is not None else None
        applied = await apply_action(tx, ground, action_id, action, ends_at)
        label = (action.label or ground.title) if action.kind == "label" else ""
        subject = (action.subject.type, action.subject.id, applied.revision)
        await store.insert_action(
            tx,
            action_id,
            ground.decision_id,
            ground.account_id,
            applied.kind,
            *subject,
            label,
            ends_at,
            applied.before,
            ground.moment,
        )
        done.append((action, applied))
    return done


async def _replace_automatic(
    tx: Tx, case_id: int | None, decision_id: int, subjects: Sequence[Subject], moment: datetime
) -> None:
    """A person's word ends what machines did about the same subjects until somebody decides, and what they hid in the
    place of an account or a conversation."""
    named = [(subject.type, subject.id) for subject in subjects]
    found = await store.list_automatic(tx, named)
    if case_id is not None and (instead := await case_subjects.list_stand_ins(tx, case_id, named)):
        known = {action.id for action in found}
        hidden = await store.list_actions(tx, instead)
        found += [one for one in hidden if one.reversed_at is None and one.id not in known]
    by_decision: dict[int, list[ActionRow]] = {}
    for action in found:
        if action.decision_id == decision_id:
            continue
        await reverse_action(tx, action, kind="undo", by=None)
        await store.update_action_reversed(tx, action.id, moment, decision_id)
        by_decision.setdefault(action.decision_id, []).append(action)
    left = {action.decision_id for action in await store.list_actions(tx, list(by_decision)) if not action.reversed_at}
    for replaced in by_decision:
        if replaced not in left:
            await store.update_reversed(tx, replaced, decision_id)


async def _answer_required(
    tx: Tx, decision_id: int, done: Sequence[tuple[NewAction, Applied]], moment: datetime
) -> None:
    """Publishing what its author changed, as was asked, ends the asking."""
    for action, applied in done:
        if "published" not in applied.before or action.subject.type != "status":
            continue
        for asked in await store.list_in_force(tx, "status", action.subject.id):
            if asked.kind == "require_change":
                await reverse_action(tx, asked, kind="expiry", by=None)
                await store.update_action_reversed(tx, asked.id, moment, decision_id)


async def _tell_judge(tx: Tx, maker: Maker, new: NewDecision, done: Sequence[tuple[NewAction, Applied]]) -> None:
    """The judge is measured by what people decide, and knows again what they removed."""
    kinds: dict[tuple[str, int, int], list[str]] = {}
    for action, applied in done:
        if action.subject.type not in ("status", "profile") or applied.revision is None:
            continue
        key = (action.subject.type, action.subject.id, applied.revision)
        if applied.kind in REMOVALS and action.subject.type == "status" and "dropped" not in applied.before:
            await mark_removed(tx, action.subject.id, applied.revision, clause=new.clause)
        if not applied.labelled:
            kinds.setdefault(key, []).append(applied.kind)
    for revision, names in kinds.items():
        outcome = outcome_of(names)
        clause = None if outcome is Outcome.ALLOW else new.clause
        await record_label(tx, revision, outcome, clause=clause, source="decision", by=maker.by)


async def _settle(tx: Tx, maker: Maker, new: NewDecision, subjects: Sequence[Subject], decision_id: int) -> None:
    if new.case_id is None:
        return
    if maker.kind == "interim":
        await note_interim(tx, new.case_id, subjects, decision_id)
    elif maker.kind in ("decision", "jury", "appeal"):
        await settle_subjects(tx, maker.actor, new.case_id, subjects, decision_id)
