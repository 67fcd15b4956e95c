"""What tests of notifications do again and again."""

from __future__ import annotations

from typing import Any

from tests.conftest import World

PATH = "/api/v1/notifications"


async def notifications(world: World, who: str, **params: Any) -> list[dict[str, Any]]:
    """What `who` is told, after every job has run."""
    await world.run_jobs()
    answer = await (await world.client(who)).get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def told(world: World, who: str, **params: Any) -> list[tuple[str, str]]:
    """(type, by whom), newest first, without the news that others signed up."""
    found = await notifications(world, who, **params)
    return [(one["type"], one["account"]["username"]) for one in found]
