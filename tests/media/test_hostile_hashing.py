"""Hostile files against the hashing: judged within limits or refused with a sentence, and the worker goes on."""

from __future__ import annotations

import io
import random
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from PIL import Image

from parley.social.media import process
from parley.social.media.formats import FORMATS, PNG, sniff
from parley.social.media.results import FileHash, Result, is_credible
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import processed, upload
from tests.media.known import bank_picture, film, jpeg, scene


def every_kind(folder: Path) -> dict[str, bytes]:
    """A small good file of every accepted kind."""
    return {
        "jpeg": samples.jpeg(200, 150),
        "png": samples.png(200, 150),
        "webp": samples.still("WEBP"),
        "avif": samples.still("AVIF"),
        "heic": samples.still("HEIF"),
        "gif": samples.animation("GIF"),
        "mp4": samples.video(folder / "v.mp4", frames=20),
        "mov": samples.video(folder / "v.mov", container="mov", frames=20),
        "webm": samples.video(folder / "v.webm", container="webm", codec="libvpx", audio=None, frames=20),
        "flac": samples.sound(folder / "s.flac", container="flac", codec="flac", seconds=1),
        "m4a": samples.sound(folder / "s.m4a", container="ipod", codec="aac", seconds=1),
        "mp3": samples.sound(folder / "s.mp3", container="mp3", codec="libmp3lame", seconds=1),
        "ogg": samples.sound(folder / "s.ogg", container="ogg", codec="libopus", seconds=1),
    }


def damaged(data: bytes, seed: int) -> bytes:
    """The file with bytes changed, doubled and cut out, its first ones left."""
    chance = random.Random(seed)
    out = bytearray(data)
    for _ in range(1 + len(data) // 400):
        place = chance.randrange(32, len(out))
        what = chance.randrange(4)
        if what == 0:
            out[place] = chance.randrange(256)
        elif what == 1:
            out[place:place] = out[place : place + chance.randrange(64)]
        elif what == 2:
            del out[place : place + chance.randrange(32)]
        else:
            out[place : place + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff"))
    return bytes(out)


async def test_a_damaged_file_of_any_kind_ends_as_ready_or_with_a_sentence(tmp_path: Path) -> None:
    kinds = every_kind(tmp_path)
    assert {sniff(data).name for data in kinds.values()} == FORMATS.keys(), "no accepted kind is left out"
    for kind, data in kinds.items():
        for seed in range(3):
            path = tmp_path / "upload"
            path.write_bytes(damaged(data, seed))
            folder = tmp_path / f"{kind}{seed}"
            folder.mkdir()
            result = await process.decode(path, sniff(data), "attachment", folder)
            assert (result.error is None) == (result.file is not None), kind
            assert result.error is None or result.error.endswith((".", "retry.")), kind
            assert is_credible(result)


async def test_a_gif_of_ten_thousand_frames_is_refused_in_good_time(world: World) -> None:
    frames = [Image.new("P", (2, 2), at % 2) for at in range(10_000)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=20, optimize=False)
    answer = await upload(await world.client("alice"), out.getvalue(), "long.gif")
    began = time.monotonic()
    await world.run_jobs()
    assert time.monotonic() - began < 60
    client = await world.client("alice")
    failed = await client.get(f"/api/v1/media/{answer.json()['id']}")
    assert failed.status_code in (200, 422)
    if failed.status_code == 422:
        assert "3,000 frames" in failed.json()["error"]


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (3, 3), (64, 64)])
async def test_pictures_of_odd_sizes_are_hashed_or_not_but_always_judged(world: World, size: tuple[int, int]) -> None:
    out = io.BytesIO()
    scene(4, size).save(out, "PNG")
    await bank_picture(world, "reject", jpeg(scene(1)))
    media = await processed(world, out.getvalue())
    assert media["url"]


async def test_a_video_of_one_frame_and_one_without_end_are_sampled(tmp_path: Path) -> None:
    from parley.social.media.hashing import hash_video

    for data, most in ((film([1], seconds_each=0.1), 1), (film([1, 2, 3], seconds_each=1), 3)):
        path = tmp_path / "film.mp4"
        path.write_bytes(data)
        assert 1 <= len(hash_video(path)) <= most


async def test_a_long_video_is_opened_at_sixty_places_at_most(tmp_path: Path) -> None:
    from parley.social.media.hashing import hash_video

    path = tmp_path / "film.mp4"
    path.write_bytes(film(list(range(1, 11)), seconds_each=20, size=(64, 48), rate=2))
    began = time.monotonic()
    found = hash_video(path)
    assert time.monotonic() - began < 20
    assert 2 <= len(found) <= 60


BAD = [
    FileHash("pdq", "zz" * 32),
    FileHash("pdq", "00"),
    FileHash("md5", "0" * 64),
    FileHash("pdq", "0" * 64, quality=4000),
    FileHash("frame", "0" * 64, second=float("nan")),
    FileHash("pdq", "0" * 64, part="x" * 5000),
]


@pytest.mark.parametrize("bad", BAD, ids=lambda one: f"{one.kind}-{len(one.hash)}-{one.quality}")
async def test_impossible_hashes_from_the_decoding_process_are_not_believed(bad: FileHash) -> None:
    assert not is_credible(Result(type="image", hashes=(bad,)))


async def test_an_impossible_answer_makes_the_file_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = msgspec.json.encode(Result(type="image", hashes=(FileHash("pdq", "0" * 64),) * 5000))

    async def lie(_: Any) -> bytes:
        return answer

    monkeypatch.setattr(process, "_read", lie)
    result = await process.decode(Path("/nonexistent"), PNG, "attachment", world.settings.path())
    assert result.error


async def test_a_file_with_another_files_extension_is_judged_by_its_bytes(world: World) -> None:
    await bank_picture(world, "reject", jpeg(scene(1)))
    answer = await upload(await world.client("alice"), jpeg(scene(1)), "harmless.mp3")
    await world.run_jobs()
    shown = await (await world.client("alice")).get(f"/api/v1/media/{answer.json()['id']}")
    assert shown.status_code == 422
