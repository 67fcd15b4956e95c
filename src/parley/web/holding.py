"""/status: the instance's own copy of its holding page, with the feed and the signed JSON; and the same page as the
answer to people who ask for something that cannot be done now.

What was announced stands in a file. Whether the instance takes writes is known by the database alone: it is asked now
and then, for a moment, and when it does not answer, that is the news.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from litestar import get
from litestar.params import FromPath
from litestar.response import Response

from parley.hosting.holding import Announcement, State, holding_files, page_policy, render_notice
from parley.kit.clock import now
from parley.kit.db import Database
from parley.kit.errors import NotFound, ReadOnly, Unavailable
from parley.kit.http import instance_of
from parley.web.visits import AnyRequest

SHORT = {"Cache-Control": "public, max-age=30"}
SHORTEST = {"Cache-Control": "public, max-age=5"}

LOOK_SECONDS = 2.0
"""So long the database's answer is believed, by everybody who asks for the page."""

ANSWER_SECONDS = 1.0

READ_ONLY = "This instance can only be read right now"
LOST = "The database does not answer right now"


class _Looks:
    """What was found out about a database, since when, and until when that is believed."""

    def __init__(self) -> None:
        self.until = 0.0
        self.found: State | None = None
        self.since: datetime | None = None
        self.looking: asyncio.Task[None] | None = None

    async def look(self, db: Database) -> None:
        """Ask, at most for ANSWER_SECONDS."""
        found: State | None = None
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = "read_only" if await db.is_read_only() else None
        except Exception:  # whatever it is: there is no answer, and the page must be there all the same
            found = "degraded"
        if found != self.found:
            self.found, self.since = found, now()
        self.until = time.monotonic() + LOOK_SECONDS


_looks: WeakKeyDictionary[Database, _Looks] = WeakKeyDictionary()


async def find_trouble(db: Database) -> Announcement | None:
    """What members should know of the database; None when it takes writes. Many who ask at once ask it once."""
    looks = _looks.setdefault(db, _Looks())
    if looks.until < time.monotonic():
        if looks.looking is None or looks.looking.done():
            looks.looking = asyncio.create_task(looks.look(db))
        await asyncio.shield(looks.looking)
    if looks.found is None or looks.since is None:
        return None
    title = f"{READ_ONLY}." if looks.found == "read_only" else f"{LOST}."
    # One entry a day: each process of the instance finds it out at another second, and feed readers show it once.
    name = f"{looks.found}-{looks.since:%Y-%m-%d}"
    return Announcement(id=name, at=looks.since, state=looks.found, title=title, text="Nothing is lost.")


async def render_refusal(request: AnyRequest, error: Unavailable) -> Response[Any]:
    """The holding page with the sentence of an error: nothing but a file is asked for it."""
    settings = instance_of(request).settings
    looks = _looks.setdefault(instance_of(request).db, _Looks())
    looks.until = 0.0  # whoever looks at /status next sees it too
    trouble = Announcement(
        id="now",
        at=now(),
        state="read_only" if isinstance(error, ReadOnly) else "degraded",
        title=error.text,
        text="" if request.method in ("GET", "HEAD") else "What you sent was not kept. Go back to have it again.",
    )
    page = await asyncio.to_thread(render_notice, settings, trouble)
    return Response(
        page,
        status_code=error.status,
        media_type="text/html; charset=utf-8",
        headers={"Cache-Control": "no-store", "Content-Security-Policy": page_policy()},
    )


@get("/status")
async def show_holding(request: AnyRequest) -> Response[bytes]:
    """The page. It is there when the database is not."""
    return await _file(request, "index.html")


@get("/status/{name:str}")
async def show_holding_file(request: AnyRequest, name: FromPath[str]) -> Response[bytes]:
    """The feed, the JSON and its signature."""
    return await _file(request, name)


async def _file(request: AnyRequest, name: str) -> Response[bytes]:
    instance = instance_of(request)
    trouble = await find_trouble(instance.db)
    files = await asyncio.to_thread(holding_files, instance.settings, folder="status/", trouble=trouble)
    if name not in files:
        raise NotFound
    data, content_type = files[name]
    headers = {**(SHORT if trouble is None else SHORTEST), "Content-Security-Policy": page_policy()}
    return Response(data, media_type=content_type, headers=headers)


routes = [show_holding, show_holding_file]
