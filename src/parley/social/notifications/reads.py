"""What a member is told: pages of notifications, singly or in groups, in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.paging import Page, fill_page
from parley.social.accounts.reads import get_account_views, list_accounts
from parley.social.accounts.views import AccountView, Viewer
from parley.social.notifications import store, store_groups
from parley.social.notifications.store import NotificationRow
from parley.social.notifications.store_groups import GroupRow
from parley.social.notifications.views import (
    GroupsView,
    GroupView,
    NotificationView,
    PolicyView,
    RequestView,
)
from parley.social.statuses.hydrate import list_statuses

ROUNDS = (1, 4, 8)
"""How a page is topped up when rows turn out to be invisible: each round looks at so many times the page."""
GROUPED_TYPES = ("favourite", "reblog", "follow", "admin.sign_up")
STATUS_TYPES = frozenset({"mention", "status", "reblog", "favourite", "poll", "update", "quote", "quoted_update"})
"""Types that show a status, and are worth nothing without it."""

SHOWING_TYPES = STATUS_TYPES | {"moderation_warning"}
"""Types that show their status where there is one: a note about a post outlives it."""

GROUP_SCAN = 10
"""How many notifications are looked through for each group on a page."""


async def list_notifications(
    tx: Tx,
    viewer: Viewer,
    page: Page,
    *,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    account_id: int | None = None,
    include_filtered: bool = False,
) -> list[NotificationView]:
    """The viewer's notifications, newest first; `types` empty means all."""

    async def take(below: int, above: int, limit: int) -> list[NotificationRow]:
        return await store.list_notifications(
            tx,
            viewer.account_id,
            below=below,
            above=above,
            ascending=page.ascending,
            limit=limit,
            types=types,
            exclude_types=exclude_types,
            from_account_id=account_id,
            include_filtered=include_filtered,
        )

    async def present(rows: Sequence[NotificationRow]) -> list[NotificationView]:
        return await _present(tx, viewer, rows)

    found = await fill_page(page, take, present, id_of=lambda row: row.id, rounds=ROUNDS)
    return sorted(found, key=lambda one: one.id, reverse=True)


async def _present(tx: Tx, viewer: Viewer, rows: Sequence[NotificationRow]) -> list[NotificationView]:
    accounts = await get_account_views(tx, [row.from_account_id for row in rows])
    ids = list(dict.fromkeys(row.status_id for row in rows if row.status_id and row.type in SHOWING_TYPES))
    statuses = {status.id: status for status in await list_statuses(tx, viewer, ids)}
    views = []
    for row in rows:
        account = accounts.get(row.from_account_id)
        status = statuses.get(row.status_id or 0)
        if account is None or (row.type in STATUS_TYPES and status is None):
            continue
        views.append(
            NotificationView(
                id=row.id,
                type=row.type,
                created_at=row.created_at,
                account=account,
                status=status,
                group_key=row.group_key,
                detail=_detail(row),
                filtered=row.filtered,
            )
        )
    return views


def _detail(row: NotificationRow) -> dict[str, object] | None:
    if row.detail is None:
        return None
    return {**row.detail, "status_id": row.status_id}


async def get_notification(tx: Tx, viewer: Viewer, notification_id: int) -> NotificationView:
    """One notification of the viewer; raises NotFound."""
    page = Page(limit=1, max_id=notification_id + 1, since_id=notification_id - 1)
    found = await list_notifications(tx, viewer, page, include_filtered=True)
    if not found:
        raise NotFound
    return found[0]


async def count_unread(
    tx: Tx,
    viewer: Viewer,
    *,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    account_id: int | None = None,
    limit: int = 100,
) -> int:
    """How many notifications the viewer has not read (see the marker of the same name), counted up to `limit`."""
    return await store.count_unread(
        tx,
        viewer.account_id,
        types=types,
        exclude_types=exclude_types,
        from_account_id=account_id,
        limit=limit,
    )


async def list_groups(
    tx: Tx,
    viewer: Viewer,
    page: Page,
    *,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    account_id: int | None = None,
    include_filtered: bool = False,
    grouped_types: Sequence[str] = GROUPED_TYPES,
) -> GroupsView:
    """The viewer's notifications in groups, the group with the newest one first."""
    rows = await store_groups.list_groups(
        tx,
        viewer.account_id,
        below=page.below,
        above=page.above,
        ascending=page.ascending,
        limit=page.limit,
        types=types,
        exclude_types=exclude_types,
        from_account_id=account_id,
        include_filtered=include_filtered,
        grouped_types=[one for one in grouped_types if one in GROUPED_TYPES],
        scan=page.limit * GROUP_SCAN,
    )
    return await _present_groups(tx, viewer, sorted(rows, key=lambda row: row.newest_id, reverse=True))


async def _present_groups(tx: Tx, viewer: Viewer, rows: Sequence[GroupRow]) -> GroupsView:
    account_ids = list(dict.fromkeys(id_ for row in rows for id_ in row.sample_account_ids))
    accounts = await get_account_views(tx, account_ids)
    status_ids = list(dict.fromkeys(row.status_id for row in rows if row.status_id and row.type in STATUS_TYPES))
    statuses = await list_statuses(tx, viewer, status_ids)
    shown = {status.id for status in statuses}
    groups = [_group(row) for row in rows if row.type not in STATUS_TYPES or row.status_id in shown]
    return GroupsView(groups, [accounts[id_] for id_ in account_ids if id_ in accounts], statuses)


def _group(row: GroupRow) -> GroupView:
    return GroupView(
        key=row.key,
        type=row.type,
        count=row.count,
        newest_id=row.newest_id,
        oldest_id=row.oldest_id,
        newest_at=row.newest_at,
        sample_account_ids=tuple(dict.fromkeys(row.sample_account_ids)),
        status_id=row.status_id if row.type in STATUS_TYPES else None,
        detail=None if row.detail is None else {**row.detail, "status_id": row.status_id},
    )


async def get_group(tx: Tx, viewer: Viewer, key: str) -> GroupsView:
    """One group, whole; raises NotFound."""
    row = await store_groups.get_group(tx, viewer.account_id, key)
    shown = await _present_groups(tx, viewer, [row]) if row else None
    if shown is None or not shown.groups:
        raise NotFound
    return shown


async def list_group_accounts(tx: Tx, viewer: Viewer, key: str, *, limit: int = 80) -> list[AccountView]:
    """Who caused a group, the newest first; raises NotFound for a group that is not the viewer's."""
    ids = await store_groups.list_group_accounts(tx, viewer.account_id, key, limit)
    if not ids:
        raise NotFound
    return await list_accounts(tx, viewer, ids)


async def count_unread_groups(
    tx: Tx,
    viewer: Viewer,
    *,
    read_to: int,
    limit: int = 100,
    types: Sequence[str] = (),
    exclude_types: Sequence[str] = (),
    account_id: int | None = None,
    grouped_types: Sequence[str] = GROUPED_TYPES,
) -> int:
    """How many groups have something above `read_to`, the reading position; counted up to `limit`."""
    rows = await store_groups.list_groups(
        tx,
        viewer.account_id,
        below=Page().below,
        above=read_to,
        ascending=False,
        limit=limit,
        types=types,
        exclude_types=exclude_types,
        from_account_id=account_id,
        include_filtered=False,
        grouped_types=[one for one in grouped_types if one in GROUPED_TYPES],
        scan=limit * GROUP_SCAN,
    )
    return len(rows)


async def get_policy(tx: Tx, viewer: Viewer) -> PolicyView:
    """Whose notifications the viewer wants, and how many are set aside."""
    row = await store_groups.get_policy(tx, viewer.account_id)
    requests, waiting = await store_groups.count_filtered(tx, viewer.account_id)
    rules = msgspec.structs.asdict(row) if row else {}
    return PolicyView(**rules, pending_requests_count=min(requests, 100), pending_notifications_count=waiting)


async def list_requests(tx: Tx, viewer: Viewer, page: Page) -> list[RequestView]:
    """Senders whose notifications were set aside, the newest first."""
    rows = await store_groups.list_requests(tx, viewer.account_id, below=page.below, above=page.above, limit=page.limit)
    return await _present_requests(tx, viewer, rows)


async def get_request(tx: Tx, viewer: Viewer, account_id: int) -> RequestView:
    """What was set aside of one sender; raises NotFound."""
    rows = await store_groups.list_requests(
        tx, viewer.account_id, below=Page().below, above=0, limit=1, from_account_id=account_id
    )
    found = await _present_requests(tx, viewer, rows)
    if not found:
        raise NotFound
    return found[0]


async def _present_requests(tx: Tx, viewer: Viewer, rows: Sequence[store_groups.RequestRow]) -> list[RequestView]:
    accounts = await get_account_views(tx, [row.from_account_id for row in rows])
    ids = [row.last_status_id for row in rows if row.last_status_id]
    statuses = {status.id: status for status in await list_statuses(tx, viewer, ids)}
    return [
        RequestView(
            account=accounts[row.from_account_id],
            notifications_count=row.notifications_count,
            last_status=statuses.get(row.last_status_id or 0),
            created_at=row.created_at,
            updated_at=row.updated_at,
            newest_id=row.newest_id,
        )
        for row in rows
        if row.from_account_id in accounts
    ]
