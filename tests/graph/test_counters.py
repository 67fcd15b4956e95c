"""Whatever people do to each other at the same time, the counters are what the rows say."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.conftest import World

PEOPLE = ("alice", "bob", "carol", "dave", "erin")
VERBS = ("follow", "follow", "follow", "unfollow", "block", "unblock", "remove_from_followers", "mute", "endorse")

COUNTED = """
    SELECT a.username, s.followers_count, s.following_count,
           (SELECT count(*) FROM follows f WHERE f.target_id = a.id),
           (SELECT count(*) FROM follows f WHERE f.account_id = a.id)
    FROM accounts a JOIN account_stats s ON s.account_id = a.id
"""
FOLLOWS_ACROSS_BLOCKS = """
    SELECT count(*) FROM follows f JOIN blocks b
        ON (b.account_id, b.target_id) IN ((f.account_id, f.target_id), (f.target_id, f.account_id))
"""
FOLLOWED_AND_ASKED = """
    SELECT count(*) FROM follows f JOIN follow_requests q ON (q.account_id, q.target_id) = (f.account_id, f.target_id)
"""


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_counters_are_exact_after_a_storm(world: World, seed: int) -> None:
    chance = random.Random(seed)
    for name in PEOPLE:
        await world.account(name)
    clients = {name: await world.client(name) for name in PEOPLE}
    await clients["erin"].patch("/api/v1/accounts/update_credentials", json={"locked": True})
    for _ in range(12):
        calls = []
        for _ in range(15):
            who, whom = chance.sample(PEOPLE, 2)
            path = f"/api/v1/accounts/{world.ids[whom]}/{chance.choice(VERBS)}"
            calls.append(clients[who].post(path))
        asker = world.ids[chance.choice(PEOPLE[:4])]
        calls.append(clients["erin"].post(f"/api/v1/follow_requests/{asker}/authorize"))
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} <= {200, 403, 404, 422}
    async with world.instance.db.read() as tx:
        rows = await tx.fetch(COUNTED)
        assert {row[0]: (row[1], row[2]) for row in rows} == {row[0]: (row[3], row[4]) for row in rows}
        assert sum(row[1] for row in rows) > 0
        assert await tx.fetchval(FOLLOWS_ACROSS_BLOCKS) == 0
        assert await tx.fetchval(FOLLOWED_AND_ASKED) == 0
