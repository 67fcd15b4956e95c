"""Archives where files lie in a bucket: nothing needs to be on this machine's disk whole to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from parley.kit.settings import Settings
from tests.archives.helpers import browser_of, make_archive, note, post_picture, send_archive, take, zipped
from tests.archives.test_import_posts import ALL, statuses
from tests.conftest import World, open_world
from tests.hosting.stores import ENVIRONMENT, s3_server
from tests.media.samples import png


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    with s3_server("things") as url:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        yield Settings(
            name="Test",
            domain="localhost:3000",
            data_dir=tmp_path / "data",
            email_confirmation=False,
            rate_limits="off",
            read_pictures=False,
            database_connections=5,
            media_store="s3://things/files",
        )


async def test_a_member_takes_everything_away_and_brings_it_along_by_a_bucket(settings: Settings, dsn: str) -> None:
    async with open_world(settings, dsn) as world:
        await walk_through(world)


async def walk_through(world: World) -> None:
    browser = await browser_of(world, "alice")
    await post_picture(world, "alice", "look")
    archive = await make_archive(world, browser)
    assert any(name.startswith("media_attachments/") for name in archive.namelist())
    carol = await browser_of(world, "carol")
    attached = note(1, attachment=[{"type": "Document", "url": "media_attachments/a.png", "name": "x"}])
    page = await send_archive(world, carol, zipped([attached], {"media_attachments/a.png": png(30, 30)}))
    done = await take(world, carol, page, **ALL)
    assert "Done: 1 of 1 taken" in done.text, done.text
    shown = (await statuses(world, "carol"))[0]
    assert len(shown["media_attachments"]) == 1
    left = [name async for batch in world.instance.files.archives.list_all() for name, _ in batch]
    assert len(left) == 1, "the archive to take away; what was brought along is gone"
