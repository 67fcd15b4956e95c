"""Notifications in groups: https://docs.joinmastodon.org/methods/grouped_notifications/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get, post
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.accounts import account_entity
from parley.api.entities.notifications import GroupedNotifications, decisions_named, groups_entity
from parley.api.notifications import query_of
from parley.kit.http import instance_of, link_header, page_of
from parley.safety.appeals.reads import list_author_appeals
from parley.safety.cases.reads import list_told_reports
from parley.social.notifications import actions, reads
from parley.social.notifications.reads import GROUPED_TYPES
from parley.social.notifications.views import GroupsView
from parley.social.statuses.filtered import mark_filtered
from parley.social.timelines.reads import get_markers

Asked = Request[Any, Any, Any]


@get("/api/v2/notifications", scope="read:notifications")
async def list_groups(request: Asked) -> Response[GroupedNotifications]:
    """The viewer's notifications; those of one kind about one thing as one. Accounts always come whole."""
    instance, viewer, query = instance_of(request), need_viewer(request), await query_of(request)
    page = page_of(request, default=40, most=80)
    async with instance.db.read() as tx:
        view = await reads.list_groups(
            tx,
            viewer,
            page,
            include_filtered=query.include_filtered,
            grouped_types=query.grouped_types or GROUPED_TYPES,
            **query.choice(),
        )
        details = [group.detail for group in view.groups]
        reports = await list_told_reports(tx, viewer, details)
        appeals = await list_author_appeals(tx, viewer, decisions_named(details))
    view = GroupsView(view.groups, view.accounts, await mark_filtered(instance, viewer, view.statuses))
    newest, oldest = (view.groups[0].newest_id, view.groups[-1].newest_id) if view.groups else (None, None)
    return Response(
        groups_entity(view, instance.settings, reports, appeals),
        headers=link_header(request, instance.settings, newest, oldest),
    )


@get("/api/v2/notifications/unread_count", scope="read:notifications")
async def count_unread_groups(request: Asked) -> dict[str, int]:
    """How many groups are unread, up to a limit of at most 1,000."""
    viewer, query = need_viewer(request), await query_of(request)
    async with instance_of(request).db.read() as tx:
        markers = await get_markers(tx, viewer, ["notifications"])
        count = await reads.count_unread_groups(
            tx,
            viewer,
            read_to=markers["notifications"].last_read_id if markers else 0,
            limit=max(1, min(query.limit, 1000)),
            grouped_types=query.grouped_types or GROUPED_TYPES,
            **query.choice(),
        )
    return {"count": count}


@get("/api/v2/notifications/{group_key:str}", scope="read:notifications")
async def get_group(request: Asked, group_key: FromPath[str]) -> GroupedNotifications:
    """One group."""
    instance, viewer = instance_of(request), need_viewer(request)
    async with instance.db.read() as tx:
        view = await reads.get_group(tx, viewer, group_key)
        details = [group.detail for group in view.groups]
        reports = await list_told_reports(tx, viewer, details)
        appeals = await list_author_appeals(tx, viewer, decisions_named(details))
    return groups_entity(view, instance.settings, reports, appeals)


@post("/api/v2/notifications/{group_key:str}/dismiss", scope="write:notifications", status_code=200)
async def dismiss_group(request: Asked, group_key: FromPath[str]) -> dict[str, Any]:
    """Forget a group."""
    async with instance_of(request).db.write() as tx:
        await actions.dismiss_group(tx, need_viewer(request), group_key)
    return {}


@get("/api/v2/notifications/{group_key:str}/accounts", scope="read:notifications")
async def list_group_accounts(request: Asked, group_key: FromPath[str]) -> list[Any]:
    """Who caused a group."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        views = await reads.list_group_accounts(tx, need_viewer(request), group_key)
    return [account_entity(view, instance.settings) for view in views]


routes = [list_groups, count_unread_groups, get_group, dismiss_group, list_group_accounts]
