"""Profiles and descriptions that a judge in trouble let through are taken back once it is well again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from parley import screening
from parley.social.verdicts.jobs import rescreen_degraded
from tests.conftest import World
from tests.notifications.told import notifications
from tests.statuses.cast import THREAT, ask, known


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`judge(False)` breaks the judge, `judge(True)` heals it."""
    real = screening.judge

    def broken(*_: Any) -> Any:
        raise RuntimeError("the judge is not well")

    return lambda well: monkeypatch.setattr(screening, "judge", real if well else broken)


async def _profile(world: World, **fields: Any) -> httpx.Response:
    return await ask(world, "alice", "PATCH", "/accounts/update_credentials", json=fields)


async def _second_screening(world: World) -> None:
    await rescreen_degraded(world.instance, {})
    await world.run_jobs()


async def _warnings(world: World) -> list[str]:
    found = await notifications(world, "alice", **{"types[]": "moderation_warning"})
    return [one["moderation_warning"]["text"] for one in found]


async def test_a_profile_that_a_broken_judge_let_through_is_taken_back_and_its_author_told(
    world: World, judge: Any
) -> None:
    await known(world, "alice")
    assert (await _profile(world, note="I bake bread")).status_code == 200
    judge(False)
    assert (await _profile(world, note=THREAT, display_name="Al")).status_code == 200
    path = f"/accounts/{world.ids['alice']}"
    assert "kill" in (await ask(world, None, "GET", path)).json()["note"], "as long as nobody knows better"
    judge(True)
    await _second_screening(world)
    shown = (await ask(world, None, "GET", path)).json()
    assert (shown["note"], shown["display_name"]) == ("", "")
    (warning,) = await _warnings(world)
    assert warning.startswith("Your profile is hidden for now.")
    assert len(warning) > 40, "it says why"
    await _second_screening(world)
    assert len(await _warnings(world)) == 1
    assert (await _profile(world, note="I bake bread", display_name="Al")).status_code == 200
    assert "bread" in (await ask(world, None, "GET", path)).json()["note"]


async def test_a_profile_that_was_held_for_caution_is_shown_and_an_innocent_one_stays(world: World, judge: Any) -> None:
    await world.account("alice", age_days=0)
    judge(False)
    assert (await _profile(world, note="I bake bread")).status_code == 200
    path = f"/accounts/{world.ids['alice']}"
    assert (await ask(world, None, "GET", path)).json()["note"] == ""
    judge(True)
    await _second_screening(world)
    assert "bread" in (await ask(world, None, "GET", path)).json()["note"]
    assert await _warnings(world) == []


async def test_a_description_that_a_broken_judge_let_through_is_taken_back(world: World, judge: Any) -> None:
    from tests.media import samples
    from tests.media.helpers import upload

    await known(world, "alice")
    client = await world.client("alice")
    media = (await upload(client, samples.jpeg(), description="A loaf")).json()
    await world.run_jobs()
    judge(False)
    assert (await client.put(f"/api/v1/media/{media['id']}", json={"description": THREAT})).status_code == 200
    judge(True)
    await _second_screening(world)
    async with world.instance.db.read() as tx:
        shown = await tx.fetchval("SELECT description FROM media WHERE id = $1", int(media["id"]))
    assert shown == "A loaf"
    own = (await client.get(f"/api/v1/media/{media['id']}")).json()
    assert (own["description"], own["moderation"]["state"]) == (THREAT, "held")
    (warning,) = await _warnings(world)
    assert warning.startswith("The description of a file is hidden for now.")
