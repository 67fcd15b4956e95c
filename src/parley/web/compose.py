"""Writing a post: the composer, its uploads, and what happens when it is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from litestar.response import Response

from parley.kit.db import Tx
from parley.kit.errors import Invalid, ParleyError, StoreRefused, TooLarge
from parley.kit.ids import parse_id
from parley.kit.uploads import UploadForm, receive_form
from parley.social.accounts.views import Viewer
from parley.social.media.actions import delete_media, update_media, upload_inspector, upload_media
from parley.social.media.reads import get_media, get_media_views
from parley.social.media.views import MediaView
from parley.social.sessions.preferences import get_preferences
from parley.social.statuses.actions import post_status
from parley.social.statuses.hydrate import get_status
from parley.social.statuses.views import NewPoll, NewStatus, StatusView
from parley.social.verdicts.reads import get_status_labels
from parley.web.errors import keep_refusal
from parley.web.pages import redirect, render, render_fragment
from parley.web.visits import AnyRequest, Visit, check_form_token, safe_path, visit_of

MIB = 1024 * 1024
MOST_FILES = 4
VISIBILITIES = ("public", "unlisted", "private", "direct")
POLL_FIELDS = tuple(f"poll_option_{n}" for n in range(1, 5))
_MEDIA_FIELD = re.compile(r"media-(\d{1,19})")


@dataclass
class Draft:
    """What the composer shows: a new post, an answer, a quote, or an edit."""

    key: str = "new"
    text: str = ""
    spoiler_text: str = ""
    sensitive: bool = False
    visibility: str = "public"
    reply_to: StatusView | None = None
    quote: StatusView | None = None
    edits: StatusView | None = None
    media: tuple[MediaView, ...] = ()
    problem: str = ""


def reply_draft(viewer: Viewer, status: StatusView) -> Draft:
    """An answer: addressed to the author and everybody mentioned, no more public than what it answers."""
    names = [status.account.acct] if status.account.id != viewer.account_id else []
    names += [
        f"{one.username}@{one.domain}" if one.domain else one.username
        for one in status.mentions
        if one.id not in (viewer.account_id, status.account.id)
    ]
    return Draft(
        key="reply",
        text="".join(f"@{name} " for name in names),
        spoiler_text=status.spoiler_text,
        sensitive=status.sensitive and bool(status.spoiler_text),
        visibility="local" if status.local_only else status.visibility,
        reply_to=status,
    )


@asynccontextmanager
async def receive_composer(visit: Visit) -> AsyncIterator[UploadForm]:
    """The composer's form with its files, once its anti-forgery token is checked."""
    settings = visit.instance.settings
    most = MOST_FILES * max(settings.max_image_mb, settings.max_video_mb) * MIB + MIB
    inspect = upload_inspector(settings)
    async with receive_form(visit.request, inspect, most=most) as form:
        check_form_token(visit, form.fields.get("csrf", ""))
        yield form


@get("/compose")
async def show_compose(
    request: AnyRequest, text: FromQuery[str] = "", visibility: FromQuery[str] = "", quote: FromQuery[str] = ""
) -> Response[str]:
    """The composer on a page of its own; `quote` is the post to quote, `text` what it begins with."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        preferences = await get_preferences(tx, viewer)
        quoted = await get_status(tx, viewer, parse_id(quote)) if quote else None
    chosen = visibility if visibility in VISIBILITIES else preferences.visibility
    draft = Draft(
        text=text[: visit.instance.settings.max_characters],
        visibility=chosen,
        sensitive=preferences.sensitive,
        quote=quoted,
    )
    return await render(visit, "compose.html", title="Quote a post" if quoted else "New post", draft=draft)


@post("/compose/media", opt={"reads_own_form": True}, request_max_body_size=None)
async def receive_media(request: AnyRequest) -> Response[str]:
    """One file, sent while the post is written; the answer is its row in the composer."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with receive_composer(visit) as form:
        upload = form.files.get("file")
        if upload is None:
            raise Invalid("Choose a file first.")
        media = await upload_media(visit.instance, viewer, upload)
    return await render_fragment(visit, "attachment.html", media=media)


@get("/compose/media/{media_id:str}")
async def show_media_row(request: AnyRequest, media_id: FromPath[str]) -> Response[str]:
    """The picture of a composer's row, asked for again while the file is being prepared."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with visit.instance.db.read() as tx:
        media = await get_media(tx, viewer, parse_id(media_id))
    return await render_fragment(visit, "attachment_thumb.html", media=media)


@post("/compose", opt={"reads_own_form": True}, request_max_body_size=None)
async def send_post(request: AnyRequest) -> Response[str]:
    """Post. The answer is the new row for htmx, else the page that the composer was on."""
    visit = await visit_of(request)
    viewer = visit.need_member()
    async with receive_composer(visit) as form:
        fields = form.fields
        try:
            uploaded = await _upload_files(visit, viewer, form)
            new = _new_status(fields)
            async with visit.instance.db.write() as tx:
                media_ids = await describe_attached(tx, viewer, fields)
                status = await post_status(
                    tx,
                    visit.instance.settings,
                    viewer,
                    _with_media(new, [*media_ids, *uploaded]),
                    idempotency_key=fields.get("idempotency_key"),
                )
        except ParleyError as error:
            if error.status not in (413, 422) and not isinstance(error, StoreRefused):
                raise
            await keep_refusal(visit, error)
            answer = await _show_again(visit, viewer, fields, error)
            if isinstance(error, StoreRefused):
                answer.headers["Retry-After"] = str(error.retry_after)
            return answer
    async with visit.instance.db.read() as tx:
        support = "support" in await get_status_labels(tx, status.id)
    if visit.is_fragment:
        return await render_fragment(visit, "status_row.html", status=status, support=support)
    if support:
        return redirect(visit, f"/@{status.account.acct}/{status.id}", "support")
    if status.held:
        return redirect(visit, f"/@{status.account.acct}/{status.id}", "held")
    there = safe_path(fields.get("back")).partition("#")[0]
    if there.startswith("/compose"):
        there = "/"
    return redirect(visit, f"{there}#status-{status.id}", "posted")


def _new_status(fields: Mapping[str, str]) -> NewStatus:
    """The form as a post, without its media. Raises Invalid."""
    visibility = fields.get("visibility", "")
    options = tuple(text for name in POLL_FIELDS if (text := fields.get(name, "").strip()))
    expires = fields.get("poll_expires_in", "")
    poll = None
    if options:
        poll = NewPoll(
            options=options,
            expires_in=int(expires) if expires.isascii() and expires.isdigit() and len(expires) < 9 else 86_400,
            multiple=bool(fields.get("poll_multiple")),
        )
    return NewStatus(
        text=fields.get("text", ""),
        spoiler_text=fields.get("spoiler_text", ""),
        sensitive=bool(fields.get("sensitive")),
        visibility="public" if visibility == "local" else visibility or None,
        local_only=visibility == "local",
        in_reply_to_id=_optional_id(fields, "in_reply_to_id"),
        quoted_status_id=_optional_id(fields, "quoted_status_id"),
        poll=poll,
    )


def _optional_id(fields: Mapping[str, str], name: str) -> int | None:
    return parse_id(fields[name]) if fields.get(name) else None


def _with_media(new: NewStatus, media_ids: list[int]) -> NewStatus:
    return msgspec.structs.replace(new, media_ids=tuple(media_ids))


def attached_ids(fields: Mapping[str, str]) -> dict[int, str]:
    """The files of the composer's rows, each with its description, in order."""
    found: dict[int, str] = {}
    for name, text in fields.items():
        match = _MEDIA_FIELD.fullmatch(name)
        if match:
            found[parse_id(match[1])] = text
    return found


async def describe_attached(tx: Tx, viewer: Viewer, fields: Mapping[str, str]) -> list[int]:
    """Save what the author wrote about each attached file; returns their ids."""
    attached = attached_ids(fields)
    for media_id, text in attached.items():
        await update_media(tx, viewer, media_id, description=text)
    return list(attached)


async def _upload_files(visit: Visit, viewer: Viewer, form: UploadForm) -> list[int]:
    """The files of the plain form (without JavaScript), each with its description. Returns their ids."""
    ids: list[int] = []
    for name, upload in form.files.items():
        if upload.size == 0 or not name.startswith("file_"):
            continue
        if len(ids) >= MOST_FILES:
            raise TooLarge(f"A post can carry {MOST_FILES} files.")
        text = form.fields.get(f"file_description_{name.removeprefix('file_')}", "")
        try:
            ids.append((await upload_media(visit.instance, viewer, upload, description=text)).id)
        except StoreRefused:
            async with visit.instance.db.write() as tx:
                for media_id in ids:
                    await delete_media(tx, viewer, media_id)
            raise
    return ids


async def _show_again(visit: Visit, viewer: Viewer, fields: Mapping[str, str], error: ParleyError) -> Response[str]:
    """The composer with what was typed and what is wrong with it."""
    if visit.is_fragment:
        answer = await render_fragment(visit, "composer_problem.html", code=error.status, text=error.text)
        answer.headers.update({"HX-Retarget": "#said-new", "HX-Reswap": "innerHTML"})
        return answer
    async with visit.instance.db.read() as tx:
        reply_to, quote = _optional_id(fields, "in_reply_to_id"), _optional_id(fields, "quoted_status_id")
        attached = attached_ids(fields)
        views = await get_media_views(tx, list(attached))
        media = tuple(views[one] for one in attached if one in views and views[one].account_id == viewer.account_id)
        draft = Draft(
            text=fields.get("text", ""),
            spoiler_text=fields.get("spoiler_text", ""),
            sensitive=bool(fields.get("sensitive")),
            visibility=fields.get("visibility", "public"),
            reply_to=await get_status(tx, viewer, reply_to) if reply_to else None,
            quote=await get_status(tx, viewer, quote) if quote else None,
            media=media,
            problem=error.text,
        )
    return await render(visit, "compose.html", code=error.status, title="New post", draft=draft)


routes = [show_compose, receive_media, show_media_row, send_post]
