"""The file store, over a folder and over obstore's store in memory."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore

from parley.kit.clock import now
from parley.kit.errors import NotFound
from parley.kit.files import FileStore, is_file_name, new_content_key, new_file_name, open_file_store
from parley.kit.settings import Settings


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    return FileStore(LocalStore(tmp_path) if request.param == "folder" else MemoryStore())


async def older(store: FileStore, than: datetime, under: str | None = None) -> set[str]:
    return {name async for names in store.list_older(than, under=under) for name in names}


async def whole(store: FileStore, name: str, **span: int) -> bytes:
    return b"".join([chunk async for chunk in await store.read(name, **span)])


async def test_a_file_is_written_read_and_deleted(store: FileStore, tmp_path: Path) -> None:
    name = new_file_name("bin")
    await store.put(name, b"0123456789")
    assert await store.exists(name)
    assert (await store.head(name)).size == 10
    assert await whole(store, name) == b"0123456789"
    assert await whole(store, name, start=3) == b"3456789"
    assert await whole(store, name, start=3, end=5) == b"34"
    assert await store.get(name, limit=10) == b"0123456789"
    with pytest.raises(ValueError, match="larger"):
        await store.get(name, limit=9)
    await store.delete(name)
    await store.delete(name)
    assert not await store.exists(name)
    with pytest.raises(NotFound):
        await store.read(name)


async def test_a_large_file_goes_in_from_a_path_and_comes_out_to_one(store: FileStore, tmp_path: Path) -> None:
    source, copy, name = tmp_path / "source", tmp_path / "copy", new_file_name("mp4")
    source.write_bytes(bytes(range(256)) * 50_000)
    await store.put(name, source)
    await store.save_to(name, copy)
    assert copy.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b", "a//b"])
async def test_a_name_never_leads_outside(store: FileStore, name: str) -> None:
    assert not await store.exists(name)
    with pytest.raises(NotFound):
        await store.read(name)


async def test_old_files_are_listed(store: FileStore) -> None:
    names = {new_file_name("raw") for _ in range(3)}
    for name in names:
        await store.put(name, b"x")
    assert await older(store, now() + timedelta(minutes=1)) == names
    assert await older(store, now() - timedelta(minutes=1)) == set()


async def test_files_of_one_folder_are_listed_however_many_they_are(store: FileStore) -> None:
    names = {f"content/ab/{number:03}.jpg" for number in range(450)}
    for name in (*names, "content/abc/no.jpg", "content/ac/no.jpg"):
        await store.put(name, b"x")
    assert await older(store, now() + timedelta(minutes=1), under="content/ab") == names
    assert await older(store, now() + timedelta(minutes=1), under="content/ff") == set()


async def test_a_file_is_moved_over_another(store: FileStore) -> None:
    await store.put("a/one.jpg", b"new")
    await store.put("b/two.jpg", b"old")
    await store.move("a/one.jpg", "b/two.jpg")
    await store.put("a/one.jpg", b"new")
    await store.move("a/one.jpg", "c/three.jpg")
    assert await whole(store, "b/two.jpg") == await whole(store, "c/three.jpg") == b"new"
    assert not await store.exists("a/one.jpg")


def test_a_content_key_says_its_content_and_is_used_once() -> None:
    digest = hashlib.sha256(b"x").digest()
    keys = {new_content_key(digest, "jpg") for _ in range(100)}
    assert len(keys) == 100
    hexadecimal = digest.hex()
    for key in keys:
        assert re.fullmatch(rf"content/2d/71/{hexadecimal}-[A-Za-z0-9_-]{{22}}\.jpg", key)
        assert not is_file_name(key)


def test_names_are_random_spread_and_recognised() -> None:
    names = {new_file_name("jpg") for _ in range(2000)}
    assert len(names) == 2000
    assert all(is_file_name(name) for name in names)
    assert len({name[:5] for name in names}) > 1500
    for wrong in (
        "a.jpg",
        "ab/cd/short.jpg",
        "ab/cd/" + "x" * 32,
        "../cd/" + "x" * 32 + ".jpg",
        "ab/cd/" + "x" * 32 + ".jpg\n",
    ):
        assert not is_file_name(wrong)


async def test_what_is_served_and_what_is_not_lie_apart(tmp_path: Path) -> None:
    files = open_file_store(Settings(data_dir=tmp_path))
    name = new_file_name("raw")
    await files.uploads.put(name, b"x")
    assert not await files.exists(name)
    assert (tmp_path / "uploads" / name).exists()
    assert (tmp_path / "uploads").stat().st_mode & 0o077 == 0
    assert (tmp_path / "media").stat().st_mode & 0o077 == 0


def test_an_s3_address_gives_one_prefix_for_each_area(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    files = open_file_store(Settings(data_dir=tmp_path, media_store="s3://bucket/parley/"))
    assert files._store.prefix == "parley/media"
    assert files.uploads._store.prefix == "parley/uploads"
    assert not (tmp_path / "media").exists()
