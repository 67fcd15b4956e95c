"""Writes `src/parley/screening/emoji_en.txt`: the English name of each emoji that is one character, and of each flag.

The names come from the `emoji` package (Unicode's CLDR). Kept as a file, they cost the server no memory for all the
other languages. Run it again when the package knows new emoji: `python -m training.emoji_names`.
"""

from __future__ import annotations

import re
from pathlib import Path

import emoji

TARGET = Path(__file__).parents[1] / "src" / "parley" / "screening" / "emoji_en.txt"
_WORDS = re.compile(r"[^\W_]+")
_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]{2}")


def main() -> None:
    """Write the file."""
    lines = [
        f"{character}\t{' '.join(_WORDS.findall(entry['en'].lower().replace('_', ' ')))}"
        for character, entry in sorted(emoji.EMOJI_DATA.items())
        if len(character) == 1 or _FLAG.fullmatch(character)
    ]
    TARGET.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
