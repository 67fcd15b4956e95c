"""That an escalation reaches somebody who can act: where nobody has the role that was asked for, the next who can.

An owner who has left, is suspended, or is whom the case is about, would otherwise keep it from everybody for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.cases import store, store_notes
from parley.safety.cases.store_notes import StaffRow
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, system

log = logging.getLogger(__name__)

STAFF, ADMINS, OWNERS = "staff", "admin", "owner"
"""To whom a case is escalated: everybody of the staff, those who run the instance, its owner; or one by name."""
_AT_ONCE = 200


def choose_reachable(to: str, staff: Sequence[StaffRow]) -> str:
    """To whom an escalation goes: as asked if one of these can act, else to those who run the instance, else to all."""
    roles = {one.role for one in staff}
    if to == OWNERS and "owner" in roles:
        return OWNERS
    if to not in (STAFF, ADMINS, OWNERS) and to.lower() in {one.username.lower() for one in staff}:
        return to
    return ADMINS if to != STAFF and roles & {"admin", "owner"} else STAFF


async def find_reachable(tx: Tx, to: str, *, but: int) -> str:
    """The same for the staff that there is, without the account `but`, whom the case is about."""
    return choose_reachable(to, await store_notes.list_active_staff(tx, but))


async def reach_escalated(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every ten minutes: cases that were escalated to whom there is no more go to whoever can act, and by mail."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            cases = await store.list_escalated_cases(tx, above, _AT_ONCE)
            for case in cases:
                asked = case.escalated_to or STAFF
                to = await find_reachable(tx, asked, but=case.account_id)
                if to == asked:
                    continue
                log.error(
                    "case %s was escalated to %s, and there is nobody who could act: now to %s", case.id, asked, to
                )
                about = Subject("account", case.account_id)
                told: dict[str, Any] = {"to": to, "asked": asked, "why": "nobody_there"}
                await append_event(tx, system("cases"), "case_escalated", case_id=case.id, subject=about, **told)
                await store.update_case_work(tx, case.id, case.state, case.assigned_to, case.leased_until, to)
                mail = {"case_id": case.id, "account_ids": [], "to": to, "what": "escalated"}
                await enqueue(tx, "mail_case_notice", mail)
        if len(cases) < _AT_ONCE:
            return
        above = cases[-1].id
