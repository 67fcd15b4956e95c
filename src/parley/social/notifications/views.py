"""What a member is told, and whose news the member wants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.social.accounts.views import AccountView
from parley.social.statuses.views import StatusView


class NotificationView(msgspec.Struct, frozen=True, kw_only=True):
    """One notification. `detail` belongs to its type: for moderation_warning the revision, sentence and clause."""

    id: int
    type: str
    created_at: datetime
    account: AccountView
    status: StatusView | None
    group_key: str
    detail: dict[str, Any] | None = None
    filtered: bool = False


class GroupView(msgspec.Struct, frozen=True, kw_only=True):
    """Notifications of one kind about one thing, shown as one; `sample_account_ids` are the newest eight."""

    key: str
    type: str
    count: int
    newest_id: int
    oldest_id: int
    newest_at: datetime
    sample_account_ids: tuple[int, ...]
    status_id: int | None
    detail: dict[str, Any] | None


class GroupsView(msgspec.Struct, frozen=True):
    """A page of groups with every account and status that they speak of, once each."""

    groups: list[GroupView]
    accounts: list[AccountView]
    statuses: list[StatusView]


class PolicyView(msgspec.Struct, frozen=True, kw_only=True):
    """Whose notifications are accepted, filtered (set aside) or dropped; and what is set aside now."""

    for_not_following: str = "accept"
    for_not_followers: str = "accept"
    for_new_accounts: str = "accept"
    for_private_mentions: str = "accept"
    for_limited_accounts: str = "filter"
    pending_requests_count: int = 0
    pending_notifications_count: int = 0


class RequestView(msgspec.Struct, frozen=True, kw_only=True):
    """One sender whose notifications are set aside; its id is the sender's."""

    account: AccountView
    notifications_count: int
    last_status: StatusView | None
    created_at: datetime
    updated_at: datetime
    newest_id: int
