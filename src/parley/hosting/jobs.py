"""Jobs about the host: the nightly snapshot."""

from __future__ import annotations

from typing import Any

from parley.hosting.errors import SnapshotError
from parley.hosting.making import create_snapshot
from parley.hosting.records import note_record
from parley.kit.instance import Instance


async def make_nightly_snapshot(instance: Instance, payload: dict[str, Any]) -> None:
    """Every night: save the instance to `snapshot_to`, when that is set, and keep `snapshot_keep` of them there.

    What came of it is noted for the operator's page and the metrics; one that failed is tried again by the queue.
    """
    settings = instance.settings
    if not settings.snapshot_to:
        return
    instance.gate.check()
    try:
        made = await create_snapshot(settings, instance.db.dsn, settings.snapshot_to, keep=settings.snapshot_keep)
    except SnapshotError as error:
        async with instance.db.write() as tx:
            await note_record(tx, "snapshot", {"to": settings.snapshot_to, "error": str(error)}, ok=False)
        raise
    detail = {
        "to": settings.snapshot_to,
        "snapshot": made.manifest.snapshot,
        "rows": made.manifest.rows,
        "files": made.manifest.files,
        "bytes": made.manifest.size,
        "copied": made.copied,
    }
    async with instance.db.write() as tx:
        await note_record(tx, "snapshot", detail, ok=True, seconds=made.seconds)
