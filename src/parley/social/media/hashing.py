"""Hashes pictures and frames where they are decoded, so that banks of known files can be asked.

Runs only inside the decoding process, on what was cleaned: what is served is what was hashed. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image, ImageChops

from parley.social.media.results import FileHash

DECODED_WHOLE = 60.0
"""Seconds: of a shorter video each second is seen; a longer one is opened at sixty places."""
MOST_DECODED = 60 * 60
"""Frames that are decoded at most to see each second of a short video."""


def hash_picture(picture: Image.Image) -> FileHash:
    """The PDQ hash of a picture, from at most 512 pixels on a side; what is transparent is white."""
    import numpy as np

    from parley.screening.image_hash import HASHED_SIDE, hash_pixels
    from parley.social.media.pictures import opaque

    small = picture if picture.mode not in ("P", "1") else picture.convert("RGBA")
    if max(small.size) > HASHED_SIDE:
        small = small.copy()
        small.thumbnail((HASHED_SIDE, HASHED_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    found = hash_pixels(np.asarray(opaque(small)))
    return FileHash("pdq", found.bits.hex(), found.quality)


BORDER_TONES = 24
"""How far the tones of a border may lie apart, of 255."""
LEAST_INSIDE, MOST_INSIDE = 0.25, 0.98
"""Share of a picture that may be left when its border is taken off."""
BORDER_SIDE = 256


def hash_looks(picture: Image.Image) -> tuple[FileHash, ...]:
    """The hash of a picture, and of what is inside when it has a border of one colour."""
    inside = _without_border(picture)
    return (hash_picture(picture),) if inside is None else (hash_picture(picture), hash_picture(inside))


def _without_border(picture: Image.Image) -> Image.Image | None:
    from parley.social.media.pictures import opaque

    small = picture.convert("RGBA") if picture.mode in ("P", "1") else picture.copy()
    small.thumbnail((BORDER_SIDE, BORDER_SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    small = opaque(small)
    ground = Image.new("RGB", small.size, small.getpixel((0, 0)))
    differs = ImageChops.difference(small, ground).convert("L").point(lambda tone: 255 * (tone > BORDER_TONES))
    box = differs.getbbox()
    if box is None or box == (0, 0, *small.size):
        return None
    left, top, right, bottom = box
    share = (right - left) * (bottom - top) / (small.width * small.height)
    if not LEAST_INSIDE <= share <= MOST_INSIDE:
        return None
    across, down = picture.width / small.width, picture.height / small.height
    return picture.crop((round(left * across), round(top * down), round(right * across), round(bottom * down)))


def hash_parts(picture: Image.Image) -> tuple[FileHash, ...]:
    """A picture for a bank: the hash of all of it and of the parts that are left when it is cut as CROPS says."""
    from parley.screening.image_hash import CROPS, crop_box

    hashes = list(hash_looks(picture))
    for name, cut in CROPS:
        found = hash_picture(picture.crop(crop_box(picture.size, cut)))
        hashes.append(FileHash("pdq", found.hash, found.quality, part=name))
    return tuple(hashes)


def hash_frames(pictures: Iterable[tuple[Image.Image, float]]) -> tuple[FileHash, ...]:
    """Hashes of frames, each with the second at which it is shown; what says nothing or nothing new is left out."""
    from parley.screening.video_hash import FrameHash, distinct_frames

    frames = []
    for picture, second in pictures:
        found = hash_picture(picture)
        frames.append(FrameHash(bytes.fromhex(found.hash), found.quality, second))
    return tuple(
        FileHash("frame", one.bits.hex(), one.quality, round(one.second, 2)) for one in distinct_frames(frames)
    )


def hash_video(path: Path) -> tuple[FileHash, ...]:
    """Hashes of a finished video: a frame a second, at most sixty. Reads it piece by piece, never whole."""
    import av

    with av.open(str(path), metadata_errors="replace") as container:
        video = container.streams.video[0]
        duration = float(container.duration or 0) / av.time_base
        pick = _pick_seconds if duration <= DECODED_WHOLE else _pick_places
        return hash_frames(pick(container, video, duration))


def hash_sound(path: Path) -> tuple[FileHash, ...]:
    """The SHA-256 of a finished file's sound track, packet after packet: the same whatever the container and tags are.

    It finds exact copies of the encoded sound and nothing else.
    """
    import hashlib

    import av

    with av.open(str(path), metadata_errors="replace") as container:
        if not container.streams.audio:
            return ()
        digest = hashlib.sha256()
        for packet in container.demux(container.streams.audio[0]):
            digest.update(packet)
        return (FileHash("audio", digest.hexdigest()),)


def _pick_seconds(container: Any, video: Any, duration: float) -> Iterator[tuple[Image.Image, float]]:
    from parley.screening.video_hash import sample_times

    video.codec_context.skip_frame = "NONREF"
    video.thread_type = "AUTO"
    wanted = sample_times(duration)
    at = 0
    for count, frame in enumerate(container.decode(video)):
        if at >= len(wanted) or count >= MOST_DECODED:
            return
        second = float(frame.time or 0.0)
        if second + 0.001 < wanted[at]:
            continue
        while at < len(wanted) and wanted[at] <= second + 0.001:
            at += 1
        yield _small(frame), second


def _pick_places(container: Any, video: Any, duration: float) -> Iterator[tuple[Image.Image, float]]:
    """The key frame before each of sixty places: one decoded frame each, however long the video is."""
    import av

    from parley.screening.video_hash import sample_times

    last = -1.0
    for second in sample_times(duration):
        try:
            container.seek(int(second / video.time_base), stream=video)
            frame = next(container.decode(video))
        except (av.FFmpegError, StopIteration):
            continue
        shown = float(frame.time or 0.0)
        if shown > last:
            last = shown
            yield _small(frame), shown


def _small(frame: Any) -> Image.Image:
    """A frame as a picture of at most 512 pixels on a side."""
    from parley.screening.image_hash import HASHED_SIDE

    scale = min(1.0, HASHED_SIDE / max(frame.width, frame.height))
    size = max(16, round(frame.width * scale)), max(16, round(frame.height * scale))
    shown: Image.Image = frame.to_image(width=size[0], height=size[1])
    return shown.rotate(frame.rotation, expand=True) if frame.rotation else shown
