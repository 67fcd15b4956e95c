"""Real files of every kind, made here, some with secrets in their metadata, some hostile."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

SECRET = "49.8728,8.6512 secret-place"


def _picture(width: int = 120, height: int = 80, mode: str = "RGB") -> Any:
    """Top left quarter red, the rest blue and green stripes: turning it shows."""
    from PIL import Image, ImageDraw

    picture = Image.new(mode, (width, height), (20, 60, 200, 255)[: len(mode)])
    draw = ImageDraw.Draw(picture)
    for x in range(0, width, 10):
        draw.line((x, 0, x, height), fill=(20, 160, 60, 255)[: len(mode)], width=3)
    draw.rectangle((0, 0, width // 2 - 1, height // 2 - 1), fill=(230, 20, 20, 255)[: len(mode)])
    return picture


def _exif(orientation: int = 1) -> Any:
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET
    exif[0x010F] = "SecretCam"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2] = "N", (49.0, 52.0, 22.0)
    gps[3], gps[4] = "E", (8.0, 39.0, 4.0)
    return exif


def jpeg(width: int = 120, height: int = 80, *, orientation: int = 1, **params: Any) -> bytes:
    out = io.BytesIO()
    _picture(width, height).save(
        out, "JPEG", exif=_exif(orientation), comment=SECRET.encode(), xmp=b"<x>" + SECRET.encode() + b"</x>", **params
    )
    return out.getvalue()


def png(width: int = 120, height: int = 80, mode: str = "RGBA") -> bytes:
    from PIL import PngImagePlugin

    info = PngImagePlugin.PngInfo()
    info.add_text("Location", SECRET)
    info.add_itxt("XML:com.adobe.xmp", f"<x>{SECRET}</x>")
    out = io.BytesIO()
    picture = _picture(width, height, mode)
    if mode == "RGBA":
        picture.putpixel((0, 0), (0, 0, 0, 0))
    picture.save(out, "PNG", pnginfo=info, exif=_exif())
    return out.getvalue()


def still(kind: str, **params: Any) -> bytes:
    """WEBP, AVIF, GIF or HEIF with a secret in its EXIF where the format has one."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    if kind != "GIF":
        params = {"exif": _exif(), **params}
    _picture().save(out, kind, **params)
    return out.getvalue()


def animation(kind: str = "GIF", frames: int = 6, size: tuple[int, int] = (60, 40)) -> bytes:
    from PIL import Image

    pictures = [Image.new("RGB", size, (40 * index % 255, 90, 255 - 30 * index % 255)) for index in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, kind, save_all=True, append_images=pictures[1:], duration=120, loop=0)
    return out.getvalue()


def video(
    path: Path,
    *,
    container: str = "mp4",
    codec: str = "libx264",
    audio: str | None = "aac",
    size: tuple[int, int] = (160, 90),
    frames: int = 30,
    rotation: int = 0,
) -> bytes:
    import av

    options = {"movflags": "use_metadata_tags"} if container in ("mp4", "mov") else {}
    with av.open(str(path), "w", format=container, container_options=options) as target:
        target.metadata["title"] = SECRET
        target.metadata["location"] = SECRET
        target.metadata["com.apple.quicktime.location.ISO6709"] = SECRET
        target.metadata["comment"] = SECRET
        stream: Any = target.add_stream(codec, rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
        stream.metadata["handler_name"] = SECRET
        if rotation:
            stream.set_display_rotation(rotation)
        sound: Any = None
        if audio:
            sound = target.add_stream(audio, rate=48_000, options={"strict": "experimental"})
        picture = _picture(*size)
        for index in range(frames):
            frame = av.VideoFrame.from_image(picture)
            frame.pts, frame.time_base = index, Fraction(1, 30)
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
        if sound is not None:
            _add_tone(target, sound, frames / 30)
    return path.read_bytes()


def _add_tone(target: Any, stream: Any, seconds: float) -> None:
    import av

    count = 1024
    for index in range(int(seconds * 48_000 / count)):
        frame = av.AudioFrame(format="s16", layout="stereo", samples=count)
        frame.planes[0].update(bytes((at * 37 + index) % 200 for at in range(count * 4)))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, index * count, Fraction(1, 48_000)
        target.mux(stream.encode(frame))
    target.mux(stream.encode(None))


def sound(path: Path, *, container: str, codec: str, seconds: float = 2.0) -> bytes:
    import av

    with av.open(str(path), "w", format=container) as target:
        for name in ("title", "artist", "comment", "location"):
            target.metadata[name] = SECRET
        stream: Any = target.add_stream(codec, rate=48_000, options={"strict": "experimental"})
        _add_tone(target, stream, seconds)
    return path.read_bytes()


def png_bomb(width: int, height: int, *, channels: int = 1) -> bytes:
    """A PNG of a few kilobytes that claims `width` x `height` pixels and carries them, deflated."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(b"\0" * (width * channels + 1)) for _ in range(height)) + packer.flush()

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 6 if channels == 4 else 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zip_file() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("photo.jpg", b"not a photo" * 100)
    return out.getvalue()


@cache
def endless_gif(frames: int = 4000) -> bytes:
    """A GIF whose frames go on past the limit."""
    one = animation("GIF", 2, (8, 8))
    head_end = one.index(b"\x21\xf9")
    body = one[head_end:-1]
    return one[:head_end] + body * (frames // 2) + b";"


HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def sound_with_cover(path: Path) -> bytes:
    """An MP3 whose ID3 tag carries a JPEG with a secret in it."""
    import av

    with av.open(str(path), "w", format="mp3") as target:
        target.metadata["title"] = SECRET
        stream: Any = target.add_stream("libmp3lame", rate=48_000)
        cover: Any = target.add_stream("mjpeg")
        cover.width, cover.height, cover.pix_fmt = 120, 80, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        packet = av.Packet(jpeg())
        packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 90_000)
        target.start_encoding()
        target.mux(packet)
        _add_tone(target, stream, 1.0)
    return path.read_bytes()


def profile_with_red_and_green_swapped() -> bytes:
    """An ICC profile like sRGB's whose red is green, so that a conversion can be seen."""
    from PIL import ImageCms

    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for index in range(struct.unpack(">I", data[128:132])[0]):
        at = 132 + 12 * index
        tags[bytes(data[at : at + 4])] = at + 4
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 8], data[green : green + 8] = data[green : green + 8], data[red : red + 8]
    return bytes(data).replace("sRGB".encode("utf-16-be"), "xRGB".encode("utf-16-be")).replace(b"sRGB", b"xRGB")


def webm_of_many_days(path: Path) -> bytes:
    """A WebM of one second whose header promises eleven days."""
    data = video(path, container="webm", codec="libvpx", audio=None)
    at = data.index(b"\x44\x89\x88") + 3
    return data[:at] + struct.pack(">d", 1e9) + data[at + 8 :]


def flac_of_many_days(path: Path) -> bytes:
    """A FLAC of one second whose header promises sixteen days."""
    data = bytearray(sound(path, container="flac", codec="flac", seconds=1))
    data[8 + 13] |= 0x0F
    data[8 + 14 : 8 + 18] = b"\xff" * 4
    return bytes(data)


def jpeg_of(width: int, height: int) -> bytes:
    """A JPEG whose header claims a size that it does not have."""
    data = jpeg()
    at = data.index(b"\xff\xc0") + 5
    return data[:at] + struct.pack(">HH", height, width) + data[at + 4 :]


def long_gif(frames: int, side: int) -> bytes:
    """A small file that decodes to `frames` pictures of `side` x `side`."""
    one = animation("GIF", 2, (side, side))
    start = one.index(b"\x21\xf9")
    return one[:start] + one[start:-1] * (frames // 2) + b";"
