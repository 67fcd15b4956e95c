"""Who may be reported: whoever said something to the reporter, whatever that person did afterwards."""

from __future__ import annotations

from typing import Any

from tests.conftest import World


async def _report(world: World, who: str, status: dict[str, Any]) -> int:
    client = await world.client(who)
    form = {"account_id": status["account"]["id"], "status_ids": [status["id"]]}
    return (await client.post("/api/v1/reports", json=form)).status_code


async def test_blocking_somebody_puts_nobody_out_of_reach_of_a_report(world: World) -> None:
    for name in ("alice", "bob"):
        await world.account(name)
    shown = await world.post("spam_sam", "you fool")
    aside = await world.post("spam_sam", "@alice you fool", visibility="direct")
    other = await world.post("spam_sam", "@bob alice is a fool", visibility="direct")
    friends = await world.post("spam_sam", "all are fools", visibility="private")
    client = await world.client("spam_sam")
    assert (await client.post(f"/api/v1/accounts/{world.ids['alice']}/block")).status_code == 200
    alice = await world.client("alice")
    for status in (shown, aside):
        assert (await alice.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
        assert await _report(world, "alice", status) == 200
    for status in (other, friends):
        assert await _report(world, "alice", status) == 404, "what was never for the reporter stays out of reach"
    async with world.instance.db.read() as tx:
        texts = await tx.fetchval("SELECT array_agg(evidence -> 'statuses' -> 0 ->> 'text' ORDER BY id) FROM reports")
    assert texts == ["you fool", "@alice you fool"]
