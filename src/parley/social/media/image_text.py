"""Reads words in pictures, where the extra `ocr` is installed; without it no word is read.

Runs in a decoding process of its own, on a picture that was cleaned before: slow or broken reading costs the words and
nothing else. What is read is for the judge, never for readers.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

LONGEST_SIDE = 1600
"""Pixels that are looked at."""
LONGEST_TEXT = 4000
LEAST_SURE = 0.5
"""Below this score a line is a guess."""


def can_read() -> bool:
    """Whether the library that reads is installed."""
    return importlib.util.find_spec("rapidocr_onnxruntime") is not None


def read_text(path: Path) -> str:
    """The lines of a picture from top to bottom, at most LONGEST_TEXT characters."""
    import numpy as np
    from PIL import Image
    from rapidocr_onnxruntime import RapidOCR

    from parley.social.media.pictures import opaque

    with Image.open(path) as opened:
        picture = opaque(opened)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1, print_verbose=False)
    found, _ = engine(np.asarray(picture)[:, :, ::-1])  # It wants blue first.
    lines = [str(text) for _, text, score in found or () if float(score) >= LEAST_SURE]
    return "\n".join(lines).replace("\0", "")[:LONGEST_TEXT]
