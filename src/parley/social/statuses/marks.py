"""What members do with statuses of others and their own: favourite, bookmark, pin, mute the thread, boost."""

from __future__ import annotations

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.social.accounts.actions import change_boosts_count
from parley.social.accounts.restrictions import check_may_post
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import (
    StatusFavourited,
    StatusReblogged,
    StatusUnfavourited,
    StatusUnreblogged,
)
from parley.social.statuses import rules, store_marks, store_reblogs, store_writes
from parley.social.statuses.hydrate import get_status, get_visible_body
from parley.social.statuses.store import Body
from parley.social.statuses.views import StatusView
from parley.social.statuses.visibility import boost_visibility, can_boost


async def _get_target(tx: Tx, viewer: Viewer, status_id: int) -> Body:
    """What the viewer means: the original when the id is a boost's. Raises NotFound for the invisible."""
    body, _ = await get_visible_body(tx, viewer, status_id)
    return body


async def favourite_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Like a status; doing it twice is doing it once. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    if await store_marks.insert_favourite(tx, viewer.account_id, body.id):
        await record(tx, StatusFavourited(account_id=viewer.account_id, status_id=body.id))
    return await get_status(tx, viewer, body.id)


async def unfavourite_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Take a favourite back. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    if await store_marks.delete_favourite(tx, viewer.account_id, body.id):
        await record(tx, StatusUnfavourited(account_id=viewer.account_id, status_id=body.id))
    return await get_status(tx, viewer, body.id)


async def bookmark_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Keep a status for later; nobody else learns of it. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    await store_marks.insert_bookmark(tx, viewer.account_id, body.id)
    return await get_status(tx, viewer, body.id)


async def unbookmark_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Drop a bookmark. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    await store_marks.delete_bookmark(tx, viewer.account_id, body.id)
    return await get_status(tx, viewer, body.id)


async def pin_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Put an own status on top of the profile; at most five. Raises NotFound, Invalid."""
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id:
        raise Invalid("Validation failed: Someone else's post cannot be pinned.")
    if body.reblog_of_id is not None:
        raise Invalid("Validation failed: A boost cannot be pinned.")
    if body.visibility == "direct":
        raise Invalid("Validation failed: Posts that are only visible to mentioned users cannot be pinned.")
    if body.state not in ("published", "limited"):
        raise Invalid("Validation failed: A post that waits for a decision cannot be pinned.")
    if await store_marks.count_other_pins(tx, viewer.account_id, body.id) >= rules.MOST_PINS:
        raise Invalid("Validation failed: You have already pinned the maximum number of posts; unpin one first.")
    await store_marks.insert_pin(tx, viewer.account_id, body.id)
    return await get_status(tx, viewer, body.id)


async def unpin_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Take a status off the top of the profile. Raises NotFound, Invalid."""
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id:
        raise Invalid("Validation failed: Someone else's post cannot be unpinned.")
    await store_marks.delete_pin(tx, viewer.account_id, body.id)
    return await get_status(tx, viewer, body.id)


async def mute_conversation(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """No more notifications from the thread of this status. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    await store_marks.insert_conversation_mute(tx, viewer.account_id, body.conversation_id)
    return await get_status(tx, viewer, body.id)


async def unmute_conversation(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Notifications from the thread again. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    await store_marks.delete_conversation_mute(tx, viewer.account_id, body.conversation_id)
    return await get_status(tx, viewer, body.id)


async def reblog_status(tx: Tx, viewer: Viewer, status_id: int, *, visibility: str | None = None) -> StatusView:
    """Boost a status; returns the boost, which is the old one when it was boosted before.

    Others' posts must be public or unlisted, one's own may be followers-only. Raises NotFound, Invalid, Forbidden,
    and Restricted for whom moderators do not let post.
    """
    check_may_post(viewer)
    if visibility is not None:
        rules.check_choice("Visibility", visibility, ("public", "unlisted", "private"))
    body = await _get_target(tx, viewer, status_id)
    is_author = body.account_id == viewer.account_id
    if not can_boost(visibility=body.visibility, state=body.state, is_author=is_author):
        raise Forbidden("This post cannot be boosted: its author shares it with a limited audience.")
    reblog_id = await get_new_id(tx)
    moment = now()
    shown = boost_visibility(body.visibility, visibility)
    if await store_reblogs.insert_reblog(
        tx, reblog_id, viewer.account_id, body.id, shown, body.local_only, viewer.app_id, moment
    ):
        await change_boosts_count(tx, viewer.account_id, 1, posted_at=moment)
        await store_writes.update_counts(tx, body.id, reblogs=1)
        await record(tx, StatusReblogged(account_id=viewer.account_id, status_id=reblog_id, original_id=body.id))
    else:
        earlier = await store_reblogs.get_reblog_id(tx, viewer.account_id, body.id)
        if earlier is None:
            raise NotFound
        reblog_id = earlier
    return await get_status(tx, viewer, reblog_id)


async def unreblog_status(tx: Tx, viewer: Viewer, status_id: int) -> StatusView:
    """Take a boost back (the id is the original's or the boost's); returns the original. Raises NotFound."""
    body = await _get_target(tx, viewer, status_id)
    await delete_own_reblog(tx, viewer.account_id, body.id)
    return await get_status(tx, viewer, body.id)


async def delete_own_reblog(tx: Tx, account_id: int, original_id: int) -> bool:
    """Remove an account's boost of a status, counted and told; False when there was none."""
    reblog_id = await store_reblogs.delete_reblog(tx, account_id, original_id)
    if reblog_id is None:
        return False
    await change_boosts_count(tx, account_id, -1)
    await store_writes.update_counts(tx, original_id, reblogs=-1)
    await record(tx, StatusUnreblogged(account_id=account_id, status_id=reblog_id, original_id=original_id))
    return True
