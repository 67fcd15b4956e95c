"""Later work of the timelines: sending statuses to homes, filling and cleaning homes, conversations.

Every job may run twice: rows that are there already stay. What is visible is decided when it is read, so a job that
comes late never shows too much.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.live import Message, publish
from parley.social.timelines import store, store_marks
from parley.social.timelines.store import Delivery

CHUNK = 10_000
"""Followers whose homes are written in one statement and one transaction: about 0.4 s."""

BACKFILL = 40
"""How many posts of a new friend appear in a home."""

LIVE_GRACE = timedelta(seconds=30)
"""How long the rows of a deleted status stay, so that every process can tell which of its readers had it."""

KEPT_ROWS = 800
"""How long a home is kept; clients page no further."""


async def fan_out_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusPosted and StatusReblogged: the status goes to the homes of everybody who wants it."""
    async with instance.db.write() as tx:
        delivery = await store.get_delivery(tx, payload["status_id"])
        if delivery is None or not delivery.open:
            return
        if delivery.listed and delivery.tags:
            await store.insert_tag_home_rows(tx, delivery)
        if delivery.visibility == "direct":
            await _move_conversation(tx, delivery)
        after = await _send_home(tx, delivery, 0)
    while after is not None:
        async with instance.db.write() as tx:
            after = await _send_home(tx, delivery, after)


async def _send_home(tx: Tx, delivery: Delivery, after: int) -> int | None:
    """The homes of the next followers; open clients are told with the last of them. Returns where to go on."""
    limit = 0 if delivery.merge_on_read else CHUNK
    last = await store.insert_home_rows(tx, delivery, after=after, limit=limit)
    if last is None:
        await publish(tx, Message("status", ids=(delivery.id,)))
    return last


async def _move_conversation(tx: Tx, delivery: Delivery) -> None:
    """A direct message moves its conversation to the top for everybody in it."""
    everybody = sorted({delivery.author_id, *delivery.mentioned_ids})
    rows = await store_marks.upsert_conversation(
        tx, everybody, delivery.conversation_id, everybody, delivery.id, delivery.author_id
    )
    for row_id, account_id in rows:
        await publish(tx, Message("conversation", ids=(row_id,), account_ids=(account_id,)))


async def announce_edit(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusEdited: open clients show the new revision."""
    async with instance.db.write() as tx:
        await publish(tx, Message("status.update", ids=(payload["status_id"],)))


async def withdraw_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after StatusDeleted and StatusUnreblogged: open clients drop it, and homes are cleaned of it."""
    status_id = payload["status_id"]
    async with instance.db.write() as tx:
        await publish(tx, Message("delete", ids=(status_id,), account_ids=(payload["account_id"],)))
        delivery = await store.get_delivery(tx, status_id)
        if delivery is not None and delivery.visibility == "direct":
            await store_marks.update_conversations_after_delete(tx, delivery.conversation_id, status_id)
        await enqueue(
            tx,
            clean_homes_of_status.__name__,
            {"account_id": payload["account_id"], "status_id": status_id},
            after=LIVE_GRACE,
        )


async def clean_homes_of_status(instance: Instance, payload: dict[str, Any]) -> None:
    """Job: delete the rows of a deleted status."""
    async with instance.db.write() as tx:
        await store.delete_home_rows_of_status(tx, payload["account_id"], payload["status_id"])


async def fan_in_follow(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after Followed and Unmuted: the newest posts of a friend."""
    async with instance.db.write() as tx:
        await store.insert_backfill(tx, payload["account_id"], payload["target_id"], BACKFILL)


async def remove_unfollowed(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after Unfollowed and Muted: clean the home of rows that reading leaves out already."""
    async with instance.db.write() as tx:
        await store.delete_home_rows_of_author(tx, payload["account_id"], payload["target_id"])


async def remove_blocked(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after Blocked: neither finds the other in the home."""
    one, other = payload["account_id"], payload["target_id"]
    async with instance.db.write() as tx:
        await store.delete_home_rows_of_author(tx, one, other)
        await store.delete_home_rows_of_author(tx, other, one)


async def trim_homes(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, nightly: every home keeps its newest rows."""
    async with instance.db.write() as tx:
        await store.delete_old_home_rows(tx, KEPT_ROWS)
