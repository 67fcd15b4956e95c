"""Files that a bank of hashes took out of sight: looking at one is an entry of the log, and each has an end.

Opening one takes a member of the staff and a reason. Both stand in the log before the file is copied, in one
transaction with the row that says so; the database refuses that row without the entry. Nothing here serves a file.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from parley.kit.clock import now
from parley.kit.db import Database
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.evidence import store_law, store_purging
from parley.safety.log.actions import append_event
from parley.safety.log.views import human, system
from parley.screening import live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.media.evidence_files import (
    KeptFile,
    note_opening,
    note_purged,
    read_reason,
    save_kept_file,
)

ME = system("retention")
BATCH = 200


async def open_kept_file(
    instance: Instance, viewer: Viewer | None, evidence_id: int, target: Path, *, reason: str
) -> KeptFile:
    """Copy such a file to `target`, after that was written into the log. `viewer` None is an operator's shell.

    Raises Forbidden, NotFound (also for what was deleted when its time was over), and Invalid without a reason.
    """
    text = read_reason(viewer, reason)
    async with instance.db.write() as tx:
        await append_event(tx, human(viewer) if viewer else system("shell"), "known_file_opened", file=str(evidence_id))
        kept = await note_opening(tx, viewer, evidence_id, text)
    await save_kept_file(instance, kept, target)
    return kept


async def purge_known_files(db: Database) -> int:
    """Let go of files whose time is over, a few at a time; returns how many. Their hashes stay."""
    purged = 0
    while True:
        retention, moment = live_ruleset().head.retention, now()
        async with db.write() as tx:
            await store_law.lock_purging(tx)
            ids = await store_purging.list_due_known_files(
                tx,
                moment - timedelta(days=retention.known_file_days),
                moment - timedelta(days=retention.closed_case_days),
                BATCH,
            )
            if ids:
                await append_event(tx, ME, "known_files_purged", files=[str(one) for one in ids])
                names = await note_purged(tx, ids, moment)
                await enqueue(tx, "delete_evidence_copies", {"names": names})
        purged += len(ids)
        if len(ids) < BATCH:
            return purged
