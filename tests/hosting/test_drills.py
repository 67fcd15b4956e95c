"""A drill restores for real, uses what it restored, and finds what is wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import pytest

from parley.commands.drill import Member
from parley.hosting.drills import drill_snapshot
from parley.hosting.errors import SnapshotError
from parley.hosting.jobs import make_nightly_snapshot
from parley.hosting.making import list_snapshots
from parley.hosting.places import open_place
from parley.hosting.sealing import read_identity
from tests.conftest import PASSWORD, World
from tests.hosting.test_snapshots import Saved, filled, saved
from tests.web.forms import sign_in

__all__ = ["filled", "saved"]


async def test_a_drill_restores_signs_in_and_compares(saved: Saved) -> None:
    identity = read_identity(saved.key.strip().splitlines()[-1])
    done = await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=Member())
    assert done.rows == saved.manifest.rows
    assert done.files == done.files_compared == saved.manifest.files > 0
    assert done.visited == {"signed_in": True, "posts": 2}
    assert done.recovery_seconds >= done.restore_seconds > 0
    left = [path for path in saved.world.settings.path("tmp").rglob("*") if path.is_file()]
    assert left == [], "nothing of it stays"


class Suspicious(Member):
    """A member who finds something wrong."""

    async def look_around(self, base: str) -> dict[str, object]:
        """Say so."""
        raise SnapshotError("The home page is empty.")


async def test_a_drill_that_finds_something_wrong_fails_and_cleans_up(saved: Saved) -> None:
    identity = read_identity(saved.key.strip().splitlines()[-1])
    with pytest.raises(SnapshotError, match="home page is empty"):
        await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=Suspicious())
    assert not [path for path in saved.world.settings.path("tmp").rglob("*") if path.is_file()]


async def test_a_snapshot_is_made_at_night_and_the_operator_sees_it(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "nightly"
    instance = world.instance
    await make_nightly_snapshot(instance, {})
    assert not folder.exists(), "nothing is made where nothing is set"
    settings = msgspec.structs.replace(instance.settings, snapshot_to=str(folder), snapshot_keep=2)
    nightly = dataclasses.replace(instance, settings=settings)
    for _ in range(3):
        await make_nightly_snapshot(nightly, {})
    assert len(await list_snapshots(open_place(str(folder)))) == 2
    await world.account("olga", role="owner")
    page = await (await sign_in(world.browser(), "olga", PASSWORD)).get("/operator")
    assert "Last snapshot" in page.text
    metrics = await world.anonymous.get("/metrics")
    assert 'parley_host_age_seconds{kind="snapshot",ok="true"}' in metrics.text


async def test_a_snapshot_that_cannot_be_made_at_night_is_seen_too(world: World) -> None:
    instance = world.instance
    settings = msgspec.structs.replace(instance.settings, snapshot_to="ftp://example.org/")
    nightly = dataclasses.replace(instance, settings=settings)
    with pytest.raises(SnapshotError, match="neither a folder nor"):
        await make_nightly_snapshot(nightly, {})
    metrics = await world.anonymous.get("/metrics")
    assert 'parley_host_age_seconds{kind="snapshot",ok="false"}' in metrics.text
