"""The bytes of finished files: stored once for each content, under many names, and deleted with the last of them."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import NotFound
from parley.kit.files import is_file_name
from parley.social.media import contents, jobs
from parley.social.media.process import store_made
from parley.social.media.reads import save_file
from parley.social.media.results import FileMade
from parley.social.media.store_files import FileRow
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import body, fetched, files_stored, upload

DAY = timedelta(days=1, minutes=1)


async def ready(world: World, member: str, data: bytes) -> dict[str, Any]:
    """Upload as `member`, run the jobs, and return the attachment as GET shows it."""
    client = await world.client(member)
    media = (await upload(client, data)).json()
    await world.run_jobs()
    return (await client.get(f"/api/v1/media/{media['id']}")).json()


async def delete(world: World, member: str, media: dict[str, Any]) -> None:
    answer = await (await world.client(member)).delete(f"/api/v1/media/{media['id']}")
    assert answer.status_code == 200, answer.text


async def an_hour_passes(world: World) -> None:
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE pgqueuer SET execute_after = now()")
    await world.run_jobs()


async def made(world: World, folder: Path, data: bytes) -> FileRow:
    """A file as the decoding process left it, stored."""
    (folder / "one.jpg").write_bytes(data)
    return await store_made(world.instance, FileMade("one.jpg", "jpg"), folder)


async def claim(world: World, file: FileRow) -> None:
    """What follows in every kind of upload."""
    async with world.instance.db.write() as tx:
        copies = await contents.claim_names(tx, [file], account_id=None)
    await contents.settle_copies(world.instance, copies)


async def remove(world: World, *names: str) -> None:
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE files SET removed_at = now() WHERE name = ANY($1)", names)


async def count_names(world: World) -> int:
    async with world.instance.db.read() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM files"))


async def test_the_same_picture_of_two_members_is_stored_once_and_goes_with_the_last_name(world: World) -> None:
    first = await ready(world, "alice", samples.jpeg(800, 600))
    second = await ready(world, "bob", samples.jpeg(800, 600))
    urls = [media[name] for media in (first, second) for name in ("url", "preview_url")]
    names = [url.split("/media/")[1] for url in urls]
    assert len(set(names)) == 4
    assert all(is_file_name(name) for name in names)
    original = await body(world, first["url"])
    assert await body(world, second["url"]) == original
    stored = files_stored(world)
    digest = hashlib.sha256(original).hexdigest()
    (key,) = [one for one in stored if digest in one]
    assert key.startswith(f"content/{digest[:2]}/{digest[2:4]}/{digest}-")
    assert len(stored) == len({one.split("/")[3].split("-")[0] for one in stored}) == 2
    assert (await world.anonymous.get(f"/media/{key}")).status_code == 404

    await delete(world, "alice", first)
    assert (await fetched(world, first["url"])).status_code == 404
    await an_hour_passes(world)
    assert files_stored(world) == stored
    assert await body(world, second["url"]) == original
    assert await count_names(world) == 2

    await delete(world, "bob", second)
    await an_hour_passes(world)
    assert files_stored(world) == []
    assert await count_names(world) == 0


async def test_a_file_is_hidden_under_one_name_alone(world: World) -> None:
    from parley.social.media.actions import hide_media

    first, second = [await ready(world, name, samples.jpeg()) for name in ("alice", "bob")]
    async with world.instance.db.write() as tx:
        await hide_media(tx, [int(first["id"])], hidden=True)
    assert (await fetched(world, first["url"])).status_code == 404
    assert (await fetched(world, second["url"])).status_code == 200


async def test_within_the_hour_a_removed_file_can_be_kept_as_evidence_but_not_shared(
    world: World, tmp_path: Path
) -> None:
    media = await ready(world, "alice", samples.jpeg())
    name = media["url"].split("/media/")[1]
    original = await body(world, media["url"])
    await delete(world, "alice", media)
    await save_file(world.instance, name, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == original
    again = await ready(world, "bob", samples.jpeg())
    assert len(files_stored(world)) == 4
    await an_hour_passes(world)
    assert len(files_stored(world)) == 2
    assert await body(world, again["url"]) == original
    with pytest.raises(NotFound):
        await save_file(world.instance, name, tmp_path / "copy")


async def test_another_upload_heals_bytes_that_were_damaged(world: World) -> None:
    first = await ready(world, "alice", samples.jpeg())
    original = await body(world, first["url"])
    for name in files_stored(world):
        await world.instance.files.delete(name)
    assert (await fetched(world, first["url"])).status_code == 404
    await ready(world, "bob", samples.jpeg())
    assert await body(world, first["url"]) == original


async def test_two_names_of_one_content_that_go_together_leave_nothing(world: World, tmp_path: Path) -> None:
    files = [await made(world, tmp_path, b"same") for _ in range(2)]
    for file in files:
        await claim(world, file)
    assert len(files_stored(world)) == 1
    await remove(world, *(file.name for file in files))
    await contents.free_names(world.instance, [file.name for file in files])
    assert (files_stored(world), await count_names(world)) == ([], 0)


async def test_members_who_upload_the_same_at_once_share_it(world: World, tmp_path: Path) -> None:
    files = [await made(world, tmp_path, b"same") for _ in range(6)]
    await asyncio.gather(*(claim(world, file) for file in files))
    assert len(files_stored(world)) == 1
    for file in files:
        assert await body(world, f"/media/{file.name}") == b"same"


async def test_removals_at_once_of_the_same_content_leave_nothing(world: World, tmp_path: Path) -> None:
    files = [await made(world, tmp_path, b"same") for _ in range(6)]
    for file in files:
        await claim(world, file)
    await remove(world, *(file.name for file in files))
    await asyncio.gather(*(contents.free_names(world.instance, [file.name]) for file in files for _ in range(2)))
    assert (files_stored(world), await count_names(world)) == ([], 0)


@pytest.mark.parametrize("round", range(5))
async def test_uploads_while_the_last_name_goes_never_lose_their_bytes(
    world: World, tmp_path: Path, round: int
) -> None:
    last = await made(world, tmp_path, b"same")
    await claim(world, last)
    for _ in range(5):
        new = [await made(world, tmp_path, b"same") for _ in range(3)]

        async def go(name: str) -> None:
            await remove(world, name)
            await contents.free_names(world.instance, [name])

        await asyncio.gather(go(last.name), *(claim(world, file) for file in new))
        for file in new:
            assert await body(world, f"/media/{file.name}") == b"same"
        last, *others = new
        await remove(world, *(file.name for file in others))
        await contents.free_names(world.instance, [file.name for file in others])
    await remove(world, last.name)
    await contents.free_names(world.instance, [last.name])
    assert (files_stored(world), await count_names(world)) == ([], 0)


async def test_an_upload_waits_for_the_decision_and_a_decision_for_the_upload(world: World, tmp_path: Path) -> None:
    first, second = [await made(world, tmp_path, b"same") for _ in range(2)]
    await claim(world, first)
    async with world.instance.db.write() as tx:
        copies = await contents.claim_names(tx, [second], account_id=None)
        await remove(world, first.name)
        freeing = asyncio.create_task(contents.free_names(world.instance, [first.name]))
        await asyncio.sleep(0.3)
        assert not freeing.done()
        assert len(files_stored(world)) == 2
    await freeing
    await contents.settle_copies(world.instance, copies)
    assert len(files_stored(world)) == 1
    assert await body(world, f"/media/{second.name}") == b"same"


async def test_an_upload_during_the_deletion_of_the_bytes_keeps_its_own(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [await made(world, tmp_path, b"same") for _ in range(2)]
    await claim(world, first)
    await remove(world, first.name)
    really_delete = world.instance.files.delete

    async def delete_slowly(name: str) -> None:
        await claim(world, second)
        await really_delete(name)

    monkeypatch.setattr(world.instance.files, "delete", delete_slowly)
    await contents.free_names(world.instance, [first.name])
    assert await body(world, f"/media/{second.name}") == b"same"
    assert len(files_stored(world)) == await count_names(world) == 1


async def test_a_deletion_that_failed_is_finished_later(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = await made(world, tmp_path, b"same")
    await claim(world, file)
    await remove(world, file.name)

    async def fail(_name: str) -> None:
        raise OSError("the store is away")

    with monkeypatch.context() as broken:
        broken.setattr(world.instance.files, "delete", fail)
        with pytest.raises(OSError, match="away"):
            await contents.free_names(world.instance, [file.name])
    assert (len(files_stored(world)), await count_names(world)) == (1, 1)
    with time_travel(DAY):
        await jobs.delete_orphans(world.instance, {})
    assert (files_stored(world), await count_names(world)) == ([], 0)


async def test_bytes_of_an_upload_that_a_crash_cut_short_are_swept_within_a_day(world: World, tmp_path: Path) -> None:
    kept = await made(world, tmp_path, b"kept")
    await claim(world, kept)
    fresh = await made(world, tmp_path, b"fresh")
    lost = [await made(world, tmp_path, bytes([number])) for number in range(30)]
    old = time.time() - 2 * 86400
    for file in (kept, *lost):
        os.utime(world.settings.path("media") / file.content_key, (old, old))
    for hour in range(24):
        with time_travel(timedelta(hours=hour)):
            await contents.sweep_contents(world.instance)
    assert set(files_stored(world)) == {kept.content_key, fresh.content_key}
