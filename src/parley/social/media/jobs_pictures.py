"""After a profile changed: delete the pictures that it no longer shows. May run twice."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.social.accounts.reads import list_picture_files
from parley.social.media import store_files
from parley.social.media.actions import remove_files

SETTLED = timedelta(minutes=15)
"""A younger file may belong to a change that is still on its way."""


async def delete_old_pictures(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on ProfileUpdated: delete avatars and headers that neither the profile nor a held one uses.

    Payload: `account_id`. It also finds pictures of changes that were refused.
    """
    account_id = int(payload["account_id"])
    async with instance.db.write() as tx:
        used = await list_picture_files(tx, account_id)
        await remove_files(tx, await store_files.list_unused_files(tx, account_id, list(used), now() - SETTLED))
