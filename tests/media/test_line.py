"""Who waits for the decoding processes: nobody's files may keep other work from being done."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from parley.social.media import process
from parley.social.media.formats import MP4, PNG
from parley.social.media.results import Result
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import upload


async def test_a_file_that_finds_a_long_line_comes_back_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await world.client("alice")
    monkeypatch.setattr(process, "MOST_IN_LINE", 0)
    made = (await upload(client, samples.png())).json()
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{made['id']}")).status_code == 206
    monkeypatch.undo()
    async with world.instance.db.write() as tx:
        waiting = await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'process_media'")
        await tx.execute("UPDATE pgqueuer SET execute_after = now() WHERE entrypoint = 'process_media'")
    assert waiting == 1
    await world.run_jobs()
    assert (await client.get(f"/api/v1/media/{made['id']}")).status_code == 200


async def test_a_picture_does_not_wait_for_two_recordings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    begun: list[str] = []
    release = asyncio.Event()

    async def slow(task: Any) -> Result:
        begun.append(task.format)
        await release.wait()
        return Result()

    monkeypatch.setattr(process, "_run", slow)
    work = [
        asyncio.create_task(process.decode(tmp_path, expected, "attachment", tmp_path))
        for expected in (MP4, MP4, MP4, PNG)
    ]
    for _ in range(5):
        await asyncio.sleep(0)
    assert sorted(begun) == ["MP4", "PNG"]
    assert not process.is_crowded()
    release.set()
    await asyncio.gather(*work)
    assert begun.count("MP4") == 3
