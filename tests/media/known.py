"""Pictures and videos that a bank knows, and what people do to them."""

from __future__ import annotations

import io
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from parley.screening.hash_formats import ListedHash
from parley.social.media import hash_banks
from tests.conftest import World


def scene(seed: int, size: tuple[int, int] = (640, 480)) -> Image.Image:
    """A picture with large and small shapes, different for each seed, as photographs differ."""
    random = np.random.default_rng(seed)
    layers = [random.integers(0, 256, (side, side, 3), dtype=np.uint8) for side in (4, 9, 23)]
    picture = Image.fromarray(layers[0]).resize(size, Image.Resampling.BICUBIC)
    for layer, share in zip(layers[1:], (0.45, 0.3), strict=True):
        picture = Image.blend(picture, Image.fromarray(layer).resize(size, Image.Resampling.BICUBIC), share)
    return picture


def jpeg(picture: Image.Image, quality: int = 90, **params: Any) -> bytes:
    """The picture as a JPEG."""
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, **params)
    return out.getvalue()


def film(seeds: list[int], *, seconds_each: float = 1.0, size: tuple[int, int] = (320, 240), rate: int = 10) -> bytes:
    """An MP4 that shows one scene after the other, each for some seconds, in slow motion."""
    import av

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with av.open(str(path), "w", format="mp4") as target:
            stream: Any = target.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            moment = 0
            for seed in seeds:
                picture = scene(seed, size)
                for _ in range(int(seconds_each * rate)):
                    frame = av.VideoFrame.from_image(picture)
                    frame.pts, frame.time_base = moment, Fraction(1, rate)
                    target.mux(stream.encode(frame))
                    moment += 1
            target.mux(stream.encode(None))
        return path.read_bytes()


async def make_bank(world: World, tier: str, *, clause: str = "4.2", name: str = "", **options: Any) -> str:
    """A bank of that tier; returns its name."""
    name = name or f"known-{tier}"
    async with world.instance.db.write() as tx:
        await hash_banks.make_bank(tx, name, tier=tier, clause=clause, **options)
    return name


async def bank_picture(world: World, tier: str, picture: bytes, *, name: str = "") -> str:
    """Put a file into a bank of that tier, as the operator's command does."""
    name = await make_bank(world, tier, name=name)
    path = world.settings.path("tmp")
    path.mkdir(parents=True, exist_ok=True)
    file = path / "known"
    file.write_bytes(picture)
    assert await hash_banks.add_file(world.instance, name, file)
    return name


async def bank_hashes(world: World, bank: str, *hashes: ListedHash) -> None:
    """Import hashes."""
    async with world.instance.db.write() as tx:
        target = await hash_banks.get_bank(tx, bank)
        await hash_banks.import_hashes(tx, None, target, hashes, world.settings, source="test")
