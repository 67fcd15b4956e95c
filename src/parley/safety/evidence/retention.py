"""Purging: what nobody needs any more is forgotten, and nothing that anybody does. The hashes stay.

What is due is worked out anew each time (`due_evidence`, migration 0021), from open cases, appeals and holds and from
the policy's periods: so what was due under a hold is purged as soon as that ends, and there is no plan that could be
wrong.
"""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.jobs import enqueue
from parley.safety.evidence import store_law, store_purging
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.screening import live_ruleset
from parley.social.media.for_evidence import forget_remains
from parley.social.sessions.for_evidence import forget_held

BATCH = 200
ME = system("retention")


async def purge_due(db: Database) -> int:
    """Purge all that is due, a few at a time; returns how many snapshots and reports it was."""
    purged, above = 0, 0
    while True:
        async with db.write() as tx:
            count, above, more = await _purge_snapshots(tx, above)
        purged += count
        if not more:
            break
    while True:
        async with db.write() as tx:
            count = await _purge_reports(tx)
        purged += count
        if count < BATCH:
            break
    while True:
        async with db.write() as tx:
            if not await forget_remains(tx):
                break
    while True:
        async with db.write() as tx:
            if not await forget_held(tx):
                return purged


async def _purge_snapshots(tx: Tx, above: int) -> tuple[int, int, bool]:
    """A page of snapshots; returns how many of it went, where the next begins, and whether there is one."""
    retention, moment = live_ruleset().head.retention, now()
    closed_before = moment - timedelta(days=retention.closed_case_days)
    loose_before = moment - timedelta(days=retention.no_case_days)
    await store_law.lock_purging(tx)
    # First lock, then ask, in two statements: whoever captured one of them meanwhile is seen.
    ids = await store_purging.lock_old_snapshots(tx, above, max(closed_before, loose_before), BATCH)
    due = await store_purging.list_due(tx, ids, closed_before, loose_before) if ids else []
    if due:
        await append_event(tx, ME, "evidence_purged", snapshots=len(due))
        await store_purging.update_purged(tx, due, moment)
        await _drop_files(tx, await store_purging.update_purged_files(tx, moment, snapshot_ids=due))
    return len(due), ids[-1] if ids else above, len(ids) == BATCH


async def _purge_reports(tx: Tx) -> int:
    retention, moment = live_ruleset().head.retention, now()
    await store_law.lock_purging(tx)
    ids = await store_purging.lock_due_reports(tx, moment - timedelta(days=retention.closed_case_days), BATCH)
    if ids:
        await append_event(tx, ME, "reports_purged", reports=len(ids))
        await store_purging.update_purged_reports(tx, ids)
        await _drop_files(tx, await store_purging.update_purged_files(tx, moment, report_ids=ids))
    return len(ids)


async def _drop_files(tx: Tx, names: list[str]) -> None:
    if names:
        await enqueue(tx, "delete_evidence_copies", {"names": names})
