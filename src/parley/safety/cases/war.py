"""A crisis: what belongs to it waits in a queue of its own, before everything else. Declaring one is another's work."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.jobs import enqueue
from parley.safety.cases import store
from parley.safety.cases.routing import queue_of
from parley.safety.cases.store import StateRow
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Actor, Subject, system
from parley.screening import live_ruleset


async def open_war_queue(
    tx: Tx, actor: Actor, incident_id: int, *, severity_at_most: int = 1, clauses: Sequence[str] = ()
) -> None:
    """From now on, what is at least as grave (-1: by clause alone), or breaks one of these clauses, is the incident's.

    Cases that are open already are moved by a job. Raises Invalid while another incident has the queue.
    """
    known = await store.get_war(tx)
    if known is not None and known.incident_id != incident_id:
        raise Invalid("Another incident is on. Conclude it first.")
    async with keep_cause(tx):
        await append_event(tx, actor, "war_queue_opened", incident_id=str(incident_id), severity=severity_at_most)
        await store.upsert_war(tx, incident_id, severity_at_most, clauses)
    await enqueue(tx, "reroute_cases", {}, dedupe_key="reroute_cases")


async def close_war_queue(tx: Tx, actor: Actor, incident_id: int) -> None:
    """The crisis is over: what waits goes back to where it belongs; cases keep the incident that they are part of."""
    async with keep_cause(tx):
        await append_event(tx, actor, "war_queue_closed", incident_id=str(incident_id))
        await store.delete_war(tx, incident_id)
    await enqueue(tx, "reroute_cases", {}, dedupe_key="reroute_cases")


async def reroute(tx: Tx, case: StateRow) -> None:
    """Put a locked open case where it belongs now. What people put before a jury stays there, unless it is a crisis."""
    war = await store.get_war(tx)
    fits = war is not None and (case.severity <= war.severity_at_most or case.clause in war.clauses)
    incident = war.incident_id if war is not None and fits else None
    queue = queue_of(live_ruleset(), case.source, case.severity, case.clause, incident=fits)
    if case.queue == "jury" and not fits:
        queue = "jury"
    if queue == case.queue and (incident is None or incident == case.incident_id):
        return
    about = Subject("account", case.account_id)
    await append_event(tx, system("incidents"), "case_moved", case_id=case.id, subject=about, queue=queue)
    if case.queue == "jury" and queue != "jury" and case.state == "queued":
        await store.update_case_queue(tx, case.id, queue, "open")
    gravity = (case.source, case.clause, case.severity)
    await store.update_case_gravity(tx, case.id, queue, gravity, incident or case.incident_id)
