"""What jurors do, and counting their votes. Every verdict is a decision, made and undone like any other."""

from __future__ import annotations

from datetime import datetime

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.appeals.actions import decide_appeal_by_jury, requeue_appeal
from parley.safety.cases.actions import move_case
from parley.safety.decisions.actions import decide_automatically
from parley.safety.decisions.views import ActionKind, NewAction, NewDecision
from parley.safety.juries import store, store_seats
from parley.safety.juries.convening import JURY, call_jurors, dissolve_jury, has_party, order_of, terms_of
from parley.safety.juries.drawing import count_votes
from parley.safety.juries.states import VOTES, SeatState, State, Vote, next_seat_state, next_state
from parley.safety.juries.store import JuryRow
from parley.safety.juries.store_seats import SeatRow
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, member
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer


async def set_jury_wish(tx: Tx, settings: Settings, viewer: Viewer, wish: bool) -> None:
    """Let a member take part in juries, or no longer. What they were asked already stays open.

    Raises NotFound where juries are switched off, Forbidden for the staff, who decide anyhow.
    """
    if not settings.jury:
        raise NotFound
    if viewer.is_staff:
        raise Forbidden("You are of the staff: you decide already, and do not sit on juries.")
    await (store.insert_member if wish else store.delete_member)(tx, viewer.account_id)


async def answer_question(tx: Tx, settings: Settings, viewer: Viewer, seat_id: int, vote: str) -> None:
    """A juror's answer: `breaks`, `fine` or `unsure`. It cannot be changed.

    Raises NotFound for another's question, Conflict for one that is closed.
    """
    said = next((one for one in VOTES if one == vote), None)
    if said is None:
        raise Invalid("Choose one: it breaks the rule, it is fine, or you cannot say.")
    await _end_seat(tx, settings, viewer, seat_id, "answered", said)


async def decline_question(tx: Tx, settings: Settings, viewer: Viewer, seat_id: int) -> None:
    """A juror would rather not; somebody else is asked. Raises NotFound and Conflict like an answer."""
    await _end_seat(tx, settings, viewer, seat_id, "declined", None)


async def _end_seat(
    tx: Tx, settings: Settings, viewer: Viewer, seat_id: int, state: SeatState, vote: Vote | None
) -> None:
    seat = await store_seats.lock_seat(tx, seat_id)
    if seat is None or seat.account_id != viewer.account_id:
        raise NotFound
    next_seat_state(seat.state, state)
    if seat.due_at <= now():
        raise Conflict("The time for this question is over; somebody else was asked. Thank you all the same.")
    if not await store.has_fit(tx, terms_of(now()), viewer.account_id):
        raise Forbidden("You cannot sit on juries at the moment: see the page for why.")
    jury = await store.lock_jury(tx, seat.jury_id) if seat.jury_id is not None else None
    case_id = jury.case_id if jury else None
    await append_event(tx, member(viewer), f"jury_{state}", case_id=case_id, seat_id=str(seat.id))
    await store_seats.update_seat(tx, seat.id, state, vote)
    if jury is not None:
        await settle_jury(tx, settings, jury.id)


async def settle_jury(tx: Tx, settings: Settings, jury_id: int, *, moment: datetime | None = None) -> None:
    """Count a jury's votes and do what they say; else replace who has left, or give the matter back when its time is
    over."""
    jury = await store.lock_jury(tx, jury_id)
    if jury is None or jury.state != "sitting":
        return
    if not await _still_open(tx, jury):
        await _end(tx, jury, "dissolved", None, None)
        return
    seats = await store_seats.list_of_juries(tx, [jury.id])
    votes = [seat.vote for seat in seats if seat.vote is not None]
    over = (moment or now()) >= jury.due_at
    verdict = count_votes(votes, jury.seats, jury.quorum, over=over)
    if verdict is None:
        await _replace(tx, jury, seats)
    elif verdict == "unsure":
        await _give_back(tx, jury, "hung", why="the jury could not agree")
    else:
        try:
            async with tx.transaction():
                decision_id = await _carry_out(tx, settings, jury, verdict, votes)
        except (Conflict, Forbidden, Invalid, NotFound):
            # What they judged is not what is there now: an author who edits must not keep the vote from counting.
            await _give_back(tx, jury, "dissolved", why="what the jury judged has changed")
            return
        await _end(tx, jury, "decided", verdict, decision_id)


async def _still_open(tx: Tx, jury: JuryRow) -> bool:
    """Whether nobody has decided meanwhile."""
    if jury.appeal_id is not None:
        return jury.id in await store.list_pending(tx, jury.id)
    case = await store.get_case(tx, jury.case_id, convened=(jury.convened_event, jury.convened_at))
    return case is not None and case.state != "closed" and bool(case.statuses)


async def _replace(tx: Tx, jury: JuryRow, seats: list[SeatRow]) -> None:
    """Call the next of the lot for everybody who declined or did not answer."""
    serving = sum(1 for seat in seats if seat.state in ("called", "answered"))
    missing = jury.seats - serving
    order = await order_of(tx, jury) if missing > 0 else None
    if not order:
        return
    begun = len(seats)
    following = [(one, begun + place) for place, one in enumerate(order[begun : begun + missing])]
    if following and await has_party(tx, jury, [one for one, _ in following]):
        await dissolve_jury(tx, jury, why="somebody who was drawn has reported it meanwhile")
    elif following:
        await append_event(
            tx,
            JURY,
            "jurors_replaced",
            case_id=jury.case_id,
            jury_id=str(jury.id),
            jurors=[str(one) for one, _ in following],
        )
        await call_jurors(tx, jury, following)


async def _give_back(tx: Tx, jury: JuryRow, state: State, *, why: str) -> None:
    """No verdict: people of the staff decide; where none may, that is said aloud."""
    await _end(tx, jury, state, None, None)
    if jury.appeal_id is not None:
        await requeue_appeal(tx, jury.appeal_id, "nobody", why=why)
    else:
        await move_case(tx, JURY, jury.case_id, "main")


async def _end(tx: Tx, jury: JuryRow, state: State, verdict: Vote | None, decision_id: int | None) -> None:
    await append_event(
        tx,
        JURY,
        f"jury_{state}",
        case_id=jury.case_id,
        jury_id=str(jury.id),
        verdict=verdict,
        decision_id=str(decision_id) if decision_id else None,
    )
    await store.update_ended(tx, jury.id, next_state(jury.state, state), verdict, decision_id)
    await store_seats.update_left(tx, jury.id)


async def _carry_out(tx: Tx, settings: Settings, jury: JuryRow, verdict: Vote, votes: list[Vote]) -> int | None:
    if jury.appeal_id is not None:
        return await _answer_appeal(tx, settings, jury, verdict, votes)
    case = await store.get_case(tx, jury.case_id, convened=(jury.convened_event, jury.convened_at))
    assert case is not None
    new = await _decision(tx, jury, verdict, votes, case.statuses, case.source)
    return await decide_automatically(tx, settings, JURY, new, kind="jury")


async def _decision(
    tx: Tx, jury: JuryRow, verdict: Vote, votes: list[Vote], statuses: list[tuple[int, int]], source: str
) -> NewDecision:
    """What a verdict means: what breaks a rule is removed (a nuisance is shown to fewer), what is fine goes out."""
    clause = live_ruleset().clauses.get(jury.clause or "")
    held = await store.list_held(tx, [status_id for status_id, _ in statuses])
    actions = []
    for status_id, revision in statuses:
        kind: ActionKind
        if verdict == "breaks":
            kind = "limit" if clause is not None and clause.severity >= 3 and status_id not in held else "remove"
        else:
            kind = "publish" if status_id in held else "no_action"
        actions.append(NewAction(kind, Subject("status", status_id, revision)))
    return NewDecision(
        account_id=jury.account_id,
        case_id=jury.case_id,
        actions=tuple(actions),
        clause=jury.clause if verdict == "breaks" else None,
        facts=describe_votes(verdict, votes),
        reasons=clause.text if clause is not None and verdict == "breaks" else "",
        source=source,
        automated_detection=source == "automated",
    )


def describe_votes(verdict: Vote, votes: list[Vote]) -> str:
    """How a jury found, for those whom it is about."""
    said = "that this breaks the rule" if verdict == "breaks" else "that no rule is broken"
    return (
        f"A jury of members of this server, drawn by lot, read this without knowing whose it is. Of {len(votes)} who "
        f"answered, {votes.count(verdict)} found {said}."
    )


async def _answer_appeal(tx: Tx, settings: Settings, jury: JuryRow, verdict: Vote, votes: list[Vote]) -> int | None:
    """An author is right when the jury finds nothing wrong; a reporter when it finds that a rule is broken."""
    assert jury.appeal_id is not None
    ground = await store.get_appeal_ground(tx, jury.appeal_id)
    assert ground is not None
    answer = describe_votes(verdict, votes)
    right = verdict == ("fine" if ground.role == "author" else "breaks")
    if not right:
        return await decide_appeal_by_jury(tx, settings, JURY, jury.appeal_id, "upheld", answer=answer)
    new = None
    if ground.role == "reporter":
        new = await _decision(tx, jury, verdict, votes, ground.statuses, "user")
    return await decide_appeal_by_jury(tx, settings, JURY, jury.appeal_id, "overturned", answer=answer, decision=new)
