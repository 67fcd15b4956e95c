"""Snapshots in a real S3-compatible store, from a folder of media and from a bucket of media."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.hosting.errors import SnapshotError
from parley.hosting.making import create_snapshot, list_snapshots
from parley.hosting.places import open_place
from parley.hosting.restoring import restore_snapshot
from parley.hosting.sealing import read_identity
from parley.hosting.verifying import verify_snapshot
from tests.conftest import World, open_world
from tests.hosting.stores import ENVIRONMENT, s3_server
from tests.hosting.test_snapshots import as_set, empty_dsn, filled
from tests.media.helpers import body

__all__ = ["empty_dsn", "filled"]


@pytest.fixture(scope="module")
def buckets() -> Iterator[str]:
    with s3_server("safe", "pictures") as url:
        yield url


@pytest.fixture(autouse=True)
def _credentials(buckets: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": buckets}.items():
        monkeypatch.setenv(name, value)


async def test_a_bucket_holds_a_snapshot_as_a_folder_does(
    filled: World, dsn: str, empty_dsn: str, tmp_path: Path
) -> None:
    made = await create_snapshot(filled.settings, dsn, "s3://safe/parley")
    assert made.key_file is not None
    identity = read_identity(str(made.key_file))
    whole = await verify_snapshot("s3://safe/parley", scratch=tmp_path, identity=identity)
    assert whole.opened
    # From a folder of media to a bucket of media: another machine, another kind of store.
    home = msgspec.structs.replace(
        filled.settings, data_dir=tmp_path / "elsewhere", database_url=empty_dsn, media_store="s3://pictures/new"
    )
    done = await restore_snapshot(home, as_set, "s3://safe/parley", identity=identity)
    assert done.files == made.manifest.files > 0
    posts = (await filled.anonymous.get(f"/api/v1/accounts/{filled.ids['alice']}/statuses")).json()
    picture: Any = next(post for post in posts if post["media_attachments"])["media_attachments"][0]["url"]
    before = await body(filled, picture)
    async with open_world(home, empty_dsn) as new:
        assert await body(new, picture) == before
    # And from a bucket of media back into a bucket.
    again = await create_snapshot(home, empty_dsn, "s3://safe/parley", keep=1)
    assert again.removed == 1
    assert await list_snapshots(open_place("s3://safe/parley")) == [again.manifest.snapshot]
    assert again.manifest.media_root != ""


async def test_an_object_that_is_gone_from_a_bucket_is_named(filled: World, dsn: str, tmp_path: Path) -> None:
    made = await create_snapshot(filled.settings, dsn, "s3://safe/damaged")
    victim = made.manifest.objects[3].name
    await open_place("s3://safe/damaged").delete(victim)
    with pytest.raises(SnapshotError, match=f"{victim} is missing"):
        await verify_snapshot("s3://safe/damaged", scratch=tmp_path)


async def test_a_store_that_cannot_be_reached_is_said_to_be(
    filled: World, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SnapshotError, match="could not be written to s3://nobody"):
        await create_snapshot(filled.settings, dsn, "s3://nobody/has-this")
    assert os.environ["AWS_ENDPOINT_URL"]
