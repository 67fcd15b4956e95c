"""Statuses that are written now and posted later. They are screened when they are posted, under the rules of then."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, get_new_id, wait_for_disk
from parley.kit.errors import Invalid, NotFound
from parley.kit.paging import Page
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer
from parley.social.media.actions import release_reserved_media, reserve_media
from parley.social.media.reads import get_media_views
from parley.social.statuses import rules, store_schedule
from parley.social.statuses.drafts import check_new_status, load_draft
from parley.social.statuses.store_schedule import ScheduledRow
from parley.social.statuses.views import NewStatus, ScheduledView


async def schedule_status(
    tx: Tx,
    settings: Settings,
    viewer: Viewer,
    new: NewStatus,
    scheduled_at: datetime,
    *,
    idempotency_key: str | None = None,
) -> ScheduledView:
    """Keep `new` until `scheduled_at`, at least 5 minutes ahead. Raises Invalid, NotFound."""
    key = rules.check_key(idempotency_key)
    rules.check_schedule(scheduled_at, now())
    draft = await load_draft(tx, viewer, await check_new_status(tx, settings, viewer, new))
    if key is not None:
        earlier = await store_schedule.insert_key(tx, viewer.account_id, key)
        if earlier is not None:
            if earlier.scheduled_status_id is None:
                raise Invalid("This Idempotency-Key was used for something else; use a new one.")
            await wait_for_disk(tx)  # the first try may have been told that nobody was sure of it
            return await get_scheduled(tx, viewer, earlier.scheduled_status_id)
    if await store_schedule.count_scheduled(tx, viewer.account_id) >= rules.MOST_SCHEDULED:
        raise Invalid(f"Validation failed: You have exceeded the limit of {rules.MOST_SCHEDULED} scheduled posts.")
    scheduled_id = await get_new_id(tx)
    # What the preferences say now counts, not what they will say then; and what was cleaned, which can be stored.
    decided = msgspec.structs.replace(
        new,
        text=draft.words.text,
        spoiler_text=draft.words.spoiler_text,
        poll=draft.poll,
        visibility=draft.visibility,
        sensitive=draft.sensitive,
        quote_policy=draft.quote_policy,
    )
    params = msgspec.to_builtins(decided)
    await store_schedule.insert_scheduled(
        tx, scheduled_id, viewer.account_id, scheduled_at, params, viewer.app_id, draft.media_ids
    )
    if draft.media_ids:
        await reserve_media(tx, viewer.account_id, draft.media_ids, scheduled_id)
    if key is not None:
        await store_schedule.update_key(tx, viewer.account_id, key, None, scheduled_id)
    return await get_scheduled(tx, viewer, scheduled_id)


async def update_scheduled(tx: Tx, viewer: Viewer, scheduled_id: int, scheduled_at: datetime) -> ScheduledView:
    """Post it at another time; one that failed is tried again then. Raises NotFound, Invalid."""
    rules.check_schedule(scheduled_at, now())
    if not await store_schedule.update_scheduled(tx, viewer.account_id, scheduled_id, scheduled_at):
        raise NotFound
    return await get_scheduled(tx, viewer, scheduled_id)


async def cancel_scheduled(tx: Tx, viewer: Viewer, scheduled_id: int) -> None:
    """Drop it; its media are free again. Raises NotFound."""
    if not await store_schedule.delete_scheduled(tx, viewer.account_id, scheduled_id):
        raise NotFound
    await release_reserved_media(tx, scheduled_id)


async def get_scheduled(tx: Tx, viewer: Viewer, scheduled_id: int) -> ScheduledView:
    """One of the viewer's own; raises NotFound."""
    row = await store_schedule.get_scheduled(tx, viewer.account_id, scheduled_id)
    if row is None:
        raise NotFound
    return (await _views(tx, [row]))[0]


async def list_scheduled(tx: Tx, viewer: Viewer, page: Page) -> list[ScheduledView]:
    """The viewer's own, newest first."""
    return await _views(tx, await store_schedule.list_scheduled(tx, viewer.account_id, page))


async def _views(tx: Tx, rows: list[ScheduledRow]) -> list[ScheduledView]:
    media = await get_media_views(tx, [media_id for row in rows for media_id in row.media_ids])
    return [
        ScheduledView(
            id=row.id,
            scheduled_at=row.scheduled_at,
            new=msgspec.convert(row.params, NewStatus),
            media=tuple(media[media_id] for media_id in row.media_ids if media_id in media),
            app_id=row.app_id,
            error=row.error,
        )
        for row in rows
    ]
