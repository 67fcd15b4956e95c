"""Planning sweeps over what carries files that a bank of hashes has come to know.

Such a sweep has a list of its own instead of a range of history. What comes while nobody has approved it joins it. This
file looks for nothing (`gathering.py` does) and judges nothing.
"""

from __future__ import annotations

from parley.kit.db import Tx, get_new_id
from parley.kit.jobs import enqueue
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.sweeps import store, store_files
from parley.safety.sweeps.store import SweepRow
from parley.safety.sweeps.views import PER_SECOND
from parley.screening import Ruleset
from parley.social.events.actions import record
from parley.social.events.facts import SweepPlanned

REASON = "A bank of hashes looks for more files."
ME = system("sweeps")


async def plan_file_sweep(
    tx: Tx, ruleset: Ruleset, bank: str, bank_id: int, first_id: int, last_id: int, *, by: int = 0
) -> int:
    """Plan to judge again whatever carries a file that is like one of these rows of a bank; returns the sweep's id.

    Joins a sweep under the same ruleset that nobody has approved yet: that one is counted anew. A job then gathers
    what there is.
    """
    await store_files.lock_planning(tx)
    sweep_id = await _join_or_plan(tx, ruleset, [f"hashes:{bank}"], by)
    await store_files.insert_span(tx, sweep_id, bank_id, first_id, last_id)
    return sweep_id


async def plan_sweep_of_file(tx: Tx, ruleset: Ruleset, banks: list[str]) -> int:
    """Plan to judge again what carries one file that the caller puts on the list; joins as `plan_file_sweep` does."""
    await store_files.lock_planning(tx)
    return await _join_or_plan(tx, ruleset, [f"hashes:{bank}" for bank in banks], 0)


async def plan_file_sweep_again(tx: Tx, ruleset: Ruleset, row: SweepRow) -> int:
    """Hand what a sweep of another ruleset has not done yet on to one under `ruleset`; returns that one's id.

    The caller ends the old one. What that did stays, and can be undone there.
    """
    await store_files.lock_planning(tx)
    sweep_id = await _join_or_plan(tx, ruleset, row.changed, 0)
    await store_files.insert_rest_of(tx, row.id, sweep_id, row.cursor)
    total = await store_files.count_subjects(tx, sweep_id)
    await append_event(tx, ME, "sweep_grew", sweep=str(sweep_id), total=total, of=str(row.id))
    await store.update_listed(tx, sweep_id, total, [])
    return sweep_id


async def _join_or_plan(tx: Tx, ruleset: Ruleset, changed: list[str], by: int) -> int:
    sweep_id = await store_files.get_joinable(tx, ruleset.sha256)
    if sweep_id is not None:
        total = await store_files.count_subjects(tx, sweep_id)
        await append_event(tx, ME, "sweep_grew", sweep=str(sweep_id), total=total, changed=changed)
        await store.update_listed(tx, sweep_id, total, changed)
    else:
        sweep_id = await get_new_id(tx)
        await append_event(
            tx, ME, "sweep_planned", sweep=str(sweep_id), ruleset=ruleset.sha256, scope="files", changed=changed
        )
        await store.insert_sweep(
            tx,
            sweep_id,
            ruleset.sha256,
            REASON,
            changed,
            automatic=True,
            planned_by=None,
            release=False,
            per_second=PER_SECOND,
            span=(0, 0),
            total=0,
            scope="files",
        )
        await record(tx, SweepPlanned(account_id=by, sweep_id=sweep_id, ruleset=ruleset.sha256, total=0))
    # Once for each change: one that runs already may have found nothing more to look for just before.
    await enqueue(tx, "gather_for_sweep", {"sweep_id": sweep_id})
    return sweep_id
