"""How long the decoding process takes for a file of each common kind, and how much memory, start included.

python -m bench.media            about two minutes
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

from parley.social.media.formats import sniff
from parley.social.media.process import decode
from parley.social.media.results import Purpose

Row = tuple[str, str, str, str]
"""What, of what kind, measured, target."""

RUNS = 3


def photo(width: int, height: int) -> Any:
    """A picture with the grain of a photograph, so that it does not compress like a drawing."""
    from PIL import Image

    coarse = Image.merge("RGB", [Image.effect_noise((width // 16, height // 16), 90) for _ in range(3)])
    fine = Image.merge("RGB", [Image.effect_noise((width, height), 18) for _ in range(3)])
    return Image.blend(coarse.resize((width, height)), fine, 0.4)


def still(kind: str, width: int, height: int, **params: Any) -> bytes:
    """One picture."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    photo(width, height).save(out, kind, **params)
    return out.getvalue()


def animation(frames: int, width: int, height: int) -> bytes:
    """A GIF whose frames all differ."""
    whole = photo(width + frames * 2, height)
    pictures = [whole.crop((2 * at, 0, 2 * at + width, height)).quantize(64) for at in range(frames)]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=40, loop=0)
    return out.getvalue()


def recording(codec: str | None, seconds: int, width: int = 1920, height: int = 1080) -> bytes:
    """A moving picture with sound in MP4, or an MP3 when `codec` is None."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip"
        with av.open(str(path), "w", format="mp4" if codec else "mp3") as target:
            sound: Any = target.add_stream("aac" if codec else "libmp3lame", rate=48_000)
            if codec:
                stream: Any = target.add_stream(codec, rate=30, options={"preset": "ultrafast"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                whole = photo(width + 320, height)
                for index in range(seconds * 30):
                    left = index * 2 % 320
                    frame = av.VideoFrame.from_image(whole.crop((left, 0, left + width, height)))
                    frame.pts, frame.time_base = index, Fraction(1, 30)
                    target.mux(stream.encode(frame))
                target.mux(stream.encode(None))
            for index in range(seconds * 48_000 // 1024):
                tone = av.AudioFrame(format="s16", layout="stereo", samples=1024)
                tone.planes[0].update(bytes((at * 31 + index) % 251 for at in range(4096)))
                tone.sample_rate, tone.pts, tone.time_base = 48_000, index * 1024, Fraction(1, 48_000)
                target.mux(sound.encode(tone))
            target.mux(sound.encode(None))
        return path.read_bytes()


CASES: tuple[tuple[str, Purpose, Callable[[], bytes]], ...] = (
    ("JPEG, 12 megapixels", "attachment", lambda: still("JPEG", 4000, 3000, quality=88)),
    ("JPEG, 48 megapixels", "attachment", lambda: still("JPEG", 8000, 6000, quality=85)),
    ("HEIC, 12 megapixels", "attachment", lambda: still("HEIF", 4000, 3000, quality=60)),
    ("AVIF, 2 megapixels", "attachment", lambda: still("AVIF", 1600, 1200, speed=9)),
    ("PNG screenshot, 1920 x 1080", "attachment", lambda: still("PNG", 1920, 1080)),
    ("WebP, 2 megapixels", "attachment", lambda: still("WEBP", 1600, 1200)),
    ("avatar from JPEG, 12 megapixels", "avatar", lambda: still("JPEG", 4000, 3000, quality=88)),
    ("GIF, 100 frames of 480 x 270, to MP4", "attachment", lambda: animation(100, 480, 270)),
    ("MP4 (H.264), 10 s of 1080p, copied", "attachment", lambda: recording("libx264", 10)),
    ("MP4 (HEVC), 10 s of 1080p, converted", "attachment", lambda: recording("libx265", 10)),
    ("MP3, 5 minutes, copied", "attachment", lambda: recording(None, 300)),
)


def measure_case(path: Path, purpose: Purpose) -> tuple[float, float]:
    """Median seconds of several runs, and MiB of the largest of their processes. Run in a process of its own."""
    taken: list[float] = []
    with path.open("rb") as file:
        expected = sniff(file.read(4096))
    for _ in range(RUNS):
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            result = asyncio.run(decode(path, expected, purpose, Path(folder)))
            taken.append(time.perf_counter() - started)
        if result.error is not None:
            raise RuntimeError(f"{path}: {result.error} {result.detail}")
    return sorted(taken)[RUNS // 2], resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def measure() -> list[Row]:
    """One row for each case."""
    rows: list[Row] = []
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "upload"
        for name, purpose, make in CASES:
            path.write_bytes(make())
            size = path.stat().st_size / 2**20
            with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                seconds, memory = pool.submit(measure_case, path, purpose).result()
            rows.append(("cleaning an upload", f"{name} ({size:.1f} MiB)", f"{seconds:.2f} s, {memory:.0f} MiB", ""))
    return rows


def main() -> int:
    """Print the table."""
    for what, kind, measured, _ in measure():
        sys.stdout.write(f"{what}  {kind:<55}  {measured}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
