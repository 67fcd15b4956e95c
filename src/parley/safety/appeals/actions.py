"""Filing, claiming and deciding appeals. People decide them, and never whoever made the decision.

The same rule stands in the database (migrations/0023). What the decision did is taken back by `reverse_decision` alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, check_rate
from parley.kit.settings import Settings
from parley.safety.appeals import store
from parley.safety.appeals.reads import get_appeal, present_appeal, refusal
from parley.safety.appeals.states import OUTCOMES, Outcome, State, next_state
from parley.safety.appeals.store import AppealRow, GroundRow
from parley.safety.appeals.views import AppealView, Role, WaitsFor
from parley.safety.cases.actions import meet_clocks, reopen_case, start_clock
from parley.safety.cases.views import Source
from parley.safety.decisions.actions import decide, decide_automatically, reverse_decision
from parley.safety.decisions.kinds import GENTLE
from parley.safety.decisions.reversing import overturn_copies
from parley.safety.decisions.views import NewDecision, Proposal
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, human, member, system
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import AppealDecided, AppealFiled

MOST_CHARACTERS = 4000
LEASE = timedelta(minutes=30)
MOST_APPEALS = 10
APPEALS_PER = timedelta(days=1)
PUBLIC = Actor("public")
LOOKED_AT = (
    "People of the staff have looked at it before your appeal was answered. They found nothing wrong: what the program "
    "had done until then is undone."
)
REPLACED = (
    "People of the staff have decided about it before your appeal was answered. What the program had done until then "
    "has ended; their decision, with its reasons, stands in its place, and may be appealed in its turn."
)
TAKEN_BACK = "People of the staff took the decision back before your appeal was answered. What it did is undone."


async def file_appeal(
    tx: Tx,
    settings: Settings,
    who: Viewer | None,
    decision_id: int,
    text: str,
    *,
    role: Role,
    report_id: int | None = None,
    notice_id: int | None = None,
) -> int:
    """Ask for another look at a decision; returns the appeal's id.

    The author of what was decided about appeals with role `author`; whoever reported it with `reporter`. Somebody
    without an account (`who` None) is known by the notice that they sent: the caller has checked their receipt.
    Raises NotFound for strangers, Conflict for a second appeal, Forbidden when the time is over, Invalid for no text.
    """
    said = _check_text(text, "Say in a few words why the decision is wrong.")
    account_id = who.account_id if who else None
    if who is None and (role != "reporter" or (report_id is None and notice_id is None)):
        raise NotFound
    if who is not None:
        await check_rate(tx, settings, bucket_of("appeal", who.account_id), MOST_APPEALS, APPEALS_PER)
    ground = await store.get_ground(tx, decision_id, account_id, report_id, notice_id)
    _check_party(ground, who, role)
    assert ground is not None
    if said_no := refusal(ground, now()):
        raise Forbidden(said_no)
    appeal_id = await get_new_id(tx)
    reviewers = await store.list_reviewers(tx, decision_id, account_id)
    waits_for = _waits_for(settings, ground.severity, bool(reviewers))
    actor = member(who) if who else PUBLIC
    about = Subject("account", ground.account_id)
    await append_event(
        tx,
        actor,
        "appeal_filed",
        case_id=ground.case_id,
        subject=about,
        appeal_id=str(appeal_id),
        decision_id=str(decision_id),
        role=role,
        waits_for=waits_for,
    )
    stored = (account_id, report_id, notice_id)
    if not await store.insert_appeal(tx, appeal_id, ground, role, stored, waits_for, said):
        raise Conflict("You have appealed this decision already. Its state is shown beside it.")
    source = msgspec.convert(ground.source, Source)
    await start_clock(tx, "appeal", source=source, severity=_severity(ground.severity), appeal_id=appeal_id)
    await store.update_state(tx, appeal_id, next_state("received", "queued"), waits_for, None, None)
    if waits_for == "nobody":
        await _escalate(tx, appeal_id, ground.case_id)
    await record(tx, AppealFiled(account_id=account_id or 0, appeal_id=appeal_id, decision_id=decision_id, role=role))
    return appeal_id


def _check_text(text: str, missing: str) -> str:
    said = text.replace("\x00", "").strip()
    if not said:
        raise Invalid(missing)
    if len(said) > MOST_CHARACTERS:
        raise Invalid(f"This is longer than {MOST_CHARACTERS} characters. Shorten it.")
    return said


def _check_party(ground: GroundRow | None, who: Viewer | None, role: Role) -> None:
    """NotFound for everybody who is neither its author nor reported it: decisions are nobody else's business."""
    if ground is None:
        raise NotFound
    if role == "author":
        if who is None or who.account_id != ground.account_id:
            raise NotFound
    elif role != "reporter" or not ground.reported or (who is not None and who.account_id == ground.account_id):
        raise NotFound


def _severity(severity: int | None) -> int:
    return 3 if severity is None else severity


def _waits_for(settings: Settings, severity: int | None, has_reviewer: bool) -> WaitsFor:
    """Who looks at an appeal: somebody of the staff; else a jury, unless it is about a threat to life; else nobody."""
    if has_reviewer:
        return "staff"
    return "jury" if settings.jury and _severity(severity) > 0 else "nobody"


async def _escalate(tx: Tx, appeal_id: int, case_id: int | None) -> None:
    """Say aloud that nobody here may review an appeal: in the log, and by mail to those who run the instance."""
    await append_event(
        tx, system("appeals"), "appeal_escalated", case_id=case_id, appeal_id=str(appeal_id), why="no second reviewer"
    )
    await enqueue(tx, "mail_stuck_appeal", {"appeal_id": appeal_id})


async def claim_appeal(tx: Tx, viewer: Viewer, appeal_id: int, *, lease: timedelta = LEASE) -> AppealView:
    """Take an appeal for `lease`, so that nobody else reviews it meanwhile.

    Raises NotFound for who is not of the staff, Forbidden for who had a hand in the decision or is a party, Conflict
    when another reviewer has it or it is decided.
    """
    row = await _reviewable(tx, viewer, appeal_id)
    moment = now()
    if row.state == "in_review" and not _lapsed(row, viewer, moment):
        raise Conflict("Somebody else is reviewing this appeal.")
    if row.state == "in_review" and row.reviewer_id is None:
        raise Conflict("A jury of members is looking at this appeal.")
    await append_event(
        tx,
        human(viewer),
        "appeal_claimed",
        case_id=row.case_id,
        subject=Subject("account", row.account_id),
        appeal_id=str(row.id),
    )
    if row.state == "in_review":  # extended, or taken over from who let it lapse
        next_state("in_review", "queued")
    else:
        next_state(row.state, "in_review")
    await store.update_state(tx, row.id, "in_review", "staff", viewer.account_id, moment + lease)
    return await get_appeal(tx, viewer, appeal_id)


def _lapsed(row: AppealRow, viewer: Viewer, moment: datetime) -> bool:
    """Whether the viewer may take an appeal that is under review."""
    if row.reviewer_id == viewer.account_id or row.reviewer_id is None:
        return True
    return row.leased_until is not None and row.leased_until < moment


async def _reviewable(tx: Tx, viewer: Viewer, appeal_id: int) -> AppealRow:
    """The locked appeal, when the viewer may review it."""
    if not viewer.is_staff:
        raise NotFound
    row = await store.lock_appeal(tx, appeal_id)
    if row is None:
        raise NotFound
    if row.ended_at is not None:
        raise Conflict("This appeal is decided already.")
    why_not = present_appeal(row, viewer, await store.list_reviewers(tx, row.decision_id, row.appellant_id)).why_not
    if why_not:
        raise Forbidden(why_not)
    return row


async def release_appeal(tx: Tx, viewer: Viewer, appeal_id: int) -> None:
    """Give a claimed appeal back. Raises NotFound when the viewer does not hold it."""
    row = await store.lock_appeal(tx, appeal_id) if viewer.is_staff else None
    if row is None or row.state != "in_review" or row.reviewer_id != viewer.account_id:
        raise NotFound
    await append_event(tx, human(viewer), "appeal_released", case_id=row.case_id, appeal_id=str(row.id))
    await store.update_state(tx, row.id, next_state(row.state, "queued"), "staff", None, None)


async def decide_appeal(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    appeal_id: int,
    outcome: Outcome,
    *,
    answer: str,
    decision: NewDecision | None = None,
    copies: bool = True,
) -> AppealView:
    """Answer an appeal, and do what the answer says, in one transaction.

    `upheld` leaves everything as it is; `overturned` takes the decision back with all it did, and (`copies`) those that
    repeated it for copies of what it is about; `modified` also puts `decision` in its place. A reporter who appealed is
    given right by another decision: `overturned` needs one then too. Raises Conflict when the new decision would need a
    second person: then nothing has happened.
    """
    row = await _reviewable(tx, viewer, appeal_id)
    if row.state != "in_review" or row.reviewer_id != viewer.account_id:
        raise Conflict("Claim this appeal first: your time for it has run out, or you gave it back.")
    said = _check_text(answer, "Give the appellant an answer: why the decision stands, or what was wrong.")
    _check_outcome(row, outcome, decision)
    made = await _carry_out(tx, settings, human(viewer), row, outcome, said, decision, viewer)
    if copies and outcome == "overturned" and row.role == "author":
        await overturn_copies(tx, settings, human(viewer), row.decision_id, viewer=viewer)
    await _end(tx, human(viewer), row, outcome, said, made)
    return await get_appeal(tx, viewer, appeal_id)


def _check_outcome(row: AppealRow, outcome: Outcome, decision: NewDecision | None) -> None:
    if outcome not in OUTCOMES:
        raise Invalid("An appeal is upheld, overturned or modified.")
    needs_new = outcome == "modified" or (outcome == "overturned" and row.role == "reporter")
    if needs_new and decision is None:
        raise Invalid("Say what is decided instead: choose at least one action.")
    if not needs_new and decision is not None:
        raise Invalid("A new decision belongs to the outcome 'modified' alone.")
    if decision is not None and decision.account_id != row.account_id:
        raise Invalid("The new decision must be about the same account.")
    if outcome != "upheld" and row.reversed_by_id is not None:
        raise Conflict("The decision was taken back meanwhile. Answer 'upheld' and say so, or look at what stands now.")


async def _carry_out(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    row: AppealRow,
    outcome: Outcome,
    answer: str,
    decision: NewDecision | None,
    viewer: Viewer | None,
) -> int | None:
    """Reverse and decide anew as the outcome says; returns the id of what came of it."""
    if outcome == "upheld":
        return None
    reversal = await reverse_decision(
        tx, settings, actor, row.decision_id, kind="appeal", reasons=answer, viewer=viewer
    )
    if decision is None:
        return reversal
    decision = msgspec.structs.replace(decision, case_id=await _reopen(tx, actor, row))
    if viewer is None:
        return await decide_automatically(tx, settings, actor, decision, kind="jury")
    made = await decide(tx, settings, viewer, decision)
    if isinstance(made, Proposal):
        raise Conflict(
            "What you want instead needs a second person of the staff. Choose something milder here, or propose it in "
            "the case first and answer the appeal once it is approved."
        )
    return made.id


async def _reopen(tx: Tx, actor: Actor, row: AppealRow) -> int | None:
    """The case in which it is decided anew, open again, so that reporters hear of it; None where there is none."""
    if row.case_id is None:
        return None
    try:
        await reopen_case(tx, actor, row.case_id, decision_id=row.decision_id, why="appeal")
    except Conflict:
        return None
    return row.case_id


async def decide_appeal_by_jury(
    tx: Tx,
    settings: Settings,
    actor: Actor,
    appeal_id: int,
    outcome: Outcome,
    *,
    answer: str,
    decision: NewDecision | None = None,
) -> int | None:
    """Answer an appeal as a jury of members found; returns the decision that came of it.

    For the juries' room, which has counted the votes. Never about a threat to life (severity 0).
    """
    row = await store.lock_appeal(tx, appeal_id)
    if row is None or row.ended_at is not None:
        raise Conflict("This appeal is decided already.")
    if _severity(row.severity) == 0:
        raise Forbidden("A jury does not decide about threats to life.")
    if row.state == "queued":
        await append_event(tx, actor, "appeal_claimed", case_id=row.case_id, appeal_id=str(row.id))
        await store.update_state(tx, row.id, next_state("queued", "in_review"), "jury", None, None)
        row = msgspec.structs.replace(row, state="in_review")
    _check_outcome(row, outcome, decision)
    made = await _carry_out(tx, settings, actor, row, outcome, answer, decision, None)
    if outcome == "overturned" and row.role == "author":
        await overturn_copies(tx, settings, actor, row.decision_id, viewer=None)
    await _end(tx, actor, row, outcome, answer, made)
    return made


async def _end(tx: Tx, actor: Actor, row: AppealRow, outcome: Outcome, answer: str, made: int | None) -> None:
    state: State = next_state(row.state, outcome)
    await append_event(
        tx,
        actor,
        "appeal_decided",
        case_id=row.case_id,
        subject=Subject("account", row.account_id),
        appeal_id=str(row.id),
        decision_id=str(row.decision_id),
        outcome=outcome,
        new_decision_id=str(made) if made is not None else None,
    )
    await store.update_ended(tx, row.id, state, answer, made)
    await meet_clocks(tx, appeal_id=row.id)
    await record(tx, AppealDecided(account_id=actor.id or 0, appeal_id=row.id, outcome=outcome))


async def end_as_reversed(tx: Tx, settings: Settings, appeal_id: int) -> bool:
    """End an appeal against a decision that people have taken back meanwhile, or, where a program had decided until
    they did, replaced by their own; False when there is nothing to end. That one may be appealed in its turn."""
    row = await store.lock_appeal(tx, appeal_id)
    if row is None or row.ended_at is not None or row.reversed_by_id is None:
        return False
    outcome, answer = await _outcome_of_reversal(tx, settings, row, row.reversed_by_id)
    actor = system("appeals")
    if row.state == "queued":
        await append_event(tx, actor, "appeal_claimed", case_id=row.case_id, appeal_id=str(row.id))
        await store.update_state(tx, row.id, next_state("queued", "in_review"), "staff", None, None)
        row = msgspec.structs.replace(row, state="in_review")
    await _end(tx, actor, row, outcome, answer, row.reversed_by_id)
    return True


async def _outcome_of_reversal(tx: Tx, settings: Settings, row: AppealRow, reversal_id: int) -> tuple[Outcome, str]:
    """What an appeal comes to when its decision is in force no more, and the answer in words."""
    kinds = await store.list_replacing_kinds(tx, row.decision_id, reversal_id)
    if kinds is None:
        return "overturned", TAKEN_BACK
    if set(kinds) <= GENTLE:
        return "overturned", LOOKED_AT
    page = f"{settings.base_url}/moderation/decisions/{reversal_id}" if row.role == "author" else ""
    return "modified", f"{REPLACED}\n\n{page}".strip()


async def requeue_appeal(tx: Tx, appeal_id: int, waits_for: WaitsFor, *, why: str) -> None:
    """Put an appeal back into the queue: its lease ran out, its jury could not agree, a second person came."""
    row = await store.lock_appeal(tx, appeal_id)
    if row is None or row.ended_at is not None:
        return
    await append_event(
        tx,
        system("appeals"),
        "appeal_queued",
        case_id=row.case_id,
        appeal_id=str(row.id),
        why=why,
        waits_for=waits_for,
    )
    if row.state == "in_review":
        next_state(row.state, "queued")
    await store.update_state(tx, row.id, "queued", waits_for, None, None)
    if waits_for == "nobody":
        await _escalate(tx, row.id, row.case_id)
