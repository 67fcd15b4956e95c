"""How well an author is known: by what the author wrote, not by what the author passed on."""

from __future__ import annotations

from tests.conftest import World
from tests.statuses.cast import LINK, act, ask, known


async def test_boosts_earn_nobody_trust(world: World) -> None:
    await known(world, "bob")
    await world.account("spam_sam", age_days=1)
    boosted = [await world.post("bob", f"Good news, part {n}") for n in range(8)]
    for status in boosted:
        await act(world, "spam_sam", status["id"], "reblog")
    held = await world.post("spam_sam", f"Now buy this {LINK}")
    assert held["moderation"]["state"] == "held"
    sam = (await ask(world, None, "GET", f"/accounts/{world.ids['spam_sam']}")).json()
    assert sam["statuses_count"] == 8, "they are shown among the posts all the same"
    for status in boosted:
        await act(world, "spam_sam", status["id"], "unreblog")
    async with world.instance.db.read() as tx:
        counters = await tx.fetchrow(
            "SELECT statuses_count, boosts_count FROM account_stats WHERE account_id = $1", world.ids["spam_sam"]
        )
    assert tuple(counters) == (0, 0)


async def test_own_posts_earn_trust(world: World) -> None:
    await world.account("alice", age_days=1)
    for n in range(8):
        await world.post("alice", f"A post of my own, part {n}")
    assert "moderation" not in await world.post("alice", f"Read this {LINK}")
