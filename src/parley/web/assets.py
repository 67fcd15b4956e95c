"""The built scripts, styles and icons: where they are, and the routes that serve them.

Files under /static/build/assets carry a hash of their content in their name and may be kept for ever.
"""

from __future__ import annotations

import gzip
import mimetypes
import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.params import FromPath
from litestar.response import Redirect, Response
from litestar.static_files import create_static_files_router
from markupsafe import Markup

from parley.kit.errors import NotFound
from parley.web.visits import AnyRequest, accepts_gzip

STATIC = Path(__file__).parent / "static"
BUILT = STATIC / "build"
ENTRY = "src/main.ts"
DESK_ENTRY = "src/desk.ts"
_PLAIN_PATH = re.compile(r"/static/[\w./-]{1,150}", re.ASCII)


class AssetsMissing(RuntimeError):
    """The assets were never built; the text says how to build them."""


class BuiltFile(msgspec.Struct, frozen=True):
    """A built file as it is sent."""

    kind: str
    body: bytes
    zipped: bytes


class Assets(msgspec.Struct, frozen=True):
    """Addresses of the built files, and the icons as symbols to write into a page."""

    script: str
    styles: tuple[str, ...]
    icons: Markup
    desk_script: str
    desk_styles: tuple[str, ...]
    """What the moderators' pages have besides."""


@cache
def load_assets() -> Assets:
    """What the build left. Raises AssetsMissing."""
    try:
        manifest = msgspec.json.decode((BUILT / "manifest.json").read_bytes())
        icons = (BUILT / "icons.svg").read_text()
    except FileNotFoundError as error:
        raise AssetsMissing("The page assets are not built: run `python -m parley.web.build` once.") from error
    script, styles = _entry_of(manifest, ENTRY)
    desk_script, desk_styles = _entry_of(manifest, DESK_ENTRY)
    # The icons are files of ours, made by the build; nothing that anybody typed is in them.
    return Assets(script, styles, Markup(icons), desk_script, desk_styles)  # noqa: S704


def _entry_of(manifest: dict[str, Any], name: str) -> tuple[str, tuple[str, ...]]:
    """The script of an entry, and the style sheets that it and what it shares with others need."""
    entry = manifest[name]
    sheets = [sheet for shared in entry.get("imports", ()) for sheet in manifest[shared].get("css", ())]
    sheets += entry.get("css", ())
    return f"/static/build/{entry['file']}", tuple(f"/static/build/{sheet}" for sheet in dict.fromkeys(sheets))


@get("/favicon.ico", include_in_schema=False, sync_to_thread=False, opt={"scope": None})
def show_favicon() -> Redirect:
    """Browsers ask for this name whatever a page says."""
    return Redirect("/static/icon-192.png", status_code=302)


async def refuse_odd_names(request: AnyRequest) -> None:
    """No file of ours has such a name; the file system would fail over some of them."""
    if not _PLAIN_PATH.fullmatch(request.url.path):
        raise NotFound


def _static_router(path: str, folder: Path, name: str, cache_control: CacheControlHeader) -> Router:
    opt: dict[str, Any] = {"scope": None}
    return create_static_files_router(
        path=path,
        directories=[folder],
        name=name,
        cache_control=cache_control,
        opt=opt,
        before_request=refuse_odd_names,
    )


@cache
def load_built() -> dict[str, BuiltFile]:
    """Every built file by name: few and small, so they are kept in memory, zipped too."""
    found: dict[str, BuiltFile] = {}
    for path in (BUILT / "assets").glob("*"):
        body = path.read_bytes()
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        found[path.name] = BuiltFile(kind, body, gzip.compress(body, 9, mtime=0))
    return found


@get("/static/build/assets/{name:str}", include_in_schema=False, opt={"scope": None})
async def show_built_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """A built script or style sheet, to be kept for ever."""
    file = load_built().get(name)
    if file is None:
        raise NotFound
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable",
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if accepts_gzip(request):
        return Response(file.zipped, media_type=file.kind, headers={**headers, "Content-Encoding": "gzip"})
    return Response(file.body, media_type=file.kind, headers=headers)


def static_routes() -> list[Any]:
    """The route of the built files, and the router of those that ship as they are."""
    return [
        show_favicon,
        show_built_file,
        _static_router("/static", STATIC, "static", CacheControlHeader(public=True, max_age=3600)),
    ]
