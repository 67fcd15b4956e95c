"""A drill restores for real, uses what it restored, and finds what is wrong."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.commands.drill import Member
from parley.hosting import drills
from parley.hosting.drills import Expected, drill_snapshot
from parley.hosting.errors import SnapshotError
from parley.hosting.hosts.store import get_meta
from parley.hosting.jobs import make_nightly_snapshot
from parley.hosting.making import list_snapshots
from parley.hosting.places import open_place
from parley.hosting.sealing import read_identity
from parley.kit.db import connect
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of
from tests.conftest import PASSWORD, World, own_database
from tests.hosting.test_snapshots import Saved, filled, saved
from tests.web.forms import sign_in

__all__ = ["filled", "saved"]


class Watchful(Member):
    """A member who looks whether anything can be written."""

    before = ""
    health = 0

    async def sign_in(self, dsn: str, scratch: Settings) -> None:
        """Remember where the database is."""
        await super().sign_in(dsn, scratch)
        self._dsn = dsn

    async def look_around(self, base: str, expected: Expected) -> dict[str, Any]:
        """Ask the app, and a new connection to its database."""
        connection = await connect(self._dsn)
        self.before = await connection.fetchval("SHOW default_transaction_read_only")
        await connection.close()
        async with httpx.AsyncClient(base_url=base) as client:
            self.health = (await client.get("/health")).status_code
        return await super().look_around(base, expected)


async def test_a_drill_restores_signs_in_and_compares(saved: Saved) -> None:
    identity = read_identity(saved.key.strip().splitlines()[-1])
    visitor = Watchful()
    done = await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=visitor)
    assert done.rows == saved.manifest.rows
    assert done.files == done.files_compared == saved.manifest.files > 0
    assert done.visited == {"signed_in": True, "posts": 2, "media": 1}
    assert visitor.before == "on", "the database took no writes when the app was started"
    assert visitor.health == 503
    assert done.signer == saved.manifest.signer == public_key_of(saved.world.settings).hex()
    assert done.recovery_seconds >= done.restore_seconds > 0
    left = [path for path in saved.world.settings.path("tmp").rglob("*") if path.is_file()]
    assert left == [], "nothing of it stays"


class Suspicious(Member):
    """A member who finds something wrong."""

    async def look_around(self, base: str, expected: Expected) -> dict[str, object]:
        """Say so."""
        raise SnapshotError("The home page is empty.")


async def test_a_drill_that_finds_something_wrong_fails_and_cleans_up(saved: Saved) -> None:
    identity = read_identity(saved.key.strip().splitlines()[-1])
    with pytest.raises(SnapshotError, match="home page is empty"):
        await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=Suspicious())
    assert not [path for path in saved.world.settings.path("tmp").rglob("*") if path.is_file()]


async def test_a_drill_finds_a_file_that_is_not_of_the_snapshot(saved: Saved) -> None:
    class Misled(Member):
        """A member who expects other files."""

        async def look_around(self, base: str, expected: Expected) -> dict[str, Any]:
            """Compare with nothing."""
            return await super().look_around(base, msgspec.structs.replace(expected, files=frozenset()))

    identity = read_identity(saved.key.strip().splitlines()[-1])
    with pytest.raises(SnapshotError, match="is no file of the snapshot"):
        await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=Misled())


def test_a_drill_finds_an_instance_with_another_key(saved: Saved, tmp_path: Path) -> None:
    drills._check_signs(saved.world.settings, saved.manifest)
    with pytest.raises(SnapshotError, match="nobody could check any more what the instance has signed"):
        drills._check_signs(Settings(data_dir=tmp_path / "another"), saved.manifest)


async def test_a_drill_says_why_the_app_does_not_start(saved: Saved, monkeypatch: pytest.MonkeyPatch) -> None:
    class Careless(Member):
        """A member who loses what the app needs at its start."""

        async def sign_in(self, dsn: str, scratch: Settings) -> None:
            """Lose it."""
            self._host = scratch.local_domain
            connection = await connect(dsn)
            await connection.execute("DROP TABLE policy_activations CASCADE")
            await connection.close()

    monkeypatch.setattr(drills, "START_SECONDS", 20.0)
    identity = read_identity(saved.key.strip().splitlines()[-1])
    with pytest.raises(SnapshotError, match="did not start read-only"):
        await drill_snapshot(saved.world.settings, str(saved.folder), identity=identity, visitor=Careless())


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
