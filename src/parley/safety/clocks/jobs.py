"""Jobs of clocks: watch them, hide what is due, tell the staff. Each may run twice, and several at once.

A breach is marked in the transaction of its consequences, so that a crash loses neither.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.safety.cases import store_clocks
from parley.safety.cases.letters import KINDS, breaches
from parley.safety.cases.store_clocks import BreachRow
from parley.safety.clocks.actions import LEAD, breach_clocks, list_due, measure_case
from parley.screening.ruleset import severity_name
from parley.social.sessions.staff import write_to_staff

log = logging.getLogger(__name__)

_AT_ONCE = 100
_SHOWN = 30
_MOST_TOLD = 5000
_TRY_AGAIN = timedelta(days=2)
_MOST_TRIED = 500


async def watch_clocks(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: first hide what is nearly due and could do harm, then note every promise that was not kept."""
    async with instance.db.read() as tx:
        nearly = await store_clocks.list_nearly_due(tx, now() + LEAD, _MOST_TOLD)
    for case_id in nearly:
        try:
            await hide_in_time(instance, {"case_id": case_id})
        except Exception:
            # Its clock is breached, which calls people; it must not keep the promises of others from being watched.
            log.exception("case %s: what is due could not be hidden", case_id)
    while True:
        async with instance.db.write() as tx:
            due = await list_due(tx, now(), _AT_ONCE)
            if due:
                await breach_clocks(tx, due)
        if not due:
            return


async def hide_in_time(instance: Instance, payload: dict[str, Any]) -> None:
    """Hide what is due in `case_id`, until somebody decides."""
    async with instance.db.write() as tx:
        await measure_case(tx, instance.settings, int(payload["case_id"]))


async def hide_overdue(instance: Instance, payload: dict[str, Any]) -> None:
    """Every ten minutes: try again to hide what should have been hidden in the last two days and was not: it failed, or
    nobody credible had named it then."""
    moment = now()
    async with instance.db.read() as tx:
        cases = await store_clocks.list_unmeasured(tx, moment - _TRY_AGAIN, _MOST_TRIED)
    for case_id in cases:
        try:
            await hide_in_time(instance, {"case_id": case_id})
        except Exception:
            log.exception("case %s: what was due could not be hidden", case_id)


async def mail_breaches(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: write to those who run the instance, and to whom the cases are assigned, what was not kept.

    One letter for all that nobody has been told of; it counts as told once it is sent.
    """
    async with instance.db.read() as tx:
        rows = await store_clocks.list_untold_breaches(tx, _MOST_TOLD)
    if not rows:
        return
    letter = breaches(instance.settings, [_line(instance, row) for row in rows[:_SHOWN]], len(rows) - _SHOWN)
    assigned = {row.assigned_to for row in rows if row.assigned_to is not None}
    async with instance.db.write() as tx:
        sent = await write_to_staff(
            tx, instance.settings, letter, roles=("admin", "owner"), account_ids=sorted(assigned)
        )
        await store_clocks.update_told(tx, [row.id for row in rows], now())
    if not sent:
        log.error("%s promises were not kept, and nobody of the staff has a proven mail address", len(rows))


def _line(instance: Instance, row: BreachRow) -> str:
    """One promise in words, with the page that it is about."""
    base = f"{instance.settings.base_url}/desk"
    page = f"{base}/notices/{row.notice_id}" if row.notice_id else f"{base}/appeals"
    if row.case_id is not None:
        page = f"{base}/cases/{row.case_id}"
    what = f"{KINDS.get(row.kind, row.kind)} ({row.source.replace('_', ' ')}, {severity_name(row.severity)})"
    when = f"due {row.due_at:%Y-%m-%d %H:%M} UTC"
    return f"{'hidden in time' if row.state == 'met' else 'overdue'}: {what}, {when}\n    {page}"
