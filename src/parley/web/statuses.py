"""One post: its thread page, what members do with it, its versions, editing and deleting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar import get, post
from litestar.params import FromPath
from litestar.response import Response

from parley.kit import clock
from parley.kit.db import Tx
from parley.kit.errors import NotFound, ParleyError
from parley.kit.ids import parse_id
from parley.social.accounts.views import Viewer
from parley.social.media.actions import MediaAttributes
from parley.social.statuses import actions
from parley.social.statuses.hydrate import get_status
from parley.social.statuses.reads import get_history, get_source, list_favourited_by, list_reblogged_by
from parley.social.statuses.threads import get_context
from parley.social.statuses.views import NewPoll, StatusChange, StatusView
from parley.web.compose import Draft, attached_ids, receive_composer, reply_draft
from parley.web.errors import keep_refusal
from parley.web.pages import back_path, older_path, read_page, redirect, render, render_fragment
from parley.web.people import PersonRow, with_relationships
from parley.web.visits import AnyRequest, Visit, read_form, visit_of

MOST_IN_THREAD = 400
"""Replies that one page shows; a longer thread goes on at any of its posts."""

SHORTEST_POLL = 300
"""Seconds: the least that a poll may still run when it is saved again."""

Verb = Callable[[Tx, Viewer, int], Awaitable[Any]]

VERBS: dict[str, Verb] = {
    "boost": actions.reblog_status,
    "unboost": actions.unreblog_status,
    "favourite": actions.favourite_status,
    "unfavourite": actions.unfavourite_status,
    "bookmark": actions.bookmark_status,
    "unbookmark": actions.unbookmark_status,
    "pin": actions.pin_status,
    "unpin": actions.unpin_status,
    "mute": actions.mute_conversation,
    "unmute": actions.unmute_conversation,
}


async def show_thread(visit: Visit, acct: str, status_id: int) -> Response[str]:
    """A post with what it answers and its answers. The address must name the author, or it is moved there."""
    async with visit.instance.db.read() as tx:
        status = await get_status(tx, visit.viewer, status_id)
        if status.reblog is not None:
            return redirect(visit, f"/@{status.reblog.account.acct}/{status.reblog.id}")
        if status.account.acct.lower() != acct.lower():
            return redirect(visit, f"/@{status.account.acct}/{status.id}")
        context = await get_context(tx, visit.viewer, status_id)
    more = len(context.descendants) - MOST_IN_THREAD
    return await render(
        visit,
        "thread.html",
        title=f"{status.account.name}: “{(status.spoiler_text or status.text)[:60]}”",
        status=status,
        ancestors=context.ancestors,
        descendants=context.descendants[:MOST_IN_THREAD],
        shown_of=f"{more} more replies: open a reply to read on from there." if more > 0 else "",
        draft=reply_draft(visit.viewer, status) if visit.viewer else None,
        more="",
    )


@post("/statuses/{status_id:str}/{verb:str}")
async def act_on_status(request: AnyRequest, status_id: FromPath[str], verb: FromPath[str]) -> Response[str]:
    """One of VERBS; the answer is the post's row of buttons for htmx, else the page that the form was on."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    if verb not in VERBS:
        raise NotFound
    form = await read_form(request)
    number = parse_id(status_id)
    async with visit.instance.db.write() as tx:
        await VERBS[verb](tx, viewer, number)
        status = await get_status(tx, viewer, number)
    row = form.get("row", "")
    row_id = row if isinstance(row, str) and row.isdigit() else status_id
    if visit.is_fragment:
        return await render_fragment(visit, "status_actions.html", status=status, row_id=row_id)
    return redirect(visit, back_path(visit, form, anchor=f"status-{row_id}"))


@post("/polls/{poll_id:str}/vote")
async def vote(request: AnyRequest, poll_id: FromPath[str]) -> Response[str]:
    """Vote with what was ticked; the answer is the poll with its result for htmx."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    form = await read_form(request)
    chosen = [str(one) for one in form.getall("choice", [])]
    choices = [int(one) for one in chosen if one.isascii() and one.isdigit() and len(one) < 4]
    status_id = parse_id(str(form.get("status", "")))
    async with visit.instance.db.write() as tx:
        await actions.vote_in_poll(tx, viewer, parse_id(poll_id), choices)
        status = await get_status(tx, viewer, status_id)
    if visit.is_fragment:
        return await render_fragment(visit, "status_poll.html", status=status)
    return redirect(visit, back_path(visit, form, anchor=f"poll-{poll_id}"))


@get("/statuses/{status_id:str}/history")
async def show_history(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Every version of a post."""
    visit = await visit_of(request)
    async with visit.instance.db.read() as tx:
        status = await get_status(tx, visit.viewer, parse_id(status_id))
        revisions = await get_history(tx, visit.viewer, status.id)
    return await render(visit, "history.html", title="Versions", status=status, revisions=revisions)


@get("/statuses/{status_id:str}/gallery")
async def show_gallery(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """The media of a post, asked for again while a file is being prepared."""
    visit = await visit_of(request)
    async with visit.instance.db.read() as tx:
        status = await get_status(tx, visit.viewer, parse_id(status_id))
    return await render_fragment(visit, "status_gallery.html", status=status)


@get("/statuses/{status_id:str}/boosts")
async def show_boosters(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Who boosted a post."""
    return await _status_people(request, status_id, "Boosted by", list_reblogged_by)


@get("/statuses/{status_id:str}/favourites")
async def show_favouriters(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Whose favourite a post is."""
    return await _status_people(request, status_id, "Favourite of", list_favourited_by)


async def _status_people(request: AnyRequest, status_id: str, title: str, read: Any) -> Response[str]:
    visit = await visit_of(request)
    page = read_page(request)
    async with visit.instance.db.read() as tx:
        status = await get_status(tx, visit.viewer, parse_id(status_id))
        found = await read(tx, visit.viewer, status.id, page)
        people: list[PersonRow] = await with_relationships(tx, visit, found.accounts)
    return await render(
        visit,
        "people.html",
        title=title,
        back_to=f"/@{status.account.acct}/{status.id}",
        people=people,
        next_page=older_path(visit, page, found.oldest, len(found.accounts)),
    )


@get("/statuses/{status_id:str}/edit")
async def show_edit(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """The composer with what the author wrote."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    status, source = await _own_status(visit, viewer, parse_id(status_id))
    draft = Draft(
        key="edit",
        text=source.text,
        spoiler_text=source.spoiler_text,
        sensitive=status.sensitive,
        edits=status,
        media=status.media,
    )
    return await render(visit, "compose.html", title="Edit post", draft=draft)


@post("/statuses/{status_id:str}/edit", opt={"reads_own_form": True}, request_max_body_size=None)
async def save_edit(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Save the new version; earlier ones stay readable."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    number = parse_id(status_id)
    async with receive_composer(visit) as form:
        fields = form.fields
    old, _ = await _own_status(visit, viewer, number)
    described = attached_ids(fields)
    change = StatusChange(
        text=fields.get("text", ""),
        spoiler_text=fields.get("spoiler_text", ""),
        sensitive=bool(fields.get("sensitive")),
        media_ids=tuple(described),
        media=tuple(MediaAttributes(id=media_id, description=text) for media_id, text in described.items()),
        poll=_same_poll(old),
    )
    try:
        async with visit.instance.db.write() as tx:
            status = await actions.edit_status(tx, visit.instance.settings, viewer, number, change)
    except ParleyError as error:
        if error.status != 422:
            raise
        await keep_refusal(visit, error)
        draft = Draft(
            key="edit",
            text=change.text,
            spoiler_text=change.spoiler_text,
            sensitive=bool(change.sensitive),
            edits=old,
            media=tuple(one for one in old.media if one.id in described),
            problem=error.text,
        )
        return await render(visit, "compose.html", code=422, title="Edit post", draft=draft)
    return redirect(visit, f"/@{status.account.acct}/{status.id}", "held" if status.held else "saved")


def _same_poll(status: StatusView) -> NewPoll | None:
    """The poll as it is: this page edits words and descriptions, and an edit without a poll would remove it."""
    if status.poll is None:
        return None
    left = (status.poll.expires_at - clock.now()).total_seconds()
    return NewPoll(
        options=tuple(option.title for option in status.poll.options),
        expires_in=max(SHORTEST_POLL, int(left)),
        multiple=status.poll.multiple,
        hide_totals=any(option.votes_count is None for option in status.poll.options),
    )


@get("/statuses/{status_id:str}/delete")
async def ask_delete(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Ask before deleting."""
    visit = await visit_of(request)
    status, _ = await _own_status(visit, visit.need_member(), parse_id(status_id))
    return await render(visit, "status_delete.html", title="Delete?", status=status)


@post("/statuses/{status_id:str}/delete")
async def remove_status(request: AnyRequest, status_id: FromPath[str]) -> Response[str]:
    """Delete the post."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.write() as tx:
        await actions.delete_status(tx, viewer, parse_id(status_id))
    return redirect(visit, f"/@{viewer.username}", "deleted")


async def _own_status(visit: Visit, viewer: Viewer, status_id: int) -> tuple[StatusView, Any]:
    """A post of the viewer with its source; NotFound for anybody else's."""
    async with visit.instance.db.read() as tx:
        status = await get_status(tx, viewer, status_id)
        if status.account.id != viewer.account_id:
            raise NotFound
        return status, await get_source(tx, viewer, status_id)


routes = [
    act_on_status,
    vote,
    show_history,
    show_gallery,
    show_boosters,
    show_favouriters,
    show_edit,
    save_edit,
    ask_delete,
    remove_status,
]
