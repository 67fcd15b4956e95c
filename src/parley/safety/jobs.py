"""Jobs of safety: keep copies of reported files, count who is reported. Each may run twice without harm."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from parley.kit.clock import now
from parley.kit.errors import NotFound
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.safety import store
from parley.social.accounts.standing import list_reported, set_reporters
from parley.social.media.reads import save_file

_WEEK = timedelta(days=7)
_AT_ONCE = 200


async def keep_evidence_files(instance: Instance, payload: dict[str, Any]) -> None:
    """Copy the files of a report into the area that no route serves, named by their content.

    A file that is gone already is noted as such. Payload: `report_id`.
    """
    report_id = int(payload["report_id"])
    async with instance.db.read() as tx:
        waiting = await store.list_waiting_files(tx, report_id)
    for file in waiting:
        with tempfile.TemporaryDirectory(prefix="parley-evidence-") as folder:
            path = Path(folder) / "copy"
            try:
                await save_file(instance, file, path)
            except NotFound:
                async with instance.db.write() as tx:
                    await store.update_lost_file(tx, report_id, file, "The file was gone before it was copied.")
                continue
            digest = await asyncio.to_thread(_sha256_of, path)
            name = f"{digest.hex()[:2]}/{digest.hex()}{PurePosixPath(file).suffix}"
            await instance.files.evidence.put(name, path)
            size = path.stat().st_size
        async with instance.db.write() as tx:
            await store.update_kept_file(tx, report_id, file, name, digest, size)


def _sha256_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def count_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """After ReportFiled: tell screening how many accounts reported the target (`target_id`) in the last week."""
    target_id = int(payload["target_id"])
    async with instance.db.write() as tx:
        await set_reporters(tx, target_id, await store.count_reporters(tx, target_id, id_at(now() - _WEEK)))


async def recount_reporters(instance: Instance, payload: dict[str, Any]) -> None:
    """Hourly: count again who was reported, for reports older than a week count no more."""
    above = 0
    while True:
        async with instance.db.write() as tx:
            ids = await list_reported(tx, above, _AT_ONCE)
            for target_id in ids:
                await set_reporters(tx, target_id, await store.count_reporters(tx, target_id, id_at(now() - _WEEK)))
        if len(ids) < _AT_ONCE:
            return
        above = ids[-1]
