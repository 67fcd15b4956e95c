"""Jobs of this room: convening, drawing, replacing who does not answer, counting, and writing to jurors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.kit.mail import send_mail
from parley.safety.juries import store, store_seats
from parley.safety.juries.actions import settle_jury
from parley.safety.juries.convening import JURY, convene_for_appeal, convene_for_case, draw_jury
from parley.safety.juries.states import next_seat_state
from parley.safety.log.actions import append_event

log = logging.getLogger(__name__)

AT_ONCE = 100


async def run_juries(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every five minutes: everything about juries that is due. Each step is a transaction of its own."""
    settings = instance.settings
    async with instance.db.read() as tx:
        cases = await store.list_waiting_cases(tx, AT_ONCE)
        appeals = await store.list_waiting_appeals(tx, AT_ONCE)
    for case_id in cases:
        with _alone(f"convening a jury for case {case_id}"):
            async with instance.db.write() as tx:
                await convene_for_case(tx, settings, case_id)
    for appeal_id in appeals:
        with _alone(f"convening a jury for appeal {appeal_id}"):
            async with instance.db.write() as tx:
                await convene_for_appeal(tx, settings, appeal_id)
    async with instance.db.read() as tx:
        convened = [row.id for row in await store.list_open(tx, AT_ONCE) if row.state == "convened"]
    for jury_id in convened:
        with _alone(f"drawing jury {jury_id}"):
            async with instance.db.write() as tx:
                await draw_jury(tx, jury_id)
    await _expire_seats(instance)
    async with instance.db.read() as tx:
        sitting = [row.id for row in await store.list_open(tx, AT_ONCE) if row.state == "sitting"]
    for jury_id in sitting:
        with _alone(f"settling jury {jury_id}"):
            async with instance.db.write() as tx:
                await settle_jury(tx, settings, jury_id)


@contextmanager
def _alone(what: str) -> Iterator[None]:
    """What fails is tried again in five minutes, and keeps no other jury waiting."""
    try:
        yield
    except Exception:
        log.exception("%s failed", what)


async def _expire_seats(instance: Instance) -> None:
    moment = now()
    async with instance.db.write() as tx:
        late = await store_seats.list_late(tx, moment, AT_ONCE)
        if not late:
            return
        await append_event(tx, JURY, "jurors_expired", seats=len(late))
        for seat in late:
            fresh = await store_seats.lock_seat(tx, seat.id)
            if fresh is not None and fresh.state == "called":
                await store_seats.update_seat(tx, seat.id, next_seat_state(fresh.state, "expired"), None)


async def mail_jury_call(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to a member who was drawn."""
    settings = instance.settings
    async with instance.db.read() as tx:
        address = await store.get_address(tx, payload["account_id"])
    if address is None:
        return
    text = (
        f"Hello @{address[0]},\n\nyou were drawn by lot to look at some posts with other members, because you wished "
        "to sit on juries. You are told neither whose they are nor what others say; it takes a few minutes:\n\n"
        f"{settings.base_url}/jury\n\n"
        "If you have no time, do nothing: somebody else will be asked. You can stop taking part on the same page.\n\n"
        f"-- \n{settings.name}\n{settings.base_url}\n"
    )
    await send_mail(settings, address[1], f"You were drawn for a jury on {settings.name}", text)
