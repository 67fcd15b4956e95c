"""Where the bytes of finished files lie: stored once for each content, whoever sent it, under as many names as uploads.

Bytes are written before any row speaks of them, at a key of their own. A name may share the key of another only
while that other one is in use, decided under the lock of the content. So once all names of a key are removed, nobody
can come to share it: its bytes are deleted outside of every transaction, and an upload of the same content at that
moment keeps its own. Knows nothing of attachments or profiles.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Invalid
from parley.kit.files import CONTENT
from parley.kit.instance import Instance
from parley.social.media import store_files
from parley.social.media.store_files import FileRow

BATCH = 100
LEFT_AGE = timedelta(hours=24)
SHARDS = 256

Copies = dict[str, str]
"""By the key of bytes that were there already: the key that their name uses."""


class HiddenContent(Invalid):
    """422: people hid these very bytes before. Nothing was claimed."""

    default_text = "This file was taken down here before, so it cannot be uploaded again."


async def claim_names(tx: Tx, made: list[FileRow], *, account_id: int | None, withheld: bool = False) -> Copies:
    """Let stored files be served under their names; `account_id` is whose they are (None: the instance's).

    With `withheld`, to those alone who may see what carries them. Content that another name has is shared with it.
    Give the answer to `settle_copies` after the commit. Raises HiddenContent: then give `made` to `drop_made`.
    """
    hashes = [file.content_hash for file in made]
    await store_files.lock_contents(tx, hashes)
    if await store_files.has_hidden(tx, hashes):
        raise HiddenContent
    copies: Copies = {}
    for file in made:
        key = await store_files.get_used_key(tx, file.content_hash)
        if key is not None:
            copies[file.content_key] = key
        await store_files.insert_file(
            tx,
            msgspec.structs.replace(file, content_key=key or file.content_key),
            account_id=account_id,
            withheld=withheld,
        )
    return copies


async def settle_copies(instance: Instance, copies: Copies) -> None:
    """Put the second copy of a content in the place of the first, which heals that one should it be damaged."""
    for own, shared in copies.items():
        await instance.files.move(own, shared)


async def drop_made(instance: Instance, made: list[FileRow]) -> None:
    """Delete the bytes of files for which `claim_names` was not called."""
    for file in made:
        await instance.files.delete(file.content_key)


async def free_names(instance: Instance, names: list[str]) -> None:
    """Forget removed names, and delete the bytes that no other name has. May run twice, also at once.

    What belongs to an account that must be preserved stays for now; `sweep_contents` comes back for it. The rows go
    after the bytes, so that a run which was cut short can be repeated.
    """
    for start in range(0, len(names), BATCH):
        batch = names[start : start + BATCH]
        async with instance.db.write() as tx:
            batch = await store_files.list_unpreserved(tx, batch)
            await store_files.lock_contents(tx, await store_files.list_hashes(tx, batch))
            await store_files.delete_sharing(tx, batch)
            keys = await store_files.list_removed_keys(tx, batch)
        for key in keys:
            await instance.files.delete(key)
        async with instance.db.write() as tx:
            await store_files.delete_removed(tx, batch)


async def sweep_contents(instance: Instance) -> None:
    """Finish removals that were left behind, and delete bytes that have no name: an upload was cut short.

    Only what is a day old is touched. Each run walks through a part of the store, by the hour; a day sees all of it.
    """
    moment = now()
    before = moment - LEFT_AGE
    while True:
        async with instance.db.read() as tx:
            names = await store_files.list_left_removed(tx, before, BATCH)
        await free_names(instance, names)
        if len(names) < BATCH:
            break
    for shard in range(moment.hour, SHARDS, 24):
        await _sweep_shard(instance, f"{CONTENT}/{shard:02x}", before)


async def _sweep_shard(instance: Instance, folder: str, before: datetime) -> None:
    async for keys in instance.files.list_older(before, under=folder):
        async with instance.db.read() as tx:
            known = await store_files.list_known_keys(tx, keys)
        for key in keys:
            if key not in known:
                await instance.files.delete(key)
