"""What the staff do with cases: claim, let go, hand over, escalate, note, move. Opening and settling stand beside it.

A case is worked on under a lease, so that two never decide the same thing; whoever wants to decide holds it.
"""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.safety.cases import store, store_notes
from parley.safety.cases.clocks import meet_clocks as meet_clocks
from parley.safety.cases.clocks import start_clock as start_clock
from parley.safety.cases.escalating import ADMINS as ADMINS
from parley.safety.cases.escalating import OWNERS as OWNERS
from parley.safety.cases.escalating import STAFF as STAFF
from parley.safety.cases.escalating import find_reachable
from parley.safety.cases.opening import open_case as open_case
from parley.safety.cases.reads import get_case
from parley.safety.cases.routing import QUEUES
from parley.safety.cases.settling import note_interim as note_interim
from parley.safety.cases.settling import reopen_case as reopen_case
from parley.safety.cases.settling import settle_subjects as settle_subjects
from parley.safety.cases.states import check_transition, state_when_claimed, state_when_let_go
from parley.safety.cases.store import StateRow
from parley.safety.cases.views import CaseView, State
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, human
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import CaseEscalated

LEASE_MINUTES = 10
LONGEST_LEASE = 240
HANDED_OVER_MINUTES = 240
"""How long a case that was handed over waits for its new moderator before anybody may take it."""
MOST_NOTE = 5000


async def claim_case(tx: Tx, viewer: Viewer, case_id: int, *, minutes: int = LEASE_MINUTES) -> CaseView:
    """Work on a case: nobody else can until `minutes` are over, or it is let go. Claiming again prolongs it.

    Raises NotFound; Conflict while somebody else works on it, and for a closed one; Forbidden for one that was
    escalated to others.
    """
    _need_staff(viewer)
    await lease_case(tx, viewer, await _open_case(tx, case_id, viewer), minutes)
    return await get_case(tx, viewer, case_id)


async def claim_next_case(
    tx: Tx,
    viewer: Viewer,
    *,
    queue: str | None = None,
    passed: tuple[int, ...] = (),
    least_severity: int = 0,
    minutes: int = LEASE_MINUTES,
) -> CaseView | None:
    """Work on the first case that nobody works on (in one queue, or in any but the jury's); None: nothing waits.

    Two who ask at the same time get two cases. `passed` are cases that the viewer does not want now; graver ones than
    `least_severity` (0 is the gravest) are for others.
    """
    _need_staff(viewer)
    row = await store.get_next_case(tx, queue, now(), viewer.account_id, addressed_to(viewer), passed, least_severity)
    if row is None:
        return None
    await lease_case(tx, viewer, row, minutes)
    return await get_case(tx, viewer, row.id)


async def lease_case(tx: Tx, viewer: Viewer, case: StateRow, minutes: int) -> None:
    """Give the lease of a locked open case to the viewer, or prolong it."""
    if not 1 <= minutes <= LONGEST_LEASE:
        raise Invalid(f"A case can be claimed for 1 to {LONGEST_LEASE} minutes.")
    moment = now()
    if case.assigned_to not in (None, viewer.account_id) and case.leased_until and case.leased_until > moment:
        who = (await get_account_views(tx, [case.assigned_to])).get(case.assigned_to)
        name = f"@{who.username}" if who else "Somebody else"
        raise Conflict(f"{name} works on this case until {case.leased_until:%H:%M} UTC. Take another one, or wait.")
    if case.escalated_to is not None and case.escalated_to not in addressed_to(viewer):
        raise Forbidden(f"This case was escalated to {case.escalated_to}, who alone may take it.")
    state = state_when_claimed(case.state)
    until = moment + timedelta(minutes=minutes)
    about = Subject("account", case.account_id)
    await append_event(tx, human(viewer), "case_claimed", case_id=case.id, subject=about, until=until)
    await store.update_case_work(tx, case.id, state, viewer.account_id, until, case.escalated_to)


async def release_case(tx: Tx, viewer: Viewer, case_id: int) -> None:
    """Let a case go, for others. Raises NotFound; Conflict for one that the viewer does not work on."""
    _need_staff(viewer)
    case = await _open_case(tx, case_id, viewer)
    if case.assigned_to != viewer.account_id and not viewer.runs_instance:
        raise Conflict("You do not work on this case, so there is nothing to let go.")
    await append_event(tx, human(viewer), "case_released", case_id=case_id, subject=Subject("account", case.account_id))
    await let_go(tx, case)


async def let_go(tx: Tx, case: StateRow) -> None:
    """Nobody works on a locked case any more. The caller has appended an event."""
    state = state_when_let_go(case.state, case.queue)
    await store.update_case_work(tx, case.id, state, None, None, case.escalated_to)


async def hand_over_case(tx: Tx, viewer: Viewer, case_id: int, to_account_id: int) -> None:
    """Give a case to somebody else of the staff, who is told by mail and has four hours to begin.

    Raises NotFound; Invalid for whoever is not (or no longer) of the staff; Conflict while a third one works on it.
    """
    _need_staff(viewer)
    case = await _open_case(tx, case_id, viewer)
    to = (await get_account_views(tx, [to_account_id])).get(to_account_id)
    if to is None or to.role == "member" or not to.is_local or to.state != "active":
        raise Invalid("A case can be handed over to an active moderator, admin or owner of this instance.")
    if to_account_id == viewer.account_id:
        raise Invalid("This is you. Claim the case instead.")
    if to_account_id == case.account_id:
        raise Invalid("The case is about them: hand it over to somebody else.")
    _check_addressed(viewer, case, to=None)
    moment = now()
    third = case.assigned_to not in (None, viewer.account_id, to_account_id)
    if third and case.leased_until and case.leased_until > moment and not viewer.runs_instance:
        raise Conflict("Somebody else works on this case now. Ask them, or wait until their lease is over.")
    until = moment + timedelta(minutes=HANDED_OVER_MINUTES)
    await append_event(
        tx,
        human(viewer),
        "case_handed_over",
        case_id=case_id,
        subject=Subject("account", case.account_id),
        to=str(to_account_id),
    )
    escalated = case.escalated_to if case.escalated_to in (None, STAFF) or to.role != "moderator" else to.username
    state = state_when_claimed(case.state)
    await store.update_case_work(tx, case_id, state, to_account_id, until, escalated)
    await enqueue(tx, "mail_case_notice", {"case_id": case_id, "account_ids": [to_account_id], "what": "handed_over"})


async def escalate_case(
    tx: Tx, actor: Actor, case_id: int, *, to: str = ADMINS, why: str, viewer: Viewer | None = None
) -> None:
    """Ask for somebody with more say: `to` is staff, admin, owner, or a member of the staff by name.

    A person's reasons are kept as a note (and mailed to nobody); the program's stand in the log. Never silent: a mail
    goes to whom it is addressed. Where nobody who has that role can act, it goes to the next who can. Raises NotFound;
    Invalid for whom there is not.
    """
    if viewer is not None:
        _need_staff(viewer)
    case = await _open_case(tx, case_id, viewer)
    told = await _addressees(tx, to)
    if case.account_id in told:
        raise Invalid("The case is about them: escalate it to somebody else.")
    if viewer is not None:
        _check_addressed(viewer, case, to=to)
    asked, to = to, await find_reachable(tx, to, but=case.account_id)
    about = Subject("account", case.account_id)
    note_id = None
    if actor.type == "human" and actor.id is not None and why.strip():
        note_id = await _write_note(tx, actor, actor.id, case.account_id, case_id, why)
    payload = {"to": to, "note_id": str(note_id)} if note_id else {"to": to, "why": why if note_id is None else ""}
    if asked != to:
        payload["asked"] = asked
    await append_event(tx, actor, "case_escalated", case_id=case_id, subject=about, **payload)
    state: State = case.state
    if state == "queued":
        check_transition(state, "open")
        state = "open"
    if state != "escalated":
        check_transition(state, "escalated")
    mine = case.assigned_to if to == STAFF else None
    await store.update_case_work(tx, case_id, "escalated", mine, case.leased_until if mine else None, to)
    await record(tx, CaseEscalated(account_id=actor.id or 0, case_id=case_id, to=to))
    if actor.type == "human":
        await enqueue(tx, "mail_case_notice", {"case_id": case_id, "account_ids": told, "to": to, "what": "escalated"})


async def deescalate_case(tx: Tx, viewer: Viewer, case_id: int) -> None:
    """Give an escalated case back to everybody. For those whom it was escalated to. Raises NotFound, Forbidden."""
    _need_staff(viewer)
    case = await _open_case(tx, case_id, viewer)
    if case.state != "escalated":
        raise Conflict("This case is not escalated.")
    if case.escalated_to is not None and case.escalated_to not in addressed_to(viewer):
        raise Forbidden(f"This case was escalated to {case.escalated_to}, who alone may give it back.")
    check_transition(case.state, "open")
    about = Subject("account", case.account_id)
    await append_event(tx, human(viewer), "case_deescalated", case_id=case_id, subject=about)
    await store.update_case_work(tx, case_id, "open", None, None, None)


async def move_case(tx: Tx, actor: Actor, case_id: int, queue: str, *, viewer: Viewer | None = None) -> None:
    """Put a case into another queue; into `jury` it waits for jurors, and moderators leave it alone.

    Raises NotFound; Invalid for a queue that there is not, and for a threat to life before a jury; Conflict while
    somebody else works on it, Forbidden for one that was escalated to others.
    """
    if viewer is not None:
        _need_staff(viewer)
    case = await _open_case(tx, case_id, viewer)
    if viewer is not None:
        _check_addressed(viewer, case, to=None)
        await _check_lease(tx, viewer, case)
    if queue not in QUEUES:
        raise Invalid(f"There is no such queue. The queues are {', '.join(QUEUES)}.")
    if queue == "jury" and case.severity == 0:
        raise Invalid("A threat to life never waits for a jury.")
    state: State = case.state
    if queue == "jury" and state != "queued":
        check_transition(state, "queued")
        state = "queued"
    elif queue != "jury" and state == "queued":
        check_transition(state, "open")
        state = "open"
    about = Subject("account", case.account_id)
    await append_event(tx, actor, "case_moved", case_id=case_id, subject=about, queue=queue)
    await store.update_case_queue(tx, case_id, queue, state)
    if queue == "jury":
        await store.update_case_work(tx, case_id, state, None, None, case.escalated_to)


async def add_case_note(tx: Tx, viewer: Viewer, account_id: int, case_id: int | None, text: str) -> int:
    """Write something down about a case, or (case None) about an account; returns the note's id. For the staff alone.

    Raises NotFound, also for a case of another account; Invalid for an empty or too long one.
    """
    _need_staff(viewer)
    if account_id == viewer.account_id:
        raise NotFound
    if case_id is not None:
        owner = await store_notes.get_case_account(tx, case_id)
        if owner != account_id:
            raise NotFound
    elif account_id not in await get_account_views(tx, [account_id]):
        raise NotFound
    return await _write_note(tx, human(viewer), viewer.account_id, account_id, case_id, text)


async def _write_note(tx: Tx, actor: Actor, written_by: int, account_id: int, case_id: int | None, text: str) -> int:
    said = text.replace("\x00", "").strip()
    if not said:
        raise Invalid("Validation failed: the note is empty.")
    if len(said) > MOST_NOTE:
        raise Invalid(f"Validation failed: the note is longer than {MOST_NOTE} characters.")
    about = Subject("account", account_id)
    await append_event(tx, actor, "note_added", case_id=case_id, subject=about)
    return await store_notes.insert_note(tx, case_id, account_id, written_by, said, now())


async def _addressees(tx: Tx, to: str) -> list[int]:
    """Account ids of whom an escalation names; none for a role, whose members the mail finds itself."""
    if to in (STAFF, ADMINS, OWNERS):
        return []
    found = await store_notes.get_staff_by_name(tx, to)
    if found is None:
        raise Invalid("Escalate to staff, admin, owner, or to somebody of the staff by name.")
    return [found]


def addressed_to(viewer: Viewer) -> list[str]:
    """The words by which an escalation may mean this viewer."""
    names = [STAFF, viewer.username]
    if viewer.runs_instance:
        names.append(ADMINS)
    if viewer.role == "owner":
        names.append(OWNERS)
    return names


async def _check_lease(tx: Tx, viewer: Viewer, case: StateRow) -> None:
    """Raise Conflict while somebody else works on a case; who runs the instance may take it out of their hands."""
    other = case.assigned_to if case.assigned_to != viewer.account_id else None
    if other is None or not case.leased_until or case.leased_until <= now() or viewer.runs_instance:
        return
    who = (await get_account_views(tx, [other])).get(other)
    name = f"@{who.username}" if who else "Somebody else"
    raise Conflict(f"{name} works on this case until {case.leased_until:%H:%M} UTC. Ask them, or wait.")


def _check_addressed(viewer: Viewer, case: StateRow, *, to: str | None) -> None:
    """Raise Forbidden for taking a case from those who run the instance, whom somebody asked for; up is allowed."""
    asked = case.escalated_to
    if asked not in (ADMINS, OWNERS) or asked in addressed_to(viewer) or to in (asked, OWNERS):
        return
    raise Forbidden(f"This case was escalated to {asked}, who alone may give it to others.")


def _need_staff(viewer: Viewer) -> None:
    if not viewer.is_staff:
        raise NotFound


async def _open_case(tx: Tx, case_id: int, viewer: Viewer | None) -> StateRow:
    """An open case, locked; one about the viewer is not there for the viewer."""
    case = await store.get_locked_case(tx, case_id)
    if case is None or (viewer is not None and case.account_id == viewer.account_id):
        raise NotFound
    if case.state == "closed":
        raise Conflict("This case is closed: everything in it is decided.")
    return case
