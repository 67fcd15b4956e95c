"""Bringing something along: a file is read and shown first; its owner then says how it is to be taken, or drops it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from parley.kit.cleaning import clean_text
from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid, NotFound, StoreRefused
from parley.kit.files import new_file_name
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.kit.settings import Settings
from parley.social.accounts.restrictions import check_may_post, check_may_write
from parley.social.accounts.views import Viewer
from parley.social.archives import formats, store_imports
from parley.social.archives.applying import find_people, list_unnamed
from parley.social.archives.reads import get_import
from parley.social.archives.views import KINDS, MODES, VISIBILITIES, ImportView
from parley.social.media.actions import check_quota

MOST_OPEN = 5
MOST_FILES = 30
MOST_ARCHIVES = 4
PER = timedelta(days=1)
AT_ONCE = 1000
PROTECTIVE = ("blocking", "muting", "domain_blocking", "custom_filters")
"""What a member whose account is frozen may bring along too: it protects them, and nobody sees it."""


async def begin_import(
    instance: Instance, viewer: Viewer, kind: str, content: bytes, *, file_name: str = "", mode: str = "merge"
) -> ImportView:
    """Read a file of one of `formats.FILES`, and keep its rows until the viewer says how they are to be taken.

    Opens its own transaction. Raises Invalid for a file that cannot be read, Conflict while others are open,
    RateLimited.
    """
    if kind not in formats.FILES:
        raise Invalid("Say what the file holds: people you follow, lists, and so on.")
    _check_mode(mode)
    _check_allowed(viewer, kind)
    rows = await asyncio.to_thread(formats.read_rows, kind, content)
    await count_try(instance.db, instance.settings, bucket_of("import", viewer.account_id), MOST_FILES, PER)
    async with instance.db.write() as tx:
        await _check_open(tx, viewer)
        unknown = await _count_unknown(tx, instance.settings, rows)
        name = _file_name(file_name)
        import_id = await store_imports.insert_import(
            tx, viewer.account_id, kind, mode, "unconfirmed", name, total=len(rows), unknown=unknown
        )
        for start in range(0, len(rows), AT_ONCE):
            await store_imports.insert_rows(tx, import_id, start, rows[start : start + AT_ONCE])
        return await get_import(tx, viewer, import_id)


async def begin_archive_import(instance: Instance, viewer: Viewer, path: Path, *, file_name: str = "") -> ImportView:
    """Take an archive in: it is kept where nobody can reach it, and read by a job.

    Opens its own transaction, because the file is stored before it. Raises Invalid where the operator takes no
    archives, Conflict, RateLimited, Restricted, StoreRefused when it cannot be kept now: that counts as no try.
    """
    if not instance.settings.max_archive_mb:
        raise Invalid("This server takes no archives.")
    check_may_post(viewer)
    bucket = bucket_of("archive_import", viewer.account_id)
    await count_try(instance.db, instance.settings, bucket, MOST_ARCHIVES, PER)
    size = await asyncio.to_thread(lambda: path.stat().st_size)
    await check_quota(instance, viewer.account_id, size)
    name = new_file_name("zip")
    try:
        await instance.files.archives.put(name, path)
    except StoreRefused:
        await count_try(instance.db, instance.settings, bucket, MOST_ARCHIVES, PER, weight=-1)
        raise
    try:
        async with instance.db.write() as tx:
            await _check_open(tx, viewer, archive=True)
            import_id = await store_imports.insert_import(
                tx, viewer.account_id, "archive", "merge", "reading", _file_name(file_name), upload=name
            )
            await enqueue(tx, "read_archive", {"import_id": import_id}, dedupe_key=f"read_archive {import_id}")
            return await get_import(tx, viewer, import_id)
    except BaseException:
        await instance.files.archives.discard(name)
        raise


async def confirm_import(
    tx: Tx, viewer: Viewer, import_id: int, *, mode: str = "merge", visibilities: Sequence[str] = VISIBILITIES
) -> ImportView:
    """Let a file that was shown be taken, by jobs. `visibilities` says which posts of an archive are wanted.

    Raises NotFound, Invalid, Conflict for one that runs already.
    """
    found = await get_import(tx, viewer, import_id)
    _check_mode(mode)
    _check_allowed(viewer, found.kind)
    if found.kind == "archive":
        check_may_post(viewer)
        if not visibilities or not set(visibilities) <= set(VISIBILITIES):
            raise Invalid("Choose which posts you want.")
        await store_imports.delete_unwanted(tx, import_id, visibilities)
    if not await store_imports.update_running(tx, import_id, mode, visibilities):
        raise Conflict("This import was begun already, or dropped.")
    await enqueue(tx, "run_import", {"import_id": import_id})
    return await get_import(tx, viewer, import_id)


async def cancel_import(instance: Instance, viewer: Viewer, import_id: int) -> None:
    """Drop an import, or stop one that runs: what it has done so far stays. Raises NotFound."""
    async with instance.db.write() as tx:
        found = await get_import(tx, viewer, import_id)
        if not await store_imports.update_ended(tx, import_id, "cancelled", now()):
            raise NotFound
    if found.upload is not None:
        await instance.files.archives.delete(found.upload)


async def count_unnamed(tx: Tx, settings: Settings, viewer: Viewer, found: ImportView) -> int:
    """How much of what the viewer has an overwrite by this file would take away."""
    if found.kind == "archive" or found.state != "unconfirmed":
        return 0
    rows = await store_imports.list_rows(tx, found.id, 0, formats.MOST_ROWS)
    return len(await list_unnamed(tx, settings, viewer, found.kind, [row.data for row in rows]))


async def _count_unknown(tx: Tx, settings: Settings, rows: Sequence[dict[str, Any]]) -> int:
    addresses = [row["address"] for row in rows if "address" in row]
    known = await find_people(tx, settings, set(addresses))
    return sum(address.lower() not in known for address in addresses)


async def _check_open(tx: Tx, viewer: Viewer, *, archive: bool = False) -> None:
    everything, archives = await store_imports.count_open(tx, viewer.account_id)
    if everything >= MOST_OPEN or (archive and archives):
        raise Conflict("Other imports of yours are not done yet. Wait for them, or drop them.")


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise Invalid("Choose whether the file is added to what you have, or replaces it.")


def _check_allowed(viewer: Viewer, kind: str) -> None:
    if kind not in KINDS:
        raise Invalid("This cannot be imported.")
    if kind not in PROTECTIVE:
        check_may_write(viewer)


def _file_name(name: str) -> str:
    """What the member's computer calls a file, for the member to recognise."""
    return " ".join(clean_text(name.replace("\\", "/").rpartition("/")[2]).split())[:120]
