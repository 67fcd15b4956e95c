"""What judging files costs, and what its hashes withstand.

python -m bench.judge_media            about three minutes; --large adds an index of ten million hashes (1.2 GiB)
"""

from __future__ import annotations

import argparse
import asyncio
import io
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.media import Row, photo, recording, still
from parley.screening.image_hash import (
    CROPS,
    HASHED_SIDE,
    MATCH_DISTANCE,
    HashIndex,
    count_differing,
    crop_box,
    hash_pixels,
    turned_forms,
)
from parley.social.media.formats import sniff
from parley.social.media.hashing import hash_looks, hash_picture
from parley.social.media.process import decode

ASKED = 200
PICTURES = 40


def _memory() -> float:
    """MiB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20


def index_rows(count: int) -> list[Row]:
    """An index of `count` random hashes: to build, to hold, to ask (hits 31 bits away, and misses)."""
    import numpy as np

    random = np.random.default_rng(1)
    rows = random.integers(0, 256, (count, 32), dtype=np.uint8)
    before = _memory()
    began = time.perf_counter()
    index = HashIndex(rows.tobytes())
    built = time.perf_counter() - began
    held = _memory() - before
    asked: list[bytes] = []
    for place in random.integers(0, count, ASKED):
        bits = np.unpackbits(rows[place])
        bits[random.choice(256, MATCH_DISTANCE, replace=False)] ^= 1
        asked.append(np.packbits(bits).tobytes())
    one = _times(lambda at: index.find(asked[at]))
    eight = _times(lambda at: index.find(*turned_forms(asked[at])))
    found = sum(bool(index.find(query)) for query in asked)
    name, target = f"index of {count:,} hashes", "under 2 ms at 1,000,000"
    return [
        (name, "one form", f"p50 {one[0]:.2f} ms, p95 {one[1]:.2f} ms", target),
        (name, "a picture in its eight forms", f"p50 {eight[0]:.2f} ms, p95 {eight[1]:.2f} ms", target),
        (name, f"found of {ASKED} that differ in {MATCH_DISTANCE} bits", f"{found / ASKED:.0%}", "100%"),
        (name, "to build; memory", f"{built:.1f} s; {held:.0f} MiB", ""),
    ]


def _times(ask: Callable[[int], Any]) -> tuple[float, float]:
    """p50 and p95 in milliseconds."""
    taken = []
    for at in range(ASKED):
        began = time.perf_counter()
        ask(at)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken), sorted(taken)[int(ASKED * 0.95)]


def hashing_rows() -> list[Row]:
    """PDQ by itself, and with decoding at the size that is needed."""
    import numpy as np
    from PIL import Image

    small = np.asarray(photo(512, 384))
    large = still("JPEG", 4000, 3000, quality=88)

    def whole() -> None:
        hash_pixels(np.asarray(Image.open(io.BytesIO(large)).convert("RGB")))

    def drafted() -> None:
        picture = Image.open(io.BytesIO(large))
        picture.draft("RGB", (HASHED_SIDE, HASHED_SIDE))
        picture.thumbnail((HASHED_SIDE, HASHED_SIDE), reducing_gap=2.0)
        hash_pixels(np.asarray(picture))

    rows: list[Row] = []
    for name, run, times in (
        ("512 x 384 pixels", lambda: hash_pixels(small), 60),
        ("12 megapixels, decoded whole", whole, 4),
        ("12 megapixels, decoded at draft size", drafted, 20),
    ):
        run()
        began = time.perf_counter()
        for _ in range(times):
            run()
        rows.append(("PDQ hashes", name, f"{times / (time.perf_counter() - began):.0f}/s", ""))
    return rows


def recording_rows() -> list[Row]:
    """A video through the whole decoding process, its frames hashed; and the hashing alone."""
    from parley.social.media.hashing import hash_video

    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "upload"
        path.write_bytes(recording("libx264", 10, 1280, 720))
        folder = Path(name) / "out"
        folder.mkdir()
        expected = sniff(path.read_bytes()[:4096])
        taken = []
        for _ in range(3):
            began = time.perf_counter()
            result = asyncio.run(decode(path, expected, "attachment", folder))
            taken.append(time.perf_counter() - began)
        assert result.file is not None, result
        alone = []
        for _ in range(3):
            began = time.perf_counter()
            hash_video(result.file.path_in(folder))
            alone.append(time.perf_counter() - began)
    kind = "10 s of 720p (H.264)"
    rows.append(("videos, cleaned and hashed", kind, f"{1 / min(taken):.2f}/s", ""))
    rows.append(("videos, frames hashed", kind, f"{1 / min(alone):.2f}/s", ""))
    return rows


def changes() -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """What people do to pictures."""
    from PIL import Image, ImageEnhance, ImageFilter, ImageOps

    def through_jpeg(picture: Any) -> Any:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=30)
        return Image.open(out).convert("RGB")

    def cut(picture: Any) -> Any:
        return picture.crop(crop_box(picture.size, (0.025, 0.025, 0.025, 0.025)))

    def cut_anywhere(picture: Any) -> Any:
        shares = [((picture.getpixel((at, at))[0] * 7 + at) % 100) / 1000 for at in range(4)]
        return picture.crop(crop_box(picture.size, (shares[0], shares[1], shares[2], shares[3])))

    yield "JPEG, quality 30", through_jpeg
    yield "half the size", lambda one: one.resize((one.width // 2, one.height // 2))
    yield "blurred (radius 2)", lambda one: one.filter(ImageFilter.GaussianBlur(2))
    yield "30 % brighter", lambda one: ImageEnhance.Brightness(one).enhance(1.3)
    yield "half as much contrast again", lambda one: ImageEnhance.Contrast(one).enhance(1.5)
    yield "grey", lambda one: one.convert("L").convert("RGB")
    yield "mirrored", ImageOps.mirror
    yield "turned by 90 degrees", lambda one: one.rotate(90, expand=True)
    yield "turned by 2 degrees", lambda one: one.rotate(2)
    yield "5 % cut off (2.5 % at each side)", cut
    yield "10 % cut off on one side", lambda one: one.crop(crop_box(one.size, (0.1, 0.0, 0.0, 0.0)))
    yield "up to 10 % cut off at each side, all different", cut_anywhere
    yield "a black border of 5 %", lambda one: ImageOps.expand(one, border=one.width // 20)


def robustness_rows(pictures: list[Any]) -> list[Row]:
    """How many changed pictures are found by the plain hash; in eight forms, with and without a border; and with the
    parts that a bank keeps."""

    def hashed(picture: Any) -> bytes:
        return bytes.fromhex(hash_picture(picture).hash)

    banked = [[hashed(one), *(hashed(one.crop(crop_box(one.size, box))) for _, box in CROPS)] for one in pictures]
    rows: list[Row] = []
    for name, change in changes():
        plain = formed = parted = 0
        for picture, known in zip(pictures, banked, strict=True):
            looks = [bytes.fromhex(look.hash) for look in hash_looks(change(picture))]
            forms = [form for look in looks for form in turned_forms(look)]
            plain += count_differing(forms[0], known[0]) <= MATCH_DISTANCE
            formed += min(count_differing(form, known[0]) for form in forms) <= MATCH_DISTANCE
            parted += min(count_differing(form, part) for form in forms for part in known) <= MATCH_DISTANCE
        count = len(pictures)
        measured = f"{plain / count:.0%} plain, {formed / count:.0%} in eight forms, {parted / count:.0%} with parts"
        rows.append((f"found of {count} changed pictures", name, measured, ""))
    return rows


def _in_own_process(count: int) -> list[Row]:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(index_rows, count).result()


def measure(*, large: bool = False, folder: Path | None = None) -> list[Row]:
    """All rows. `folder` has photographs to change; without it, pictures are made."""
    from PIL import Image

    rows = [*hashing_rows(), *recording_rows(), *_in_own_process(1_000_000)]
    if large:
        rows += _in_own_process(10_000_000)
    if folder is not None:
        pictures = [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]
    else:
        from tests.media.known import scene

        pictures = [scene(seed, (800, 600)) for seed in range(PICTURES)]
    return rows + robustness_rows(pictures)


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.judge_media", description=__doc__)
    parser.add_argument("--large", action="store_true", help="ten million hashes too")
    parser.add_argument("--pictures", type=Path, help="a folder of photographs to change")
    arguments = parser.parse_args()
    for what, kind, measured, target in measure(large=arguments.large, folder=arguments.pictures):
        sys.stdout.write(f"{what:<34}  {kind:<50}  {measured:<50} {target}\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
