"""Profile pictures and custom emoji are cleaned in the same confined process, while their owner waits."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from parley.kit.errors import Invalid
from parley.kit.uploads import Upload
from parley.social.media.actions import remove_files
from parley.social.media.profile_pictures import store_emoji_picture, store_profile_picture
from tests.conftest import World
from tests.media import samples
from tests.media.helpers import body, picture


def received(folder: Path, data: bytes) -> Upload:
    """A file as a door received it."""
    path = folder / "upload"
    path.write_bytes(data)
    return Upload(path, len(data), data[:4096])


@pytest.mark.parametrize(("kind", "size"), [("avatar", (400, 400)), ("header", (1500, 500))])
async def test_a_profile_picture_is_cut_to_size_and_cleaned(
    world: World, tmp_path: Path, kind: Any, size: tuple[int, int]
) -> None:
    upload = received(tmp_path, samples.jpeg(1200, 900, orientation=6))
    files = await store_profile_picture(world.instance, kind, upload, account_id=await world.account("alice"))
    assert files.file == files.static_file
    assert (await picture(world, f"/media/{files.file}")).size == size
    stored = await body(world, f"/media/{files.file}")
    assert b"secret" not in stored
    assert b"Exif" not in stored


@pytest.mark.parametrize(("kind", "extension"), [("GIF", "gif"), ("WEBP", "webp")])
async def test_a_moving_avatar_has_a_version_that_stands_still(
    world: World, tmp_path: Path, kind: str, extension: str
) -> None:
    upload = received(tmp_path, samples.animation(kind))
    account_id = await world.account("alice")
    files = await store_profile_picture(world.instance, "avatar", upload, account_id=account_id)
    moving = await picture(world, f"/media/{files.file}")
    assert files.file.endswith(extension)
    assert moving.n_frames == 6
    assert moving.size == (400, 400)
    still = await picture(world, f"/media/{files.static_file}")
    assert getattr(still, "n_frames", 1) == 1


async def test_transparency_of_an_avatar_survives(world: World, tmp_path: Path) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGBA", (300, 300), (0, 0, 0, 0)).save(out, "PNG")
    upload = received(tmp_path, out.getvalue())
    files = await store_profile_picture(world.instance, "avatar", upload, account_id=await world.account("alice"))
    assert (await picture(world, f"/media/{files.file}")).convert("RGBA").getpixel((9, 9))[3] == 0


@pytest.mark.parametrize("data", [samples.HTML, samples.SVG, b"", samples.jpeg(400, 300)[:3000]])
async def test_what_is_no_picture_cannot_be_an_avatar(world: World, tmp_path: Path, data: bytes) -> None:
    account_id = await world.account("alice")
    with pytest.raises(Invalid):
        await store_profile_picture(world.instance, "avatar", received(tmp_path, data), account_id=account_id)


async def test_a_video_cannot_be_an_avatar(world: World, tmp_path: Path) -> None:
    upload = received(tmp_path, samples.video(tmp_path / "v.mp4"))
    with pytest.raises(Invalid, match="picture"):
        await store_profile_picture(world.instance, "avatar", upload, account_id=await world.account("alice"))


async def test_an_emoji_is_made_small_and_keeps_transparency_and_movement(world: World, tmp_path: Path) -> None:
    still = await store_emoji_picture(world.instance, received(tmp_path, samples.png(600, 400)))
    shown = await picture(world, f"/media/{still.file}")
    assert shown.size == (256, 171)
    assert shown.mode == "RGBA"
    moving = await store_emoji_picture(world.instance, received(tmp_path, samples.animation("GIF")))
    assert (await picture(world, f"/media/{moving.file}")).n_frames == 6
    assert moving.file != moving.static_file


async def test_an_emoji_must_be_small_in_bytes(world: World, tmp_path: Path) -> None:
    upload = received(tmp_path, samples.png(10, 10) + b"\0" * 600_000)
    with pytest.raises(Invalid, match="512 KiB"):
        await store_emoji_picture(world.instance, upload)


async def test_a_replaced_picture_is_served_no_more(world: World, tmp_path: Path) -> None:
    upload = received(tmp_path, samples.jpeg())
    files = await store_profile_picture(world.instance, "avatar", upload, account_id=await world.account("alice"))
    async with world.instance.db.write() as tx:
        await remove_files(tx, [files.file, files.static_file])
    assert (await world.anonymous.get(f"/media/{files.file}")).status_code == 404
