"""What reviewers see of appeals, and what those who filed them do. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.appeals import store
from parley.safety.appeals.store import AppealRow, GroundRow
from parley.safety.appeals.views import AppealView, Chance, OwnAppealView, Role
from parley.safety.decisions.views import DecisionView, RestrictionView
from parley.safety.golden.reads import list_questions
from parley.social.accounts.judged import list_judged_profiles
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.restrictions import list_restrictions
from parley.social.accounts.views import AccountView, Viewer
from parley.social.statuses.judged import list_judged_texts

OPEN_KINDS = frozenset({"decision", "interim", "jury", "sweep", "screening"})
"""Kinds of decisions that may be appealed: the others only take something back."""

MOST_OWN = 200


def refusal(ground: GroundRow, moment: datetime) -> str:
    """Why this decision cannot be appealed, for people; empty when it can."""
    if ground.kind not in OPEN_KINDS:
        return "This only took an earlier decision back: there is nothing to appeal."
    if ground.reversed_by_id is not None:
        return "This decision was taken back already."
    if moment >= ground.appeal_until:
        return f"The time for an appeal ended on {ground.appeal_until:%d %B %Y}."
    return ""


class Waiting(msgspec.Struct, frozen=True):
    """How many appeals are open, how many of them wait for a second person, and since when the oldest does."""

    open: int
    stuck: int
    since: datetime | None


def present_appeal(row: AppealRow, viewer: Viewer, reviewers: Sequence[int]) -> AppealView:
    """The view of a row; `reviewers` are those who may review it."""
    plain = msgspec.structs.asdict(row)
    for name in ("source", "reversed_by_id", "deciders"):
        plain.pop(name)
    plain["severity"] = 3 if row.severity is None else row.severity
    return AppealView(**plain, why_not=_why_not(row, viewer, reviewers))


def _why_not(row: AppealRow, viewer: Viewer, reviewers: Sequence[int]) -> str:
    if viewer.account_id in reviewers:
        return ""
    if viewer.account_id in row.deciders:
        return "You made this decision or approved it. Somebody else has to review the appeal."
    return "You are a party of this case. Somebody else has to review the appeal."


def present_own(row: AppealRow) -> OwnAppealView:
    """An appeal as whoever filed it sees it."""
    return OwnAppealView(
        id=row.id,
        decision_id=row.decision_id,
        role=row.role,
        state=row.state,
        waits_for=row.waits_for,
        text=row.text,
        answer=row.answer,
        created_at=row.created_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
    )


async def get_appeal(tx: Tx, viewer: Viewer, appeal_id: int) -> AppealView:
    """One appeal, for the staff. Raises NotFound, also for an appeal about the viewer's own conduct."""
    row = await store.get_appeal(tx, appeal_id) if viewer.is_staff else None
    if row is None or row.account_id == viewer.account_id:
        raise NotFound
    return present_appeal(row, viewer, await store.list_reviewers(tx, row.decision_id, row.appellant_id))


async def list_appeals(
    tx: Tx, viewer: Viewer, *, mine: bool = False, ended: bool = False, after: int | None = None, limit: int = 40
) -> list[AppealView]:
    """Open appeals, the oldest first (or those that have ended, the newest first). NotFound unless of the staff."""
    if not viewer.is_staff:
        raise NotFound
    if ended:
        rows = await store.list_ended(tx, after or 2**63 - 1, limit)
    else:
        rows = await store.list_open(tx, after or 0, limit, reviewer_id=viewer.account_id if mine else None)
    rows = [row for row in rows if row.account_id != viewer.account_id]  # who contested that is not theirs to know
    able = await store.list_able(tx, [row.id for row in rows], viewer.account_id) if rows else set()
    return [present_appeal(row, viewer, [viewer.account_id] if row.id in able else []) for row in rows]


async def count_appeals(tx: Tx, viewer: Viewer) -> Waiting:
    """How many wait. NotFound unless of the staff."""
    if not viewer.is_staff:
        raise NotFound
    return Waiting(*await store.count_open(tx))


async def list_my_appeals(tx: Tx, viewer: Viewer) -> list[OwnAppealView]:
    """What the viewer filed, the newest first."""
    return [present_own(row) for row in await store.list_of_account(tx, viewer.account_id, MOST_OWN)]


async def get_chance(
    tx: Tx,
    who: Viewer | None,
    decision_id: int,
    *,
    role: Role,
    report_id: int | None = None,
    notice_id: int | None = None,
) -> Chance:
    """Whether somebody may appeal a decision, and what became of it if they have. NotFound for strangers."""
    account_id = who.account_id if who else None
    if who is None and report_id is None and notice_id is None:
        raise NotFound
    ground = await store.get_ground(tx, decision_id, account_id, report_id, notice_id)
    if ground is None:
        raise NotFound
    party = ground.account_id == account_id if role == "author" else ground.reported
    if not party:
        raise NotFound
    filed = None
    for row in await store.list_of_decisions(tx, [decision_id]):
        if row.role != role or row.appellant_id != account_id:
            continue
        if who is None and (row.notice_id, row.report_id) != (notice_id, report_id):
            continue
        filed = present_own(row)
    said_no = "You have appealed this decision." if filed else refusal(ground, now())
    return Chance(not said_no, ground.appeal_until, said_no, filed)


async def list_author_appeals(tx: Tx, viewer: Viewer, decision_ids: list[int]) -> dict[int, OwnAppealView]:
    """The viewer's own appeals against these decisions, by the decision's id."""
    rows = await store.list_of_decisions(tx, decision_ids) if decision_ids else []
    return {row.decision_id: present_own(row) for row in rows if row.appellant_id == viewer.account_id}


class ReportedView(msgspec.Struct, frozen=True, kw_only=True):
    """What a reporter learns of a decision: the outcome, and nothing about its author but the name they reported."""

    account: AccountView
    outcome: str
    """acted or not_acted"""
    reported_at: datetime
    decided_at: datetime


async def get_reported(tx: Tx, viewer: Viewer, decision_id: int) -> ReportedView:
    """What came of the viewer's own report. Raises NotFound for who did not report what the decision is about."""
    ground = await store.get_ground(tx, decision_id, viewer.account_id, None, None)
    if ground is None or not ground.reported:
        raise NotFound
    row = await store.get_own_report(tx, decision_id, viewer.account_id)
    account = (await get_account_views(tx, [ground.account_id])).get(ground.account_id)
    if row is None or account is None:
        raise NotFound
    return ReportedView(account=account, outcome=row[0], reported_at=row[1], decided_at=ground.created_at)


async def list_decision_words(
    tx: Tx, viewer: Viewer, decision: DecisionView
) -> list[tuple[int, list[tuple[str, str]]]]:
    """The words of posts and of a profile that a decision is about, as they were then: (id, [(what, text)]).

    For its author and for the staff. Raises NotFound for others.
    """
    if decision.account.id != viewer.account_id and not viewer.is_staff:
        raise NotFound
    named: dict[str, list[tuple[int, int]]] = {"status": [], "profile": []}
    for action in decision.actions:
        subject = action.subject
        if subject.type in named and subject.revision is not None:
            named[subject.type].append((subject.id, subject.revision))
    posts = list(dict.fromkeys(named["status"]))
    questions = await list_questions(tx, posts)
    found = []
    for place, (words, _visibility) in (await list_judged_texts(tx, posts)).items():
        shown = [(_label(field), text) for field, text in words.items()]
        if place in questions and questions[place].has_media:
            shown.append(("Besides", "Pictures, videos or sounds."))
        found.append((place[0], shown))
    profiles = await list_judged_profiles(tx, list(dict.fromkeys(named["profile"]))) if named["profile"] else {}
    return found + [(place[0], [(_label(f), text) for f, text in words.items()]) for place, words in profiles.items()]


def _label(field: str) -> str:
    return _LABELS.get(field, field.replace("_", " ").capitalize())


_LABELS = {"text": "Text", "spoiler_text": "Warning above it", "shown_text": "As it is shown"}


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """What counts against a member now, for the member alone."""

    strikes: tuple[store.OwnStrike, ...]
    restrictions: tuple[RestrictionView, ...]


async def get_my_standing(tx: Tx, viewer: Viewer) -> StandingView:
    """The viewer's own strikes, with those that no longer count, and what restricts the account."""
    return StandingView(
        strikes=tuple(await store.list_own_strikes(tx, viewer.account_id, MOST_OWN)),
        restrictions=tuple(
            RestrictionView(kind=row.kind, clause=row.clause, decision_id=row.decision_id, until=row.until)
            for row in await list_restrictions(tx, viewer.account_id)
        ),
    )
