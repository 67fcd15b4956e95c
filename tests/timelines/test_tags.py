"""Hashtags that nobody screened: none reaches a profile or a search."""

from __future__ import annotations

from typing import Any

from tests.conftest import World

THREAT = "kill_yourself"


async def _found(world: World, who: str, text: str) -> list[str]:
    client = await world.client(who)
    answer = await client.get("/api/v2/search", params={"q": text, "type": "hashtags"})
    return [tag["name"] for tag in answer.json()["hashtags"]]


async def _featured(world: World, name: str) -> list[dict[str, Any]]:
    answer = await world.anonymous.get(f"/api/v1/accounts/{world.ids[name]}/featured_tags")
    found: list[dict[str, Any]] = answer.json()
    return found


async def test_a_tag_on_a_profile_is_screened_like_the_profile(world: World) -> None:
    client = await world.client("alice")
    for path, body in (("/api/v1/featured_tags", {"name": THREAT}), (f"/api/v1/tags/{THREAT}/feature", {})):
        refused = await client.post(path, json=body)
        assert refused.status_code == 422, refused.text
    assert await _featured(world, "alice") == []
    assert (await client.post("/api/v1/featured_tags", json={"name": "Gardening"})).status_code == 200
    assert (await client.post("/api/v1/featured_tags", json={"name": "gardening"})).status_code == 200, "it is there"
    assert [tag["name"] for tag in await _featured(world, "alice")] == ["Gardening"]
    async with world.instance.db.read() as tx:
        kept = await tx.fetch("SELECT outcome::text FROM screening_results WHERE revision = 0 ORDER BY id")
    assert kept[-1][0] in ("allow", "allow_flag")


async def test_search_finds_tags_of_public_posts_alone(world: World) -> None:
    client = await world.client("alice")
    assert (await client.post("/api/v1/tags/SecretWord/follow")).status_code == 200
    assert await _found(world, "bob", "secret") == []
    await world.post("alice", "psst #SecretParty @bob", visibility="direct")
    await world.post("alice", "for friends #SecretGarden", visibility="private")
    assert await _found(world, "bob", "secret") == []
    await world.post("alice", "for all #SecretWord")
    assert await _found(world, "bob", "secret") == ["SecretWord"]
