"""Profile pictures and custom emoji: cleaned while their owner waits, in the same decoding process.

The files are stored and served at once; whoever asked for them puts their names into a profile or an emoji, or
gives them to `remove_files` when that fails or when they are replaced.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from parley.kit.errors import Invalid
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.limits import bucket_of, count_try
from parley.kit.uploads import Upload
from parley.social.media.actions import check_quota, picture_inspector, remove_files
from parley.social.media.contents import HiddenContent, claim_names, drop_made, settle_copies
from parley.social.media.decode import BROKEN
from parley.social.media.fingerprints import hash_bytes
from parley.social.media.formats import MAX_EMOJI_BYTES, sniff
from parley.social.media.hash_lookup import find_matches
from parley.social.media.judging import check_picture, keep_hashes
from parley.social.media.process import decode, store_made
from parley.social.media.results import Purpose
from parley.social.media.views import PictureFiles

Kind: TypeAlias = Literal["avatar", "header"]

MOST = 30
PER = timedelta(minutes=30)


async def store_profile_picture(instance: Instance, kind: Kind, upload: Upload, *, account_id: int) -> PictureFiles:
    """Clean and store an avatar (400 x 400 pixels) or header (1500 x 500), cut around its middle.

    Raises Invalid with a sentence when the picture cannot be used, RateLimited beyond 30 in half an hour, StoreRefused
    when it cannot be kept now.
    """
    await count_try(instance.db, instance.settings, bucket_of("profile_picture", account_id), MOST, PER)
    await check_quota(instance, account_id, upload.size)
    return await _store(instance, kind, upload, account_id)


async def store_profile_pictures(
    instance: Instance, uploads: Mapping[Kind, Upload], *, account_id: int
) -> dict[Kind, PictureFiles]:
    """Clean and store the pictures of one change: all of them, or none. Raises what `store_profile_picture` raises."""
    stored: dict[Kind, PictureFiles] = {}
    try:
        for kind, upload in uploads.items():
            stored[kind] = await store_profile_picture(instance, kind, upload, account_id=account_id)
    except Exception:
        names = [name for one in stored.values() for name in (one.file, one.static_file)]
        if names:
            async with instance.db.write() as tx:
                await remove_files(tx, list(dict.fromkeys(names)))
        raise
    return stored


async def store_emoji_picture(instance: Instance, upload: Upload) -> PictureFiles:
    """Clean and store an emoji of at most 256 x 256 pixels, with its transparency and movement."""
    if upload.size > MAX_EMOJI_BYTES:
        raise Invalid(f"Validation failed: an emoji may have at most {MAX_EMOJI_BYTES // 1024} KiB.")
    return await _store(instance, "emoji", upload, None)


async def _store(instance: Instance, purpose: Purpose, upload: Upload, account_id: int | None) -> PictureFiles:
    if upload.size == 0:
        raise Invalid("Validation failed: the file is empty.")
    if upload.size > picture_inspector(instance.settings)(purpose, upload.head):
        raise Invalid("Validation failed: this picture is too large.")
    with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as name:
        folder = Path(name)
        result = await decode(upload.path, sniff(upload.head), purpose, folder)
        if result.error is not None or result.file is None or result.preview is None:
            raise Invalid(result.error or BROKEN)
        hashes = (*result.hashes, *await hash_bytes(upload.path))
        matches = await find_matches(instance, hashes, place=purpose)
        if account_id is not None:
            await check_picture(
                instance, account_id, matches, sniff(upload.head).mime_type, upload.path, origin=purpose
            )
        elif any(match.tier != "flag" and not match.background for match in matches):
            raise Invalid("This picture is known from a bank of hashes, so it cannot be an emoji.")
        file = await store_made(instance, result.file, folder)
        still = file
        if result.preview != result.file:
            try:
                still = await store_made(instance, result.preview, folder)
            except BaseException:
                await instance.files.discard(file.content_key)
                raise
    made = list(dict.fromkeys((file, still)))
    try:
        async with instance.db.write() as tx:
            copies = await claim_names(tx, made, account_id=account_id)
            await keep_hashes(tx, file.name, hashes, media_id=None, account_id=account_id)
    except HiddenContent:
        await drop_made(instance, made)
        raise
    await settle_copies(instance, copies)
    return PictureFiles(file.name, still.name, matches)
