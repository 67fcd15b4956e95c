"""Attachments: https://docs.joinmastodon.org/methods/media/"""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from parley.api.access import need_viewer
from parley.api.entities.media import MediaAttachment, media_entity
from parley.kit.errors import Invalid
from parley.kit.http import instance_of, read_params
from parley.kit.ids import parse_id
from parley.kit.uploads import receive_form
from parley.social.accounts.views import Viewer
from parley.social.media import actions, reads
from parley.social.media.views import MediaView

Asked = Request[Any, Any, Any]

WAIT = 20.0
"""Seconds that the old way of uploading waits for the file to be ready."""


@post("/api/v2/media", scope="write:media", status_code=202, request_max_body_size=None)
async def upload_media(request: Asked) -> MediaAttachment:
    """Upload a file; it is processed afterwards, so the answer is 202 and has no URL yet."""
    view = await _upload(request, need_viewer(request))
    return media_entity(view, instance_of(request).settings)


@post("/api/v1/media", scope="write:media", status_code=200, request_max_body_size=None)
async def upload_media_and_wait(request: Asked) -> MediaAttachment:
    """The deprecated way: upload and wait until the file is ready, or long enough."""
    viewer, instance = need_viewer(request), instance_of(request)
    view = await _upload(request, viewer)
    view = await reads.wait_until_processed(instance, viewer, view.id, seconds=WAIT)
    _check_usable(view)
    return media_entity(view, instance.settings)


@get("/api/v1/media/{id:str}", scope="write:media")
async def get_media(request: Asked, id: FromPath[str]) -> Response[MediaAttachment]:
    """One of the viewer's attachments: 200 when it is ready, 206 while it is processed, 422 when it failed."""
    instance = instance_of(request)
    async with instance.db.read() as tx:
        view = await reads.get_media(tx, need_viewer(request), parse_id(id))
    _check_usable(view)
    status = 206 if view.state == "processing" else 200
    return Response(media_entity(view, instance.settings), status_code=status)


@put("/api/v1/media/{id:str}", scope="write:media", request_max_body_size=None)
async def update_media(request: Asked, id: FromPath[str]) -> MediaAttachment:
    """Change description, focus or thumbnail of a file that no post carries yet."""
    viewer, instance, media_id = need_viewer(request), instance_of(request), parse_id(id)
    async with instance.db.read() as tx:
        await reads.get_media(tx, viewer, media_id)
    thumbnail: str | None = None
    if request.content_type[0] == "multipart/form-data":
        inspect = actions.upload_inspector(instance.settings)
        most = actions.largest_upload(instance.settings)
        async with receive_form(request, inspect, most=most) as form:
            params: dict[str, Any] = dict(form.fields)
            upload = form.files.get("thumbnail")
            if upload is not None and upload.size:
                thumbnail = await actions.keep_thumbnail(instance, viewer, upload)
    else:
        params = await read_params(request)
    description, focus = params.get("description"), params.get("focus")
    if not isinstance(description, str | None) or not isinstance(focus, str | None):
        raise Invalid("Validation failed: description and focus must be text.")
    try:
        async with instance.db.write() as tx:
            view = await actions.update_media(
                tx,
                viewer,
                media_id,
                description=description,
                focus=actions.parse_focus(focus) if focus else None,
                thumbnail=thumbnail,
            )
    except BaseException:
        if thumbnail is not None:
            await actions.drop_thumbnail(instance, thumbnail)
        raise
    return media_entity(view, instance.settings)


@delete("/api/v1/media/{id:str}", scope="write:media", status_code=200)
async def delete_media(request: Asked, id: FromPath[str]) -> dict[str, Any]:
    """Delete a file that no post carries."""
    async with instance_of(request).db.write() as tx:
        await actions.delete_media(tx, need_viewer(request), parse_id(id))
    return {}


async def _upload(request: Asked, viewer: Viewer) -> MediaView:
    instance = instance_of(request)
    inspect = actions.upload_inspector(instance.settings)
    most = actions.largest_upload(instance.settings)
    async with receive_form(request, inspect, most=most) as form:
        upload, thumbnail = form.files.get("file"), form.files.get("thumbnail")
        if upload is None:
            raise Invalid("Validation failed: File can't be blank. Send it in the field 'file'.")
        focus = form.fields.get("focus")
        return await actions.upload_media(
            instance,
            viewer,
            upload,
            description=form.fields.get("description", ""),
            focus=actions.parse_focus(focus) if focus else None,
            thumbnail=thumbnail if thumbnail is not None and thumbnail.size else None,
        )


def _check_usable(view: MediaView) -> None:
    if view.state == "failed":
        raise Invalid(view.error)


routes = [upload_media, upload_media_and_wait, get_media, update_media, delete_media]
