"""Work on media after the request: cleaning uploads, deleting what nobody uses. Every job may run twice."""

from __future__ import annotations

import logging
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import wait_for_disk
from parley.kit.errors import Invalid, NotFound
from parley.kit.files import scratch_folder, sweep_scratch
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.live import Message, publish
from parley.screening import Content
from parley.social.media import store, store_files, store_matches
from parley.social.media.actions import remove_files, remove_media
from parley.social.media.contents import (
    Copies,
    HiddenContent,
    claim_names,
    drop_made,
    free_names,
    settle_copies,
    sweep_contents,
)
from parley.social.media.fingerprints import hash_bytes
from parley.social.media.formats import sniff
from parley.social.media.hash_lookup import find_matches, get_banks_change
from parley.social.media.image_text import can_read
from parley.social.media.judging import (
    REFUSED,
    content_of_file,
    finish_waiting_revisions,
    judge_file,
    keep_hashes,
    refuse_file,
    screen_file,
)
from parley.social.media.process import decode, is_crowded, store_made
from parley.social.media.results import Purpose, Result
from parley.social.media.store import MediaRow
from parley.social.media.store_files import FileRow

log = logging.getLogger(__name__)

ORPHAN_AGE = timedelta(hours=24)
LOST_UPLOAD_AGE = timedelta(days=3)
BATCH = 200
UPLOAD = "upload"
"""What a raw upload is called while it is decoded."""
COME_BACK = timedelta(seconds=10)
LOST = "The upload was lost on its way. Please send the file again."


async def process_media(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: clean an attachment's raw upload and its raw thumbnail, and publish `media` when it is done.

    A file that cannot be used ends as `failed` with a sentence; only a fault of this machine raises. While many
    files wait, it comes back later: one member's videos must not take every place among the jobs.
    """
    media_id = int(payload["media_id"])
    if is_crowded():
        async with instance.db.write() as tx:
            await enqueue(tx, process_media.__name__, payload, after=COME_BACK)
        return
    async with instance.db.read() as tx:
        row = (await store.list_media(tx, [media_id])).get(media_id)
    if row is None:
        return
    if row.state == "processing" and row.upload_file is not None:
        await _process_file(instance, row, row.upload_file)
    async with instance.db.read() as tx:
        row = (await store.list_media(tx, [media_id])).get(media_id)
    if row is not None and row.state == "ready" and row.upload_thumbnail is not None:
        await _process_thumbnail(instance, row, row.upload_thumbnail)


async def _process_file(instance: Instance, row: MediaRow, upload: str) -> None:
    with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as name:
        folder = Path(name)
        result = await _decode(instance, upload, "attachment", folder)
        if result.error is not None or result.file is None:
            await _fail(instance, row, result.error or LOST)
            return
        raw, cleaned = folder / UPLOAD, result.file
        result = msgspec.structs.replace(result, hashes=(*result.hashes, *await hash_bytes(raw)))
        banks = await get_banks_change(instance)
        matches = await find_matches(instance, result.hashes, indexed=True)
        content = content_of_file(matches, row.mime_type)
        if matches and (await judge_file(instance, row.account_id, content)).outcome in REFUSED:
            await _refuse(instance, row, content, raw)
            return
        words = await _read_words(instance, result, folder)
        file = await store_made(instance, cleaned, folder)
        preview = await store_made(instance, result.preview, folder) if result.preview else None
    made = [one for one in (file, preview) if one is not None]
    try:
        copies = await _keep_file(instance, row, upload, msgspec.structs.replace(result, text=words), made, content)
    except HiddenContent as error:
        await drop_made(instance, made)
        await _fail(instance, row, error.text)
        return
    if copies is None:  # Deleted, or done by another run of this job, while it was decoded.
        await drop_made(instance, made)
    elif await get_banks_change(instance) != banks:
        # What entered a bank meanwhile was looked for before this file's hashes were there to be found.
        async with instance.db.write() as tx:
            await enqueue(tx, "look_at_late_file", {"media_id": row.id})
    await instance.files.uploads.delete(upload)
    await settle_copies(instance, copies or {})


async def _keep_file(
    instance: Instance, row: MediaRow, upload: str, result: Result, made: list[FileRow], content: Content
) -> Copies | None:
    """Let the cleaned file and its preview be served, and judge what waited for them; None when nobody wants them."""
    file, preview = made[0], made[1] if len(made) > 1 else None
    async with instance.db.write() as tx:
        current = (await store.list_media_for_update(tx, [row.id])).get(row.id)
        if current is None or current.upload_file != upload:
            return None
        copies = await claim_names(tx, made, account_id=row.account_id, withheld=current.withheld)
        await wait_for_disk(tx)  # what was sent is deleted afterwards, and what is shown must not become another file
        await store.update_ready(
            tx,
            row.id,
            result.type,
            (file.name, file.content_hash, file.mime_type, file.size_bytes),
            result.meta,
            blurhash=result.blurhash,
            preview=preview.name if preview else None,
        )
        screened = await screen_file(tx, row.account_id, row.id, content)
        await keep_hashes(tx, file.name, result.hashes, media_id=row.id, account_id=row.account_id)
        await store_matches.update_judged(tx, row.id, content.media_matches, result.text, screened.id)
        await finish_waiting_revisions(tx, row.id)
        await publish(tx, Message("media", ids=(row.id,), account_ids=(row.account_id,)))
    return copies


async def _process_thumbnail(instance: Instance, row: MediaRow, upload: str) -> None:
    with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as name:
        folder = Path(name)
        result = await _decode(instance, upload, "thumbnail", folder)
        usable = result.file is not None and await _check_thumbnail(instance, row, result, folder / UPLOAD)
        made = await store_made(instance, result.file, folder) if result.file is not None and usable else None
    if made is not None and await _is_hidden(instance, made):
        await drop_made(instance, [made])
        made = None
    copies: Copies = {}
    async with instance.db.write() as tx:
        current = (await store.list_media_for_update(tx, [row.id])).get(row.id)
        wanted = current is not None and current.upload_thumbnail == upload
        if current is not None and wanted:
            # A thumbnail that cannot be used leaves the one that was made from the file.
            preview, meta, blurhash = current.preview_file, current.meta, current.blurhash
            if made is not None:
                copies = await claim_names(tx, [made], account_id=row.account_id, withheld=current.withheld)
                preview, blurhash = made.name, result.blurhash
                await keep_hashes(tx, made.name, result.hashes, media_id=row.id, account_id=row.account_id)
                meta = {**meta, "small": result.meta["small"]}
            await wait_for_disk(tx)
            await store.update_preview(tx, row.id, preview, meta, blurhash=blurhash)
            await publish(tx, Message("media", ids=(row.id,), account_ids=(row.account_id,)))
            if made is not None and current.preview_file is not None:
                await remove_files(tx, [current.preview_file])
    if not wanted and made is not None:
        await drop_made(instance, [made])
    await instance.files.uploads.delete(upload)
    await settle_copies(instance, copies)


async def _check_thumbnail(instance: Instance, row: MediaRow, result: Result, raw: Path) -> bool:
    """Whether a member's own thumbnail may be shown: one that would be refused or held is not used at all."""
    matches = await find_matches(instance, (*result.hashes, *await hash_bytes(raw)), indexed=True)
    if not matches:
        return True
    content = content_of_file(matches, row.mime_type)
    outcome = (await judge_file(instance, row.account_id, content)).outcome
    if not outcome.published:
        await refuse_file(instance, row.account_id, content, raw, origin="thumbnail", media_id=row.id)
    return outcome.published


async def _read_words(instance: Instance, result: Result, folder: Path) -> str:
    """Words in a cleaned picture, where the library that reads them is installed; nothing when that fails."""
    if result.type != "image" or result.file is None or not instance.settings.read_pictures or not can_read():
        return ""
    path = result.file.path_in(folder)
    with path.open("rb") as file:
        expected = sniff(file.read(4096))
    read = await decode(path, expected, "text", folder)
    if read.error is not None:
        log.warning("the words of a picture could not be read: %s (%r)", read.error, read.detail)
    return read.text


async def _refuse(instance: Instance, row: MediaRow, content: Content, raw: Path) -> None:
    """Take a known file out of sight: kept as evidence, never stored where it could be served."""
    sentence = await refuse_file(instance, row.account_id, content, raw, origin="attachment", media_id=row.id)
    await _fail(instance, row, sentence, content=content)


async def _is_hidden(instance: Instance, made: FileRow) -> bool:
    async with instance.db.read() as tx:
        return await store_files.has_hidden(tx, [made.content_hash])


async def _decode(instance: Instance, upload: str, purpose: Purpose, folder: Path) -> Result:
    raw = folder / UPLOAD
    try:
        await instance.files.uploads.save_to(upload, raw)
    except NotFound:
        return Result(error=LOST)
    try:
        with raw.open("rb") as file:
            expected = sniff(file.read(4096))
    except Invalid as error:
        return Result(error=error.text)
    return await decode(raw, expected, purpose, folder)


async def _fail(instance: Instance, row: MediaRow, error: str, *, content: Content | None = None) -> None:
    log.info("media %s of account %s failed: %s", row.id, row.account_id, error)
    async with instance.db.write() as tx:
        await store.update_failed(tx, row.id, error)
        if content is not None:
            await store_matches.update_judged(tx, row.id, content.media_matches, "", None)
        await finish_waiting_revisions(tx, row.id)
        await publish(tx, Message("media", ids=(row.id,), account_ids=(row.account_id,)))
    for name in row.upload_names:
        await instance.files.uploads.delete(name)


async def delete_stored_files(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: free what the names of removed files have (`names`), and delete raw `uploads`."""
    await free_names(instance, payload.get("names", []))
    for name in payload.get("uploads", []):
        await instance.files.uploads.delete(name)


async def delete_orphans(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, hourly: delete attachments that no post took within a day, and what else was left behind."""
    while True:
        async with instance.db.write() as tx:
            ids = await store.list_orphans(tx, now() - ORPHAN_AGE, BATCH)
            await remove_media(tx, list((await store.list_media(tx, ids)).values()))
        if len(ids) < BATCH:
            break
    sweep_scratch(instance.settings, now() - ORPHAN_AGE)
    async for names in instance.files.uploads.list_older(now() - LOST_UPLOAD_AGE):
        async with instance.db.read() as tx:
            known = await store.list_known_uploads(tx, names)
        for name in names:
            if name not in known:
                await instance.files.uploads.delete(name)
    await sweep_contents(instance)
