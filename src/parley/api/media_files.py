"""Serves stored files: GET and HEAD below /media/, with ranges (RFC 9110, section 14) and headers that disarm.

The content type is our own record's, never a client's word, and no file can run anything where it is opened.
A name is unguessable and its content never changes, so whoever holds the address may keep the file, unless it is
withheld: then the address carries a key that only those get who may see what carries the file.
"""

from __future__ import annotations

import re
from typing import Any, cast

from litestar import Request, Response, get, head
from litestar.params import FromPath
from litestar.response import Stream

from parley.kit.errors import NotFound
from parley.kit.http import instance_of
from parley.social.media.reads import get_file
from parley.social.media.views import FileView

Asked = Request[Any, Any, Any]

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_POLICY = "default-src 'none'; sandbox"
_PLAYER_POLICY = "default-src 'none'; media-src 'self'; sandbox"


@get("/media/{first:str}/{second:str}/{name:str}", scope=None)
async def get_media_file(
    request: Asked, first: FromPath[str], second: FromPath[str], name: FromPath[str]
) -> Response[Any]:
    """A stored file or one range of it; 404 for what is missing, deleted or withheld."""
    file = await _find(request, f"{first}/{second}/{name}")
    if file is None:
        return _missing()
    headers = _headers(file)
    if _matches(request.headers.get("if-none-match"), file.etag):
        return Response(b"", status_code=304, headers=headers, media_type=file.mime_type)
    span = _range_of(request, file)
    if span == ():
        headers["Content-Range"] = f"bytes */{file.size}"
        return Response(b"", status_code=416, headers=headers, media_type=file.mime_type)
    start, end = span or (0, file.size)
    try:
        content = await instance_of(request).files.read(file.key, start=start, end=end)
    except NotFound:
        return _missing()
    headers["Content-Length"] = str(end - start)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{file.size}"
    status = 200 if span is None else 206
    return Stream(content, status_code=status, headers=headers, media_type=file.mime_type)


@head("/media/{first:str}/{second:str}/{name:str}", scope=None)
async def head_media_file(
    request: Asked, first: FromPath[str], second: FromPath[str], name: FromPath[str]
) -> Response[None]:
    """What GET would say of the file, without the file."""
    file = await _find(request, f"{first}/{second}/{name}")
    nothing = cast(None, b"")  # Litestar cannot render None as a picture.
    if file is None:
        return Response(nothing, status_code=404, headers=_safe_headers(_POLICY), media_type="text/plain")
    headers = {**_headers(file), "Content-Length": str(file.size)}
    return Response(nothing, headers=headers, media_type=file.mime_type)


async def _find(request: Asked, name: str) -> FileView | None:
    try:
        async with instance_of(request).db.read() as tx:
            key = request.query_params.get("key", "")
            return await get_file(tx, instance_of(request).settings, name, key=key)
    except NotFound:
        return None


def _missing() -> Response[Any]:
    headers = {**_safe_headers(_POLICY), "Cache-Control": "no-store"}
    return Response("This file does not exist.", status_code=404, headers=headers, media_type="text/plain")


def _safe_headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Access-Control-Allow-Origin": "*",
        "Access-Control-Expose-Headers": "Accept-Ranges, Content-Length, Content-Range, ETag",
        "Referrer-Policy": "no-referrer",
    }


def _headers(file: FileView) -> dict[str, str]:
    is_picture = file.mime_type.startswith("image/")
    return {
        **_safe_headers(_POLICY if is_picture else _PLAYER_POLICY),
        "Content-Disposition": "inline",
        "Cache-Control": "private, no-store" if file.withheld else "public, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "ETag": file.etag,
    }


def _matches(header: str | None, etag: str) -> bool:
    """Whether an If-None-Match header names the file (weak comparison, RFC 9110, section 13.1.2)."""
    if header is None:
        return False
    tags = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in tags or etag in tags


def _range_of(request: Asked, file: FileView) -> tuple[int, int] | tuple[()] | None:
    """The one range that is asked for, its end exclusive; None for the whole file, () for none that exists.

    Anything but one well-formed range of bytes is ignored, as RFC 9110 allows.
    """
    header = request.headers.get("range")
    condition = request.headers.get("if-range")
    found = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if found is None or (condition is not None and condition.strip() != file.etag):
        return None
    first, last = found.groups()
    if first:
        start, end = int(first), int(last) + 1 if last else file.size
        if last and end <= start:
            return None
        return (start, min(end, file.size)) if start < file.size else ()
    if not last:
        return None
    length = min(int(last), file.size)
    return (file.size - length, file.size) if length else ()


routes = [get_media_file, head_media_file]
