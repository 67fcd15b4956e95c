"""Legal holds: what must not be purged, for whom, until when. Staff ask for one; who runs the instance decides on it.

A hold keeps things from the moment that somebody asks for it. Whatever it covers is captured at once by a job, and what
comes after every day; what its author deletes meanwhile is kept by the database (`is_preserved`, migration 0021).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.jobs import enqueue
from parley.safety.evidence import store_law
from parley.safety.evidence.law_views import HoldKind, HoldView, NewHold
from parley.safety.evidence.states import HOLD_FOLLOWS, check_transition
from parley.safety.log.actions import append_event
from parley.safety.log.views import human
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer

MOST_SUBJECTS = 1000
SHORTEST_REASON = 5
MOST_TEXT = 5000


def need_staff(viewer: Viewer) -> None:
    """Raise NotFound for whoever is not staff."""
    if not viewer.is_staff:
        raise NotFound


def need_operator(viewer: Viewer, what: str) -> None:
    """Raise NotFound for whoever is not staff, and Forbidden for staff who do not run the instance."""
    need_staff(viewer)
    if not viewer.runs_instance:
        raise Forbidden(f"Only those who run the instance {what}: ask an admin or the owner.")


def clean(text: str, name: str, *, least: int = 0) -> str:
    """Text that somebody of the staff wrote; raises Invalid for too little or too much."""
    text = text.replace("\x00", "").strip()
    if len(text) < least:
        raise Invalid(f"Say {name} in a few words: it is on record.")
    if len(text) > MOST_TEXT:
        raise Invalid(f"{name} is longer than {MOST_TEXT} characters.")
    return text


def usual_end(kind: HoldKind, moment: datetime) -> datetime | None:
    """When a hold of this kind ends unless somebody says otherwise; None: when it is released."""
    retention = live_ruleset().head.retention
    days = {"preservation": retention.preservation_days, "cybertip": retention.cybertip_days}.get(kind)
    return moment + timedelta(days=days) if days else None


async def place_hold(tx: Tx, viewer: Viewer, new: NewHold) -> HoldView:
    """Ask for a hold; who runs the instance places it at once.

    Raises NotFound for who is not staff and for subjects that do not exist, Invalid without subjects or a reason.
    """
    need_staff(viewer)
    if not 1 <= len(new.subjects) <= MOST_SUBJECTS:
        raise Invalid(f"A hold keeps 1 to {MOST_SUBJECTS} things: name accounts, cases, conversations or posts.")
    moment = now()
    ends_at = new.ends_at or usual_end(new.kind, moment)
    if ends_at is not None and ends_at <= moment:
        raise Invalid("The hold would be over already: give an end in the future.")
    new = msgspec.structs.replace(
        new,
        reason=clean(new.reason, "the reason", least=SHORTEST_REASON),
        reference=clean(new.reference, "the reference"),
    )
    if unknown := await store_law.list_unknown_held(tx, new.subjects):
        raise NotFound(f"There is no {unknown[0].type} {unknown[0].id}.")
    if new.request_id is not None and not await store_law.list_requests(tx, request_id=new.request_id):
        raise NotFound(f"There is no request {new.request_id}.")
    state = "active" if viewer.runs_instance else "requested"
    await store_law.lock_purging(tx)
    await append_event(tx, human(viewer), f"legal_hold_{state}", kind=new.kind, subjects=len(new.subjects))
    people = (viewer.account_id, viewer.account_id if state == "active" else None)
    hold_id = await store_law.insert_hold(tx, new, state, people, moment, ends_at)
    await enqueue(tx, "capture_held", {"hold_id": hold_id})
    return await get_hold(tx, viewer, hold_id)


async def activate_hold(tx: Tx, viewer: Viewer, hold_id: int) -> HoldView:
    """Put a hold in force that somebody asked for. Raises NotFound, Forbidden, Invalid."""
    need_operator(viewer, "put holds in force")
    await _step(tx, hold_id, "active")
    await append_event(tx, human(viewer), "legal_hold_active", hold=str(hold_id))
    await store_law.update_hold_active(tx, hold_id, viewer.account_id)
    await enqueue(tx, "capture_held", {"hold_id": hold_id})
    return await get_hold(tx, viewer, hold_id)


async def renew_hold(tx: Tx, viewer: Viewer, hold_id: int, *, ends_at: datetime | None = None) -> HoldView:
    """Let a hold go on, for its usual time from its end on, or until `ends_at`. Raises NotFound, Forbidden, Invalid."""
    need_operator(viewer, "renew holds")
    await _need_other(tx, viewer, hold_id)
    end, kind = await _step(tx, hold_id, "renewed")
    moment = now()
    following = ends_at or (usual_end(kind, max(end, moment)) if end is not None else None)
    if following is not None and following <= moment:
        raise Invalid("The hold would be over already: give an end in the future.")
    await append_event(tx, human(viewer), "legal_hold_renewed", hold=str(hold_id))
    await store_law.update_hold_renewed(tx, hold_id, following)
    await enqueue(tx, "capture_held", {"hold_id": hold_id})
    return await get_hold(tx, viewer, hold_id)


async def release_hold(tx: Tx, viewer: Viewer, hold_id: int, *, why: str) -> HoldView:
    """End a hold: what was due meanwhile is purged now. Raises NotFound, also for one about the viewer; Forbidden,
    Invalid."""
    need_operator(viewer, "release holds")
    await _need_other(tx, viewer, hold_id)
    why = clean(why, "why it is released", least=SHORTEST_REASON)
    await _step(tx, hold_id, "released")
    await append_event(tx, human(viewer), "legal_hold_released", hold=str(hold_id))
    await store_law.update_hold_ended(tx, hold_id, "released", viewer.account_id, now(), why)
    await enqueue(tx, "purge_evidence", {})
    return await get_hold(tx, viewer, hold_id)


async def _need_other(tx: Tx, viewer: Viewer, hold_id: int) -> None:
    """Raise NotFound for a hold about the viewer: it is for others."""
    if await store_law.list_held_about(tx, [hold_id], viewer.account_id):
        raise NotFound(f"There is no hold {hold_id}.")


async def _step(tx: Tx, hold_id: int, following: str) -> tuple[datetime | None, HoldKind]:
    found = await store_law.lock_hold(tx, hold_id)
    if found is None:
        raise NotFound(f"There is no hold {hold_id}.")
    state, end, kind = found
    check_transition(HOLD_FOLLOWS, state, following)
    return end, kind  # type: ignore[return-value]


async def get_hold(tx: Tx, viewer: Viewer, hold_id: int) -> HoldView:
    """A hold with what it keeps. Raises NotFound, also for one about the viewer."""
    need_staff(viewer)
    await _need_other(tx, viewer, hold_id)
    found = await _complete(tx, await store_law.list_holds(tx, hold_id=hold_id, limit=1))
    if not found:
        raise NotFound(f"There is no hold {hold_id}.")
    return found[0]


async def list_holds(
    tx: Tx, viewer: Viewer, *, ended: bool = False, request_id: int | None = None, limit: int = 100
) -> list[HoldView]:
    """Holds that are in force or asked for, newest first; with `ended` the others too. None about the viewer."""
    need_staff(viewer)
    holds = await store_law.list_holds(tx, ended=ended, request_id=request_id, limit=limit)
    own = await store_law.list_held_about(tx, [hold.id for hold in holds], viewer.account_id) if holds else set()
    return await _complete(tx, [hold for hold in holds if hold.id not in own])


async def _complete(tx: Tx, holds: Sequence[HoldView]) -> list[HoldView]:
    ids = [hold.id for hold in holds]
    held = await store_law.list_held(tx, ids) if ids else []
    counts = await store_law.count_hold_snapshots(tx, ids) if ids else {}
    return [
        msgspec.structs.replace(
            hold,
            subjects=tuple(one for hold_id, one in held if hold_id == hold.id),
            snapshots=counts.get(hold.id, 0),
        )
        for hold in holds
    ]
