"""What may be seen of media: by their owner alone until a post carries them; the post decides after that."""

from __future__ import annotations

import asyncio
import hmac
from pathlib import Path

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.files import is_file_name
from parley.kit.instance import Instance
from parley.kit.live import Message
from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer
from parley.social.media import store, store_files
from parley.social.media.store import MediaRow
from parley.social.media.views import FileView, MediaView

MAX_ATTACHMENTS = 4


def view_of(row: MediaRow, *, for_owner: bool) -> MediaView:
    """An attachment's view; a held description is part of the owner's own view alone."""
    meta = dict(row.meta)
    if row.focus_x is not None and row.focus_y is not None:
        meta["focus"] = {"x": row.focus_x, "y": row.focus_y}
    held = for_owner and row.held_description is not None
    return MediaView(
        id=row.id,
        account_id=row.account_id,
        type=row.type,
        state=row.state,
        error=row.error,
        file=row.file,
        preview_file=row.preview_file,
        remote_url=row.remote_url,
        mime_type=row.mime_type,
        meta=meta,
        blurhash=row.blurhash,
        withheld=row.withheld,
        matches=tuple(row.matches),
        image_text=row.image_text,
        description=row.held_description or "" if held else row.description,
        held=held,
        held_sentence=row.held_sentence or "" if held else "",
    )


async def get_media(tx: Tx, viewer: Viewer, media_id: int) -> MediaView:
    """One of the viewer's own attachments; raises NotFound for anybody else's."""
    row = (await store.list_media(tx, [media_id])).get(media_id)
    if row is None or row.account_id != viewer.account_id:
        raise NotFound
    return view_of(row, for_owner=True)


async def wait_until_processed(instance: Instance, viewer: Viewer, media_id: int, *, seconds: float) -> MediaView:
    """The viewer's attachment once it is ready or has failed, or as it is when `seconds` have passed."""
    changed = asyncio.Event()

    def hear(message: Message) -> None:
        if message.topic == "resync" or (message.topic == "media" and media_id in message.ids):
            changed.set()

    deadline = asyncio.get_running_loop().time() + seconds
    with instance.live.subscribed(hear):
        while True:
            changed.clear()
            async with instance.db.read() as tx:
                view = await get_media(tx, viewer, media_id)
            if view.state != "processing":
                return view
            try:
                async with asyncio.timeout_at(deadline):
                    await changed.wait()
            except TimeoutError:
                return view


async def get_media_views(tx: Tx, ids: list[int]) -> dict[int, MediaView]:
    """Attachments by id as readers of their posts see them, without those that moderators removed; the caller has
    checked that the post may be seen."""
    if not ids:
        return {}
    rows = await store.list_media(tx, ids)
    return {media_id: view_of(row, for_owner=False) for media_id, row in rows.items() if not row.hidden}


class AttachmentPlace(msgspec.Struct, frozen=True):
    """Whose an attachment is, and which post carries it."""

    id: int
    account_id: int
    status_id: int | None
    hidden: bool


async def list_attachments(tx: Tx, ids: list[int], *, status_id: int | None = None) -> list[AttachmentPlace]:
    """The attachments with these ids and those that `status_id` carries, whatever their state, locked: for the desk."""
    if status_id is not None:
        ids = [*ids, *await store.list_status_media_ids(tx, status_id)]
    rows = await store.list_media_for_update(tx, ids) if ids else {}
    return [AttachmentPlace(row.id, row.account_id, row.status_id, row.hidden) for row in rows.values()]


def check_attachable(
    rows: dict[int, MediaRow], account_id: int, ids: list[int], *, allowed: tuple[int | None, int | None]
) -> None:
    """Raise Invalid unless all of `ids` can go on one post together.

    `allowed` is the (status, scheduled status) that may carry them already.
    """
    if len(set(ids)) != len(ids):
        raise Invalid("Validation failed: the same file is attached twice.")
    if len(ids) > MAX_ATTACHMENTS:
        raise Invalid(f"Validation failed: at most {MAX_ATTACHMENTS} files can be attached.")
    for media_id in ids:
        row = rows.get(media_id)
        if row is None or row.account_id != account_id:
            raise Invalid("Validation failed: a file was not found. Upload it again.")
        if row.status_id not in (None, allowed[0]) or row.scheduled_status_id not in (None, allowed[1]):
            raise Invalid("Validation failed: a file is already part of another post. Upload it again.")
        if row.state == "failed":
            raise Invalid(f"Validation failed: a file could not be used. {row.error}")
    if len(ids) > 1 and any(rows[media_id].type in ("video", "audio") for media_id in ids):
        raise Invalid("Validation failed: a video or sound must be the only file of a post.")


async def get_file(tx: Tx, settings: Settings, name: str, *, key: str = "") -> FileView:
    """A file that may be served, by its unguessable name; a withheld one takes the `key` of `file_address` as well.

    Raises NotFound.
    """
    row = await store_files.get_file(tx, name) if is_file_name(name) else None
    if row is None or (row.withheld and not _is_key(settings, name, key)):
        raise NotFound
    etag = f'"{row.content_hash.hex()[:32]}"'
    return FileView(row.name, row.content_key, row.mime_type, row.size_bytes, etag, withheld=row.withheld)


async def get_file_for_owner(tx: Tx, viewer: Viewer, name: str) -> FileView:
    """A file that the viewer sent, for the viewer's own archive, withheld or not; raises NotFound for all else."""
    row = await store_files.get_own_file(tx, viewer.account_id, name) if is_file_name(name) else None
    if row is None:
        raise NotFound
    return FileView(row.name, row.content_key, row.mime_type, row.size_bytes, "", withheld=row.withheld)


async def count_stored_bytes(tx: Tx, account_id: int) -> int:
    """How much an account stores here."""
    return await store_files.count_stored_bytes(tx, account_id)


KEY_HOURS = 2
"""For how many hours, the running one among them, an address of a withheld file is good."""


def file_address(settings: Settings, media: MediaView, name: str) -> str:
    """The path of one of an attachment's files, for those who may see the attachment.

    While it is withheld the path carries a key that is good for an hour or two, so that the author sees the own post
    in every app, and an address that was passed on soon leads nowhere.
    """
    path = f"/media/{name}"
    return f"{path}?key={_make_key(settings, name, _hour())}" if media.withheld else path


def _hour() -> int:
    return int(now().timestamp()) // 3600


def _make_key(settings: Settings, name: str, hour: int) -> str:
    return keyed_hash(settings, f"{name} {hour}", purpose="withheld file")[:32]


def _is_key(settings: Settings, name: str, given: str) -> bool:
    hours = range(_hour(), _hour() - KEY_HOURS, -1)
    return any(hmac.compare_digest(_make_key(settings, name, hour).encode(), given.encode()) for hour in hours)


async def save_file(instance: Instance, name: str, path: Path) -> None:
    """Copy a stored file to `path`, for evidence: also one that is withheld, or was removed within the hour.

    Raises NotFound.
    """
    async with instance.db.read() as tx:
        key = await store_files.get_key(tx, name)
    if key is None:
        raise NotFound
    await instance.files.save_to(key, path)
