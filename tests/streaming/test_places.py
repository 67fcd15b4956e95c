"""Places for listeners: visitors who are signed out cannot take those of members."""

from __future__ import annotations

import asyncio

import pytest

from parley.social.timelines import live
from tests.conftest import World
from tests.sessions.pages import sign_in


async def test_strangers_leave_room_for_members(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST_SIGNED_OUT", 2)
    await world.account("alice")
    member = await sign_in(world, "alice")
    browsers = [world.browser() for _ in range(3)]
    strangers = [asyncio.create_task(browser.get("/live/local", timeout=30)) for browser in browsers]
    listening = asyncio.create_task(member.get("/live/home", timeout=30))
    try:
        await asyncio.wait(strangers, timeout=20, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0.5)
        assert sum(task.done() for task in strangers) == 1
        assert not listening.done()
    finally:
        for task in (*strangers, listening):
            task.cancel()
        await asyncio.gather(*strangers, listening, return_exceptions=True)
