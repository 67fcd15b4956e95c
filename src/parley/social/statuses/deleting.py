"""Deleting by the author: gone from every public surface at once, while its rows stay as evidence."""

from __future__ import annotations

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import StatusDeleted
from parley.social.media.actions import detach_media
from parley.social.statuses import store_writes
from parley.social.statuses.hydrate import get_status, get_visible_body
from parley.social.statuses.marks import delete_own_reblog
from parley.social.statuses.publishing import count_status
from parley.social.statuses.views import StatusView


async def delete_status(tx: Tx, viewer: Viewer, status_id: int, *, delete_media: bool = False) -> StatusView:
    """Delete an own status or boost; returns it as it was, with `text`, so that it can be written anew.

    Its media are free to be attached again for a day, unless `delete_media` removes them now. Raises NotFound.
    """
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id:
        raise NotFound
    view = await get_status(tx, viewer, status_id)
    view = msgspec.structs.replace(view, spoiler_text=view.own_warning)
    if body.reblog_of_id is not None:
        await delete_own_reblog(tx, viewer.account_id, body.reblog_of_id)
        return view
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.state == "author_deleted":
        raise NotFound
    await store_writes.update_deleted(tx, status_id, now())
    if row.state != "held":
        quoted = row.quote_of_id if row.quote_state == "accepted" else None
        await count_status(
            tx, viewer.account_id, row.in_reply_to_id, quoted, -1, visibility=row.visibility, imported=row.imported
        )
    await detach_media(tx, status_id, keep=not delete_media)
    await record(tx, StatusDeleted(account_id=viewer.account_id, status_id=status_id))
    return view
