"""Notifications: https://docs.joinmastodon.org/methods/notifications/"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.notifications import (
    Notification,
    NotificationPolicy,
    NotificationRequest,
    decisions_named,
    notification_entity,
    policy_entity,
    request_entity,
)
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, link_header, listify, page_of, parse, read_params, to_struct
from parley.kit.ids import parse_id
from parley.kit.instance import Instance
from parley.safety.appeals.reads import list_author_appeals
from parley.safety.cases.reads import list_told_reports
from parley.social.accounts.views import Viewer
from parley.social.notifications import actions, reads
from parley.social.notifications.views import NotificationView
from parley.social.statuses.filtered import mark_filtered

Asked = Request[Any, Any, Any]


class NotificationsQuery(msgspec.Struct):
    """Which notifications."""

    types: list[str] = []
    exclude_types: list[str] = []
    account_id: str | None = None
    include_filtered: bool = False
    limit: int = 100
    grouped_types: list[str] = []

    def choice(self) -> dict[str, Any]:
        """As arguments of a read."""
        return {
            "types": self.types,
            "exclude_types": self.exclude_types,
            "account_id": parse_id(self.account_id) if self.account_id else None,
        }


async def query_of(request: Asked) -> NotificationsQuery:
    """The query, with a lone value where a list may stand."""
    return to_struct(listify(await read_params(request), NotificationsQuery), NotificationsQuery)


async def _with_filters(instance: Instance, viewer: Viewer, views: list[NotificationView]) -> list[NotificationView]:
    statuses = await mark_filtered(instance, viewer, [view.status for view in views if view.status])
    marked = {status.id: status for status in statuses if status.filtered}
    return [
        msgspec.structs.replace(view, status=marked[view.status.id])
        if view.status and view.status.id in marked
        else view
        for view in views
    ]


@get("/api/v1/notifications", scope="read:notifications")
async def list_notifications(request: Asked) -> Response[list[Notification]]:
    """The viewer's notifications."""
    instance, viewer, query = instance_of(request), need_viewer(request), await query_of(request)
    page = page_of(request, default=40, most=80)
    async with instance.db.read() as tx:
        views = await reads.list_notifications(
            tx, viewer, page, include_filtered=query.include_filtered, **query.choice()
        )
        details = [view.detail for view in views]
        reports = await list_told_reports(tx, viewer, details)
        appeals = await list_author_appeals(tx, viewer, decisions_named(details))
    views = await _with_filters(instance, viewer, views)
    newest, oldest = (views[0].id, views[-1].id) if views else (None, None)
    return Response(
        [notification_entity(view, instance.settings, reports, appeals) for view in views],
        headers=link_header(request, instance.settings, newest, oldest),
    )


@get("/api/v1/notifications/{id:str}", scope="read:notifications")
async def get_notification(request: Asked, id: FromPath[str]) -> Notification:
    """One of them."""
    instance, viewer = instance_of(request), need_viewer(request)
    async with instance.db.read() as tx:
        view = await reads.get_notification(tx, viewer, parse_id(id))
        reports = await list_told_reports(tx, viewer, [view.detail])
        appeals = await list_author_appeals(tx, viewer, decisions_named([view.detail]))
    return notification_entity(view, instance.settings, reports, appeals)


@get("/api/v1/notifications/unread_count", scope="read:notifications")
async def count_unread(request: Asked) -> dict[str, int]:
    """How many are unread, up to a limit of at most 1,000."""
    query = await query_of(request)
    limit = max(1, min(query.limit, 1000))
    async with instance_of(request).db.read() as tx:
        return {"count": await reads.count_unread(tx, need_viewer(request), limit=limit, **query.choice())}


@post("/api/v1/notifications/clear", scope="write:notifications", status_code=200)
async def clear_notifications(request: Asked) -> dict[str, Any]:
    """Forget all."""
    async with instance_of(request).db.write() as tx:
        await actions.clear_notifications(tx, need_viewer(request))
    return {}


@post("/api/v1/notifications/{id:str}/dismiss", scope="write:notifications", status_code=200)
async def dismiss_notification(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Forget one."""
    async with instance_of(request).db.write() as tx:
        await actions.dismiss_notification(tx, need_viewer(request), parse_id(id))
    return {}


class DismissForm(msgspec.Struct):
    """The notification to forget."""

    id: str = ""


@post("/api/v1/notifications/dismiss", scope="write:notifications", status_code=200)
async def dismiss_named_notification(request: Asked) -> dict[str, Any]:
    """Forget one, in the form of old clients."""
    form = await parse(request, DismissForm)
    async with instance_of(request).db.write() as tx:
        await actions.dismiss_notification(tx, need_viewer(request), parse_id(form.id))
    return {}


class PolicyForm(msgspec.Struct):
    """Rules to change: accept, filter or drop."""

    for_not_following: str | None = None
    for_not_followers: str | None = None
    for_new_accounts: str | None = None
    for_private_mentions: str | None = None
    for_limited_accounts: str | None = None


@get("/api/v2/notifications/policy", scope="read:notifications")
async def get_policy(request: Asked) -> NotificationPolicy:
    """Whose notifications the viewer wants."""
    async with instance_of(request).db.read() as tx:
        return policy_entity(await reads.get_policy(tx, need_viewer(request)))


@patch("/api/v2/notifications/policy", scope="write:notifications")
async def update_policy(request: Asked) -> NotificationPolicy:
    """Choose anew."""
    form = await parse(request, PolicyForm)
    changes = {rule: choice for rule, choice in msgspec.structs.asdict(form).items() if choice is not None}
    async with instance_of(request).db.write() as tx:
        return policy_entity(await actions.update_policy(tx, need_viewer(request), changes))


@get("/api/v1/notifications/requests", scope="read:notifications")
async def list_requests(request: Asked) -> Response[list[NotificationRequest]]:
    """Senders whose notifications were set aside."""
    instance, page = instance_of(request), page_of(request, default=40, most=80)
    async with instance.db.read() as tx:
        views = await reads.list_requests(tx, need_viewer(request), page)
    newest, oldest = (views[0].newest_id, views[-1].newest_id) if views else (None, None)
    return Response(
        [request_entity(view, instance.settings) for view in views],
        headers=link_header(request, instance.settings, newest, oldest),
    )


@get("/api/v1/notifications/requests/{id:str}", scope="read:notifications")
async def get_request(request: Asked, id: FromPath[str]) -> NotificationRequest:
    """One sender's."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        view = await reads.get_request(tx, need_viewer(request), parse_id(id))
    return request_entity(view, instance.settings)


@get("/api/v1/notifications/requests/merged", scope="read:notifications")
async def are_requests_merged(request: Asked) -> dict[str, bool]:
    """Accepting shows what was set aside at once, so there is never anything to wait for."""
    need_viewer(request)
    return {"merged": True}


class RequestsForm(msgspec.Struct):
    """Senders."""

    id: list[str] = []

    def numbers(self) -> list[int]:
        """Their ids; raises Invalid when there is none."""
        if not self.id:
            raise Invalid("Validation failed: id names no request.")
        return [parse_id(text) for text in self.id]


@post("/api/v1/notifications/requests/{id:str}/accept", scope="write:notifications", status_code=200)
async def accept_request(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Let a sender through from now on."""
    viewer, sender = need_viewer(request), parse_id(id)
    async with instance_of(request).db.write() as tx:
        await reads.get_request(tx, viewer, sender)
        await actions.accept_requests(tx, viewer, [sender])
    return {}


@post("/api/v1/notifications/requests/{id:str}/dismiss", scope="write:notifications", status_code=200)
async def dismiss_request(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Forget what was set aside of a sender."""
    viewer, sender = need_viewer(request), parse_id(id)
    async with instance_of(request).db.write() as tx:
        await reads.get_request(tx, viewer, sender)
        await actions.dismiss_requests(tx, viewer, [sender])
    return {}


@post("/api/v1/notifications/requests/accept", scope="write:notifications", status_code=200)
async def accept_requests(request: Asked) -> dict[str, Any]:
    """Let several through."""
    form = await parse(request, RequestsForm)
    async with instance_of(request).db.write() as tx:
        await actions.accept_requests(tx, need_viewer(request), form.numbers())
    return {}


@post("/api/v1/notifications/requests/dismiss", scope="write:notifications", status_code=200)
async def dismiss_requests(request: Asked) -> dict[str, Any]:
    """Forget several."""
    form = await parse(request, RequestsForm)
    async with instance_of(request).db.write() as tx:
        await actions.dismiss_requests(tx, need_viewer(request), form.numbers())
    return {}


routes = [
    list_notifications,
    count_unread,
    clear_notifications,
    dismiss_notification,
    dismiss_named_notification,
    get_policy,
    update_policy,
    list_requests,
    are_requests_merged,
    get_request,
    accept_request,
    dismiss_request,
    accept_requests,
    dismiss_requests,
    get_notification,
]
