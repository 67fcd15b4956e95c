"""Reads words in pictures, where the extra `ocr` is installed; without it no word is read.

Runs in a decoding process of its own, on a picture that was cleaned before: slow or broken reading costs the words and
nothing else. What is read is for the judge, never for readers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

LONGEST_SIDE = 1600
"""Pixels that are looked at."""
MARGIN = 60
"""Pixels of white around the picture: lines that touch its edge are read badly."""
LONGEST_TEXT = 4000
LEAST_SURE = 0.5
"""Below this score a line is a guess."""


def can_read() -> bool:
    """Whether the library that reads is installed."""
    return importlib.util.find_spec("rapidocr_onnxruntime") is not None


def read_text(path: Path) -> str:
    """The lines of a picture from top to bottom, at most LONGEST_TEXT characters."""
    import numpy as np
    from PIL import Image, ImageOps
    from rapidocr_onnxruntime import RapidOCR

    from parley.social.media.pictures import opaque

    with Image.open(path) as opened:
        picture = opaque(opened)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    picture = ImageOps.expand(picture, MARGIN, "white")
    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1, print_verbose=False)
    found, _ = engine(np.asarray(picture)[:, :, ::-1])  # It wants blue first.
    boxes = [(box, str(text)) for box, text, score in found or () if float(score) >= LEAST_SURE]
    return "\n".join(_lines(boxes)).replace("\0", "")[:LONGEST_TEXT]


def _lines(boxes: list[tuple[Any, str]]) -> list[str]:
    """Pieces of text, each with its four corners, put together to lines: those at about the same height, from the left.

    A word that was cut in two where letters stand far apart cannot be told from two words.
    """
    lines: list[tuple[float, float, list[tuple[float, str]]]] = []
    for box, text in sorted(boxes, key=lambda one: min(corner[1] for corner in one[0])):
        top, bottom = (pick(corner[1] for corner in box) for pick in (min, max))
        left = min(corner[0] for corner in box)
        middle = (top + bottom) / 2
        if lines and lines[-1][0] <= middle <= lines[-1][1]:
            lines[-1][2].append((left, text))
        else:
            lines.append((top, bottom, [(left, text)]))
    return [" ".join(" ".join(text for _, text in sorted(pieces)).split()) for _, _, pieces in lines]
