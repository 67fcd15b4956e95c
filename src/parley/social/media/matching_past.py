"""Finds among the files that are here already what has just entered a bank, and takes it out of sight.

Nothing here starts by itself: a sweep asks, counts, and acts when people approved it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.screening import Outcome, image_hash
from parley.screening.content import MediaMatch
from parley.screening.image_hash import FORMS, LEAST_QUALITY, MATCH_DISTANCE
from parley.social.media import store, store_files, store_hashes, store_matches
from parley.social.media.actions import hide_media
from parley.social.media.hash_lookup import find_matches
from parley.social.media.judging import REFUSED, content_of_file, judge_file, refuse_file
from parley.social.media.reads import save_file
from parley.social.media.results import FileHash

_PAGE = 1000


class LikeView(msgspec.Struct, frozen=True):
    """A file of ours that is like a hash: in which form, at which second of a video, and what carries it."""

    file: str
    media_id: int | None
    """None for a profile picture or an emoji."""
    status_id: int | None
    account_id: int | None
    distance: int
    form: str
    second: float | None


async def find_media_like(
    tx: Tx, hash_bytes: bytes, distance: int = MATCH_DISTANCE, *, kind: str = "pdq"
) -> list[LikeView]:
    """Our files that are like a hash of a bank, however they were turned; exactly like it for other kinds than PDQ.

    For pictures and frames `distance` is at most 31 bits: the index finds no more.
    """
    if kind in ("pdq", "frame"):
        forms = image_hash.turned_forms(hash_bytes)
        keys = image_hash.band_keys(forms)
        rows = await store_matches.list_like(tx, keys, forms, min(distance, MATCH_DISTANCE), LEAST_QUALITY)
    else:
        rows = await store_matches.list_same(tx, kind, hash_bytes)
    return [
        LikeView(
            row.file,
            row.media_id,
            row.status_id,
            row.account_id,
            row.distance,
            FORMS[row.form] if row.form else "",
            row.second,
        )
        for row in rows
    ]


async def list_bank_hits(tx: Tx, first_id: int, last_id: int) -> list[LikeView]:
    """Our files that are like one of the rows of banks from `first_id` to `last_id`, each file once."""
    found: dict[str, LikeView] = {}
    after = first_id - 1
    while rows := await store_hashes.list_looked_for(tx, after, last_id, _PAGE):
        for _, kind, hash_bytes in rows:
            for like in await find_media_like(tx, hash_bytes, kind=kind):
                if like.file not in found or like.distance < found[like.file].distance:
                    found[like.file] = like
        after = rows[-1][0]
    return list(found.values())


class Rematched(msgspec.Struct, frozen=True):
    """What the banks know of a file now, and what the judge says of it."""

    matches: tuple[MediaMatch, ...]
    outcome: Outcome


async def rematch_media(instance: Instance, media_id: int, *, act: bool) -> Rematched:
    """Ask the banks about an attachment once more and judge it; raises NotFound.

    With `act` the matches are kept, so that posts which carry it can be judged again, and a file that is refused is
    copied to the evidence and served no more.
    """
    async with instance.db.read() as tx:
        row = (await store.list_media(tx, [media_id])).get(media_id)
        kept = await store_matches.list_media_hashes(tx, media_id)
    if row is None:
        raise NotFound
    hashes = [FileHash(kind, bits.hex(), quality, second) for kind, bits, quality, second in kept]
    matches = await find_matches(instance, hashes)
    content = content_of_file(matches, row.mime_type)
    verdict = await judge_file(instance, row.account_id, content)
    if act:
        if verdict.outcome in REFUSED and row.file is not None:
            with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as folder:
                path = Path(folder) / "copy"
                await save_file(instance, row.file, path)
                await refuse_file(instance, row.account_id, content, path, origin="attachment", media_id=media_id)
        async with instance.db.write() as tx:
            await store_matches.update_matches(tx, media_id, matches)
            if verdict.outcome in REFUSED:
                await hide_media(tx, [media_id], hidden=True)
    return Rematched(matches, verdict.outcome)


async def hide_picture(tx: Tx, file: str, *, hidden: bool) -> None:
    """Serve a profile picture or an emoji no more, or again: the caller decided that it may."""
    await store_files.update_hidden(tx, [file], hidden=hidden)
