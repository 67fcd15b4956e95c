"""Cleans pictures: decoded, turned upright, brought to sRGB, made smaller and written anew.

Runs only inside the decoding process. What is written comes from pixels alone, so nothing that a picture
carried beside them (EXIF, GPS, XMP, comments, appended files) survives.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageCms, ImageOps, ImageSequence

from parley.kit.errors import Invalid
from parley.social.media.formats import (
    GIF,
    HEIC,
    JPEG,
    MAX_ANIMATION_PIXELS,
    MAX_AREA,
    MAX_FRAMES,
    PNG,
    PREVIEW_AREA,
    WEBP,
    Format,
    check_pixels,
)
from parley.social.media.hashing import hash_frames, hash_looks, hash_picture, hash_video
from parley.social.media.results import FileHash, FileMade, Result

BROKEN = "This picture is broken or incomplete. Open and save it again with another program, then retry."
BIG_PNG = 4 * 2**20
"""A PNG larger than this is a photograph: it is kept as JPEG or WebP."""
LOSSLESS_WEBP = b"VP8L"

Size = tuple[int, int]


def open_picture(path: Path, expected: Format) -> Image.Image:
    """Open a file as the one format that its first bytes showed; raises Invalid when it cannot be."""
    Image.MAX_IMAGE_PIXELS = None  # Ours, which comes with a sentence, is checked below, before any pixel.
    if expected is HEIC:
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    try:
        picture = Image.open(path, formats=[expected.decoder])
    except MemoryError:
        raise
    except Exception as error:
        raise Invalid(BROKEN) from error
    check_pixels(*picture.size)
    return picture


def fit_area(size: Size, area: int) -> Size:
    """`size` scaled down, keeping its proportions, so that it has at most `area` pixels."""
    width, height = size
    if width * height <= area:
        return size
    scale = math.sqrt(area / (width * height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def clean_attachment(path: Path, expected: Format, folder: Path) -> Result:
    """A picture as it is attached to a post; an animation becomes a silent video."""
    picture = open_picture(path, expected)
    if is_animated(picture):
        return _clean_animation(picture, folder)
    lossless = expected is WEBP and LOSSLESS_WEBP in path.read_bytes()[:64]
    picture = upright(picture, MAX_AREA)
    kept = clean_colours(picture)
    kept = scaled(kept, fit_area(kept.size, MAX_AREA))
    file = _write_best(kept, expected, folder, lossless=lossless, same=kept is picture)
    preview = write_preview(kept, folder)
    return Result(
        type="image",
        file=file,
        preview=preview[0],
        meta={"original": describe(kept.size), "small": describe(preview[1])},
        blurhash=hash_of(kept),
        hashes=hash_looks(kept),
    )


def open_whole(path: Path, expected: Format) -> Image.Image:
    """The first frame of a picture, upright and in sRGB, small enough to be hashed."""
    return clean_colours(upright(open_picture(path, expected), PREVIEW_AREA * 4))


def clean_thumbnail(path: Path, expected: Format, folder: Path) -> Result:
    """A picture that stands for a video or sound."""
    picture = clean_colours(upright(open_picture(path, expected), PREVIEW_AREA))
    file, size = write_preview(picture, folder)
    return Result(
        type="image",
        file=file,
        meta={"small": describe(size)},
        blurhash=hash_of(picture),
        hashes=hash_looks(picture),
    )


def clean_profile_picture(path: Path, expected: Format, folder: Path, size: Size) -> Result:
    """A picture cut to exactly `size` around its middle, moving if it was, and one that does not move."""
    picture = open_picture(path, expected)
    if not is_animated(picture):
        whole = clean_colours(upright(picture, size[0] * size[1] * 4))
        cut = ImageOps.fit(whole, size)
        file = _write_still(cut, "picture", folder)
        hashes: tuple[FileHash, ...] = (
            *hash_looks(whole),
            hash_picture(cut),
        )  # A bank knows the picture, others see the cut.
        return Result(type="image", file=file, preview=file, meta={"original": describe(size)}, hashes=hashes)
    moving, still, hashes = _write_moving(picture, expected, folder, lambda frame: ImageOps.fit(frame, size))
    return Result(type="image", file=moving, preview=still, meta={"original": describe(size)}, hashes=hashes)


def clean_emoji(path: Path, expected: Format, folder: Path, side: int) -> Result:
    """A picture of at most `side` x `side` pixels, transparent and moving if it was, and a still one."""
    picture = open_picture(path, expected)

    def shrink(frame: Image.Image) -> Image.Image:
        return ImageOps.contain(frame, (side, side)) if max(frame.size) > side else frame

    if not is_animated(picture):
        small = shrink(clean_colours(upright(picture, side * side * 4)))
        file = write(small, "emoji", "png", folder, optimize=True)
        hashes = hash_looks(small)
        return Result(type="image", file=file, preview=file, meta={"original": describe(small.size)}, hashes=hashes)
    moving, still, hashes = _write_moving(picture, expected, folder, shrink)
    return Result(type="image", file=moving, preview=still, hashes=hashes)


def is_animated(picture: Image.Image) -> bool:
    """Whether there is more than one frame. HEIC collections are not animations."""
    if picture.format not in ("GIF", "PNG", "WEBP", "AVIF"):
        return False
    try:
        return bool(getattr(picture, "is_animated", False))
    except MemoryError:
        raise
    except Exception as error:
        raise Invalid(BROKEN) from error


def upright(picture: Image.Image, area: int) -> Image.Image:
    """The decoded picture, turned as its EXIF orientation says. A JPEG is decoded at a size near `area`."""
    try:
        if picture.format == "JPEG":
            picture.draft(picture.mode, fit_area(picture.size, area))
        picture.load()
    except MemoryError:
        raise
    except Exception as error:
        raise Invalid(BROKEN) from error
    try:
        ImageOps.exif_transpose(picture, in_place=True)
    except Exception:  # A broken EXIF block turns nothing; it is dropped with the rest.
        return picture
    return picture


def clean_colours(picture: Image.Image) -> Image.Image:
    """The picture in 8-bit L, RGB or RGBA (P stays where it was without a profile), in sRGB, without `info`.

    Returns the same object when no pixel had to change.
    """
    profile = picture.info.get("icc_profile")
    transparency = picture.info.get("transparency")
    has_alpha = picture.has_transparency_data
    result = picture
    if picture.mode.startswith("I") or picture.mode == "F":
        result = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif picture.mode in ("1", "L") and not has_alpha:
        result = picture if picture.mode == "L" else picture.convert("L")
    elif picture.mode == "CMYK" and profile:
        pass
    elif picture.mode == "P" and not profile:
        picture.info = {} if transparency is None else {"transparency": transparency}
        return picture
    elif picture.mode != ("RGBA" if has_alpha else "RGB"):
        result = picture.convert("RGBA" if has_alpha else "RGB")
    if profile and result.mode in ("RGB", "RGBA", "CMYK"):
        result = _to_srgb(result, profile)
    if result.mode == "CMYK":
        result = result.convert("RGB")
    result.info = {}
    return result


def _to_srgb(picture: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if "srgb" in ImageCms.getProfileDescription(source).lower():
            return picture
        target = "RGBA" if picture.mode == "RGBA" else "RGB"
        converted = ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode=target)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture  # An unusable profile says nothing about the colours.
    return picture if converted is None else converted


def scaled(picture: Image.Image, size: Size) -> Image.Image:
    """The picture at `size`; the same object when it has it already."""
    if picture.size == size:
        return picture
    if picture.mode == "P":
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def describe(size: Size) -> dict[str, Any]:
    """Width, height and proportions in the words of Mastodon's API."""
    width, height = size
    return {"width": width, "height": height, "size": f"{width}x{height}", "aspect": width / height}


def hash_of(picture: Image.Image) -> str:
    """The blurhash of a picture, computed from at most 32 x 32 pixels."""
    import blurhash

    small = opaque(picture.resize((32, 32)) if picture.mode != "P" else picture.convert("RGBA").resize((32, 32)))
    raw = small.tobytes()
    rows = [[[raw[at], raw[at + 1], raw[at + 2]] for at in range(row * 96, row * 96 + 96, 3)] for row in range(32)]
    return str(blurhash.encode(rows, 4, 3))


def opaque(picture: Image.Image) -> Image.Image:
    """The picture in RGB, on white where it was transparent."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    with_alpha = picture.convert("RGBA")
    ground = Image.new("RGBA", with_alpha.size, "white")
    return Image.alpha_composite(ground, with_alpha).convert("RGB")


def write(picture: Image.Image, name: str, extension: str, folder: Path, **params: Any) -> FileMade:
    """Write one file into the folder."""
    made = FileMade(f"{name}.{extension}", extension)
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}[extension]
    picture.save(made.path_in(folder), kind, **params)
    return made


def write_preview(picture: Image.Image, folder: Path) -> tuple[FileMade, Size]:
    """A picture of at most 640 x 360 pixels' area beside the original."""
    small = scaled(picture, fit_area(picture.size, PREVIEW_AREA))
    return _write_still(small, "preview", folder), small.size


def _write_still(picture: Image.Image, name: str, folder: Path) -> FileMade:
    if picture.has_transparency_data:
        return write(picture.convert("RGBA"), name, "webp", folder, quality=85)
    if picture.mode == "P":
        picture = picture.convert("RGB")
    return write(picture, name, "jpg", folder, quality=85, optimize=True, progressive=True)


def _write_best(picture: Image.Image, source: Format, folder: Path, *, lossless: bool, same: bool) -> FileMade:
    """Keep the kind of file where every client shows it; `same`: no pixel changed since it was decoded."""
    if source is WEBP:
        return write(picture, "file", "webp", folder, quality=90, lossless=lossless)
    if source is PNG or source is GIF:
        made = write(picture, "file", "png", folder, optimize=picture.mode == "P")
        if made.path_in(folder).stat().st_size <= BIG_PNG:
            return made
    if picture.has_transparency_data:
        return write(picture.convert("RGBA"), "file", "webp", folder, quality=90)
    if picture.mode == "P":
        picture = picture.convert("RGB")
    quality: str | int = "keep" if same and source is JPEG and picture.format == "JPEG" else 90
    return write(picture, "file", "jpg", folder, quality=quality, progressive=True)


def frames_of(picture: Image.Image) -> Iterator[tuple[Image.Image, int]]:
    """Each frame with its duration in milliseconds; raises Invalid beyond the limits of an animation."""
    pixels = 0
    try:
        for index, frame in enumerate(ImageSequence.Iterator(picture)):
            pixels += frame.width * frame.height
            if index >= MAX_FRAMES or pixels > MAX_ANIMATION_PIXELS:
                raise Invalid(f"This animation is too long. At most {MAX_FRAMES:,} frames are accepted.")
            lasts = int(frame.info.get("duration") or 0)
            yield frame.convert("RGBA"), lasts if lasts > 10 else 100
    except (Invalid, MemoryError):
        raise
    except Exception as error:
        raise Invalid(BROKEN) from error


def _clean_animation(picture: Image.Image, folder: Path) -> Result:
    from parley.social.media.recordings import write_animation

    made, first, meta = write_animation(frames_of(picture), folder)
    preview, size = write_preview(first, folder)
    meta["small"] = describe(size)
    hashes = (hash_picture(first), *hash_video(made.path_in(folder)))
    return Result(type="gifv", file=made, preview=preview, meta=meta, blurhash=hash_of(first), hashes=hashes)


HASHED_FRAMES = 20
"""Of a moving profile picture or emoji, evenly spread."""


def _write_moving(
    picture: Image.Image, source: Format, folder: Path, shape: Any
) -> tuple[FileMade, FileMade, tuple[FileHash, ...]]:
    """The animation frame by frame through `shape`, as GIF or WebP, its first frame, and hashes of some frames."""
    frames: list[Image.Image] = []
    lasting: list[int] = []
    first: FileHash | None = None
    for frame, duration in frames_of(picture):
        first = first or hash_picture(frame)
        frames.append(shape(frame))
        lasting.append(duration)
    extension = "gif" if source is GIF else "webp"
    still = write(frames[0], "still", "png", folder)
    params: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": lasting, "loop": 0}
    if extension == "gif":
        params |= {"disposal": 2}
    step = max(1, len(frames) // HASHED_FRAMES)
    some = ((frame, sum(lasting[: at * step]) / 1000) for at, frame in enumerate(frames[::step]))
    hashes = (*([first] if first else []), hash_picture(frames[0]), *hash_frames(some))
    return write(frames[0], "moving", extension, folder, **params), still, hashes
