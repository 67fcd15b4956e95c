"""Uploading, describing, attaching and deleting media.

What arrives is kept where nobody can reach it until the decoding process has cleaned it. Every revision of a
description is screened in the transaction that stores it.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Invalid, NotFound
from parley.kit.files import new_file_name
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.limits import bucket_of, count_try
from parley.kit.settings import Settings
from parley.kit.uploads import Inspector, Upload
from parley.screening import Content
from parley.social.accounts.reads import get_screening_facts
from parley.social.accounts.restrictions import check_may_post
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import MediaUploaded
from parley.social.media import store, store_files
from parley.social.media.formats import GIF, MAX_DESCRIPTION, Format, sniff
from parley.social.media.reads import check_attachable, get_media, view_of
from parley.social.media.store import MediaRow
from parley.social.media.views import MediaView
from parley.social.verdicts.actions import Screened, Subject, screen

MAX_UPLOADS = 60
UPLOADS_PER = timedelta(minutes=30)
MIB = 2**20

BYTES_KEPT = timedelta(hours=1)
"""How long bytes outlive their right to be served, so that a report in flight can still keep its evidence."""

Focus = tuple[float, float]


class MediaAttributes(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of one attachment of a post that is being edited; None leaves a part as it is."""

    id: int
    description: str | None = None
    focus: Focus | None = None


def upload_inspector(settings: Settings) -> Inspector:
    """How a door checks attachments as they arrive: by their first bytes, against the limit of their kind."""

    def inspect(name: str, head: bytes) -> int:
        found = sniff(head)
        if name == "thumbnail" and found.family != "image":
            raise Invalid("Validation failed: the thumbnail must be a picture.")
        return settings.max_image_mb * MIB if found.family == "image" else settings.max_video_mb * MIB

    return inspect


def picture_inspector(settings: Settings) -> Inspector:
    """How a door checks profile pictures as they arrive."""

    def inspect(_name: str, head: bytes) -> int:
        if sniff(head).family != "image":
            raise Invalid("Validation failed: this must be a picture (JPEG, PNG, WebP, GIF, AVIF or HEIC).")
        return settings.max_image_mb * MIB

    return inspect


def largest_upload(settings: Settings) -> int:
    """The most bytes that a request with one attachment, its thumbnail and its texts may have."""
    return (max(settings.max_image_mb, settings.max_video_mb) + settings.max_image_mb + 1) * MIB


def parse_focus(text: str) -> Focus:
    """`x,y`, each from -1.0 to 1.0, as Mastodon's API has it; raises Invalid."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise Invalid("Validation failed: focus must be two numbers such as '0.5,-0.25'.") from error
    if not (abs(x) <= 1 and abs(y) <= 1):
        raise Invalid("Validation failed: both numbers of focus must lie between -1.0 and 1.0.")
    return x, y


async def upload_media(
    instance: Instance,
    viewer: Viewer,
    upload: Upload,
    *,
    description: str = "",
    focus: Focus | None = None,
    thumbnail: Upload | None = None,
    counted: bool = True,
) -> MediaView:
    """Take in a file: check it by content, keep it unreachable, screen its description, queue its cleaning.

    `counted` off leaves out the limit on uploads in half an hour, for imports, which have limits of their own. Opens
    its own transaction, because the file is stored before it. Raises Invalid for a file that is not accepted,
    RejectedByPolicy for a description that is refused, Restricted for whom moderators do not let post, StoreRefused
    when it cannot be kept now.
    """
    check_may_post(viewer)
    found = _check_upload(instance.settings, "file", upload)
    if thumbnail is not None:
        _check_upload(instance.settings, "thumbnail", thumbnail)
    text = _clean_description(description)
    if counted:
        bucket = bucket_of("media", viewer.account_id)
        await count_try(instance.db, instance.settings, bucket, MAX_UPLOADS, UPLOADS_PER)
    size = upload.size + (thumbnail.size if thumbnail is not None else 0)
    await check_quota(instance, viewer.account_id, size)
    raw = await _keep_raw(instance, upload)
    raw_thumbnail = None
    try:
        raw_thumbnail = await _keep_raw(instance, thumbnail) if thumbnail is not None else None
        async with instance.db.write() as tx:
            media_id = await get_new_id(tx)
            screened = await _screen(tx, viewer, media_id, 1, text, found.mime_type)
            await store.insert_media(
                tx,
                media_id,
                viewer.account_id,
                ("gifv" if found is GIF else found.family, found.mime_type),
                (raw, raw_thumbnail),
                focus,
                description="" if screened.held else text,
                screening_id=screened.id,
                size=size,
            )
            await _keep_description(tx, media_id, 1, text, screened)
            await record(tx, MediaUploaded(account_id=viewer.account_id, media_id=media_id))
            return await get_media(tx, viewer, media_id)
    except BaseException:
        await instance.files.uploads.discard(raw, raw_thumbnail)
        raise


async def check_quota(instance: Instance, account_id: int, more: int) -> None:
    """Raise Invalid when the member cannot store `more` bytes beside what is stored already.

    Files that arrive at the same moment do not see each other: a member may go beyond the limit by those.
    """
    limit = instance.settings.member_storage_mb * MIB
    if not limit:
        return
    async with instance.db.read() as tx:
        stored = await store_files.count_stored_bytes(tx, account_id)
    if stored + more > limit:
        raise Invalid(
            f"Validation failed: you store {_size(stored)} here, and each member may store {_size(limit)}. "
            "Delete posts with media that you no longer need, then send this file again."
        )


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / MIB:.1f} MiB"


def _check_upload(settings: Settings, name: str, upload: Upload) -> Format:
    """The rules of `upload_inspector` once more: no door can leave them out."""
    if upload.size == 0:
        raise Invalid("Validation failed: the file is empty.")
    if upload.size > upload_inspector(settings)(name, upload.head):
        raise Invalid("Validation failed: this file is too large.")
    return sniff(upload.head)


async def _keep_raw(instance: Instance, upload: Upload) -> str:
    name = new_file_name("raw")
    await instance.files.uploads.put(name, upload.path)
    return name


def _clean_description(description: str) -> str:
    text = description.replace("\r\n", "\n").replace("\0", "").strip()
    if len(text) > MAX_DESCRIPTION:
        raise Invalid(
            f"Validation failed: Description is too long (at most {MAX_DESCRIPTION:,} characters; "
            f"this one has {len(text):,})."
        )
    return text


async def _screen(tx: Tx, viewer: Viewer, media_id: int, revision: int, text: str, mime_type: str | None) -> Screened:
    facts = await get_screening_facts(tx, viewer.account_id)
    if revision > 1:
        facts = msgspec.structs.replace(facts, is_edit=True)
    content = Content(
        kind="media",
        texts={"description": text} if text else {},
        media_count=1,
        media_types=(mime_type,) if mime_type else (),
    )
    subject = Subject(type="media", id=media_id, revision=revision, account_id=viewer.account_id)
    return await screen(tx, subject, content, facts)


async def _keep_description(tx: Tx, media_id: int, revision: int, text: str, screened: Screened) -> None:
    await store.insert_description(
        tx,
        media_id,
        revision,
        text,
        held=screened.held,
        sentence=screened.verdict.sentence,
        screening_id=screened.id,
    )


async def keep_thumbnail(instance: Instance, viewer: Viewer, thumbnail: Upload) -> str:
    """Store a raw thumbnail for `update_media`, before its transaction begins. Returns its name."""
    _check_upload(instance.settings, "thumbnail", thumbnail)
    bucket = bucket_of("media", viewer.account_id)
    await count_try(instance.db, instance.settings, bucket, MAX_UPLOADS, UPLOADS_PER)
    return await _keep_raw(instance, thumbnail)


async def drop_thumbnail(instance: Instance, name: str) -> None:
    """Forget a thumbnail that `keep_thumbnail` stored and that nothing took."""
    await instance.files.uploads.discard(name)


async def update_media(
    tx: Tx,
    viewer: Viewer,
    media_id: int,
    *,
    description: str | None = None,
    focus: Focus | None = None,
    thumbnail: str | None = None,
) -> MediaView:
    """Change the viewer's attachment before it is posted; None leaves a part as it is.

    `thumbnail` is what `keep_thumbnail` returned. Raises NotFound, Invalid or RejectedByPolicy.
    """
    row = await _own(tx, viewer, media_id)
    if row.attached:
        raise Invalid("This file is part of a post: edit the post to change its description.")
    if description is not None:
        await _describe(tx, viewer, row, description)
    if focus is not None:
        await store.update_focus(tx, media_id, focus)
    if thumbnail is not None:
        if row.upload_thumbnail is not None:
            await enqueue(tx, "delete_stored_files", {"uploads": [row.upload_thumbnail]})
        await store.update_upload_thumbnail(tx, media_id, thumbnail)
        await enqueue(tx, "process_media", {"media_id": media_id})
    return await get_media(tx, viewer, media_id)


async def update_attached_media(
    tx: Tx, viewer: Viewer, status_id: int, changes: list[MediaAttributes]
) -> list[MediaView]:
    """Change descriptions and focus of what is attached to the viewer's own status, while it is edited.

    Each new description is a revision of its own and is screened. Raises Invalid for a file of another post.
    """
    rows = await store.list_media_for_update(tx, [change.id for change in changes])
    for change in changes:
        row = rows.get(change.id)
        if row is None or row.account_id != viewer.account_id or row.status_id != status_id:
            raise Invalid("Validation failed: media_attributes names a file that is not part of this post.")
        if change.description is not None:
            await _describe(tx, viewer, row, change.description)
        if change.focus is not None:
            await store.update_focus(tx, row.id, change.focus)
    rows = await store.list_media(tx, list(rows))
    return [view_of(rows[change.id], for_owner=True) for change in changes]


async def _own(tx: Tx, viewer: Viewer, media_id: int) -> MediaRow:
    row = (await store.list_media_for_update(tx, [media_id])).get(media_id)
    if row is None or row.account_id != viewer.account_id:
        raise NotFound
    return row


async def _describe(tx: Tx, viewer: Viewer, row: MediaRow, description: str) -> None:
    """Store a new revision of a description; a held one leaves what readers see as it was."""
    text = _clean_description(description)
    newest = row.description if row.held_description is None else row.held_description
    if text == newest:
        return
    revision = row.description_revision + 1
    screened = await _screen(tx, viewer, row.id, revision, text, row.mime_type)
    await _keep_description(tx, row.id, revision, text, screened)
    if screened.held:
        await store.update_description_revision(tx, row.id, revision)
    else:
        await store.update_description(tx, row.id, text, revision=revision, screening_id=screened.id)


async def attach_media(
    tx: Tx, account_id: int, ids: list[int], status_id: int, *, scheduled_status_id: int | None = None
) -> list[MediaView]:
    """Bind attachments to a status, in the transaction that makes or edits it; views in the order of `ids`.

    They must belong to `account_id`, not have failed, and be free, or bound already to this status or to the
    planned one that it was. Raises Invalid with a sentence otherwise.
    """
    rows = await store.list_media_for_update(tx, ids)
    check_attachable(rows, account_id, ids, allowed=(status_id, scheduled_status_id))
    await store.update_attached(tx, ids, status_id, None)
    names = [name for media_id in ids for name in rows[media_id].stored_names]
    await store_files.update_withdrawn(tx, names, withdrawn=False)
    return [view_of(rows[media_id], for_owner=False) for media_id in ids]


async def reserve_media(tx: Tx, account_id: int, ids: list[int], scheduled_status_id: int) -> list[MediaView]:
    """Bind attachments to a planned status, so that they wait for it. Raises Invalid as `attach_media` does."""
    rows = await store.list_media_for_update(tx, ids)
    check_attachable(rows, account_id, ids, allowed=(None, scheduled_status_id))
    await store.update_attached(tx, ids, None, scheduled_status_id)
    return [view_of(rows[media_id], for_owner=False) for media_id in ids]


async def release_reserved_media(tx: Tx, scheduled_status_id: int) -> None:
    """A planned status was cancelled: its attachments are free again, and deleted when nothing takes them."""
    await store.update_scheduled_released(tx, scheduled_status_id)


async def detach_media(tx: Tx, status_id: int, *, keep: bool = False) -> None:
    """The status is gone. Its files are served no more from the moment that `tx` commits.

    With `keep` (delete and redraft) they stay with their owner for a day and are served again when a new post
    carries them.
    """
    ids = await store.list_status_media_ids(tx, status_id)
    if not ids:
        return
    rows = list((await store.list_media_for_update(tx, ids)).values())
    if not keep:
        await remove_media(tx, rows)
        return
    await store.update_attached(tx, ids, None, None)
    names = [name for row in rows for name in row.stored_names]
    await store_files.update_withdrawn(tx, names, withdrawn=True)


async def delete_media(tx: Tx, viewer: Viewer, media_id: int) -> None:
    """Delete one of the viewer's attachments that no post carries; raises NotFound or Invalid."""
    row = await _own(tx, viewer, media_id)
    if row.attached:
        raise Invalid("Media attachment is currently used by a status: delete or edit the post instead.")
    await remove_media(tx, [row])


async def remove_media(tx: Tx, rows: list[MediaRow]) -> None:
    """Remove rows and the right to be served at once; the bytes go in a job after the commit."""
    names = [name for row in rows for name in row.stored_names]
    uploads = [name for row in rows for name in row.upload_names]
    await store.delete_media(tx, [row.id for row in rows])
    await remove_files(tx, names, uploads=uploads)


async def remove_files(tx: Tx, names: list[str], *, uploads: list[str] | None = None) -> None:
    """Serve these files no more. Raw uploads go at once; what was served is deleted a little later."""
    await store_files.update_removed(tx, names)
    if names:
        await enqueue(tx, "delete_stored_files", {"names": names}, after=BYTES_KEPT)
    if uploads:
        await enqueue(tx, "delete_stored_files", {"uploads": uploads})


async def hide_media(tx: Tx, ids: list[int], *, hidden: bool) -> None:
    """Withhold the files of attachments from everybody, or serve them again: the caller decided that it may.

    The bytes are kept, so that a decision can be reviewed and undone. The same bytes cannot be uploaded again while
    they are hidden; what was uploaded of them before is decided on by itself.
    """
    rows = await store.list_media_for_update(tx, ids)
    names = [name for row in rows.values() for name in row.stored_names]
    await store_files.update_hidden(tx, names, hidden=hidden)
    # Not previews: the black first picture of a film says nothing against other films.
    files = [row.file for row in rows.values() if row.file]
    await (store_files.insert_hidden if hidden else store_files.delete_hidden)(tx, files)


async def take_media_down(tx: Tx, ids: list[int], *, down: bool) -> None:
    """Take attachments away from everybody, so that readers of their posts do not even learn of them; or give them
    back. What carries them must be refreshed by the caller (`refresh_status`)."""
    await hide_media(tx, ids, hidden=down)
    await store.update_hidden(tx, ids, hidden=down)


async def hide_files(tx: Tx, names: list[str], *, hidden: bool) -> None:
    """Serve stored files, such as pictures of a profile, to nobody, or again; hidden ones are not cleaned away."""
    await store_files.update_hidden(tx, names, hidden=hidden)


async def withhold_media(tx: Tx, status_id: int, *, shown: list[int]) -> None:
    """Serve what a status carries to its author alone, but for `shown`, which is served to everybody.

    The caller knows what others may see of the status. Ids in `shown` of anything else mean nothing.
    """
    for withheld, names in await store.update_withheld(tx, status_id, shown):
        await store_files.update_withheld(tx, names, withheld=withheld)
