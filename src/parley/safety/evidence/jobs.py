"""Jobs of evidence: copy files to where no route reads them. Each may run twice without harm."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.files import scratch_folder
from parley.kit.ids import new_token
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.safety.evidence import store
from parley.safety.evidence.store import WaitingFile
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.social.media.reads import save_file

ME = system("evidence")
LOST = "The file was gone before it was copied."


async def keep_evidence_files(instance: Instance, payload: dict[str, Any]) -> None:
    """Copy the files of a report or of snapshots into the area that no route serves, named by their content.

    A file that is gone already is noted as such. Payload: `report_id` or `snapshot_ids`.
    """
    report_id = int(payload["report_id"]) if "report_id" in payload else None
    async with instance.db.read() as tx:
        waiting = await store.list_waiting_files(
            tx, report_id=report_id, snapshot_ids=[int(number) for number in payload.get("snapshot_ids", ())]
        )
    for file in waiting:
        if not await _share_known(instance, file):
            await _keep_file(instance, file)


async def _share_known(instance: Instance, file: WaitingFile) -> bool:
    """Use the copy that was made of the same file for something else; False when there is none."""
    async with instance.db.read() as tx:
        known = await store.get_copy_of_file(tx, file.file)
    if known is None:
        return False
    async with instance.db.write() as tx:
        return await _settle(tx, file, known.sha256, known.size_bytes, None)


async def _settle(tx: Tx, file: WaitingFile, digest: bytes, size: int, own: str | None) -> bool:
    """Note the copy with this content that is kept already, or else `own`; False when neither is there."""
    await store.lock_content(tx, digest)
    name = await store.get_kept_as(tx, digest) or own
    if name is None:
        return False
    await append_event(tx, ME, "evidence_file_kept", file=str(file.id))
    await store.update_kept_file(tx, file.id, name, digest, size)
    if own is not None and name != own:
        await enqueue(tx, "delete_evidence_copies", {"names": [own]})
    return True


async def _keep_file(instance: Instance, file: WaitingFile) -> None:
    with tempfile.TemporaryDirectory(prefix="evidence-", dir=scratch_folder(instance.settings)) as folder:
        path = Path(folder) / "copy"
        try:
            await save_file(instance, file.file, path)
        except NotFound:
            async with instance.db.write() as tx:
                await append_event(tx, ME, "evidence_file_lost", file=str(file.id))
                await store.update_lost_file(tx, file.id, LOST)
            return
        digest = await asyncio.to_thread(_sha256_of, path)
        # Each writing has a name of its own, so that deleting one never takes another's bytes.
        name = f"{digest.hex()[:2]}/{digest.hex()}-{new_token(64)}{PurePosixPath(file.file).suffix}"
        await instance.files.evidence.put(name, path)
        async with instance.db.write() as tx:
            await _settle(tx, file, digest, path.stat().st_size, name)


async def delete_evidence_copies(instance: Instance, payload: dict[str, Any]) -> None:
    """Delete copies (`names`) that no row speaks of any more."""
    for name in payload["names"]:
        async with instance.db.read() as tx:
            wanted = await store.has_copy(tx, name)
        if not wanted:
            await instance.files.evidence.delete(name)


def _sha256_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
