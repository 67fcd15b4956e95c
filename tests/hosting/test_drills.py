"""A drill restores for real, uses what it restored, and finds what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.commands.drill import Member
from parley.hosting.drills import drill_snapshot
from parley.hosting.errors import SnapshotError
from parley.hosting.hosts.store import get_meta
from parley.hosting.jobs import make_nightly_snapshot
from parley.hosting.making import list_snapshots
from parley.hosting.places import open_place
from parley.hosting.sealing import read_identity
from parley.kit.db import connect
from tests.conftest import PASSWORD, World, own_database
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


def test_a_snapshot_that_is_made_by_hand_is_noted_like_those_of_the_night(
    postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with own_database(postgres) as dsn:
        monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
        monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
        made = CliRunner().invoke(app, ["snapshot", "create", "--to", str(tmp_path / "place"), "--json"])
        assert made.exit_code == 0, made.output
        failed = CliRunner().invoke(app, ["snapshot", "create", "--to", "ftp://example.org/"])
        assert failed.exit_code == 1
        said = json.loads(made.stdout)

        async def read() -> tuple[list[Any], Any]:
            connection = await connect(dsn)
            try:
                rows = await connection.fetch("SELECT kind, ok, seconds, detail FROM hosting_records ORDER BY id")
                return rows, await get_meta(connection)
            finally:
                await connection.close()

        (good, bad), meta = asyncio.run(read())
    assert (good["kind"], good["ok"]) == ("snapshot", True)
    assert good["seconds"] > 0
    assert good["detail"]["snapshot"] == said["snapshot"]
    assert good["detail"]["to"] == said["to"]
    assert (bad["kind"], bad["ok"]) == ("snapshot", False)
    assert "neither a folder nor" in bad["detail"]["error"]
    assert meta.last_snapshot is not None  # what the plan of a move looks at
    asyncio.set_event_loop(asyncio.new_event_loop())
