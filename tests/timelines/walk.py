"""What tests of timelines do again and again."""

from __future__ import annotations

import re
from typing import Any

import httpx

from tests.conftest import World

HOME = "/api/v1/timelines/home"
PUBLIC = "/api/v1/timelines/public"


async def fetch(client: httpx.AsyncClient, path: str, **params: Any) -> list[dict[str, Any]]:
    """The statuses of one page."""
    answer = await client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(world: World, who: str | None, path: str, **params: Any) -> list[str]:
    """The ids of one page, as `who` (None: signed out) sees it."""
    client = world.anonymous if who is None else await world.client(who)
    return [status["id"] for status in await fetch(client, path, **params)]


async def home(world: World, who: str) -> list[str]:
    """The ids on the first page of a home, after every job has run."""
    await world.run_jobs()
    return await ids(world, who, HOME)


def link(answer: httpx.Response, rel: str) -> str | None:
    """The target of one relation in a Link header."""
    found = re.search(rf'<([^>]+)>; rel="{rel}"', answer.headers.get("link", ""))
    return found.group(1) if found else None


async def walk(client: httpx.AsyncClient, path: str, rel: str) -> list[list[str]]:
    """Pages of ids by following Link headers from `path` on until an empty page."""
    pages: list[list[str]] = []
    target: str | None = path
    while target is not None:
        answer = await client.get(target)
        assert answer.status_code == 200, answer.text
        if answer.json():
            pages.append([one["id"] for one in answer.json()])
        target = link(answer, rel)
        assert len(pages) < 100
    return pages


async def act(world: World, who: str, path: str, **params: Any) -> Any:
    """`who` posts to `path`; returns the JSON."""
    answer = await (await world.client(who)).post(path, json=params)
    assert answer.status_code == 200, answer.text
    return answer.json()
