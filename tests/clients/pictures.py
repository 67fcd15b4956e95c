"""Pictures for tests, drawn on the spot."""

from __future__ import annotations

import io
import random


def draw_png(seed: int = 1, size: tuple[int, int] = (320, 200)) -> bytes:
    """A small picture that no other seed gives."""
    from PIL import Image, ImageDraw

    chance = random.Random(seed)
    picture = Image.new("RGB", size, (240, 236, 220))
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = chance.randrange(size[0]), chance.randrange(size[1])
        color = (chance.randrange(256), chance.randrange(256), chance.randrange(256))
        draw.ellipse((x, y, x + 60, y + 60), fill=color)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
