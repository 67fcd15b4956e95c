"""The tables of attachments: media and the revisions of their descriptions. No rule lives here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class MediaRow(msgspec.Struct, frozen=True):
    """One attachment. The last two are set when its newest description is held."""

    id: int
    account_id: int
    status_id: int | None
    scheduled_status_id: int | None
    type: str
    state: str
    error: str | None
    upload_file: str | None
    upload_thumbnail: str | None
    file: str | None
    preview_file: str | None
    mime_type: str | None
    meta: dict[str, Any]
    focus_x: float | None
    focus_y: float | None
    blurhash: str | None
    description: str
    description_revision: int
    remote_url: str | None
    withheld: bool
    matches: list[dict[str, Any]]
    image_text: str
    hidden: bool
    held_description: str | None
    held_sentence: str | None

    @property
    def attached(self) -> bool:
        """Whether a post, or one that is planned, carries it."""
        return self.status_id is not None or self.scheduled_status_id is not None

    @property
    def stored_names(self) -> list[str]:
        """Its files that are served."""
        return [name for name in (self.file, self.preview_file) if name]

    @property
    def upload_names(self) -> list[str]:
        """Its files that are not."""
        return [name for name in (self.upload_file, self.upload_thumbnail) if name]


LIST_MEDIA = """
    SELECT m.id, m.account_id, m.status_id, m.scheduled_status_id, m.type::text, m.state::text, m.error,
        m.upload_file, m.upload_thumbnail, m.file, m.preview_file, m.mime_type, m.meta, m.focus_x, m.focus_y,
        m.blurhash, m.description, m.description_revision, m.remote_url, m.withheld, m.matches,
        m.image_text, m.hidden, d.description, d.sentence
    FROM media m
    LEFT JOIN media_descriptions d ON d.media_id = m.id AND d.revision = m.description_revision AND d.held
    WHERE m.id = ANY($1)
    ORDER BY m.id
"""

LIST_MEDIA_FOR_UPDATE = LIST_MEDIA + "FOR UPDATE OF m"


async def list_media(tx: Tx, ids: list[int]) -> dict[int, MediaRow]:
    """Attachments by id; missing ids are left out."""
    return {row[0]: MediaRow(*row) for row in await tx.fetch(LIST_MEDIA, ids)}


async def list_media_for_update(tx: Tx, ids: list[int]) -> dict[int, MediaRow]:
    """Attachments by id, locked until `tx` ends; missing ids are left out."""
    return {row[0]: MediaRow(*row) for row in await tx.fetch(LIST_MEDIA_FOR_UPDATE, ids)}


LIST_STATUS_MEDIA_IDS = """SELECT id FROM media WHERE status_id = $1 ORDER BY id"""


async def list_status_media_ids(tx: Tx, status_id: int) -> list[int]:
    """Ids of everything that is attached to a status."""
    return [row[0] for row in await tx.fetch(LIST_STATUS_MEDIA_IDS, status_id)]


INSERT_MEDIA = """
    INSERT INTO media (id, account_id, type, upload_file, upload_thumbnail, focus_x, focus_y, description,
        screening_id, mime_type, size_bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


async def insert_media(
    tx: Tx,
    media_id: int,
    account_id: int,
    kind: tuple[str, str],
    uploads: tuple[str, str | None],
    focus: tuple[float, float] | None,
    *,
    description: str,
    screening_id: int,
    size: int,
) -> None:
    """Note an upload that waits; `kind` is type and MIME type, `uploads` raw file and thumbnail, `size` in bytes."""
    x, y = focus or (None, None)
    values = (kind[0], *uploads, x, y, description, screening_id, kind[1], size)
    await tx.execute(INSERT_MEDIA, media_id, account_id, *values)


INSERT_DESCRIPTION = """
    INSERT INTO media_descriptions (media_id, revision, description, held, sentence, screening_id)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert_description(
    tx: Tx, media_id: int, revision: int, description: str, *, held: bool, sentence: str, screening_id: int
) -> None:
    """Keep one revision of a description."""
    await tx.execute(INSERT_DESCRIPTION, media_id, revision, description, held, sentence, screening_id)


UPDATE_DESCRIPTION = """
    UPDATE media SET description = $2, description_revision = $3, screening_id = $4, updated_at = now()
    WHERE id = $1
"""


async def update_description(tx: Tx, media_id: int, description: str, *, revision: int, screening_id: int) -> None:
    """Show `description` to readers and count the revision."""
    await tx.execute(UPDATE_DESCRIPTION, media_id, description, revision, screening_id)


UPDATE_DESCRIPTION_REVISION = """
    UPDATE media SET description_revision = $2, updated_at = now() WHERE id = $1
"""


async def update_description_revision(tx: Tx, media_id: int, revision: int) -> None:
    """Count a revision that is held: what readers see stays."""
    await tx.execute(UPDATE_DESCRIPTION_REVISION, media_id, revision)


UPDATE_HIDDEN = """UPDATE media SET hidden = $2 WHERE id = ANY($1::bigint[]) AND hidden <> $2"""


async def update_hidden(tx: Tx, ids: list[int], *, hidden: bool) -> None:
    """Let readers not learn that there are these attachments, or show them again."""
    await tx.execute(UPDATE_HIDDEN, ids, hidden)


UPDATE_FOCUS = """UPDATE media SET focus_x = $2, focus_y = $3, updated_at = now() WHERE id = $1"""


async def update_focus(tx: Tx, media_id: int, focus: tuple[float, float]) -> None:
    """Where the picture's point of interest is, each from -1 to 1."""
    await tx.execute(UPDATE_FOCUS, media_id, *focus)


UPDATE_UPLOAD_THUMBNAIL = """
    UPDATE media SET upload_thumbnail = $2, updated_at = now() WHERE id = $1
"""


async def update_upload_thumbnail(tx: Tx, media_id: int, upload: str) -> None:
    """A raw thumbnail waits to be processed."""
    await tx.execute(UPDATE_UPLOAD_THUMBNAIL, media_id, upload)


UPDATE_READY = """
    UPDATE media SET state = 'ready', type = $2, file = $3, content_hash = $4, mime_type = $5, size_bytes = $6,
        meta = $7, blurhash = $8, preview_file = $9, upload_file = NULL, error = NULL, updated_at = now()
    WHERE id = $1
"""


async def update_ready(
    tx: Tx,
    media_id: int,
    kind: str,
    file: tuple[str, bytes, str, int],
    meta: dict[str, Any],
    *,
    blurhash: str | None,
    preview: str | None,
) -> None:
    """Processing is done; `file` is name, SHA-256, MIME type and size in bytes."""
    await tx.execute(UPDATE_READY, media_id, kind, *file, meta, blurhash, preview)


UPDATE_PREVIEW = """
    UPDATE media SET preview_file = $2, meta = $3, blurhash = $4, upload_thumbnail = NULL, updated_at = now()
    WHERE id = $1
"""


async def update_preview(
    tx: Tx, media_id: int, preview: str | None, meta: dict[str, Any], *, blurhash: str | None
) -> None:
    """A member's own thumbnail is done."""
    await tx.execute(UPDATE_PREVIEW, media_id, preview, meta, blurhash)


UPDATE_FAILED = """
    UPDATE media SET state = 'failed', error = $2, upload_file = NULL, upload_thumbnail = NULL,
        updated_at = now()
    WHERE id = $1
"""


async def update_failed(tx: Tx, media_id: int, error: str) -> None:
    """The file cannot be used; `error` is a sentence for the member."""
    await tx.execute(UPDATE_FAILED, media_id, error)


UPDATE_USABLE = """UPDATE media SET state = 'ready', error = NULL, updated_at = now() WHERE id = $1"""


async def update_usable(tx: Tx, media_id: int) -> None:
    """A file that was refused after it had been processed can be used again."""
    await tx.execute(UPDATE_USABLE, media_id)


UPDATE_ATTACHED = """
    UPDATE media SET status_id = $2, scheduled_status_id = $3, updated_at = now() WHERE id = ANY($1)
"""


async def update_attached(tx: Tx, ids: list[int], status_id: int | None, scheduled_status_id: int | None) -> None:
    """Attach to a status or to a planned one, or to none."""
    await tx.execute(UPDATE_ATTACHED, ids, status_id, scheduled_status_id)


UPDATE_WITHHELD = """
    UPDATE media SET withheld = id <> ALL($2::bigint[])
    WHERE status_id = $1 AND withheld <> (id <> ALL($2::bigint[]))
    RETURNING withheld, file, preview_file
"""


async def update_withheld(tx: Tx, status_id: int, shown: list[int]) -> list[tuple[bool, list[str]]]:
    """Withhold what a status carries, but for `shown`; of each that changed, the new state and the stored files."""
    rows = await tx.fetch(UPDATE_WITHHELD, status_id, shown)
    return [(row[0], [name for name in row[1:] if name]) for row in rows]


UPDATE_SCHEDULED_RELEASED = """
    UPDATE media SET scheduled_status_id = NULL, updated_at = now()
    WHERE scheduled_status_id = $1 AND status_id IS NULL
"""


async def update_scheduled_released(tx: Tx, scheduled_status_id: int) -> None:
    """A planned status was given up: its media are free again."""
    await tx.execute(UPDATE_SCHEDULED_RELEASED, scheduled_status_id)


DELETE_MEDIA = """DELETE FROM media WHERE id = ANY($1)"""


async def delete_media(tx: Tx, ids: list[int]) -> None:
    """Remove attachments, with the revisions of their descriptions."""
    await tx.execute(DELETE_MEDIA, ids)


LIST_ORPHANS = """
    SELECT id FROM media
    WHERE status_id IS NULL AND scheduled_status_id IS NULL AND updated_at < $1
    ORDER BY updated_at LIMIT $2
    FOR UPDATE SKIP LOCKED
"""


async def list_orphans(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Ids of attachments that nothing carries and nobody touched since `before`; locked."""
    return [row[0] for row in await tx.fetch(LIST_ORPHANS, before, limit)]


LIST_KNOWN_UPLOADS = """
    SELECT upload_file FROM media WHERE upload_file = ANY($1)
    UNION SELECT upload_thumbnail FROM media WHERE upload_thumbnail = ANY($1)
"""


async def list_known_uploads(tx: Tx, names: list[str]) -> set[str]:
    """Which of the raw uploads still wait to be processed."""
    return {row[0] for row in await tx.fetch(LIST_KNOWN_UPLOADS, names)}
