"""Jobs of the graph. Each may run twice without harm."""

from __future__ import annotations

from typing import Any

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.instance import Instance
from parley.social.accounts.actions import set_merge_on_read
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.graph.actions import authorize_follow, end_follows_between, expire_due_mutes
from parley.social.graph.reads import (
    list_asked_ids,
    list_followed_ids,
    list_follower_ids,
    list_waiting_ids,
)

SLICE = 500


async def expire_mutes(instance: Instance, payload: dict[str, Any]) -> None:
    """Every minute: lift mutes whose time is over. Reads ignore them from the second that they end."""
    while True:
        async with instance.db.write() as tx:
            if await expire_due_mutes(tx, limit=SLICE) < SLICE:
                return


async def choose_fan_out(instance: Instance, payload: dict[str, Any]) -> None:
    """On Followed: an author who crosses `settings.fanout_limit` followers is merged at read from now on.

    Only upwards: what was posted while merged is in nobody's stored home timeline, so going back below the limit
    changes nothing. Payload: `target_id`.
    """
    target_id = int(payload["target_id"])
    async with instance.db.write() as tx:
        account = (await get_account_views(tx, [target_id])).get(target_id)
        if account is not None and account.followers_count > instance.settings.fanout_limit:
            await set_merge_on_read(tx, target_id)


async def answer_waiting_requests(instance: Instance, payload: dict[str, Any]) -> None:
    """On AccountUnlocked: the account approves its followers no longer, so those who wait may follow.

    People whom moderators limited keep waiting. Payload: `account_id`.
    """
    owner_id = int(payload["account_id"])
    after = 0
    while True:
        async with instance.db.write() as tx:
            owner = (await get_account_views(tx, [owner_id])).get(owner_id)
            if owner is None or owner.locked or owner.domain is not None or owner.state != "active":
                return
            waiting = await list_waiting_ids(tx, owner_id, after, SLICE)
            people = await get_account_views(tx, waiting)
            for account_id in waiting:
                if account_id in people and people[account_id].state == "active":
                    await _authorize(tx, owner, account_id)
        if len(waiting) < SLICE:
            return
        after = waiting[-1]


async def _authorize(tx: Tx, owner: AccountView, account_id: int) -> None:
    try:
        await authorize_follow(tx, Viewer(account_id=owner.id, username=owner.username), account_id)
    except NotFound:
        return  # taken back in the meantime


async def leave_blocked_domain(instance: Instance, payload: dict[str, Any]) -> None:
    """After a member blocked a domain: end follows and requests with its accounts, both ways.

    Payload: `account_id`, `domain`.
    """
    account_id, domain = int(payload["account_id"]), str(payload["domain"])
    for list_ids in (list_follower_ids, list_followed_ids, list_waiting_ids, list_asked_ids):
        after = 0
        while True:
            async with instance.db.read() as tx:
                others = await list_ids(tx, account_id, after, SLICE)
                views = await get_account_views(tx, others)
            for other_id in others:
                if other_id in views and views[other_id].domain == domain:
                    # A transaction for each, so that it never holds one pair's counters while it waits for another's.
                    async with instance.db.write() as tx:
                        await end_follows_between(tx, account_id, other_id)
            if len(others) < SLICE:
                break
            after = others[-1]
