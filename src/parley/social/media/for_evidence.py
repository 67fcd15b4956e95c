"""Attachments as they are kept as evidence: whatever their state, and also when their owner has deleted them since.

For the desk alone: nothing of it may be shown to anybody who is not staff.
"""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.social.media import store, store_evidence
from parley.social.media.reads import view_of
from parley.social.media.store_evidence import FileFacts as FileFacts
from parley.social.media.views import MediaView
from parley.social.verdicts.reads import ResultRow, get_results

AT_ONCE = 500


class MediaEvidence(msgspec.Struct, frozen=True):
    """One attachment, the post that carries it, and what screening said of its file and its description."""

    media: MediaView
    status_id: int | None
    screening: tuple[ResultRow, ...]


async def list_whole_media(tx: Tx, ids: list[int]) -> dict[int, MediaView]:
    """Attachments with the newest descriptions, also those that wait for a decision; in one query, or two.

    Those that were deleted while nothing of their owner's account might be lost are among them.
    """
    rows = await store.list_media(tx, ids)
    if missing := [media_id for media_id in ids if media_id not in rows]:
        rows |= await store_evidence.list_remains(tx, missing)
    return {media_id: view_of(row, for_owner=True) for media_id, row in rows.items()}


async def list_media_evidence(tx: Tx, ids: list[int]) -> dict[int, MediaEvidence]:
    """Attachments by id, deleted ones too; in at most four queries."""
    if not ids:
        return {}
    rows = await store.list_media(tx, ids)
    if missing := [media_id for media_id in ids if media_id not in rows]:
        rows |= await store_evidence.list_remains(tx, missing)
    numbers = await store_evidence.list_media_results(tx, ids)
    results = await get_results(tx, list({number for some in numbers.values() for number in some}))
    return {
        media_id: MediaEvidence(
            view_of(row, for_owner=True),
            row.status_id,
            tuple(results[number] for number in numbers.get(media_id, ()) if number in results),
        )
        for media_id, row in rows.items()
    }


async def list_file_facts(tx: Tx, names: list[str]) -> dict[str, FileFacts]:
    """What is known of stored files, by name; also of those that are served no more."""
    return await store_evidence.list_file_facts(tx, names) if names else {}


async def forget_remains(tx: Tx) -> bool:
    """Forget some of what was kept of deleted attachments and need not be kept any more; whether there may be more."""
    return await store_evidence.delete_remains(tx, AT_ONCE) == AT_ONCE
