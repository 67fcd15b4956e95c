"""Events land in the partition of their month, also when it was made late."""

from __future__ import annotations

import asyncio

from parley.social.events.actions import make_event_partitions, make_partitions
from tests.conftest import World


async def test_events_caught_by_the_default_partition_move_when_their_month_is_made(world: World) -> None:
    await world.account("alice")
    async with world.instance.db.read() as tx:
        before = await tx.fetch("SELECT * FROM events ORDER BY id")
        assert await tx.fetchval("SELECT count(*) FROM events_default") == len(before) > 0
    await asyncio.gather(*(make_event_partitions(world.instance, {}) for _ in range(3)))
    async with world.instance.db.read() as tx:
        assert await tx.fetch("SELECT * FROM events ORDER BY id") == before
        assert await tx.fetchval("SELECT count(*) FROM events_default") == 0
        await make_partitions(tx)
    await world.account("bob")
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM events") > len(before)
        assert await tx.fetchval("SELECT count(*) FROM events_default") == 0
