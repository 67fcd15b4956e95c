"""How much one member may store."""

from __future__ import annotations

import msgspec
import pytest

from parley.kit.settings import Settings
from tests.conftest import World, open_world
from tests.media import samples
from tests.media.helpers import upload


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A world in which a member may store one MiB."""
    return msgspec.structs.replace(settings, member_storage_mb=1)


async def test_a_member_stores_only_so_much_and_is_told_what_to_do(world: World) -> None:
    alice = await world.client("alice")
    large = samples.jpeg() + b"\0" * 700_000
    first = await upload(alice, large)
    assert first.status_code == 202
    waiting = await upload(alice, large)
    assert waiting.status_code == 422, "what waits to be cleaned counts as it was sent"
    assert "you store 0.7 MiB here, and each member may store 1.0 MiB" in waiting.json()["error"]
    assert "Delete posts with media" in waiting.json()["error"]
    assert (await upload(await world.client("bob"), large)).status_code == 202, "each has a store of their own"
    picture = {"avatar": ("a.jpg", large, "image/jpeg")}
    refused = await alice.patch("/api/v1/accounts/update_credentials", files=picture)
    assert refused.status_code == 422
    await world.run_jobs()
    assert (await upload(alice, large)).status_code == 202, "cleaned, it is small"


async def test_what_is_deleted_makes_room(world: World) -> None:
    alice = await world.client("alice")
    media = (await upload(alice, samples.jpeg())).json()
    await world.run_jobs()
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE files SET size_bytes = 2000000 WHERE account_id = $1", world.ids["alice"])
    assert (await upload(alice, samples.jpeg())).status_code == 422
    assert (await alice.delete(f"/api/v1/media/{media['id']}")).status_code == 200
    assert (await upload(alice, samples.jpeg())).status_code == 202


async def test_zero_is_no_limit(settings: Settings, dsn: str) -> None:
    large = samples.jpeg() + b"\0" * 700_000
    async with open_world(msgspec.structs.replace(settings, member_storage_mb=0), dsn) as world:
        alice = await world.client("alice")
        assert [(await upload(alice, large)).status_code for _ in range(2)] == [202, 202]
