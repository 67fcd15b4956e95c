"""Broken and hostile files: a clear sentence for the member, nothing kept, and the server goes on."""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from parley.kit.settings import Settings
from parley.social.media import process
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import files_stored, processed, upload, uploads_left


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        domain="localhost:3000",
        data_dir=tmp_path / "data",
        email_confirmation=False,
        rate_limits="off",
        read_pictures=False,
        database_connections=5,
        max_image_mb=1,
        max_video_mb=2,
    )


async def failure(world: World, data: bytes, name: str = "photo.jpg") -> str:
    """The sentence with which a file fails that looks right at first; nothing of it is left."""
    client = await world.client("alice")
    answer = await upload(client, data, name)
    assert answer.status_code == 202, answer.text
    await world.run_jobs()
    failed = await client.get(f"/api/v1/media/{answer.json()['id']}")
    assert failed.status_code == 422, failed.text
    assert files_stored(world) == []
    assert uploads_left(world) == []
    return failed.json()["error"]


REFUSED = {
    "html": samples.HTML,
    "svg": samples.SVG,
    "zip": samples.zip_file(),
    "text": b"hello" * 100,
    "program": b"\x7fELF" + b"\0" * 500,
    "pdf": b"%PDF-1.7\n" + b"x" * 300,
    "playlist that reads files": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
    "avi": b"RIFF\x00\x10\x00\x00AVI LIST" + b"\0" * 100,
    "bmp": b"BM" + b"\0" * 100,
    "tiff": b"II*\0" + b"\0" * 100,
    "wav": b"RIFF\x00\x10\x00\x00WAVEfmt " + b"\0" * 100,
    "one byte": b"\xff",
}


async def test_what_is_no_accepted_file_is_refused_at_once(world: World) -> None:
    client = await world.client("alice")
    for kind, data in REFUSED.items():
        answer = await upload(client, data, "photo.jpg")
        assert answer.status_code == 422, kind
        assert "JPEG" in answer.json()["error"]
    assert uploads_left(world) == []


async def test_matroska_is_refused_with_a_hint(world: World, tmp_path: Path) -> None:
    data = samples.video(tmp_path / "v.mkv", container="matroska")
    answer = await upload(await world.client("alice"), data, "video.mp4")
    assert answer.status_code == 422
    assert "MKV" in answer.json()["error"]


async def test_an_empty_file_or_none_is_refused(world: World) -> None:
    client = await world.client("alice")
    empty = await upload(client, b"")
    assert empty.status_code == 422
    assert "empty" in empty.json()["error"]
    for answer in (
        await client.post("/api/v2/media", data={"description": "no file"}),
        await client.post("/api/v2/media", json={"file": "x"}),
        await client.post("/api/v2/media", files={"other": ("a.jpg", samples.jpeg(), "image/jpeg")}),
    ):
        assert answer.status_code == 422, answer.text
        assert "'file'" in answer.json()["error"]


async def test_a_malformed_form_is_refused(world: World) -> None:
    client = await world.client("alice")
    headers = {"content-type": "multipart/form-data; boundary=x"}
    for data in (b"--x\r\n", b"--x\r\nContent-Disposition: form-data; name=file\r\n\r\nabc", b""):
        answer = await client.post("/api/v2/media", content=data, headers=headers)
        assert answer.status_code in (400, 422), data
        assert "error" in answer.json()


async def test_a_file_over_its_kinds_limit_is_refused_while_it_arrives(world: World, tmp_path: Path) -> None:
    client = await world.client("alice")
    large = await upload(client, samples.jpeg() + b"\0" * (2**20 + 1))
    assert large.status_code == 413
    assert "1 MiB" in large.json()["error"]
    video = samples.video(tmp_path / "v.mp4")
    assert (await upload(client, video + b"\0" * (2**20 + 1))).status_code == 202
    assert (await upload(client, video + b"\0" * (2**21 + 1))).status_code == 413
    announced = await client.post(
        "/api/v2/media",
        content=b"--x",
        headers={"content-type": "multipart/form-data; boundary=x", "content-length": str(10**9)},
    )
    assert announced.status_code == 413


async def test_a_body_that_never_ends_is_cut_off_without_being_kept(world: World) -> None:
    client = await world.client("alice")
    sent = 0

    async def endless() -> object:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n' + samples.jpeg()
        while sent < 100 * 2**20:
            sent += 2**16
            yield b"\0" * 2**16

    answer = await client.post(
        "/api/v2/media", content=endless(), headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 413
    assert sent < 8 * 2**20


async def test_very_long_text_fields_are_refused(world: World) -> None:
    answer = await upload(await world.client("alice"), samples.jpeg(), description="x" * 200_000)
    assert answer.status_code == 413


async def test_a_png_that_claims_too_many_pixels_is_refused_at_once(world: World) -> None:
    data = bytearray(samples.png_bomb(10, 10))
    data[16:24] = (50_000).to_bytes(4) * 2
    answer = await upload(await world.client("alice"), bytes(data), "a.png")
    assert answer.status_code == 422
    assert "64 megapixels" in answer.json()["error"]


async def test_a_jpeg_that_claims_too_many_pixels_fails_with_a_sentence(world: World) -> None:
    assert "64 megapixels" in await failure(world, samples.jpeg_of(60_000, 60_000))


async def test_a_deflate_bomb_within_the_limit_ends_as_a_small_picture(world: World) -> None:
    media = await processed(world, samples.png_bomb(8000, 7900), "bomb.png")
    assert media["meta"]["original"]["width"] < 3000


async def test_a_bomb_that_needs_too_much_memory_ends_its_own_process_only(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PICTURE_MEMORY", 200 * 2**20)
    assert "memory" in await failure(world, samples.png_bomb(8000, 8000, channels=4), "bomb.png")
    monkeypatch.undo()
    assert (await processed(world, samples.jpeg()))["type"] == "image"


async def test_a_file_that_takes_too_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PICTURE_SECONDS", 1)
    assert "too long" in await failure(world, samples.long_gif(300, 1000), "slow.gif")


async def test_an_endless_animation_is_refused(world: World) -> None:
    assert "3,000 frames" in await failure(world, samples.endless_gif(), "endless.gif")


def truncated(kind: str, folder: Path) -> bytes:
    whole = {
        "jpeg": lambda: samples.jpeg(800, 600),
        "png": lambda: samples.png(800, 600),
        "webp": lambda: samples.still("WEBP"),
        "avif": lambda: samples.still("AVIF"),
        "heic": lambda: samples.still("HEIF"),
        "mp4": lambda: samples.video(folder / "v.mp4", frames=90),
        "webm": lambda: samples.video(folder / "v.webm", container="webm", codec="libvpx", audio=None, frames=90),
        "flac": lambda: samples.sound(folder / "s.flac", container="flac", codec="flac", seconds=8),
    }[kind]()
    return whole[: len(whole) * 2 // 5]


async def test_a_truncated_file_fails_with_a_sentence(world: World, tmp_path: Path) -> None:
    for kind in ("jpeg", "png", "webp", "avif", "heic", "mp4", "webm", "flac"):
        assert "broken or incomplete" in await failure(world, truncated(kind, tmp_path)), kind


async def test_a_header_followed_by_rubbish_fails_with_a_sentence(world: World) -> None:
    for head in (samples.jpeg()[:30], samples.png()[:40], b"GIF89a" + b"\1" * 300):
        sentence = await failure(world, head + os.urandom(3000))
        assert "broken" in sentence or "megapixels" in sentence


async def test_html_behind_a_recordings_first_bytes_is_never_stored(world: World) -> None:
    mp4 = b"\0\0\0\x18ftypisom\0\0\0\0isommp42"
    for head in (b"ID3", b"fLaC", b"OggS", b"\x1a\x45\xdf\xa3 webm", mp4):
        await failure(world, head + b"\0" * 16 + samples.HTML * 200)


async def test_a_recording_that_claims_days_is_refused(world: World, tmp_path: Path) -> None:
    for make in (samples.webm_of_many_days, samples.flac_of_many_days):
        assert "too long" in await failure(world, make(tmp_path / "r"))


async def test_a_thumbnail_must_be_a_picture(world: World, tmp_path: Path) -> None:
    video = samples.video(tmp_path / "v.mp4")
    answer = await upload(await world.client("alice"), video, thumbnail=video)
    assert answer.status_code == 422
    assert "picture" in answer.json()["error"]


async def test_a_broken_thumbnail_leaves_the_poster(world: World, tmp_path: Path) -> None:
    media = await processed(world, samples.video(tmp_path / "v.mp4"), thumbnail=samples.png()[:200])
    assert media["preview_url"]
    assert uploads_left(world) == []


def test_the_decoding_process_is_told_no_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_SECRET_KEY", "hidden")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    assert "hidden" not in process._environment().values()


TRY = """
import os, socket, sys
from pathlib import Path
from parley.social.media.confine import confine
folder, other = Path(sys.argv[1]), sys.argv[2]
confine(folder, folder / "upload", memory=2**31, seconds=20)
for name, attempt in {
    "read the upload": lambda: (folder / "upload").read_bytes(),
    "write the result": lambda: (folder / "result").write_bytes(b"x"),
    "load a library": lambda: __import__("PIL.Image") and __import__("av"),
    "read another upload": lambda: Path(other).read_bytes(),
    "list the passwords": lambda: Path("/etc/passwd").read_bytes(),
    "write elsewhere": lambda: Path(other + ".new").write_bytes(b"x"),
    "open a socket": lambda: socket.socket(socket.AF_INET),
    "reach the database": lambda: socket.socket(socket.AF_UNIX),
    "start a program": lambda: os.execv("/bin/true", ["true"]),
}.items():
    try:
        attempt()
        print(name)
    except OSError:
        pass
"""


def test_the_decoding_process_reaches_nothing_but_its_own_folder(tmp_path: Path) -> None:
    if ctypes.CDLL(None).syscall(444, None, 0, 1) < 1:
        pytest.skip("this kernel has no Landlock: the decoding process is confined less")
    folder, other = tmp_path / "own", tmp_path / "other"
    folder.mkdir()
    (folder / "upload").write_bytes(b"x")
    other.write_bytes(b"another member's")
    command = [sys.executable, "-P", "-c", TRY, str(folder), str(other)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["read the upload", "write the result", "load a library"]


async def test_an_answer_that_names_a_file_elsewhere_is_not_believed(tmp_path: Path) -> None:
    from parley.social.media.results import FileMade

    for name in ("../secret", "/etc/passwd", ".hidden", "a/b"):
        with pytest.raises(ValueError, match="outside"):
            FileMade(name, "jpg").path_in(tmp_path)


async def test_no_more_than_two_files_are_decoded_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from parley.social.media.formats import PNG
    from parley.social.media.results import Result

    running = most = 0

    async def pretend(_task: object) -> Result:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1
        return Result()

    monkeypatch.setattr(process, "_run", pretend)
    await asyncio.gather(*(process.decode(tmp_path, PNG, "attachment", tmp_path) for _ in range(6)))
    assert most == 2
