"""Finds among the files that are here already what has just entered a bank, and takes it out of sight.

Nothing here starts by itself: a sweep asks, counts, and acts when people approved it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.screening import Outcome, image_hash
from parley.screening.content import MediaMatch
from parley.screening.image_hash import FORMS, LEAST_QUALITY, MATCH_DISTANCE
from parley.social.media import store, store_files, store_hashes, store_matches
from parley.social.media.actions import hide_media
from parley.social.media.hash_lookup import find_matches
from parley.social.media.judging import REFUSED, place_matches, put_among_evidence, refusal
from parley.social.media.reads import save_file
from parley.social.media.results import FileHash
from parley.social.media.store_matches import LikeRow


class LikeView(msgspec.Struct, frozen=True):
    """A file of ours that is like a hash: in which form, at which second of a video, and what carries it."""

    file: str
    media_id: int | None
    """None for a profile picture or an emoji."""
    status_id: int | None
    account_id: int | None
    """None for an emoji."""
    distance: int
    form: str
    second: float | None


def _view(row: LikeRow) -> LikeView:
    form = FORMS[row.form] if row.form else ""
    return LikeView(row.file, row.media_id, row.status_id, row.account_id, row.distance, form, row.second)


async def find_media_like(tx: Tx, hash_bytes: bytes, distance: int = MATCH_DISTANCE) -> list[LikeView]:
    """Our pictures and frames that are like a hash, however they were turned.

    `distance` is at most 31 bits: the index finds no more.
    """
    forms = image_hash.turned_forms(hash_bytes)
    keys = image_hash.band_keys(forms)
    rows = await store_matches.list_like(tx, keys, forms, min(distance, MATCH_DISTANCE), LEAST_QUALITY)
    return [_view(row) for row in rows]


async def list_bank_hits(
    tx: Tx, bank_id: int, after_id: int, last_id: int, *, limit: int
) -> tuple[list[LikeView], int]:
    """Our files that are like one of the next `limit` rows of a bank with after_id < id <= last_id, each once; and how
    far that was: `last_id` when there are no more.

    A frame that is like one of a known video is a hit too: whether enough of its frames are, `match_again` says.
    """
    rows = await store_hashes.list_looked_for(tx, bank_id, after_id, last_id, limit)
    found: dict[str, LikeView] = {}

    def keep(likes: Sequence[LikeView]) -> None:
        for like in likes:
            if like.file not in found or like.distance < found[like.file].distance:
                found[like.file] = like

    keep(await list_exact_hits(tx, rows))
    for _, kind, hash_bytes in rows:
        if kind in ("pdq", "frame"):
            keep(await find_media_like(tx, hash_bytes))
    return list(found.values()), rows[-1][0] if len(rows) == limit else last_id


async def list_exact_hits(tx: Tx, rows: Sequence[tuple[int, str, bytes]]) -> list[LikeView]:
    """Our files that are exactly what one of these rows (id, kind, hash) names: checksums and sounds, in one query."""
    exact = [hash_bytes for _, kind, hash_bytes in rows if kind in ("md5", "sha1", "sha256")]
    sounds = [hash_bytes for _, kind, hash_bytes in rows if kind == "audio"]
    if not exact and not sounds:
        return []
    return [_view(row) for row in await store_matches.list_same(tx, exact, sounds)]


async def has_hashed_files(tx: Tx) -> bool:
    """Whether there is any file here that a new entry could be about."""
    return await store_matches.has_media_hashes(tx)


async def get_searched_bank(tx: Tx, bank_id: int) -> str | None:
    """The name of a bank that is looked for; None for one that is not, or gone."""
    return await store_hashes.get_bank_name(tx, bank_id)


async def match_again(instance: Instance, like: LikeView) -> tuple[MediaMatch, ...]:
    """Everything that the banks know now of a file of ours: an attachment with its thumbnail, or a picture."""
    async with instance.db.read() as tx:
        if like.media_id is not None:
            kept = await store_matches.list_media_hashes(tx, like.media_id)
        else:
            kept = await store_matches.list_file_hashes(tx, like.file)
    hashes = [FileHash(kind, bits.hex(), quality, second) for kind, bits, quality, second in kept]
    return await find_matches(instance, hashes, indexed=True)


async def get_like(tx: Tx, media_id: int) -> LikeView | None:
    """An attachment as something that may be known; None when it is gone or has no file."""
    row = (await store.list_media(tx, [media_id])).get(media_id)
    if row is None or row.file is None:
        return None
    return LikeView(row.file, media_id, row.status_id, row.account_id, 0, "", None)


async def keep_matches(tx: Tx, media_id: int, matches: Sequence[Any]) -> list[Any] | None:
    """Keep what the banks know of an attachment, for whatever is written or judged from now on.

    Returns what was known before; None, and nothing done, when that is the same or the attachment is gone.
    """
    before = await store_matches.get_locked_matches(tx, media_id)
    if before is None or msgspec.convert(before, list[MediaMatch]) == list(matches):
        return None
    await store_matches.update_matches(tx, media_id, matches)
    return before


async def restore_matches(tx: Tx, media_id: int, before: tuple[MediaMatch, ...], after: tuple[MediaMatch, ...]) -> None:
    """Take back what `keep_matches` kept, `after`, unless something else is known of the attachment by now."""
    now = await store_matches.get_locked_matches(tx, media_id)
    if now is not None and msgspec.convert(now, tuple[MediaMatch, ...]) == after:
        await store_matches.update_matches(tx, media_id, before)


async def refresh_matches(tx: Tx, matches: Sequence[Any]) -> tuple[MediaMatch, ...]:
    """Stored matches as the banks see them now: without entries that were disputed or removed since."""
    found = [msgspec.convert(one, MediaMatch) for one in matches]
    states = await store_hashes.list_entry_states(tx, [one.entry for one in found]) if found else {}
    return tuple(
        msgspec.structs.replace(one, bank=bank, tier=tier, clause=clause, background=background)
        for one in found
        if one.entry in states
        for bank, tier, clause, background in (states[one.entry],)
    )


async def list_fresh_matches(tx: Tx, media_ids: Sequence[int]) -> dict[int, tuple[MediaMatch, ...]]:
    """What the banks know of attachments, as they see it now; without those that are gone or still being processed."""
    rows = await store.list_media(tx, list(media_ids)) if media_ids else {}
    return {
        media_id: await refresh_matches(tx, row.matches) for media_id, row in rows.items() if row.state != "processing"
    }


def put_matches(
    known: Sequence[MediaMatch], media_ids: Sequence[int], fresh: dict[int, tuple[MediaMatch, ...]]
) -> tuple[MediaMatch, ...]:
    """The matches of a revision that carries `media_ids`, in that order: fresh ones, and for files that are gone those
    that were `known`."""
    places = {f"media_{place}": media_id for place, media_id in enumerate(media_ids, 1)}
    found = [one for one in known if places.get(one.place) not in fresh]
    for place, media_id in places.items():
        found += place_matches(fresh.get(media_id, ()), place)
    return tuple(found)


class PlaceView(msgspec.Struct, frozen=True):
    """What carries an attachment now."""

    status_id: int | None
    attached: bool
    mime_type: str | None


async def list_places(tx: Tx, media_ids: Sequence[int]) -> dict[int, PlaceView]:
    """What carries these attachments; those that are gone are left out."""
    rows = await store.list_media(tx, list(media_ids)) if media_ids else {}
    return {row.id: PlaceView(row.status_id, row.attached, row.mime_type) for row in rows.values()}


async def apply_file_verdict(
    tx: Tx, media_id: int, outcome: Outcome, screening_id: int, clause: str | None
) -> dict[str, Any] | None:
    """Let a later verdict on a file itself take effect; returns what was before, None for nothing done.

    A file that would be refused is served to nobody, its author included, and copied to the evidence by a job. One
    that would be held is dealt with by what carries it; where nothing does, it can be used no more.
    """
    row = (await store.list_media_for_update(tx, [media_id])).get(media_id)
    if row is None or row.file is None or row.state != "ready" or outcome.published:
        return None
    if (row.attached and outcome not in REFUSED) or await store_files.list_hidden_names(tx, [row.file]):
        return None
    before = {"screening_id": await store_matches.get_file_result(tx, media_id), "attached": row.attached}
    await hide_media(tx, [media_id], hidden=True)
    await store_matches.update_file_result(tx, media_id, screening_id)
    if not row.attached:
        await store.update_failed(tx, media_id, refusal(clause))
    about = {"media_id": media_id, "screening_id": screening_id, "outcome": outcome.value, "clause": clause}
    await enqueue(tx, keep_hidden_file.__name__, about)
    return before


async def restore_file_verdict(tx: Tx, media_id: int, before: dict[str, Any], screening_id: int) -> bool:
    """Take back what `apply_file_verdict` did; False when something else has happened to the file since."""
    row = (await store.list_media_for_update(tx, [media_id])).get(media_id)
    if row is None or row.hidden or await store_matches.get_file_result(tx, media_id) != screening_id:
        return False
    await hide_media(tx, [media_id], hidden=False)
    if not before["attached"]:
        await store.update_usable(tx, media_id)
    await store_matches.update_file_result(tx, media_id, before["screening_id"])
    return True


async def keep_hidden_file(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: copy a file that a sweep took out of sight to the evidence, as one that is refused when it is uploaded.

    Payload: `media_id`, and the `screening_id`, `outcome` and `clause` of what led to it. May run twice.
    """
    media_id, screening_id = int(payload["media_id"]), int(payload["screening_id"])
    async with instance.db.read() as tx:
        row = (await store.list_media(tx, [media_id])).get(media_id)
        done = await store_matches.has_evidence(tx, media_id, screening_id)
        hidden = row is not None and row.file is not None and await store_files.list_hidden_names(tx, [row.file])
    if row is None or row.file is None or done or not hidden:
        return
    with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as folder:
        path = Path(folder) / "copy"
        try:
            await save_file(instance, row.file, path)
        except NotFound:
            return  # its author deleted it, an hour ago or longer
        copy = await put_among_evidence(instance, path, row.mime_type)
    async with instance.db.write() as tx:
        await store_matches.insert_evidence(
            tx,
            (row.account_id, media_id, "attachment"),
            (payload["outcome"], payload["clause"], row.matches, screening_id),
            copy,
        )
