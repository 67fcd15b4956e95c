"""Posts of an archive become posts here: each by `post_status`, so judged like any other before anybody sees it.

They are dated back, go to no home, notify nobody, mention nobody and count for no trust. A post comes once, however
often its archive does; one that was deleted or taken down here does not come back by an archive.
"""

from __future__ import annotations

import asyncio
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Invalid, NotFound, ParleyError
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.settings import Settings
from parley.kit.uploads import Upload
from parley.social.accounts.profiles import member_uri
from parley.social.accounts.views import Viewer
from parley.social.archives import store_imports
from parley.social.archives.container import PIECE, Container
from parley.social.archives.outbox import FoundMedia, FoundPost, names_in_archive
from parley.social.archives.views import ImportSource, ImportView, RowView
from parley.social.media.actions import MIB, upload_inspector, upload_media
from parley.social.media.formats import MAX_DESCRIPTION
from parley.social.media.jobs import process_media
from parley.social.media.reads import get_media
from parley.social.statuses.archiving import has_status
from parley.social.statuses.posting import post_status
from parley.social.statuses.rules import MOST_MEDIA
from parley.social.statuses.views import NewStatus, Origin
from parley.social.verdicts.actions import Rejection, keep_rejection

log = logging.getLogger(__name__)

MOST_HELD = 20
"""So many posts of one import may wait for moderators; the others of that kind are not taken."""

HERE = "This post is here already, or was deleted or taken down here."
TOO_MANY_HELD = (
    "Moderators would have to look at this post first, and many of this import wait for them already. Bring the "
    "archive again later: what is here already is left as it is."
)
WAITS = "It waits for a moderator; until then only you see it."
_LOCAL_ID = re.compile(r"/statuses/(\d{1,19})$")


class _TooManyHeld(Exception):
    """Rolls one post back."""


async def import_post(
    instance: Instance, viewer: Viewer, found: ImportView, row: RowView, container: Container | None
) -> None:
    """Take one row of an archive. Whatever is wrong with it becomes its reason; only faults of this machine raise."""
    assert found.source is not None
    post = msgspec.convert(row.data, FoundPost)
    if await _is_here(instance, viewer, post):
        await _fail(instance, found, row, HERE)
        return
    media_ids, left_out = await _take_media(instance, viewer, post, container)
    try:
        try:
            await _post(instance, viewer, found, row, post, media_ids, left_out)
        except UniqueViolation:  # another run was faster, or another status has this very id
            await _post(instance, viewer, found, row, post, media_ids, left_out)
    except _TooManyHeld:
        await _fail(instance, found, row, TOO_MANY_HELD)
    except ParleyError as error:
        check_refusal(error)
        if isinstance(error, Rejection):
            await keep_rejection(instance.db, error)
        await _fail(instance, found, row, error.text)


def check_refusal(error: ParleyError) -> None:
    """Raise a fault of this machine (or of the moment) again: the job tries later. A refusal is a row's own."""
    if error.status >= 500 or error.status == 429:
        raise error


async def _is_here(instance: Instance, viewer: Viewer, post: FoundPost) -> bool:
    """Whether the post was imported before, or is one of this very account, in whatever state."""
    async with instance.db.read() as tx:
        if await store_imports.list_imported(tx, viewer.account_id, [post.source]):
            return True
        return await _is_own(tx, instance.settings, viewer, post.source)


async def _is_own(tx: Tx, settings: Settings, viewer: Viewer, source: str) -> bool:
    if not source.startswith(f"{member_uri(settings, viewer.username)}/statuses/"):
        return False
    named = _LOCAL_ID.search(source)
    return named is not None and await has_status(tx, int(named[1]))


async def _post(
    instance: Instance,
    viewer: Viewer,
    found: ImportView,
    row: RowView,
    post: FoundPost,
    media_ids: list[int],
    left_out: str | None,
) -> None:
    source = found.source
    assert source is not None
    async with instance.db.write() as tx:
        if not await store_imports.lock_waiting(tx, found.id, row.position):
            return
        parents = await store_imports.list_imported(tx, viewer.account_id, [post.parent] if post.parent else [])
        new = NewStatus(
            text=post.text,
            content_type=post.content_type,
            spoiler_text=post.spoiler_text,
            sensitive=post.sensitive,
            visibility=post.visibility,
            language=post.language,
            in_reply_to_id=await _parent(tx, viewer, post, parents),
            media_ids=tuple(media_ids),
        )
        view = await post_status(tx, instance.settings, viewer, new, origin=_origin(source, post))
        held = view.state == "held" and all(one.state == "ready" for one in view.media)
        if held and await store_imports.count_held(tx, found.id) >= MOST_HELD:
            raise _TooManyHeld
        await store_imports.insert_imported(tx, viewer.account_id, post.source, view.id)
        reason = WAITS if held else left_out
        await store_imports.update_row(tx, found.id, row.position, "done", reason=reason, held=held)


def _origin(source: ImportSource, post: FoundPost) -> Origin:
    """What readers are told. A post that had been brought along before is no better proven than it was then."""
    if post.imported_from is not None:
        return Origin(host=post.imported_from, proof="claimed", created_at=post.published)
    return Origin(host=source.host, proof=source.proof, created_at=post.published)


async def _parent(tx: Tx, viewer: Viewer, post: FoundPost, parents: dict[str, int]) -> int | None:
    """A thread of one's own stays one; an answer to somebody else does not come into their thread."""
    if post.parent is None or post.parent not in parents:
        return None
    return parents[post.parent] if await has_status(tx, parents[post.parent], author_id=viewer.account_id) else None


async def _fail(instance: Instance, found: ImportView, row: RowView, reason: str) -> None:
    async with instance.db.write() as tx:
        await store_imports.update_row(tx, found.id, row.position, "failed", reason=reason)


# ---- files -----------------------------------------------------------------------------------------


async def _take_media(
    instance: Instance, viewer: Viewer, post: FoundPost, container: Container | None
) -> tuple[list[int], str | None]:
    """The post's files, uploaded and cleaned like any upload; and a sentence about those that could not be taken."""
    if not post.media and not post.media_left_out:
        return [], None
    ids: list[int] = []
    problems = [f"{post.media_left_out} more files than a post can hold"] if post.media_left_out else []
    for media in post.media[:MOST_MEDIA]:
        try:
            ids.append(await _take_file(instance, viewer, media, container))
        except ParleyError as error:
            check_refusal(error)
            if isinstance(error, Rejection):
                await keep_rejection(instance.db, error)
            problems.append(error.text.removeprefix("Validation failed: ").rstrip("."))
    if len(ids) > 1:
        ids, mixed = await _fitting(instance, viewer, ids)
        problems += ["a video or sound must be the only file of a post"] if mixed else []
    return ids, f"Left out: {'; '.join(dict.fromkeys(problems))}."[:1000] if problems else None


async def _take_file(instance: Instance, viewer: Viewer, media: FoundMedia, container: Container | None) -> int:
    settings = instance.settings
    name = next((name for name in names_in_archive(media.name) if container and name in container), None)
    if container is None or name is None:
        raise NotFound("a file is not in the archive")
    most = max(settings.max_image_mb, settings.max_video_mb) * MIB
    inspect = upload_inspector(settings)
    with tempfile.TemporaryDirectory(prefix="import-", dir=scratch_folder(settings)) as folder:
        path = Path(folder) / "file"
        size, head = await asyncio.to_thread(container.copy, name, path, lambda head: inspect("file", head), most=most)
        if media.sha256 is not None and await asyncio.to_thread(_hash_of, path) != media.sha256:
            raise Invalid("a file is not the one that the archive was signed with")
        upload = Upload(path, size, head)
        view = await upload_media(
            instance, viewer, upload, description=media.description[:MAX_DESCRIPTION], focus=media.focus, counted=False
        )
    await process_media(instance, {"media_id": view.id})
    async with instance.db.read() as tx:
        view = await get_media(tx, viewer, view.id)
    if view.state == "failed":
        raise Invalid(view.error or "a file could not be used")
    return view.id


def _hash_of(path: Path) -> str:
    import hashlib

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(PIECE):
            digest.update(chunk)
    return digest.hexdigest()


async def _fitting(instance: Instance, viewer: Viewer, ids: list[int]) -> tuple[list[int], bool]:
    """Files that may stand on one post together, and whether others had to be left out."""
    async with instance.db.read() as tx:
        views = [await get_media(tx, viewer, one) for one in ids]
    pictures = [view.id for view in views if view.type not in ("video", "audio")]
    if len(pictures) == len(ids):
        return ids, False
    return (pictures or ids[:1]), True


def row_of(post: FoundPost) -> Any:
    """A post as it is kept until it is taken."""
    return msgspec.to_builtins(post)
