"""Making a snapshot and noting what came of it: for the operator's page, the metrics, and the plan of a move."""

from __future__ import annotations

from parley.hosting.dumping import Progress
from parley.hosting.errors import SnapshotError
from parley.hosting.making import Made, create_snapshot
from parley.hosting.records import note_record
from parley.kit.db import Database
from parley.kit.settings import Settings


async def save_instance(
    settings: Settings, db: Database, url: str, *, keep: int | None = None, progress: Progress | None = None
) -> Made:
    """Save the whole instance to `url`, by night or by hand, and note it; see `create_snapshot`. Raises SnapshotError,
    which is noted, too."""
    try:
        made = await create_snapshot(settings, db.dsn, url, keep=keep, progress=progress)
    except SnapshotError as error:
        async with db.write(local=True) as tx:
            await note_record(tx, "snapshot", {"to": url, "error": str(error)}, ok=False)
        raise
    detail = {
        "to": url,
        "snapshot": made.manifest.snapshot,
        "rows": made.manifest.rows,
        "files": made.manifest.files,
        "bytes": made.manifest.size,
        "copied": made.copied,
    }
    async with db.write(local=True) as tx:
        await note_record(tx, "snapshot", detail, ok=True, seconds=made.seconds)
    return made
