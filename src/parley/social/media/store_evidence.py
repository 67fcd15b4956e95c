"""Attachments and files as evidence needs them. SQL only; no rule lives here."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.social.media.store import MediaRow

LIST_REMAINS = """SELECT remains FROM media_remains WHERE media_id = ANY($1::bigint[])"""


async def list_remains(tx: Tx, ids: list[int]) -> dict[int, MediaRow]:
    """Attachments that were deleted while their owner's account had to be preserved, as they were."""
    return {row.id: row for (remains,) in await tx.fetch(LIST_REMAINS, ids) for row in [_media_row(remains)]}


def _media_row(remains: dict[str, Any]) -> MediaRow:
    values: dict[str, Any] = {name: remains.get(name) for name in MediaRow.__struct_fields__}
    return MediaRow(**values)


class FileFacts(msgspec.Struct, frozen=True):
    """What is known of a stored file: its public name, what it is, and the SHA-256 of its bytes."""

    name: str
    mime_type: str
    size_bytes: int
    content_hash: bytes


LIST_FILE_FACTS = """
    SELECT name, mime_type, size_bytes, content_hash FROM files WHERE name = ANY($1::text[])
"""


async def list_file_facts(tx: Tx, names: list[str]) -> dict[str, FileFacts]:
    """Files by name, also those that are served no more."""
    return {row[0]: FileFacts(*row) for row in await tx.fetch(LIST_FILE_FACTS, names)}


LIST_MEDIA_RESULTS = """
    SELECT id, screening_id, file_screening_id FROM media WHERE id = ANY($1::bigint[])
"""


async def list_media_results(tx: Tx, ids: list[int]) -> dict[int, list[int]]:
    """Ids of the results of screening of descriptions and files, by attachment."""
    return {row[0]: [number for number in row[1:] if number] for row in await tx.fetch(LIST_MEDIA_RESULTS, ids)}


DELETE_REMAINS = """
    WITH gone AS (
        SELECT media_id FROM media_remains WHERE NOT is_preserved(account_id) ORDER BY media_id LIMIT $1
        FOR UPDATE SKIP LOCKED
    )
    DELETE FROM media_remains r USING gone WHERE r.media_id = gone.media_id RETURNING r.media_id
"""


async def delete_remains(tx: Tx, limit: int) -> int:
    """Forget what was kept of deleted attachments of accounts that need not be preserved any more."""
    return len(await tx.fetch(DELETE_REMAINS, limit))
