"""Work on imports: reading an archive, and taking what was confirmed, a few rows at a time. Every job may run twice.

A run takes a few rows and queues the next, so that one member's import never keeps others waiting for long.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.errors import Invalid, NotFound, ParleyError
from parley.kit.files import new_file_name, scratch_folder
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.social.accounts.restrictions import check_may_post, check_may_write
from parley.social.accounts.views import Viewer
from parley.social.archives import formats, store_imports
from parley.social.archives.applying import apply_row, clear_unnamed
from parley.social.archives.container import Container, is_tar, open_container, repack_tar
from parley.social.archives.importing import PROTECTIVE
from parley.social.archives.outbox import (
    MOST_OUTBOX,
    Actor,
    FoundPost,
    Skipped,
    names_in_archive,
    read_actor,
    read_outbox,
)
from parley.social.archives.posts import check_refusal, import_post, row_of
from parley.social.archives.proof import MOST_ACTOR, Seal, check_seal, find_proof
from parley.social.archives.reads import get_owner
from parley.social.archives.views import ImportSource, ImportView
from parley.social.verdicts.actions import Rejection, keep_rejection

log = logging.getLogger(__name__)

MOST_POSTS = 200_000
MOST_ENTRIES = 2 * MOST_POSTS
"""Boosts and what else is left out among them."""

LOST = "The archive was lost on its way. Please send it again."
_reading = asyncio.Semaphore(1)
"""One archive at a time is looked through by one process: its table of contents may take much memory."""

ROWS = 100
POSTS = 50
PAUSE = timedelta(seconds=1)
"""Between two runs: bringing along 7,500 follows takes a few minutes, and nobody's notifications come all at once."""
AT_ONCE = 250
MIB = 2**20


async def read_archive(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: look through an archive that was brought along, and keep its posts until its owner confirms them."""
    import_id = int(payload["import_id"])
    async with instance.db.write() as tx:
        found = await store_imports.get_import(tx, import_id)
        if found is None or found.state != "reading" or found.upload is None:
            return
        viewer = await get_owner(tx, instance.settings, found.account_id)
        await store_imports.delete_rows(tx, import_id)
    if viewer is None:
        await _end(instance, found, "failed", "This account is gone.")
        return
    try:
        async with _reading:
            await _read(instance, viewer, found)
    except NotFound:
        await _end(instance, found, "failed", LOST)
    except ParleyError as error:
        check_refusal(error)
        log.info("import %s: %s %s", import_id, error.text, error.detail)
        await _end(instance, found, "failed", error.text)
    except FileNotFoundError:
        await _end(instance, found, "failed", LOST)


async def _read(instance: Instance, viewer: Viewer, found: ImportView) -> None:
    upload = await _as_zip(instance, str(found.upload))
    async with _opened(instance, upload) as container:
        actor, seal = await asyncio.to_thread(_look_at, container)
        proof, said = await find_proof(instance.settings, viewer, actor, seal)
        source = await _keep_posts(instance, found.id, container, actor, seal, proof, said)
    async with instance.db.write() as tx:
        wanted = await store_imports.update_read(tx, found.id, source, total=source.posts, unknown=0, upload=upload)
    if not wanted:
        await instance.files.archives.delete(upload)
    if upload != found.upload:
        await instance.files.archives.delete(str(found.upload))


async def _as_zip(instance: Instance, upload: str) -> str:
    """The name of the archive as a ZIP file: a tar.gz is written anew."""
    area = instance.files.archives
    if not is_tar(b"".join([chunk async for chunk in await area.read(upload, end=2)])):
        return upload
    most = instance.settings.max_archive_mb * MIB + MOST_OUTBOX
    with tempfile.TemporaryDirectory(prefix="import-", dir=scratch_folder(instance.settings)) as folder:
        path = Path(folder) / "archive.zip"

        def repack() -> None:
            with area.open_seekable(upload) as file:
                repack_tar(file, path, most=most)

        await asyncio.to_thread(repack)
        name = new_file_name("zip")
        await area.put(name, path)
    return name


@asynccontextmanager
async def _opened(instance: Instance, upload: str) -> AsyncIterator[Container]:
    """An archive that is kept here, open. Everything that reads it runs on a thread."""
    with contextlib.ExitStack() as stack:

        def begin() -> Container:
            file = stack.enter_context(instance.files.archives.open_seekable(upload))
            return stack.enter_context(open_container(file))

        yield await asyncio.to_thread(begin)


def _look_at(container: Container) -> tuple[Actor, Seal | None]:
    for name in ("actor.json", "outbox.json"):
        if name not in container:
            raise Invalid(f"This archive holds no {name}: it is not one of Mastodon's or Parley's kind.")
    return read_actor(container.read("actor.json", most=MOST_ACTOR)), check_seal(container)


async def _keep_posts(
    instance: Instance,
    import_id: int,
    container: Container,
    actor: Actor,
    seal: Seal | None,
    proof: str,
    said: str,
) -> ImportSource:
    counts = {"posts": 0, "media": 0, "boost": 0, "stranger": 0, "unreadable": 0}
    sums = seal.sums if seal is not None else {}

    def prepared() -> Iterator[FoundPost | Skipped]:
        with container.open("outbox.json", most=MOST_OUTBOX) as file:
            for item in read_outbox(file, actor):
                yield _with_files(item, container, sums) if isinstance(item, FoundPost) else item

    items = prepared()
    try:
        while batch := await asyncio.to_thread(lambda: list(islice(items, AT_ONCE))):
            rows = []
            for item in batch:
                if isinstance(item, Skipped):
                    counts[item.kind] += 1
                    continue
                rows.append(row_of(item))
                counts["media"] += len(item.media)
            skipped = sum(counts[kind] for kind in ("boost", "stranger", "unreadable"))
            if counts["posts"] + len(rows) > MOST_POSTS or counts["posts"] + skipped > MOST_ENTRIES:
                raise Invalid(f"This archive holds more than {MOST_POSTS:,} posts.")
            async with instance.db.write() as tx:
                await store_imports.insert_rows(tx, import_id, counts["posts"], rows)
            counts["posts"] += len(rows)
    finally:
        await asyncio.to_thread(items.close)  # type: ignore[attr-defined]
    return ImportSource(
        actor=actor.uri,
        host=actor.host,
        address=actor.address,
        proof=proof,
        said=said,
        posts=counts["posts"],
        media=counts["media"],
        boosts=counts["boost"],
        strangers=counts["stranger"],
        unreadable=counts["unreadable"],
    )


def _with_files(post: FoundPost, container: Container, sums: dict[str, str]) -> FoundPost:
    """The post with the names that its files have in the archive, and what the seal says of them."""
    files = []
    for media in post.media:
        name = next((name for name in names_in_archive(media.name) if name in container), media.name)
        files.append(msgspec.structs.replace(media, name=name, sha256=sums.get(name)))
    return msgspec.structs.replace(post, media=tuple(files))


async def run_import(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: take the next rows of a confirmed import, and queue the next run until none is left."""
    import_id = int(payload["import_id"])
    if await take_rows(instance, import_id):
        async with instance.db.write() as tx:
            await enqueue(
                tx,
                run_import.__name__,
                payload,
                after=PAUSE,
                dedupe_key=f"run_import {import_id} {now().timestamp()}",
            )


async def take_rows(instance: Instance, import_id: int) -> bool:
    """Take the next rows; whether others are left."""
    async with instance.db.read() as tx:
        found = await store_imports.get_import(tx, import_id)
        if found is None or found.state != "running":
            return False
        viewer = await get_owner(tx, instance.settings, found.account_id)
        archive = found.kind == "archive"
        rows = await store_imports.list_waiting(tx, import_id, POSTS if archive else ROWS)
    try:
        viewer = _check_owner(viewer, found.kind)
    except ParleyError as error:
        await _end(instance, found, "failed", error.text)
        return False
    if not rows:
        await _end(instance, found, "finished", None)
        return False
    if archive:
        await _take_posts(instance, viewer, found, rows)
        return True
    if found.mode == "overwrite" and not found.cleared:
        await _clear(instance, viewer, found)
    for row in rows:
        await _take_row(instance, viewer, found, row.position, row.data)
    return True


def _check_owner(viewer: Viewer | None, kind: str) -> Viewer:
    """The owner, unless moderators decided meanwhile that they may not do this."""
    if viewer is None:
        raise Invalid("This account is gone.")
    if kind == "archive":
        check_may_post(viewer)
    if kind not in PROTECTIVE:
        check_may_write(viewer)
    return viewer


async def _clear(instance: Instance, viewer: Viewer, found: ImportView) -> None:
    async with instance.db.read() as tx:
        rows = await store_imports.list_rows(tx, found.id, 0, formats.MOST_ROWS)
    await clear_unnamed(instance.db, instance.settings, viewer, found.kind, [row.data for row in rows])
    async with instance.db.write() as tx:
        await store_imports.update_cleared(tx, found.id)


async def _take_row(instance: Instance, viewer: Viewer, found: ImportView, position: int, data: dict[str, Any]) -> None:
    """One row and the note that it is done, in one transaction; a refusal is noted by itself."""
    try:
        async with instance.db.write() as tx:
            if not await store_imports.lock_waiting(tx, found.id, position):
                return
            await apply_row(tx, instance.settings, viewer, found.kind, data)
            await store_imports.update_row(tx, found.id, position, "done")
    except ParleyError as error:
        check_refusal(error)
        if isinstance(error, Rejection):
            await keep_rejection(instance.db, error)
        async with instance.db.write() as tx:
            await store_imports.update_row(tx, found.id, position, "failed", reason=error.text)


async def _take_posts(instance: Instance, viewer: Viewer, found: ImportView, rows: list[Any]) -> None:
    if not any(row.data.get("media") for row in rows):
        for row in rows:
            await import_post(instance, viewer, found, row, None)
        return
    try:
        async with _reading, _opened(instance, str(found.upload)) as container:
            for row in rows:
                await import_post(instance, viewer, found, row, container)
    except FileNotFoundError:
        # The bytes do not move with the instance to another host: the words do.
        for row in rows:
            await import_post(instance, viewer, found, row, None)


async def _end(instance: Instance, found: ImportView, state: str, error: str | None) -> None:
    async with instance.db.write() as tx:
        await store_imports.update_ended(tx, found.id, state, now(), error=error)
    if found.upload is not None:
        await instance.files.archives.delete(found.upload)
