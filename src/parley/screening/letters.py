"""Tables of characters that are used to disguise words. This file must not look at any text."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

FILLERS = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0})
STROKED = {ord(letter): plain for letter, plain in zip("øłđħŧƒıðəŋ", "oldhtfiden", strict=True)}
ENCLOSED = {first + offset: chr(ord("a") + offset) for first in (0x1F150, 0x1F170, 0x1F1E6) for offset in range(26)}


@lru_cache(maxsize=1)
def look_alikes() -> dict[int, str]:
    """Single characters of other scripts that look like a Latin letter, from Unicode's confusables list."""
    import confusable_homoglyphs

    source = Path(confusable_homoglyphs.__file__).parent / "confusables.json"
    table: dict[int, str] = {}
    lowered: dict[int, str] = {}
    for character, others in json.loads(source.read_text(encoding="utf-8")).items():
        if len(character) != 1 or character.isascii():
            continue
        latin = next((o["c"] for o in others if len(o["c"]) == 1 and o["c"].isascii() and o["c"].isalpha()), "")
        if not latin:
            continue
        table[ord(character)] = latin.lower()
        small = character.lower()
        if len(small) == 1 and small != character:
            lowered.setdefault(ord(small), latin.lower())
    return lowered | table | STROKED
