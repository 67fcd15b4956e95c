"""The built scripts, styles and icons: where they are, and the routes that serve them.

Files under /static/build/assets carry a hash of their content in their name and may be kept for ever.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from litestar import Router, get
from litestar.datastructures import CacheControlHeader
from litestar.response import Redirect
from litestar.static_files import create_static_files_router
from markupsafe import Markup

from parley.kit.errors import NotFound
from parley.web.visits import AnyRequest

STATIC = Path(__file__).parent / "static"
BUILT = STATIC / "build"
ENTRY = "src/main.ts"
_PLAIN_PATH = re.compile(r"/static/[\w./-]{1,150}", re.ASCII)


class AssetsMissing(RuntimeError):
    """The assets were never built; the text says how to build them."""


class Assets(msgspec.Struct, frozen=True):
    """Addresses of the built files, and the icons as symbols to write into a page."""

    script: str
    styles: tuple[str, ...]
    icons: Markup


@cache
def load_assets() -> Assets:
    """What the build left. Raises AssetsMissing."""
    try:
        manifest = msgspec.json.decode((BUILT / "manifest.json").read_bytes())
        icons = (BUILT / "icons.svg").read_text()
    except FileNotFoundError as error:
        raise AssetsMissing("The page assets are not built: run `python -m parley.web.build` once.") from error
    entry = manifest[ENTRY]
    # The icons are files of ours, made by the build; nothing that anybody typed is in them.
    return Assets(
        script=f"/static/build/{entry['file']}",
        styles=tuple(f"/static/build/{name}" for name in entry.get("css", [])),
        icons=Markup(icons),  # noqa: S704
    )


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
    folder.mkdir(parents=True, exist_ok=True)
    return create_static_files_router(
        path=path,
        directories=[folder],
        name=name,
        cache_control=cache_control,
        opt=opt,
        before_request=refuse_odd_names,
    )


def static_routes() -> list[Any]:
    """The routers of the static files, the one for ever first."""
    return [
        show_favicon,
        _static_router(
            "/static/build/assets",
            BUILT / "assets",
            "built_assets",
            CacheControlHeader(public=True, max_age=31_536_000, immutable=True),
        ),
        _static_router("/static", STATIC, "static", CacheControlHeader(public=True, max_age=3600)),
    ]
