"""Polls: voting once, hidden totals, the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import time_travel
from parley.social.statuses.jobs import close_polls
from tests.conftest import World
from tests.oracle import assert_matches
from tests.statuses.cast import ask, count, read


async def poll_of(world: World, **params: Any) -> dict[str, Any]:
    poll = {"options": ["tea", "coffee", "water"], "expires_in": 600, **params}
    return (await world.post("alice", "what?", poll=poll))["poll"]


async def vote(world: World, name: str, poll_id: str, *choices: int) -> Any:
    return await ask(world, name, "POST", f"/polls/{poll_id}/votes", json={"choices": list(choices)})


async def test_a_member_votes_once(world: World) -> None:
    poll = await poll_of(world)
    voted = assert_matches(None, await vote(world, "bob", poll["id"], 1))
    assert (voted["voted"], voted["own_votes"], voted["votes_count"]) == (True, [1], 1)
    assert [option["votes_count"] for option in voted["options"]] == [0, 1, 0]
    assert (await vote(world, "bob", poll["id"], 0)).status_code == 422
    seen = assert_matches(None, await ask(world, None, "GET", f"/polls/{poll['id']}"))
    assert "voted" not in seen
    assert seen["voters_count"] == 1


@pytest.mark.parametrize("choices", [(), (3,), (-1,), (0, 1)])
async def test_impossible_votes_are_refused(world: World, choices: tuple[int, ...]) -> None:
    poll = await poll_of(world)
    assert (await vote(world, "bob", poll["id"], *choices)).status_code == 422
    assert (await vote(world, "alice", poll["id"], 0)).status_code == 422, "the own poll"


async def test_several_choices_where_that_is_allowed(world: World) -> None:
    poll = await poll_of(world, multiple=True)
    voted = (await vote(world, "bob", poll["id"], 2, 0, 2)).json()
    assert (voted["own_votes"], voted["votes_count"], voted["voters_count"]) == ([0, 2], 2, 1)


async def test_votes_are_exact_when_many_vote_at_once(world: World) -> None:
    poll = await poll_of(world)
    names = [f"voter{n}" for n in range(8)]
    for name in names:
        await world.client(name)
    answers = await asyncio.gather(*(vote(world, name, poll["id"], n % 3) for n, name in enumerate(names * 2)))
    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [422] * 8
    seen = (await ask(world, None, "GET", f"/polls/{poll['id']}")).json()
    assert (seen["votes_count"], seen["voters_count"]) == (8, 8)


async def test_hidden_totals_show_at_the_end(world: World) -> None:
    poll = await poll_of(world, hide_totals=True)
    voted = (await vote(world, "bob", poll["id"], 0)).json()
    assert [option["votes_count"] for option in voted["options"]] == [None, None, None]
    with time_travel(timedelta(minutes=11)):
        ended = (await ask(world, "bob", "GET", f"/polls/{poll['id']}")).json()
        assert ended["expired"] is True
        assert [option["votes_count"] for option in ended["options"]] == [1, 0, 0]
        assert (await vote(world, "remi", poll["id"], 0)).status_code == 422


async def test_a_poll_is_seen_by_those_who_see_its_status(world: World) -> None:
    status = await world.post("alice", "what?", poll={"options": ["a", "b"], "expires_in": 600}, visibility="private")
    poll_id = status["poll"]["id"]
    for name in (None, "bob"):
        assert (await ask(world, name, "GET", f"/polls/{poll_id}")).status_code == 404
    assert (await vote(world, "bob", poll_id, 0)).status_code == 404
    await world.follow("bob", "alice")
    assert (await vote(world, "bob", poll_id, 0)).status_code == 200


async def test_the_end_of_a_poll_is_told_once(world: World) -> None:
    await poll_of(world)
    told = "SELECT count(*) FROM events WHERE type = 'PollClosed'"
    await close_polls(world.instance, {})
    assert await count(world, told) == 0
    with time_travel(timedelta(minutes=11)):
        await close_polls(world.instance, {})
        await close_polls(world.instance, {})
    assert await count(world, told) == 1


async def test_the_status_shows_the_viewers_votes(world: World) -> None:
    status = await world.post("alice", "what?", poll={"options": ["a", "b"], "expires_in": 600})
    await vote(world, "bob", status["poll"]["id"], 1)
    assert (await read(world, "bob", status["id"]))["poll"]["own_votes"] == [1]
    assert (await read(world, "remi", status["id"]))["poll"]["voted"] is False
