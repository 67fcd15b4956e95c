"""Statuses and what one does with them: https://docs.joinmastodon.org/methods/statuses/"""

# Long because the page of Mastodon's documentation that it follows is.

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from parley.api.access import need_viewer, viewer_for
from parley.api.entities.statuses import (
    Context,
    ScheduledStatus,
    StatusEdit,
    StatusSource,
    context_entity,
    edit_entity,
    scheduled_entity,
    source_entity,
    status_entity,
)
from parley.api.relationships import show_people
from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, Unavailable
from parley.kit.http import (
    instance_of,
    link_header,
    listify,
    page_of,
    parse,
    query_pairs,
    read_params,
    to_struct,
)
from parley.kit.ids import parse_id
from parley.social.accounts.views import Viewer
from parley.social.media.actions import MediaAttributes, parse_focus
from parley.social.statuses import actions, reads
from parley.social.statuses.filtered import mark_filtered
from parley.social.statuses.views import ContextView, NewPoll, NewStatus, StatusChange, StatusesPage, StatusView

Asked = Request[Any, Any, Any]
Id = str | int | None
MOST_AT_ONCE = 40


class PollForm(msgspec.Struct):
    """A poll as clients send it."""

    options: list[str] = []
    expires_in: int = 0
    multiple: bool = False
    hide_totals: bool = False


class AttributesForm(msgspec.Struct):
    """Another description or focus of an attachment."""

    id: str | int
    description: str | None = None
    focus: str | None = None


class StatusForm(msgspec.Struct):
    """A new status or an edit; `local_only` and `content_type` are ours."""

    status: str | None = None
    media_ids: list[str | int] | None = None
    media_attributes: list[AttributesForm] | None = None
    poll: PollForm | None = None
    in_reply_to_id: Id = None
    quoted_status_id: Id = None
    quote_approval_policy: str | None = None
    sensitive: bool | None = None
    spoiler_text: str | None = None
    visibility: str | None = None
    language: str | None = None
    scheduled_at: datetime | None = None
    local_only: bool = False
    content_type: str | None = None


async def _read_form(request: Asked) -> StatusForm:
    params = listify(await read_params(request), StatusForm)
    # A form cannot say "nothing"; empty values of what is optional mean it.
    for name in ("sensitive", "scheduled_at", "local_only", "in_reply_to_id", "quoted_status_id", "poll"):
        if params.get(name) == "" or params.get(name) == {}:
            del params[name]
    if isinstance(params.get("poll"), dict):
        params["poll"] = listify(params["poll"], PollForm)
        if not params["poll"].get("options"):
            del params["poll"]
    return to_struct(params, StatusForm)


def _id(value: Id) -> int | None:
    return None if value is None else parse_id(str(value))


def _ids(values: list[str | int] | None) -> tuple[int, ...]:
    return tuple(parse_id(str(value)) for value in values or () if value != "")


def _poll(form: PollForm | None) -> NewPoll | None:
    if form is None:
        return None
    return NewPoll(
        options=tuple(form.options),
        expires_in=form.expires_in,
        multiple=form.multiple,
        hide_totals=form.hide_totals,
    )


@post("/api/v1/statuses", scope="write:statuses", status_code=200)
async def create_status(request: Asked) -> msgspec.Raw | ScheduledStatus:
    """Post a status, or plan one when `scheduled_at` is given."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await _read_form(request)
    key = request.headers.get("idempotency-key")
    new = NewStatus(
        text=form.status or "",
        content_type=form.content_type or "text/plain",
        spoiler_text=form.spoiler_text or "",
        sensitive=form.sensitive,
        visibility=form.visibility or None,
        local_only=form.local_only,
        language=form.language or None,
        in_reply_to_id=_id(form.in_reply_to_id),
        quoted_status_id=_id(form.quoted_status_id),
        quote_policy=form.quote_approval_policy or None,
        media_ids=_ids(form.media_ids),
        poll=_poll(form.poll),
    )
    settings = instance.settings
    async with instance.db.write() as tx:
        if form.scheduled_at is not None:
            planned = await actions.schedule_status(tx, settings, viewer, new, form.scheduled_at, idempotency_key=key)
            return scheduled_entity(planned, settings)
        view = await actions.post_status(tx, settings, viewer, new, idempotency_key=key)
    return status_entity(view, settings)


@get("/api/v1/statuses/{id:str}", scope=None)
async def get_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """One status."""
    instance, viewer = instance_of(request), viewer_for(request, "read:statuses")
    async with instance.db.read() as tx:
        view = await reads.get_status(tx, viewer, parse_id(id))
    (view,) = await mark_filtered(instance, viewer, [view])
    return status_entity(view, instance.settings)


@get("/api/v1/statuses", scope=None)
async def list_statuses(request: Asked) -> list[msgspec.Raw]:
    """Several statuses by id; what is missing or invisible is left out."""
    instance, viewer = instance_of(request), viewer_for(request, "read:statuses")
    ids = [parse_id(value) for name, value in query_pairs(request) if name in ("id[]", "id")]
    if len(ids) > MOST_AT_ONCE:
        raise Invalid(f"At most {MOST_AT_ONCE} statuses can be asked for at once.")
    async with instance.db.read() as tx:
        views = await reads.list_statuses(tx, viewer, list(dict.fromkeys(ids)))
    views = await mark_filtered(instance, viewer, views)
    return [status_entity(view, instance.settings) for view in views]


@put("/api/v1/statuses/{id:str}", scope="write:statuses")
async def edit_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Edit an own status."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await _read_form(request)
    change = StatusChange(
        text=form.status or "",
        content_type=form.content_type or None,
        spoiler_text=form.spoiler_text or "",
        sensitive=form.sensitive,
        language=form.language or None,
        media_ids=_ids(form.media_ids),
        media=tuple(
            MediaAttributes(
                id=parse_id(str(attributes.id)),
                description=attributes.description,
                focus=parse_focus(attributes.focus) if attributes.focus else None,
            )
            for attributes in form.media_attributes or ()
        ),
        poll=_poll(form.poll),
        quote_policy=form.quote_approval_policy or None,
    )
    async with instance.db.write() as tx:
        view = await actions.edit_status(tx, instance.settings, viewer, parse_id(id), change)
    return status_entity(view, instance.settings)


@delete("/api/v1/statuses/{id:str}", scope="write:statuses", status_code=200)
async def delete_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Delete an own status; the answer holds its source, to be written anew."""
    viewer, instance = need_viewer(request), instance_of(request)
    forget = dict(query_pairs(request)).get("delete_media", "").lower() in ("true", "1")
    async with instance.db.write() as tx:
        view = await actions.delete_status(tx, viewer, parse_id(id), delete_media=forget)
    return status_entity(view, instance.settings, with_text=True)


@get("/api/v1/statuses/{id:str}/context", scope=None)
async def get_context(request: Asked, id: FromPath[str]) -> Context:
    """What comes before and after a status in its thread."""
    instance, viewer = instance_of(request), viewer_for(request, "read:statuses")
    async with instance.db.read() as tx:
        found = await reads.get_context(tx, viewer, parse_id(id))
    view = ContextView(
        await mark_filtered(instance, viewer, found.ancestors),
        await mark_filtered(instance, viewer, found.descendants),
    )
    return context_entity(view, instance.settings)


@get("/api/v1/statuses/{id:str}/history", scope=None)
async def get_history(request: Asked, id: FromPath[str]) -> list[StatusEdit]:
    """Every revision that was public, oldest first."""
    instance, viewer = instance_of(request), viewer_for(request, "read:statuses")
    async with instance.db.read() as tx:
        views = await reads.get_history(tx, viewer, parse_id(id))
    return [edit_entity(view, instance.settings) for view in views]


@get("/api/v1/statuses/{id:str}/source", scope="read:statuses")
async def get_source(request: Asked, id: FromPath[str]) -> StatusSource:
    """What the author typed."""
    async with instance_of(request).db.read() as tx:
        return source_entity(await reads.get_source(tx, need_viewer(request), parse_id(id)))


@get("/api/v1/statuses/{id:str}/card", scope=None)
async def get_card(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Deprecated: the preview card of a status. There are none, so the answer is the documented empty object."""
    async with instance_of(request).db.read() as tx:
        await reads.get_status(tx, viewer_for(request, "read:statuses"), parse_id(id))
    return {}


@post("/api/v1/statuses/{id:str}/translate", scope="app", status_code=200)
async def translate_status(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """No translation service is configured: 404 and 403 where a translation would be refused, 503 otherwise."""
    async with instance_of(request).db.read() as tx:
        view = await reads.get_status(tx, viewer_for(request, "read:statuses"), parse_id(id))
    if view.visibility not in ("public", "unlisted"):
        raise Forbidden
    raise Unavailable("This instance has no translation service.", retry_after=86_400)


Action = Callable[[Tx, Viewer, int], Awaitable[StatusView]]


async def _act(request: Asked, id: str, action: Action) -> msgspec.Raw:
    viewer, instance = need_viewer(request), instance_of(request)
    async with instance.db.write() as tx:
        view = await action(tx, viewer, parse_id(id))
    return status_entity(view, instance.settings)


@post("/api/v1/statuses/{id:str}/favourite", scope="write:favourites", status_code=200)
async def favourite_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Like a status."""
    return await _act(request, id, actions.favourite_status)


@post("/api/v1/statuses/{id:str}/unfavourite", scope="write:favourites", status_code=200)
async def unfavourite_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Take a favourite back."""
    return await _act(request, id, actions.unfavourite_status)


class ReblogForm(msgspec.Struct):
    """With which visibility to boost."""

    visibility: str | None = None


@post("/api/v1/statuses/{id:str}/reblog", scope="write:statuses", status_code=200)
async def reblog_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Boost a status."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await parse(request, ReblogForm)
    async with instance.db.write() as tx:
        view = await actions.reblog_status(tx, viewer, parse_id(id), visibility=form.visibility or None)
    return status_entity(view, instance.settings)


@post("/api/v1/statuses/{id:str}/unreblog", scope="write:statuses", status_code=200)
async def unreblog_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Take a boost back."""
    return await _act(request, id, actions.unreblog_status)


@post("/api/v1/statuses/{id:str}/bookmark", scope="write:bookmarks", status_code=200)
async def bookmark_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Keep a status for later, in private."""
    return await _act(request, id, actions.bookmark_status)


@post("/api/v1/statuses/{id:str}/unbookmark", scope="write:bookmarks", status_code=200)
async def unbookmark_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Drop a bookmark."""
    return await _act(request, id, actions.unbookmark_status)


@post("/api/v1/statuses/{id:str}/mute", scope="write:mutes", status_code=200)
async def mute_conversation(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """No more notifications from this thread."""
    return await _act(request, id, actions.mute_conversation)


@post("/api/v1/statuses/{id:str}/unmute", scope="write:mutes", status_code=200)
async def unmute_conversation(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Notifications from this thread again."""
    return await _act(request, id, actions.unmute_conversation)


@post("/api/v1/statuses/{id:str}/pin", scope="write:accounts", status_code=200)
async def pin_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Put an own status on top of the profile."""
    return await _act(request, id, actions.pin_status)


@post("/api/v1/statuses/{id:str}/unpin", scope="write:accounts", status_code=200)
async def unpin_status(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Take it off the top of the profile."""
    return await _act(request, id, actions.unpin_status)


@get("/api/v1/statuses/{id:str}/reblogged_by", scope=None)
async def list_reblogged_by(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Who boosted a status."""
    return await show_people(request, id, "read:statuses", reads.list_reblogged_by)


@get("/api/v1/statuses/{id:str}/favourited_by", scope=None)
async def list_favourited_by(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """Who favourited a status."""
    return await show_people(request, id, "read:statuses", reads.list_favourited_by)


@get("/api/v1/statuses/{id:str}/quotes", scope="read:statuses")
async def list_quotes(request: Asked, id: FromPath[str]) -> Response[list[Any]]:
    """What quotes a status."""
    page = page_of(request, default=20, most=40)
    async with instance_of(request).db.read() as tx:
        found = await reads.list_quotes(tx, need_viewer(request), parse_id(id), page)
    return statuses_response(request, found)


@post(
    "/api/v1/statuses/{id:str}/quotes/{quoting_status_id:str}/revoke",
    scope="write:statuses",
    status_code=200,
)
async def revoke_quote(request: Asked, id: FromPath[str], quoting_status_id: FromPath[str]) -> msgspec.Raw:
    """Take an own status out of one that quotes it."""
    viewer, instance = need_viewer(request), instance_of(request)
    async with instance.db.write() as tx:
        view = await actions.revoke_quote(tx, viewer, parse_id(id), parse_id(quoting_status_id))
    return status_entity(view, instance.settings)


class PolicyForm(msgspec.Struct):
    """Who may quote."""

    quote_approval_policy: str = ""


@put("/api/v1/statuses/{id:str}/interaction_policy", scope="write:statuses")
async def set_interaction_policy(request: Asked, id: FromPath[str]) -> msgspec.Raw:
    """Who may quote an own status from now on."""
    viewer, instance = need_viewer(request), instance_of(request)
    form = await parse(request, PolicyForm)
    async with instance.db.write() as tx:
        view = await actions.set_quote_policy(tx, viewer, parse_id(id), form.quote_approval_policy)
    return status_entity(view, instance.settings)


def statuses_response(request: Asked, found: StatusesPage) -> Response[list[Any]]:
    """A page of statuses with its Link header."""
    settings = instance_of(request).settings
    return Response(
        [status_entity(view, settings) for view in found.statuses],
        headers=link_header(request, settings, found.newest, found.oldest),
    )


routes = [
    create_status,
    get_status,
    list_statuses,
    edit_status,
    delete_status,
    get_context,
    get_history,
    get_source,
    get_card,
    translate_status,
    favourite_status,
    unfavourite_status,
    reblog_status,
    unreblog_status,
    bookmark_status,
    unbookmark_status,
    mute_conversation,
    unmute_conversation,
    pin_status,
    unpin_status,
    list_reblogged_by,
    list_favourited_by,
    list_quotes,
    revoke_quote,
    set_interaction_policy,
]
