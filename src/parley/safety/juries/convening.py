"""Convening a jury and drawing its lot. Who qualifies is fixed before anybody could know who will be drawn."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.appeals.actions import requeue_appeal
from parley.safety.cases.actions import move_case
from parley.safety.golden.reads import list_questions, list_unseen_cases
from parley.safety.juries import store, store_seats
from parley.safety.juries.drawing import (
    ENOUGH_KNOWN,
    PRIOR_ALL,
    PRIOR_RIGHT,
    hash_pool,
    hash_seed,
    order_pool,
)
from parley.safety.juries.states import next_state
from parley.safety.juries.store import JuryRow, Terms
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.screening import live_ruleset
from parley.screening.documents import Juries

MOST_POOL = 5000
LEAST_WITH_PICTURES = 2
"""The gravest severity of a rule under which jurors are shown pictures (0 is the gravest)."""
JURY = system("juries")
FROM_MEMBERS = frozenset({"user", "automated"})
"""Sources of cases that may go to a jury: nothing that hosts, authorities or outsiders ask for."""


def rules() -> Juries:
    """How juries sit, by the live policy."""
    return live_ruleset().head.juries


def terms_of(moment: datetime) -> Terms:
    """What a member must have to be drawn at `moment`."""
    policy = rules()
    return Terms(
        joined_before=moment - timedelta(days=policy.account_days),
        active_since=moment - timedelta(days=policy.active_days),
        posts=policy.posts,
        reliability=policy.reliability,
        enough_known=ENOUGH_KNOWN,
        prior_right=PRIOR_RIGHT,
        prior_all=PRIOR_ALL,
    )


async def convene_for_case(tx: Tx, settings: Settings, case_id: int) -> str:
    """Convene a jury about a case. Returns "", or why it cannot be: then the case is back with the staff."""
    case = await store.get_case(tx, case_id)
    if case is None:
        return "There is no such case."
    why_not = _unfit(settings, case)
    if not why_not:
        why_not = await _unfit_words(tx, case.statuses, case.clause)
    if not why_not:
        parties = [case.account_id, *case.reporters]
        assert case.clause is not None
        why_not = await _convene(tx, (case.id, None, case.account_id), parties, case.clause)
    if why_not:
        await append_event(tx, JURY, "jury_refused", case_id=case.id, why=why_not)
        await move_case(tx, JURY, case.id, "main")
    return why_not


def _unfit(settings: Settings, case: store.CaseRow) -> str:
    if not settings.jury:
        return "Juries are switched off here."
    if case.severity < rules().severity_at_least or case.incident_id is not None:
        return "It is too grave for a jury."
    if case.source not in FROM_MEMBERS:
        return "What hosts, authorities and others outside ask for is answered by the staff."
    if case.clause not in live_ruleset().clauses:
        return "A jury is asked about one rule, and the case names none."
    if case.others or not case.statuses:
        return "A jury judges posts alone."
    return ""


async def _unfit_words(tx: Tx, statuses: list[tuple[int, int]], clause: str | None) -> str:
    """Why these revisions are nothing for members to look at under a rule; empty when they are."""
    questions = await list_questions(tx, statuses)
    if len(questions) < len(set(statuses)):
        return "Some of the words are gone."
    if any(not one.is_public for one in questions.values()):
        return "A jury does not read what was written for few."
    if any(not one.is_whole for one in questions.values()):
        return "A jury judges words and pictures that everybody can see: the rest stays with the staff."
    rule = live_ruleset().clauses.get(clause or "")
    if any(one.has_media for one in questions.values()) and (rule is None or rule.severity < LEAST_WITH_PICTURES):
        return "Pictures that may be grave stay with the staff: members have not chosen to look at them."
    return ""


async def convene_for_appeal(tx: Tx, settings: Settings, appeal_id: int) -> str:
    """Convene a jury about an appeal that nobody of the staff may review. Returns "", or why it cannot be: then the
    appeal waits for a second person, and that is said."""
    ground = await store.get_appeal_ground(tx, appeal_id)
    if ground is None:
        return "There is no such appeal."
    why_not = ""
    if not settings.jury:
        why_not = "Juries are switched off here."
    elif ground.severity == 0:
        why_not = "A jury does not decide about threats to life."
    elif ground.case_id is None or ground.clause not in live_ruleset().clauses:
        why_not = "A jury is asked about one rule, and the decision names none."
    elif ground.others or not ground.statuses:
        why_not = "A jury judges posts alone."
    else:
        why_not = await _unfit_words(tx, ground.statuses, ground.clause)
    if not why_not:
        assert ground.clause is not None
        assert ground.case_id is not None
        parties = [ground.account_id, *ground.deciders, *ground.reporters]
        parties += [ground.appellant_id] if ground.appellant_id else []
        why_not = await _convene(tx, (ground.case_id, appeal_id, ground.account_id), parties, ground.clause)
    if why_not:
        await requeue_appeal(tx, appeal_id, "nobody", why=why_not)
    return why_not


async def _convene(tx: Tx, about: tuple[int, int | None, int], parties: list[int], clause: str) -> str:
    policy, moment = rules(), now()
    pool = await store.list_pool(tx, terms_of(moment), parties, MOST_POOL)
    if len(pool) < policy.seats:
        return f"Only {len(pool)} members qualify who have nothing to do with it; a jury takes {policy.seats}."
    jury_id, seed = await get_new_id(tx), secrets.token_bytes(32)
    event_id = await append_event(
        tx,
        JURY,
        "jury_convened",
        case_id=about[0],
        jury_id=str(jury_id),
        appeal_id=str(about[1]) if about[1] else None,
        seats=policy.seats,
        quorum=policy.quorum,
        pool=len(pool),
        pool_sha256=hash_pool(pool),
        seed_sha256=hash_seed(seed),
    )
    due_at = moment + timedelta(hours=policy.hours)
    draw = (pool, hash_pool(pool), seed, event_id)
    await store.insert_jury(tx, jury_id, about, (policy.seats, policy.quorum), draw, clause, due_at)
    return ""


async def order_of(tx: Tx, jury: JuryRow) -> list[int] | None:
    """The lot of a jury; None until the entry that convened it is in the chain."""
    chained = await store.get_chained(tx, jury.convened_event)
    return order_pool(jury.pool, jury.seed, chained) if chained else None


async def draw_jury(tx: Tx, jury_id: int) -> bool:
    """Draw the lot and call the first; False when it cannot be yet. Tells the log who was drawn, and the seed."""
    jury = await store.lock_jury(tx, jury_id)
    order = await order_of(tx, jury) if jury is not None and jury.state == "convened" else None
    if jury is None or order is None:
        return False
    called = order[: jury.seats]
    if await has_party(tx, jury, called):
        await dissolve_jury(tx, jury, why="somebody who was drawn has reported it meanwhile")
        return False
    await append_event(
        tx,
        JURY,
        "jury_drawn",
        case_id=jury.case_id,
        jury_id=str(jury.id),
        seed=jury.seed.hex(),
        jurors=[str(one) for one in called],
    )
    await store.update_state(tx, jury.id, next_state(jury.state, "sitting"))
    await call_jurors(tx, jury, [(one, rank) for rank, one in enumerate(called)])
    return True


async def has_party(tx: Tx, jury: JuryRow, account_ids: list[int]) -> bool:
    """Whether one of these has become a party since the jury was convened: reported what it is about."""
    case = await store.get_case(tx, jury.case_id)
    return case is not None and not {case.account_id, *case.reporters}.isdisjoint(account_ids)


async def dissolve_jury(tx: Tx, jury: JuryRow, *, why: str) -> None:
    """End a locked jury without a verdict. A case is before another one soon; an appeal waits for people."""
    await append_event(tx, JURY, "jury_dissolved", case_id=jury.case_id, jury_id=str(jury.id), why=why)
    await store.update_ended(tx, jury.id, next_state(jury.state, "dissolved"), None, None)
    await store_seats.update_left(tx, jury.id)
    if jury.appeal_id is not None:
        await requeue_appeal(tx, jury.appeal_id, "nobody", why=why)


async def call_jurors(tx: Tx, jury: JuryRow, ranked: list[tuple[int, int]]) -> None:
    """Ask these members, each with some questions whose answers are known, and write to them. An event came before."""
    policy = rules()
    due_at = min(now() + timedelta(hours=policy.seat_hours), jury.due_at)
    await store_seats.insert_seats(tx, jury.id, ranked, due_at)
    for account_id, _ in ranked:
        known = await list_unseen_cases(tx, account_id, policy.known_questions)
        if known:
            await store_seats.insert_known(tx, [one.id for one in known], account_id, due_at)
        await enqueue(tx, "mail_jury_call", {"account_id": account_id})
