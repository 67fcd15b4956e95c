"""Every video and sound format goes in through HTTP and comes out clean."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import World
from tests.media import samples
from tests.media.helpers import body, picture, processed

VIDEOS: dict[str, tuple[dict[str, Any], str, tuple[str, str | None]]] = {
    "mp4": ({}, "mp4", ("h264", "aac")),
    "mov": ({"container": "mov"}, "mp4", ("h264", "aac")),
    "hevc mov": ({"container": "mov", "codec": "libx265"}, "mp4", ("h264", "aac")),
    "mpeg4": ({"codec": "mpeg4"}, "mp4", ("h264", "aac")),
    "silent mp4": ({"audio": None}, "mp4", ("h264", None)),
    "vp8 webm": ({"container": "webm", "codec": "libvpx", "audio": "libopus"}, "webm", ("vp8", "opus")),
    "vp9 webm": ({"container": "webm", "codec": "libvpx-vp9", "audio": None}, "webm", ("vp9", None)),
    "vorbis webm": ({"container": "webm", "codec": "libvpx", "audio": "vorbis"}, "webm", ("vp8", "opus")),
    "av1 webm": ({"container": "webm", "codec": "libsvtav1", "audio": "libopus"}, "webm", ("av1", "opus")),
}

SOUNDS = {
    "mp3": (("mp3", "libmp3lame"), "mp3", "mp3"),
    "opus": (("ogg", "libopus"), "ogg", "opus"),
    "vorbis": (("ogg", "vorbis"), "ogg", "vorbis"),
    "flac": (("flac", "flac"), "flac", "flac"),
    "m4a": (("ipod", "aac"), "m4a", "aac"),
    "alac": (("ipod", "alac"), "m4a", "aac"),
}


@pytest.mark.parametrize("kind", VIDEOS)
async def test_a_video_loses_its_metadata_and_plays(world: World, tmp_path: Path, kind: str) -> None:
    import av

    params, extension, codecs = VIDEOS[kind]
    data = samples.video(tmp_path / "v", **params)
    assert b"secret-place" in data
    media = await processed(world, data, "v.bin")
    assert media["type"] == "video"
    assert media["url"].endswith("." + extension)
    stored = await body(world, media["url"])
    assert b"secret" not in stored
    with av.open(io.BytesIO(stored)) as video:
        assert video.streams.video[0].codec.canonical_name == codecs[0]
        assert (video.streams.audio[0].codec.canonical_name if video.streams.audio else None) == codecs[1]
        assert len(list(video.decode(video=0))) == 30
    meta = media["meta"]
    assert meta["length"] == "0:00:01.00"
    assert meta["fps"] == 30
    assert meta["original"]["frame_rate"] == "30/1"
    assert meta["original"]["bitrate"] > 0
    assert (meta["width"], meta["height"], meta["size"]) == (160, 90, "160x90")
    assert ("audio_encode" in meta) == (codecs[1] is not None)
    preview = await picture(world, media["preview_url"])
    assert preview.getpixel((20, 20))[0] > 200
    assert len(media["blurhash"]) > 20


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
async def test_a_phones_portrait_video_stays_upright(world: World, tmp_path: Path, codec: str) -> None:
    import av

    data = samples.video(tmp_path / "v.mov", container="mov", codec=codec, rotation=-90)
    media = await processed(world, data)
    assert (media["meta"]["width"], media["meta"]["height"]) == (90, 160)
    with av.open(io.BytesIO(await body(world, media["url"]))) as video:
        assert next(video.decode(video=0)).rotation == -90
    preview = await picture(world, media["preview_url"])
    assert preview.size == (90, 160)
    assert preview.getpixel((70, 20))[0] > 200


async def test_what_a_camera_writes_into_the_stream_itself_is_dropped(world: World, tmp_path: Path) -> None:
    data = samples.video(tmp_path / "v.mp4")
    assert b"x264 - core" in data
    media = await processed(world, data)
    assert b"x264 - core" not in await body(world, media["url"])


async def test_the_index_of_an_mp4_comes_first_so_that_it_plays_while_it_loads(world: World, tmp_path: Path) -> None:
    stored = await body(world, (await processed(world, samples.video(tmp_path / "v.mp4")))["url"])
    assert stored.index(b"moov") < stored.index(b"mdat")


@pytest.mark.parametrize("kind", SOUNDS)
async def test_a_sound_loses_its_tags_and_plays(world: World, tmp_path: Path, kind: str) -> None:
    import av

    (container, codec), extension, stored_codec = SOUNDS[kind]
    data = samples.sound(tmp_path / "s", container=container, codec=codec)
    assert b"secret-place" in data
    media = await processed(world, data, "song.bin")
    assert media["type"] == "audio"
    assert media["url"].endswith("." + extension)
    assert media["meta"]["length"].startswith(("0:00:01.9", "0:00:02.0"))
    assert media["meta"]["audio_channels"] == "stereo"
    assert media["meta"]["original"]["bitrate"] > 0
    stored = await body(world, media["url"])
    assert b"secret" not in stored
    with av.open(io.BytesIO(stored)) as sound:
        assert sound.streams.audio[0].codec.canonical_name == stored_codec
        assert sum(frame.samples for frame in sound.decode(audio=0)) > 90_000


async def test_cover_art_becomes_the_preview_of_a_sound(world: World, tmp_path: Path) -> None:
    data = samples.sound_with_cover(tmp_path / "s.mp3")
    media = await processed(world, data)
    assert media["type"] == "audio"
    assert (await picture(world, media["preview_url"])).size == (120, 80)
    assert media["meta"]["small"]["size"] == "120x80"
    assert b"secret" not in await body(world, media["preview_url"])
    assert b"secret" not in await body(world, media["url"])


async def test_a_thumbnail_of_the_members_own_replaces_the_poster(world: World, tmp_path: Path) -> None:
    data = samples.video(tmp_path / "v.mp4")
    media = await processed(world, data, thumbnail=samples.png(64, 64, mode="RGB"))
    assert (await picture(world, media["preview_url"])).size == (64, 64)
    client = await world.client("alice")
    before = media["preview_url"]
    answer = await client.put(
        f"/api/v1/media/{media['id']}", files={"thumbnail": ("t.jpg", samples.jpeg(90, 45), "image/jpeg")}
    )
    assert answer.status_code == 200, answer.text
    await world.run_jobs()
    after = (await client.get(f"/api/v1/media/{media['id']}")).json()["preview_url"]
    assert after != before
    assert (await picture(world, after)).size == (90, 45)
    assert (await world.anonymous.get(before.removeprefix(world.settings.base_url))).status_code == 404
