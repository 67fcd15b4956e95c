"""Work on statuses that is done later. Every job may safely run twice."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import LostConnection
from parley.kit.errors import ParleyError
from parley.kit.instance import Instance
from parley.social.accounts.actions import change_boosts_count
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.restrictions import describe_restriction, get_restriction
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import PollClosed
from parley.social.sessions.reads import may_use_instance
from parley.social.statuses import store_polls, store_reblogs, store_schedule, store_writes
from parley.social.statuses.posting import post_status
from parley.social.statuses.store_schedule import ScheduledRow
from parley.social.statuses.views import NewStatus
from parley.social.statuses.visibility import SHOWN_ACCOUNT_STATES
from parley.social.verdicts.actions import Rejection, keep_rejection

log = logging.getLogger(__name__)

_AT_ONCE = 500
_KEYS_KEPT = timedelta(days=1)
_POLLS_AT_ONCE = 200


async def publish_scheduled(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: post what is due. What cannot be posted keeps its row, with the reason for its author."""
    failed: list[int] = []
    for _ in range(_AT_ONCE):
        row: ScheduledRow | None = None
        try:
            async with instance.db.write() as tx:
                row = await store_schedule.get_due_locked(tx, now(), failed)
                if row is None:
                    return
                account = (await get_account_views(tx, [row.account_id]))[row.account_id]
                restriction = await get_restriction(tx, instance.settings, account.id)
                if account.state not in SHOWN_ACCOUNT_STATES or not await may_use_instance(tx, account.id):
                    why = describe_restriction(restriction) if restriction else "Your account may not post now."
                    await store_schedule.update_failed(tx, row.id, now(), why)
                    continue
                viewer = Viewer(
                    account_id=account.id, username=account.username, app_id=row.app_id, restriction=restriction
                )
                new = msgspec.convert(row.params, NewStatus)
                await post_status(tx, instance.settings, viewer, new, scheduled_id=row.id)
                await store_schedule.delete_scheduled(tx, row.account_id, row.id)
        except LostConnection:
            raise
        except Exception as error:
            if row is None:
                raise
            # One that cannot be posted must not keep the others from being posted.
            failed.append(row.id)
            await _note_failure(instance, row, error)


async def _note_failure(instance: Instance, row: ScheduledRow, error: Exception) -> None:
    if isinstance(error, Rejection):
        await keep_rejection(instance.db, error)
    if not isinstance(error, ParleyError):
        log.error("scheduled status %s could not be posted", row.id, exc_info=error)
    text = error.text if isinstance(error, ParleyError) else ParleyError.default_text
    async with instance.db.write() as tx:
        await store_schedule.update_failed(tx, row.id, now(), text)


async def close_polls(instance: Instance, payload: dict[str, Any]) -> None:
    """Each minute: close polls that ended, so that author and voters are told."""
    while True:
        async with instance.db.write() as tx:
            ended = await store_polls.update_ended_polls(tx, now(), _POLLS_AT_ONCE)
            for poll in ended:
                await record(tx, PollClosed(account_id=poll.account_id, poll_id=poll.id, status_id=poll.status_id))
        if len(ended) < _POLLS_AT_ONCE:
            return


async def clean_idempotency_keys(instance: Instance, payload: dict[str, Any]) -> None:
    """Daily: forget keys older than a day."""
    async with instance.db.write() as tx:
        await store_schedule.delete_old_keys(tx, now() - _KEYS_KEPT)


async def delete_status_traces(instance: Instance, payload: dict[str, Any]) -> None:
    """After StatusDeleted: remove boosts, favourites, bookmarks, pins and tags of a status that is gone."""
    status_id = int(payload["status_id"])
    while True:
        async with instance.db.write() as tx:
            boosters = await store_reblogs.delete_reblogs_of(tx, status_id, _AT_ONCE)
            for account_id in sorted(boosters):
                await change_boosts_count(tx, account_id, -1)
        if len(boosters) < _AT_ONCE:
            break
    async with instance.db.write() as tx:
        await store_writes.delete_traces(tx, status_id)
