"""People and shortcuts for the tests of statuses."""

from __future__ import annotations

import io
from typing import Any

import httpx

from tests.conftest import World
from tests.oracle import assert_entity

THREAT = "I will kill you"
"""Rejected by the shipped policy."""
DOUBTFUL = "kill yourself"
"""Held by the shipped policy, for everybody but staff."""
STACKED = "he" + "\u0301\u0302\u0303\u0304\u0306\u0307\u0308\u030a\u030b\u030c" * 6 + "llo"
"""Published but limited."""
LINK = "https://example.org/"
"""Held in first posts of new accounts."""


async def known(world: World, *names: str) -> None:
    """Members who have posted before, so that the rules for newcomers do not apply to them."""
    for name in names:
        account_id = await world.account(name)
        async with world.instance.db.write() as tx:
            await tx.execute("UPDATE account_stats SET statuses_count = 100 WHERE account_id = $1", account_id)


async def ask(world: World, name: str | None, method: str, path: str, **params: Any) -> httpx.Response:
    """A request below /api/v1 as `name` (None: signed out)."""
    client = world.anonymous if name is None else await world.client(name)
    return await client.request(method, f"/api/v1{path}", **params)


async def act(world: World, name: str, status_id: str, verb: str, **params: Any) -> dict[str, Any]:
    """`POST /statuses/:id/:verb`, which must succeed and answer with a Status."""
    answer = await ask(world, name, "POST", f"/statuses/{status_id}/{verb}", **params)
    assert answer.status_code == 200, answer.text
    assert_entity("Status", answer.json())
    return answer.json()


async def read(world: World, name: str | None, status_id: str) -> dict[str, Any]:
    """The status as `name` sees it; it must be visible."""
    answer = await ask(world, name, "GET", f"/statuses/{status_id}")
    assert answer.status_code == 200, answer.text
    assert_entity("Status", answer.json())
    return answer.json()


async def sees(world: World, name: str | None, status_id: str) -> bool:
    """Whether `name` can open the status."""
    answer = await ask(world, name, "GET", f"/statuses/{status_id}")
    assert answer.status_code in (200, 404), answer.text
    return answer.status_code == 200


async def count(world: World, query: str, *values: Any) -> int:
    """One number from the database, for what the API does not show."""
    async with world.instance.db.read() as tx:
        return int(await tx.fetchval(query, *values))


async def upload(world: World, name: str, description: str = "", colour: str = "red") -> str:
    """A small picture, uploaded and processed; its id."""
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (32, 24), colour).save(data, "PNG")
    client = await world.client(name)
    answer = await client.post(
        "/api/v2/media", files={"file": ("a.png", data.getvalue(), "image/png")}, data={"description": description}
    )
    assert answer.status_code in (200, 202), answer.text
    await world.run_jobs()
    return str(answer.json()["id"])
