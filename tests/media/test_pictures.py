"""Every picture format goes in through HTTP and comes out clean."""

from __future__ import annotations

import io

import pytest

from tests.conftest import World
from tests.media import samples
from tests.media.helpers import body, files_stored, picture, processed, uploads_left

PICTURES = {
    "jpeg": (lambda: samples.jpeg(), "image/jpeg"),
    "png": (lambda: samples.png(), "image/png"),
    "webp": (lambda: samples.still("WEBP"), "image/webp"),
    "gif": (lambda: samples.still("GIF"), "image/png"),
    "avif": (lambda: samples.still("AVIF"), "image/jpeg"),
    "heic": (lambda: samples.still("HEIF"), "image/jpeg"),
}


@pytest.mark.parametrize("kind", PICTURES)
async def test_a_picture_loses_its_metadata_and_keeps_its_look(world: World, kind: str) -> None:
    make, mime_type = PICTURES[kind]
    media = await processed(world, make())
    assert media["type"] == "image"
    assert media["meta"]["original"] == {"width": 120, "height": 80, "size": "120x80", "aspect": 1.5}
    assert media["meta"]["small"]["width"] == 120
    assert len(media["blurhash"]) > 20
    for url in (media["url"], media["preview_url"]):
        data = await body(world, url)
        assert b"secret" not in data.lower()
        assert b"Exif" not in data
    shown = await picture(world, media["url"])
    assert shown.get_format_mimetype() == mime_type
    assert not shown.getexif()
    red, green, blue = shown.convert("RGB").getpixel((25, 20))
    assert red > 200
    assert green < 70
    assert blue < 70
    assert uploads_left(world) == []


async def test_gps_really_was_there_before(world: World) -> None:
    assert b"secret-place" in samples.jpeg()
    assert b"Exif" in samples.jpeg()


@pytest.mark.parametrize(("orientation", "red_corner"), [(3, (1, 1)), (6, (1, 0)), (8, (0, 1))])
async def test_a_turned_photo_is_stored_upright(world: World, orientation: int, red_corner: tuple[int, int]) -> None:
    media = await processed(world, samples.jpeg(orientation=orientation))
    shown = await picture(world, media["url"])
    turned = orientation in (6, 8)
    assert shown.size == ((80, 120) if turned else (120, 80))
    assert (media["meta"]["original"]["width"], media["meta"]["original"]["height"]) == shown.size
    at = tuple(side // 4 + corner * side // 2 for side, corner in zip(shown.size, red_corner, strict=True))
    assert shown.getpixel(at)[0] > 200
    assert b"Exif" not in await body(world, media["url"])


async def test_a_large_photo_is_scaled_down_and_gets_a_small_preview(world: World) -> None:
    media = await processed(world, samples.jpeg(4000, 3000, quality=60))
    original, small = media["meta"]["original"], media["meta"]["small"]
    assert 8_000_000 < original["width"] * original["height"] <= 3840 * 2160
    assert 220_000 < small["width"] * small["height"] <= 640 * 360
    assert (await picture(world, media["url"])).size == (original["width"], original["height"])
    assert (await picture(world, media["preview_url"])).size == (small["width"], small["height"])


async def test_transparency_survives_and_its_preview_has_it_too(world: World) -> None:
    media = await processed(world, samples.png(mode="RGBA"))
    assert (await picture(world, media["url"])).getpixel((0, 0))[3] == 0
    assert (await picture(world, media["preview_url"])).convert("RGBA").getpixel((0, 0))[3] < 40


async def test_unusual_kinds_of_pixels_are_accepted(world: World) -> None:
    from PIL import Image

    for mode in ("1", "L", "LA", "P", "I;16", "RGB"):
        source = Image.new("L", (50, 40), 200)
        if mode == "I;16":
            source = Image.new("I;16", (50, 40), 200 * 256)
        elif mode != "L":
            source = source.convert(mode)
        out = io.BytesIO()
        source.save(out, "PNG")
        media = await processed(world, out.getvalue(), "x.png")
        grey = (await picture(world, media["url"])).convert("L").getpixel((5, 5))
        expected = 200 if mode == "I;16" else source.convert("L").getpixel((5, 5))
        assert abs(grey - expected) < 5, mode


async def test_a_cmyk_jpeg_becomes_rgb(world: World) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("CMYK", (40, 30), (0, 255, 255, 0)).save(out, "JPEG")
    media = await processed(world, out.getvalue())
    shown = await picture(world, media["url"])
    assert shown.mode == "RGB"
    assert shown.getpixel((5, 5))[0] > 200


async def test_a_colour_profile_is_converted_to_srgb_and_dropped(world: World) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (40, 30), (220, 20, 20)).save(
        out, "JPEG", icc_profile=samples.profile_with_red_and_green_swapped(), quality=95
    )
    media = await processed(world, out.getvalue())
    shown = await picture(world, media["url"])
    red, green, _ = shown.getpixel((5, 5))
    assert green > 180
    assert red < 80
    assert "icc_profile" not in shown.info


async def test_a_broken_colour_profile_is_dropped(world: World) -> None:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (40, 30), (220, 20, 20)).save(out, "JPEG", icc_profile=b"nonsense" * 40, quality=95)
    shown = await picture(world, (await processed(world, out.getvalue()))["url"])
    assert shown.getpixel((5, 5))[0] > 200
    assert "icc_profile" not in shown.info


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
async def test_an_animation_becomes_a_silent_video(world: World, kind: str) -> None:
    import av

    media = await processed(world, samples.animation(kind), "moving.gif")
    assert media["type"] == "gifv"
    assert media["url"].endswith(".mp4")
    assert media["meta"]["length"].startswith("0:00:00.")
    assert media["meta"]["original"]["frame_rate"]
    assert media["meta"]["original"]["duration"] > 0.5
    assert media["meta"]["fps"] >= 8
    with av.open(io.BytesIO(await body(world, media["url"]))) as video:
        assert video.streams.video[0].codec.canonical_name == "h264"
        assert not video.streams.audio
        assert len(list(video.decode(video=0))) == 6
    assert (await picture(world, media["preview_url"])).size == (60, 40)


async def test_the_name_and_the_content_type_of_the_client_mean_nothing(world: World) -> None:
    media = await processed(world, samples.png(mode="RGB"), "../../etc/evil.html")
    assert media["url"].endswith(".png")
    assert "evil" not in media["url"]


async def test_each_upload_gets_an_unguessable_name_of_its_own(world: World) -> None:
    data = samples.jpeg()
    urls = {(await processed(world, data))["url"] for _ in range(3)}
    assert len(urls) == 3
    for url in urls:
        name = url.rsplit("/", 1)[1].removesuffix(".jpg")
        assert len(name) >= 32
        assert len(set(name)) > 10
    assert len(files_stored(world)) == 2


async def test_a_polyglot_keeps_only_its_picture(world: World) -> None:
    data = samples.jpeg() + samples.zip_file() + samples.HTML
    media = await processed(world, data)
    stored = await body(world, media["url"])
    assert b"<script" not in stored
    assert b"PK\x03\x04" not in stored


async def test_focus_is_shown_in_meta(world: World) -> None:
    media = await processed(world, samples.jpeg(), focus="-0.42,0.69")
    assert media["meta"]["focus"] == {"x": -0.42, "y": 0.69}
