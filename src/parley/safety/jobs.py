"""Jobs of safety: keep copies of reported files. Each may run twice without harm."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.safety import store
from parley.social.media.reads import save_file


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
