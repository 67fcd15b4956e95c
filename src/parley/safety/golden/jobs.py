"""Keeping the set of known answers: settled decisions come in, reversed ones go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.safety.golden import store
from parley.safety.log.actions import append_event
from parley.safety.log.views import system

UNDISPUTED = timedelta(days=30)
"""A decision that nobody appealed for so long counts as settled."""
MOST = 1000
"""Known answers of each kind: more teach nothing."""
AT_ONCE = 100


async def refresh_golden_cases(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, daily: make known answers of settled decisions, as many that break a rule as that do not, and retire what
    is not settled any more."""
    async with instance.db.write() as tx:
        if await store.has_retirable(tx):
            await append_event(tx, system("golden"), "golden_retired")
            await store.update_retired(tx)
        breaks, fine = await store.count_live(tx)
        room = {"breaks": min(MOST, 2 * fine + 10) - breaks, "fine": min(MOST, 2 * breaks + 10) - fine}
        found = []
        for case in await store.list_settled(tx, now() - UNDISPUTED, AT_ONCE):
            if room[case.expected] > 0:
                room[case.expected] -= 1
                found.append(case)
        if found:
            await append_event(tx, system("golden"), "golden_added", count=len(found))
            for case in found:
                await store.insert_golden(tx, case)
