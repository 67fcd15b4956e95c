"""A store that refuses, and a disk that is full: 503 with a sentence at every door, and nothing half-kept."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from parley.kit import files
from parley.kit.errors import StoreRefused
from parley.kit.files import FileStore
from parley.kit.settings import Settings
from parley.kit.uploads import Upload
from parley.safety.notices.keeping import keep_raw
from parley.social.media import process
from parley.social.media.profile_pictures import store_emoji_picture
from tests.archives.helpers import browser_of, note, send_archive, zipped
from tests.conftest import World, open_world
from tests.failover.third_place import third_place
from tests.hosting.stores import ENVIRONMENT
from tests.media.helpers import files_stored, processed, upload, uploads_left
from tests.media.samples import png
from tests.web.forms import find_form, send, submit

Trouble = Callable[[], AbstractContextManager[None]]

PICTURE = ("picture.png", png(40, 30), "image/png")
SENTENCE = "could not be stored, and nothing of it was kept. Please send it again in a few minutes."


@pytest.fixture(params=["bucket", "folder"])
async def refusing(
    request: pytest.FixtureRequest, settings: Settings, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[World, dict[str, Trouble]]]:
    """A world, and the ways in which its store can be made to refuse for a while."""
    if request.param == "folder":
        async with open_world(settings, dsn) as world:
            yield world, {"no folder": lambda: without_folders(settings)}
        return
    monkeypatch.setattr(files, "UNDO_SECONDS", 0.2)
    with third_place("things") as place:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": place.url}.items():
            monkeypatch.setenv(name, value)
        bucket = msgspec.structs.replace(settings, media_store="s3://things/files")

        @contextmanager
        def trouble(seconds: float, **what: Any) -> Any:
            with monkeypatch.context() as patched:
                patched.setattr(files, "ANSWER_SECONDS", seconds)
                place.trouble(**what, below="/things/files/")
                yield
                place.trouble()

        async with open_world(bucket, dsn) as world:
            yield (
                world,
                {
                    "403": lambda: trouble(30, status=403),
                    "500": lambda: trouble(30, status=500),
                    "silence": lambda: trouble(0.2, delay=1),
                },
            )


@contextmanager
def without_folders(settings: Settings) -> Any:
    """In place of each folder of the store lies a file, into which even root can put nothing."""
    folders = [settings.path(name) for name in (*files.AREAS, files.ARCHIVES)]
    for folder in folders:
        folder.rename(folder.with_suffix(".away"))
        folder.touch()
    try:
        yield
    finally:
        for folder in folders:
            folder.unlink()
            folder.with_suffix(".away").rename(folder)


def check_refused(answer: httpx.Response) -> None:
    """503, when to come back, and what to do."""
    assert answer.status_code == 503, answer.text[:500]
    assert int(answer.headers["Retry-After"]) > 0
    assert SENTENCE in answer.text


async def count(world: World, table: str) -> int:
    async with world.instance.db.read() as tx:
        return int(await tx.fetchval(f"SELECT count(*) FROM {table}"))


async def refusals(world: World) -> float:
    """How often the store refused to take something, as the operator's program reads it."""
    text = (await world.anonymous.get("/metrics", headers={"host": "localhost"})).text
    lines = [line for line in text.splitlines() if line.startswith("parley_file_store_refusals_total{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if 'doing="put"' in line)


async def test_every_door_that_stores_says_what_to_do_and_keeps_nothing(
    refusing: tuple[World, dict[str, Trouble]], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    world, troubles = refusing
    api, browser = await world.client("alice"), await browser_of(world, "alice")
    kept = await processed(world, png(20, 20))
    before = (await api.get("/api/v1/accounts/verify_credentials")).json()
    tables = ("media", "files", "imports", "statuses")
    rows, counted = [await count(world, table) for table in tables], await refusals(world)
    local = tmp_path / "emoji.png"
    local.write_bytes(png(20, 20))
    first, *others = troubles.values()
    with first():
        for version in (1, 2):
            check_refused(await upload(api, png(), version=version))
        check_refused(await api.put(f"/api/v1/media/{kept['id']}", files={"thumbnail": PICTURE}))
        check_refused(await api.patch("/api/v1/accounts/update_credentials", files={"avatar": PICTURE}))
        check_refused(await api.patch("/api/v1/profile", files={"header": PICTURE}))
        for path, name in (("/settings/profile", "avatar"), ("/settings/profile", "header"), ("/compose", "file_1")):
            answer = await submit(browser, path, path, {name: PICTURE}, text="a picture")
            check_refused(answer)
        assert "a picture</textarea>" in answer.text  # what was typed is not lost
        form = find_form((await browser.get("/compose")).text, "/compose")
        check_refused(await send(browser, form, "/compose/media", {"file": PICTURE}))
        check_refused(await send_archive(world, browser, zipped([note(1)])))
        with pytest.raises(StoreRefused):
            await keep_raw(world.instance, b"a notice", provider_id=None)
        with pytest.raises(StoreRefused):
            await store_emoji_picture(world.instance, Upload(local, local.stat().st_size, local.read_bytes()[:4096]))
    for trouble in others:
        with trouble():
            check_refused(await upload(api, png()))
            check_refused(await api.patch("/api/v1/accounts/update_credentials", files={"avatar": PICTURE}))
    await world.run_jobs()
    assert [await count(world, table) for table in tables] == rows
    assert (await api.get("/api/v1/accounts/verify_credentials")).json() == before
    assert await refusals(world) >= counted + 12
    told = [one for one in caplog.records if one.name == "parley.kit.files" and one.levelno == logging.ERROR]
    assert len(told) >= 12
    assert "refused to put a file of the area 'uploads'" in told[0].getMessage()
    await processed(world, png(44, 44))
    assert (await api.patch("/api/v1/accounts/update_credentials", files={"avatar": PICTURE})).status_code == 200
    assert (await keep_raw(world.instance, b"a notice", provider_id=None)).size == 8


async def test_a_file_that_cannot_be_read_now_is_not_said_to_be_gone(
    refusing: tuple[World, dict[str, Trouble]],
) -> None:
    world, troubles = refusing
    url = (await processed(world, png(20, 20)))["url"].removeprefix(world.settings.base_url)
    for trouble in troubles.values():
        with trouble():
            answer = await world.anonymous.get(url)
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
    assert (await world.anonymous.get(url)).status_code == 200


async def test_what_was_stored_before_the_store_refused_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = await world.client("alice")
    await world.run_jobs()
    stored, put = files_stored(world), FileStore.put
    left = {"uploads": 1, "media": 1}

    async def sometimes(self: FileStore, name: str, content: bytes | Path) -> None:
        if not left.get(self._area, 1):
            raise files.refused(self._area, "put", OSError("no more"))
        left[self._area] -= 1
        await put(self, name, content)

    monkeypatch.setattr(FileStore, "put", sometimes)
    check_refused(await upload(api, png(), thumbnail=png(30, 30)))
    assert uploads_left(world) == []
    check_refused(await api.patch("/api/v1/accounts/update_credentials", files={"avatar": PICTURE, "header": PICTURE}))
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM files WHERE removed_at IS NULL") == 0
    assert len(files_stored(world)) <= len(stored) + 1  # its bytes go a little later, as those of every removed file


async def test_a_full_disk_where_forms_arrive_is_no_fault_of_the_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.kit import uploads

    async def full(_self: Any, segment: Any) -> Any:
        return uploads._Part(segment.name, Path("/dev/full").open("wb"))

    monkeypatch.setattr(uploads._Receiver, "_begin", full)
    check_refused(await upload(await world.client("alice"), png(400, 300)))
    assert await count(world, "media") == 0


async def test_a_full_disk_where_files_are_decoded_does_not_make_the_file_a_broken_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "ROOM", 2**62)
    api = await world.client("alice")
    broken = ("broken.png", png()[:200], "image/png")
    check_refused(await api.patch("/api/v1/accounts/update_credentials", files={"avatar": broken}))
    monkeypatch.setattr(process, "ROOM", 0)
    answer = await api.patch("/api/v1/accounts/update_credentials", files={"avatar": broken})
    assert answer.status_code == 422
