"""Jobs of sweeps. A new ruleset, or a new entry of a bank of hashes, plans one, and counts it; an approved one may run
in the worker. One over members needs no approval: it acts on nobody. Each may run twice."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from parley import screening
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.judging import OwnThread
from parley.safety.sweeps import store, store_members
from parley.safety.sweeps.actions import abort_sweep, carry_on_file_sweeps, count_sweep, plan_sweep
from parley.safety.sweeps.gathering import gather, look_at_file
from parley.safety.sweeps.members import look_further, plan_member_sweep
from parley.safety.sweeps.planning import plan_file_sweep
from parley.safety.sweeps.running import run_sweep
from parley.safety.sweeps.views import NewSweep
from parley.social.media.matching_past import get_searched_bank, has_hashed_files
from parley.social.policies.live import load_live
from parley.social.verdicts.reads import count_history

SETTLE = timedelta(seconds=20)
"""Before a new sweep is counted: several changes of the banks in a row make one sweep in the end."""
COUNTED_BY_ITSELF = 4000
"""How many results the worker judges at most to count a sweep; whoever wants to know better counts it again."""
AT_A_TIME = 10.0
"""Seconds that a sweep runs in the worker before other jobs have their turn."""
SMALL_PAGE = 100

NOTHING_FOUND = "Nothing that is here would be treated otherwise because of these files: there was nothing to approve."
DONE_ALREADY = "What was found is hidden already, as it could not wait: there was nothing more to approve."

_REASONS = {
    "policy": "Another policy is live.",
    "bank": "Entries of the banks have changed.",
    "program": "The program, or the policy that comes with it, judges otherwise than before.",
}


async def plan_sweep_of_change(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RulesetChanged: plan to judge all of history again, and to count what that would do.

    Nothing is acted on before the staff has approved it.
    """
    ruleset = await load_live(instance.db, instance.settings)
    if ruleset.sha256 != payload["ruleset"]:
        return  # it has changed again: the job of that change does it
    async with instance.db.write() as tx:
        await carry_on_file_sweeps(tx, ruleset)
        if (await count_history(tx))[0] == 0:
            return
        is_open = await store.list_sweeps(tx, 1000, only_open=True)
        if any(row.ruleset == ruleset.sha256 and row.scope == "history" for row in is_open):
            return
        reason = _REASONS.get(payload["what"], _REASONS["program"])
        new = NewSweep(reason=reason, changed=tuple(payload.get("changed", ())))
        sweep_id = await plan_sweep(tx, None, ruleset, new)
        await enqueue(tx, "count_planned_sweep", {"sweep_id": sweep_id}, after=SETTLE)


async def count_planned_sweep(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: find out what a sweep would do. Payload: `sweep_id`."""
    ruleset = await load_live(instance.db, instance.settings)
    async with instance.db.read() as tx:
        row = await store.get_sweep(tx, int(payload["sweep_id"]))
    if row is None or row.state != "planned" or row.ruleset != ruleset.sha256:
        return
    try:
        count = await count_sweep(instance.db, None, row.id, OwnThread(ruleset), ruleset, most=COUNTED_BY_ITSELF)
    except (Conflict, Invalid, NotFound):
        return  # it was aborted, grew, or another ruleset went live, while it was counted
    if row.scope == "files" and count.share >= 1 and not count.effects:
        async with instance.db.write() as tx:
            now_row = await store.get_locked_sweep(tx, row.id)
            if now_row is not None and now_row.state == "counted":
                note = DONE_ALREADY if now_row.acted else NOTHING_FOUND
                await abort_sweep(tx, None, row.id, note=note)


async def plan_sweep_of_hashes(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on HashesBanked: plan to judge again whatever carries a file that is like what a bank looks for now."""
    ruleset = await load_live(instance.db, instance.settings)
    bank_id, first_id, last_id = (int(payload[name]) for name in ("bank_id", "first_id", "last_id"))
    async with instance.db.write() as tx:
        bank = await get_searched_bank(tx, bank_id)
        if bank is not None and await has_hashed_files(tx):
            by = int(payload["account_id"])
            await plan_file_sweep(tx, ruleset, bank, bank_id, first_id, last_id, by=by)


async def gather_for_sweep(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: look for what a sweep over files is about, for a while; then let it be counted. Payload: `sweep_id`."""
    sweep_id = int(payload["sweep_id"])
    ruleset = await load_live(instance.db, instance.settings)
    try:
        progress = await gather(instance, sweep_id, ruleset, seconds=AT_A_TIME)
    except Conflict:
        async with instance.db.write() as tx:
            await carry_on_file_sweeps(tx, ruleset)  # that queues this job for the one that goes on
        return
    except NotFound:
        return
    async with instance.db.write() as tx:
        if progress == "more":
            await enqueue(tx, "gather_for_sweep", payload)
        elif progress == "done":
            await enqueue(tx, "count_planned_sweep", payload, after=SETTLE)


async def look_at_late_file(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: a file was being processed while something entered a bank: ask the banks about it again.

    Payload: `media_id`.
    """
    ruleset = await load_live(instance.db, instance.settings)
    sweep_id = await look_at_file(instance, int(payload["media_id"]), ruleset)
    if sweep_id is not None:
        async with instance.db.write() as tx:
            await enqueue(tx, "count_planned_sweep", {"sweep_id": sweep_id}, after=SETTLE)


async def plan_sweep_over_members(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RulesetChanged: look among the members who are here for whom new entries of the banks of sign-up mean.

    What is new is told from what was looked for before, so that it does not matter for which change this runs.
    """
    async with instance.db.write() as tx:
        await store_members.lock_planning(tx)
        # Loaded under the lock: of two that plan, the later one sees what is live then.
        sweep_id = await plan_member_sweep(tx, await load_live(instance.db, instance.settings))
        if sweep_id is not None:
            await enqueue(tx, "look_at_members", {"sweep_id": sweep_id}, after=SETTLE)


async def look_at_members(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: go on with a sweep over members for a while, then let other jobs have their turn. Payload: `sweep_id`."""
    sweep_id = int(payload["sweep_id"])
    ruleset = await load_live(instance.db, instance.settings)
    deadline = time.monotonic() + AT_A_TIME
    while time.monotonic() < deadline:
        instance.gate.check()
        async with instance.db.write() as tx:
            if not await look_further(tx, instance.settings, sweep_id, ruleset):
                return
    async with instance.db.write() as tx:
        await enqueue(tx, "look_at_members", payload)


async def run_approved_sweep(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: go on with a sweep for a while, then let other jobs have their turn. Payload: `sweep_id`."""
    sweep_id = int(payload["sweep_id"])
    ruleset = await load_live(instance.db, instance.settings)
    try:
        row = await run_sweep(
            instance.db,
            instance.settings,
            sweep_id,
            OwnThread(ruleset),
            ruleset,
            seconds=AT_A_TIME,
            page=SMALL_PAGE,
        )
    except (Conflict, Invalid, NotFound):
        return  # aborted, superseded, or run by somebody else
    if screening.live_ruleset().sha256 == row.ruleset and row.state == "running":
        async with instance.db.write() as tx:
            await enqueue(tx, "run_approved_sweep", payload)
