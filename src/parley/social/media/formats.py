"""Which files are accepted, told from their first bytes alone: names and content types mean nothing.

The formats and limits stand here, where the door, the actions and the decoding process all read them. Nothing
is decoded here.
"""

from __future__ import annotations

import struct
from typing import Literal

import msgspec

from parley.kit.errors import Invalid

Family = Literal["image", "video", "audio"]

MAX_PIXELS = 64_000_000
"""Pixels that are decoded at most, of a picture or of all layers of a frame."""
MAX_SIDE = 30_000
"""Longest side of a picture, in pixels."""
MAX_AREA = 3840 * 2160
"""Pixels that are stored at most; a larger picture is scaled down to it."""
PREVIEW_AREA = 640 * 360
MAX_FRAMES = 3_000
"""Frames of an animation."""
MAX_ANIMATION_PIXELS = 1_500_000_000
"""Pixels of all frames of an animation together."""
MAX_DURATION = 4 * 3600.0
"""Seconds of a video or sound."""
MAX_DESCRIPTION = 1_500
"""Characters of a description."""
MAX_EMOJI_BYTES = 512 * 1024


class Format(msgspec.Struct, frozen=True):
    """A kind of file. `decoder` is what the decoding library is told to expect, and nothing else."""

    name: str
    family: Family
    mime_type: str
    extension: str
    decoder: str


JPEG = Format("JPEG", "image", "image/jpeg", "jpg", "JPEG")
PNG = Format("PNG", "image", "image/png", "png", "PNG")
WEBP = Format("WebP", "image", "image/webp", "webp", "WEBP")
GIF = Format("GIF", "image", "image/gif", "gif", "GIF")
AVIF = Format("AVIF", "image", "image/avif", "avif", "AVIF")
HEIC = Format("HEIC", "image", "image/heic", "heic", "HEIF")
MP4 = Format("MP4", "video", "video/mp4", "mp4", "mov")
MOV = Format("MOV", "video", "video/quicktime", "mov", "mov")
WEBM = Format("WebM", "video", "video/webm", "webm", "matroska")
MP3 = Format("MP3", "audio", "audio/mpeg", "mp3", "mp3")
OGG = Format("OGG", "audio", "audio/ogg", "ogg", "ogg")
FLAC = Format("FLAC", "audio", "audio/flac", "flac", "flac")
M4A = Format("M4A", "audio", "audio/mp4", "m4a", "mov")

FORMATS = {one.name: one for one in (JPEG, PNG, WEBP, GIF, AVIF, HEIC, MP4, MOV, WEBM, MP3, OGG, FLAC, M4A)}
ACCEPTED_TYPES = (
    *dict.fromkeys(one.mime_type for one in FORMATS.values()),
    "image/heif",
    "audio/mp3",
    "audio/x-m4a",
)
"""MIME types that clients may offer in a file chooser."""

REFUSAL = (
    "This kind of file is not accepted. Send a picture (JPEG, PNG, WebP, GIF, AVIF, HEIC), "
    "a video (MP4, WebM, MOV) or a sound (MP3, OGG, FLAC, M4A)."
)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_AUDIO_BRANDS = {b"M4A ", b"M4B ", b"M4P "}
_MP4_BRANDS = {b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"dash"} | {
    b"M4V ", b"MSNV", b"3gp4", b"3gp5", b"3gp6", b"mmp4", b"f4v ", b"iso8", b"iso9", b"av01", b"cmfc",
}  # fmt: skip
_MP3_BITRATES = (0, 15)
_EBML = b"\x1a\x45\xdf\xa3"


def sniff(head: bytes) -> Format:
    """The format that a file's first bytes show; raises Invalid with a sentence when it is none of ours."""
    found = _sniff_picture(head) or _sniff_box(head) or _sniff_sound(head)
    if found is None and head.startswith(_EBML) and b"webm" in head[:64]:
        found = WEBM
    if found is None and head.startswith(_EBML) and b"matroska" in head[:64]:
        raise Invalid("Matroska (MKV) videos are not accepted. Save the video as MP4 or WebM.")
    if found is None:
        raise Invalid(REFUSAL)
    _check_size(found, head)
    return found


def _sniff_picture(head: bytes) -> Format | None:
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    return None


def _sniff_box(head: bytes) -> Format | None:
    """ISO base media: HEIC, AVIF, MP4, M4A and QuickTime, told apart by their brands (ISO/IEC 14496-12)."""
    if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return MOV if head[:4] != b"\0\0\0\0" else None
    if len(head) < 16 or head[4:8] != b"ftyp":
        return None
    size = min(int.from_bytes(head[:4]), len(head), 512)
    major = head[8:12]
    brands = {major} | {head[at : at + 4] for at in range(16, size - 3, 4)}
    if brands & _AVIF_BRANDS:
        return AVIF
    if brands & _HEIC_BRANDS:
        return HEIC
    if major == b"qt  ":
        return MOV
    if major in _AUDIO_BRANDS:
        return M4A
    if brands & _MP4_BRANDS:
        return MP4
    return None


def _sniff_sound(head: bytes) -> Format | None:
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"OggS"):
        return OGG
    if head.startswith(b"ID3"):
        return MP3
    if len(head) > 3 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2 and head[2] >> 4 not in _MP3_BITRATES:
        return MP3 if head[2] & 0x0C != 0x0C else None
    return None


def _check_size(found: Format, head: bytes) -> None:
    """Refuse a picture whose header already claims too many pixels."""
    if found is PNG and len(head) >= 24:
        check_pixels(*struct.unpack(">II", head[16:24]))
    elif found is GIF and len(head) >= 10:
        check_pixels(*struct.unpack("<HH", head[6:10]))


def check_pixels(width: int, height: int) -> None:
    """Raise Invalid for a picture of no size or of more than is ever decoded."""
    if width < 1 or height < 1:
        raise Invalid("This picture is broken: it has no size.")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise Invalid(
            f"This picture has {width} x {height} pixels. At most {MAX_PIXELS // 1_000_000} megapixels "
            f"and {MAX_SIDE:,} on a side are accepted: make it smaller and try again."
        )
