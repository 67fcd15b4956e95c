"""Jobs of this room: leases that ran out, appeals that nobody may review, and telling those who appealed."""

from __future__ import annotations

from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.instance import Instance
from parley.safety.appeals import letters, store
from parley.safety.appeals.actions import end_as_reversed, requeue_appeal
from parley.safety.appeals.store import AppealRow
from parley.safety.log.views import system
from parley.safety.notices.reads import list_responses, load_ledgers
from parley.safety.notices.responses import give_answer
from parley.social.notifications.actions import tell_of_moderation
from parley.social.sessions.staff import queue_letter


async def return_lapsed_appeals(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every minute: put appeals back whose reviewer let the lease run out."""
    async with instance.db.read() as tx:
        lapsed = await store.list_lapsed(tx, now())
    for appeal_id in lapsed:
        async with instance.db.write() as tx:
            row = await store.lock_appeal(tx, appeal_id)
            if row is not None and row.leased_until is not None and row.leased_until < now():
                await requeue_appeal(tx, appeal_id, "staff", why="the lease ran out")


async def free_stuck_appeals(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every quarter of an hour: appeals that waited for a second person go to the staff once there is one."""
    async with instance.db.read() as tx:
        stuck = await store.list_stuck(tx)
    for appeal_id in stuck:
        async with instance.db.write() as tx:
            row = await store.lock_appeal(tx, appeal_id)
            if row is None or row.waits_for != "nobody":
                continue
            if await store.list_reviewers(tx, row.decision_id, row.appellant_id):
                await requeue_appeal(tx, appeal_id, "staff", why="a second person is there")


async def end_reversed_appeals(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after DecisionReversed: whoever appealed that decision needs no other answer."""
    async with instance.db.read() as tx:
        rows = await store.list_of_decisions(tx, [payload["decision_id"]])
    for row in rows:
        if row.ended_at is None:
            async with instance.db.write() as tx:
                await end_as_reversed(tx, instance.settings, row.id)


async def end_replaced_appeals(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after DecisionMade: whoever appealed what a program had done until then is answered by that decision."""
    async with instance.db.read() as tx:
        replaced = await store.list_replaced(tx, int(payload["decision_id"]))
    for appeal_id in replaced:
        async with instance.db.write() as tx:
            await end_as_reversed(tx, instance.settings, appeal_id)


async def mail_stuck_appeal(instance: Instance, payload: dict[str, Any]) -> None:
    """Write to those who run the instance that nobody may review an appeal."""
    async with instance.db.write() as tx:
        row = await store.get_appeal(tx, payload["appeal_id"])
        operators = await store.list_operators(tx)
        if row is None or row.ended_at is not None:
            return
        for _, username, email in operators:
            await queue_letter(tx, email, letters.stuck_appeal(instance.settings, username, row))


async def _answer_notice(tx: Tx, instance: Instance, row: AppealRow) -> None:
    """Answer whoever sent a notice without an account, by the way on which it came. Their receipt says the same.

    While something else that they named waits for a decision, the receipt alone says it: an answer would end clocks.
    """
    if row.notice_id is None:
        return
    lines = (await load_ledgers(tx, [row.notice_id])).get(row.notice_id, [])
    words = f"{letters.short_answer(row)}\n\n{row.answer}"
    told = any(one.words == words for one in await list_responses(tx, row.notice_id))
    if not told and all(line.settled for line in lines):
        await give_answer(tx, instance.settings, system("appeals"), row.notice_id, words=words)


async def tell_of_appeal(instance: Instance, payload: dict[str, Any]) -> None:
    """Job after AppealDecided: whoever appealed, in the app and by mail; without an account, as their notice came."""
    async with instance.db.write() as tx:
        row = await store.get_appeal(tx, payload["appeal_id"])
        if row is None or row.ended_at is None:
            return
        if row.appellant_id is None:
            await _answer_notice(tx, instance, row)
            return
        address = await store.get_address(tx, row.appellant_id)
        await tell_of_moderation(
            tx,
            row.appellant_id,
            None,
            {
                "decision_id": row.decision_id,
                "about_id": row.decision_id,
                "appeal_id": str(row.id),
                "action": "none",
                "sentence": f"{letters.short_answer(row)}\n\n{row.answer}",
                "clause": row.clause,
                "status_ids": [],
            },
        )
        if address is not None:  # a job of its own: were the mail tried again here, so were the notice in the app
            await queue_letter(tx, address[1], letters.appeal_answer(instance.settings, address[0], row))
