"""Notifications, singly and in groups, policy and requests, in Mastodon's JSON shapes. No rule lives here.

Source: https://docs.joinmastodon.org/entities/Notification/, NotificationPolicy, NotificationRequest, AccountWarning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from parley.api.entities.accounts import account_entity
from parley.api.entities.reports import report_entity
from parley.api.entities.statuses import status_entity
from parley.kit.clock import iso
from parley.kit.settings import Settings
from parley.safety.appeals.views import OwnAppealView
from parley.safety.cases.views import ReportView
from parley.social.accounts.views import AccountView
from parley.social.notifications.views import (
    GroupsView,
    GroupView,
    NotificationView,
    PolicyView,
    RequestView,
)

UNSET = msgspec.UNSET


class Appeal(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/entities/Appeal/; a decision that was modified counts as approved."""

    text: str
    state: str


class AccountWarning(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/AccountWarning/; for a post that waits for a decision, action is none.

    `url` is ours: the page of the decision, where its author reads it whole and appeals.
    """

    id: str
    action: str
    text: str
    status_ids: Sequence[str]
    target_account: msgspec.Raw
    appeal: Appeal | None
    created_at: str
    url: str | msgspec.UnsetType = UNSET


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/Notification/"""

    id: str
    type: str
    created_at: str
    group_key: str
    account: msgspec.Raw
    filtered: bool
    status: msgspec.Raw | msgspec.UnsetType = UNSET
    report: dict[str, Any] | msgspec.UnsetType = UNSET
    moderation_warning: AccountWarning | msgspec.UnsetType = UNSET


Reports = Mapping[int, ReportView]
"""Reports by id: those that notifications of the type admin.report are about, as the staff sees them."""


Appeals = Mapping[int, OwnAppealView]
"""The viewer's own appeals by decision: see `decisions_named`."""

_APPEALS = {"overturned": "approved", "modified": "approved", "upheld": "rejected"}


def decisions_named(details: Iterable[Mapping[str, Any] | None]) -> list[int]:
    """The decisions that notifications of the type moderation_warning are about."""
    return list(dict.fromkeys(int(detail["about_id"]) for detail in details if detail and detail.get("about_id")))


def _report(detail: dict[str, Any] | None, reports: Reports, settings: Settings) -> dict[str, Any] | msgspec.UnsetType:
    found = reports.get((detail or {}).get("report_id", 0))
    return report_entity(found, settings) if found else UNSET


def notification_entity(view: NotificationView, settings: Settings, reports: Reports, appeals: Appeals) -> Notification:
    """One notification."""
    return Notification(
        id=str(view.id),
        type=view.type,
        created_at=iso(view.created_at),
        group_key=view.group_key,
        account=account_entity(view.account, settings),
        filtered=view.filtered,
        status=status_entity(view.status, settings) if view.status else UNSET,
        report=_report(view.detail, reports, settings),
        moderation_warning=_warning(view.id, view.detail, view.account, iso(view.created_at), settings, appeals)
        if view.type == "moderation_warning"
        else UNSET,
    )


def _warning(
    id: int, detail: dict[str, Any] | None, account: AccountView, created_at: str, settings: Settings, appeals: Appeals
) -> AccountWarning:
    given = detail or {}
    one = [str(given["status_id"])] if given.get("status_id") else []
    decision = given.get("about_id")
    filed = appeals.get(decision or 0)
    return AccountWarning(
        id=str(decision or id),
        action=given.get("action") or "none",
        text=given.get("sentence") or "Something of yours waits for a decision by a moderator.",
        status_ids=given.get("status_ids") or one,
        target_account=account_entity(account, settings),
        appeal=Appeal(filed.text, _APPEALS.get(filed.state, "pending")) if filed else None,
        created_at=created_at,
        url=f"{settings.base_url}/moderation/decisions/{decision}" if decision else UNSET,
    )


class NotificationGroup(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/methods/grouped_notifications/#NotificationGroup"""

    group_key: str
    notifications_count: int
    type: str
    most_recent_notification_id: int
    page_min_id: str
    page_max_id: str
    latest_page_notification_at: str
    sample_account_ids: Sequence[str]
    status_id: str | msgspec.UnsetType = UNSET
    report: dict[str, Any] | msgspec.UnsetType = UNSET
    moderation_warning: AccountWarning | msgspec.UnsetType = UNSET


class GroupedNotifications(msgspec.Struct, frozen=True):
    """https://docs.joinmastodon.org/methods/grouped_notifications/#GroupedNotificationsResults"""

    accounts: Sequence[msgspec.Raw]
    statuses: Sequence[msgspec.Raw]
    notification_groups: Sequence[NotificationGroup]


def groups_entity(view: GroupsView, settings: Settings, reports: Reports, appeals: Appeals) -> GroupedNotifications:
    """A page of groups."""
    accounts = {account.id: account for account in view.accounts}
    return GroupedNotifications(
        [account_entity(account, settings) for account in view.accounts],
        [status_entity(status, settings) for status in view.statuses],
        [_group(group, accounts, settings, reports, appeals) for group in view.groups],
    )


def _group(
    view: GroupView, accounts: dict[int, AccountView], settings: Settings, reports: Reports, appeals: Appeals
) -> NotificationGroup:
    warning: AccountWarning | msgspec.UnsetType = UNSET
    if view.type == "moderation_warning":
        target = accounts[view.sample_account_ids[0]]
        warning = _warning(view.newest_id, view.detail, target, iso(view.newest_at), settings, appeals)
    return NotificationGroup(
        group_key=view.key,
        notifications_count=view.count,
        type=view.type,
        most_recent_notification_id=view.newest_id,
        page_min_id=str(view.oldest_id),
        page_max_id=str(view.newest_id),
        latest_page_notification_at=iso(view.newest_at),
        sample_account_ids=[str(id_) for id_ in view.sample_account_ids],
        status_id=str(view.status_id) if view.status_id else UNSET,
        report=_report(view.detail, reports, settings),
        moderation_warning=warning,
    )


class PolicySummary(msgspec.Struct, frozen=True):
    """What is set aside."""

    pending_requests_count: int
    pending_notifications_count: int


class NotificationPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/NotificationPolicy/"""

    for_not_following: str
    for_not_followers: str
    for_new_accounts: str
    for_private_mentions: str
    for_limited_accounts: str
    summary: PolicySummary


def policy_entity(view: PolicyView) -> NotificationPolicy:
    """Whose notifications the viewer wants."""
    return NotificationPolicy(
        for_not_following=view.for_not_following,
        for_not_followers=view.for_not_followers,
        for_new_accounts=view.for_new_accounts,
        for_private_mentions=view.for_private_mentions,
        for_limited_accounts=view.for_limited_accounts,
        summary=PolicySummary(view.pending_requests_count, view.pending_notifications_count),
    )


class NotificationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """https://docs.joinmastodon.org/entities/NotificationRequest/"""

    id: str
    created_at: str
    updated_at: str
    notifications_count: str
    account: msgspec.Raw
    last_status: msgspec.Raw | None


def request_entity(view: RequestView, settings: Settings) -> NotificationRequest:
    """A sender whose notifications are set aside."""
    return NotificationRequest(
        id=str(view.account.id),
        created_at=iso(view.created_at),
        updated_at=iso(view.updated_at),
        notifications_count=str(view.notifications_count),
        account=account_entity(view.account, settings),
        last_status=status_entity(view.last_status, settings) if view.last_status else None,
    )
