"""A boost that is taken back leaves open clients too."""

from __future__ import annotations

from tests.conftest import World
from tests.streaming.ears import events, next_event
from tests.timelines.walk import act


async def test_a_boost_arrives_and_leaves_again(world: World) -> None:
    await world.follow("bob", "alice")
    post = await world.post("carol", "Boost me")
    await world.run_jobs()
    async with events(world, "bob", "user") as ear:
        boost = await act(world, "alice", f"/api/v1/statuses/{post['id']}/reblog")
        await world.run_jobs()
        name, status = await next_event(ear)
        assert (name, status["id"], status["reblog"]["id"]) == ("update", boost["id"], post["id"])
        await act(world, "alice", f"/api/v1/statuses/{post['id']}/unreblog")
        await world.run_jobs()
        assert await next_event(ear) == ("delete", boost["id"])
