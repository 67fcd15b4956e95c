"""Work on archives that is done later: writing one, telling its owner, forgetting it. Every job may run twice."""

from __future__ import annotations

import asyncio
import logging
import shutil
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from parley.kit.clock import now
from parley.kit.errors import Unavailable
from parley.kit.files import new_file_name, scratch_folder
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.mail import send_mail
from parley.social.accounts.views import Viewer
from parley.social.archives import letters, store, store_imports
from parley.social.archives.exporting import write_archive
from parley.social.archives.reads import ARCHIVE_KEPT, get_owner
from parley.social.archives.writing import hash_of
from parley.social.media.reads import count_stored_bytes
from parley.social.sessions.reads import get_addressee

log = logging.getLogger(__name__)

NOTE_EVERY = 2.0
"""Seconds between two notes of progress."""

IMPORTS_KEPT = timedelta(days=30)
FORGOTTEN_AFTER = timedelta(days=3)
"""An import that its owner never confirmed is dropped: an archive takes much room."""

LEFT_AGE = timedelta(days=2)
STUCK_AFTER = timedelta(days=1)
"""An archive that could not be made for so long is given up, and its owner may ask for another."""

BATCH = 100
_writing = asyncio.Semaphore(1)
"""One archive at a time in one process: each keeps the disk busy."""


async def make_archive(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: write a member's archive into a file here, put it where its owner alone fetches it, and say so by mail."""
    archive_id = int(payload["archive_id"])
    async with _writing:
        async with instance.db.read() as tx:
            archive = await store.get_archive(tx, archive_id)
            if archive is None or archive.state not in ("waiting", "writing"):
                return
            owner = await get_owner(tx, instance.settings, archive.account_id)
            stored = await count_stored_bytes(tx, archive.account_id)
        if owner is None:
            async with instance.db.write() as tx:
                await store.update_failed(tx, archive_id)
            return
        scratch = scratch_folder(instance.settings)
        need = stored if instance.settings.media_store else 2 * stored
        if shutil.disk_usage(scratch).free < need + 2**28:
            raise Unavailable("there is not enough room on the disk for this archive", detail=f"archive {archive_id}")
        with tempfile.TemporaryDirectory(prefix="archive-", dir=scratch) as folder:
            path = Path(folder) / "archive.zip"
            await _write(instance, archive_id, owner, path, archive.alias)
            await _keep(instance, archive_id, archive.account_id, path)


async def _write(instance: Instance, archive_id: int, owner: Viewer, path: Path, alias: str | None) -> None:
    """Write the archive, and note its progress now and then beside it."""
    state = {"done": 0, "total": 0}

    def note(done: int, total: int) -> None:
        state.update(done=done, total=total)

    async def tell() -> None:
        while True:
            async with instance.db.write() as tx:
                await store.update_progress(tx, archive_id, state["done"], state["total"])
            await asyncio.sleep(NOTE_EVERY)

    began = time.perf_counter()
    teller = asyncio.create_task(tell())
    try:
        await write_archive(instance, owner, path, alias=alias, progress=note)
    finally:
        teller.cancel()
        await asyncio.gather(teller, return_exceptions=True)
    log.info("archive %s: %d entries in %.1f s", archive_id, state["total"], time.perf_counter() - began)


async def _keep(instance: Instance, archive_id: int, account_id: int, path: Path) -> None:
    """Put the file into the area of archives; older ones of the same member go."""
    name, digest, moment = new_file_name("zip"), await asyncio.to_thread(hash_of, path), now()
    size = await asyncio.to_thread(_size_of, path)
    await instance.files.archives.put(name, path)
    async with instance.db.write() as tx:
        kept = await store.update_ready(tx, archive_id, name, size, digest, moment, moment + ARCHIVE_KEPT)
        others = await store.list_others(tx, account_id, archive_id) if kept else []
        await store.update_expired(tx, [one for one, _ in others])
        if kept:
            await enqueue(tx, "mail_archive", {"archive_id": archive_id})
    for lost in [file for _, file in others] if kept else [name]:
        await instance.files.archives.delete(lost)


def _size_of(path: Path) -> int:
    return path.stat().st_size


async def mail_archive(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: write to the owner that the archive is ready."""
    async with instance.db.read() as tx:
        archive = await store.get_archive(tx, int(payload["archive_id"]))
        to = await get_addressee(tx, archive.account_id) if archive is not None else None
    if archive is None or to is None or archive.state != "ready":
        return
    await send_mail(instance.settings, to.email, *letters.archive_ready(instance.settings, to.username, archive))


async def delete_old_archives(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: forget archives whose time is over, old imports, and files that nobody knows any more."""
    async with instance.db.write() as tx:
        await store.update_stuck(tx, now() - STUCK_AFTER)
    while True:
        async with instance.db.write() as tx:
            expired = await store.list_expired(tx, now(), BATCH)
            await store.update_expired(tx, [archive_id for archive_id, _ in expired])
        for _, file in expired:
            await instance.files.archives.delete(file)
        if len(expired) < BATCH:
            break
    async with instance.db.write() as tx:
        forgotten = await store_imports.list_forgotten(tx, now() - FORGOTTEN_AFTER, BATCH)
        for one in forgotten:
            await store_imports.update_ended(tx, one.id, "cancelled", now())
        await store_imports.delete_old_imports(tx, now() - IMPORTS_KEPT)
    for one in forgotten:
        if one.upload is not None:
            await instance.files.archives.delete(one.upload)
    async for names in instance.files.archives.list_older(now() - LEFT_AGE):
        async with instance.db.read() as tx:
            known = await store.list_known_files(tx, names)
        for name in names:
            if name not in known:
                await instance.files.archives.delete(name)
