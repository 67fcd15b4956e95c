"""What a member does with notifications: dismiss, clear, choose whose to receive. And what moderators tell a member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.live import Message, publish
from parley.social.accounts.views import Viewer
from parley.social.notifications import reads, store, store_groups
from parley.social.notifications.store import NewNotification
from parley.social.notifications.store_groups import PolicyRow
from parley.social.notifications.views import PolicyView

CHOICES = ("accept", "filter", "drop")
RULES = PolicyRow.__struct_fields__


async def tell_of_moderation(tx: Tx, account_id: int, status_id: int | None, detail: dict[str, Any]) -> None:
    """Tell a member what was decided about the own account, in the transaction of the decision; nobody can mute it."""
    new = NewNotification(
        type="moderation_warning", from_account_id=account_id, status_id=status_id, detail=detail, about_self=True
    )
    for told in await store.insert_notifications(tx, [account_id], new):
        await publish(tx, Message("notification", ids=(told.id,), account_ids=(told.account_id,)))


async def dismiss_notification(tx: Tx, viewer: Viewer, notification_id: int) -> None:
    """Forget one; raises NotFound for another's."""
    if not await store.delete_notification(tx, viewer.account_id, notification_id):
        raise NotFound


async def dismiss_group(tx: Tx, viewer: Viewer, group_key: str) -> None:
    """Forget a group; one that is gone already is fine."""
    await store.delete_group(tx, viewer.account_id, group_key)


async def clear_notifications(tx: Tx, viewer: Viewer) -> None:
    """Forget all."""
    await store.delete_notifications(tx, viewer.account_id)


async def update_policy(tx: Tx, viewer: Viewer, changes: Mapping[str, str]) -> PolicyView:
    """Choose accept, filter or drop for some rules; raises Invalid for another word."""
    for rule, choice in changes.items():
        if rule not in RULES or choice not in CHOICES:
            raise Invalid(f"Validation failed: {rule} must be accept, filter or drop.")
    now = await reads.get_policy(tx, viewer)
    rules = {rule: changes.get(rule, getattr(now, rule)) for rule in RULES}
    await store_groups.upsert_policy(tx, viewer.account_id, PolicyRow(**rules))
    return msgspec.structs.replace(now, **rules)


async def accept_requests(tx: Tx, viewer: Viewer, account_ids: Sequence[int]) -> None:
    """Let these senders through from now on; what was set aside appears among the notifications."""
    await store_groups.insert_permissions(tx, viewer.account_id, account_ids)


async def dismiss_requests(tx: Tx, viewer: Viewer, account_ids: Sequence[int]) -> None:
    """Forget what was set aside of these senders."""
    await store_groups.delete_filtered(tx, viewer.account_id, account_ids)
