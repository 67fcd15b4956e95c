"""Disguises that people put words in, for training and for measuring what a disguise costs.

Each function takes a text and a source of chance and returns the text with some of its words disguised.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

Noise = Callable[[str, random.Random], str]

_WORD = re.compile(r"(?<![@\w/#:.])[A-Za-z]{3,}(?![\w/:])")
_LEET = {"a": "4@", "e": "3", "i": "1!", "o": "0", "s": "5$", "t": "7", "l": "1", "g": "9", "b": "8"}
_LOOK_ALIKES = {
    "a": "аɑα",
    "c": "сϲ",
    "e": "еҽ",
    "i": "іıɩ",
    "j": "ј",
    "k": "кκ",
    "o": "оοօ",
    "p": "рρ",
    "s": "ѕ",
    "u": "υս",
    "x": "х",
    "y": "уү",
    "h": "һ",
    "n": "ո",
    "v": "ν",
    "t": "т",
    "m": "м",
}
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_FANCY_BASES = (0x1D400, 0x1D41A), (0x1D468, 0x1D482), (0x1D5D4, 0x1D5EE), (0xFF21, 0xFF41)
_COMMON_WORDS = """
the and you your that this with for are was have not but they them will what from all she her him his who just can our
out about when there would http user
"""
_COMMON = frozenset(_COMMON_WORDS.split())


def _each_word(text: str, chance: random.Random, change: Callable[[str], str], share: float = 0.6) -> str:
    """Change a share of the words that carry meaning, and at least one."""
    found = [m for m in _WORD.finditer(text) if m.group().lower() not in _COMMON]
    if not found:
        return text
    chosen = [m for m in found if chance.random() < share] or [chance.choice(found)]
    for match in reversed(chosen):
        text = text[: match.start()] + change(match.group()) + text[match.end() :]
    return text


def _replace_letters(word: str, table: dict[str, str], chance: random.Random) -> str:
    places = [i for i, letter in enumerate(word) if letter.lower() in table]
    if not places:
        return word
    letters = list(word)
    for place in [p for p in places if chance.random() < 0.7] or [chance.choice(places)]:
        letters[place] = chance.choice(table[letters[place].lower()])
    return "".join(letters)


def leet(text: str, chance: random.Random) -> str:
    """Write numbers and signs for letters."""
    return _each_word(text, chance, lambda word: _replace_letters(word, _LEET, chance))


def look_alikes(text: str, chance: random.Random) -> str:
    """Write letters of other scripts that look the same."""
    return _each_word(text, chance, lambda word: _replace_letters(word, _LOOK_ALIKES, chance))


def invisible(text: str, chance: random.Random) -> str:
    """Put characters that show nothing between the letters."""
    return _each_word(text, chance, lambda word: "".join(c + chance.choice(_INVISIBLE) for c in word))


def spaced(text: str, chance: random.Random) -> str:
    """Put spaces between the letters of some words."""
    return _each_word(text, chance, " ".join, share=0.35)


def dotted(text: str, chance: random.Random) -> str:
    """Put dots, dashes or underscores between the letters of some words."""
    return _each_word(text, chance, lambda word: chance.choice(".-_*").join(word), share=0.35)


def repeated(text: str, chance: random.Random) -> str:
    """Hold down letters."""

    def change(word: str) -> str:
        place = chance.randrange(len(word))
        return word[:place] + word[place] * chance.randint(3, 6) + word[place + 1 :]

    return _each_word(text, chance, change, share=0.4)


def dropped(text: str, chance: random.Random) -> str:
    """Leave out one letter inside some words."""

    def change(word: str) -> str:
        place = chance.randrange(1, len(word) - 1)
        return word[:place] + word[place + 1 :]

    return _each_word(text, chance, change, share=0.35)


def swapped(text: str, chance: random.Random) -> str:
    """Swap two letters inside some words."""

    def change(word: str) -> str:
        if len(word) < 4:
            return word
        place = chance.randrange(1, len(word) - 2)
        return word[:place] + word[place + 1] + word[place] + word[place + 2 :]

    return _each_word(text, chance, change, share=0.35)


def starred(text: str, chance: random.Random) -> str:
    """Write a star for one letter inside some words."""

    def change(word: str) -> str:
        place = chance.randrange(1, len(word) - 1)
        return word[:place] + chance.choice("***#-") + word[place + 1 :]

    return _each_word(text, chance, change, share=0.35)


def fancy(text: str, chance: random.Random) -> str:
    """Write mathematical or full-width letters."""
    upper, lower = chance.choice(_FANCY_BASES)

    def change(word: str) -> str:
        return "".join(chr((upper if c.isupper() else lower) + ord(c.lower()) - ord("a")) for c in word)

    return _each_word(text, chance, change)


def joined(text: str, chance: random.Random) -> str:
    """Leave out some spaces."""
    words = text.split(" ")
    if len(words) < 3:
        return text
    place = chance.randrange(len(words) - 1)
    return " ".join([*words[:place], words[place] + words[place + 1], *words[place + 2 :]])


KINDS: dict[str, Noise] = {
    "leet": leet,
    "look_alikes": look_alikes,
    "invisible": invisible,
    "spaced": spaced,
    "dotted": dotted,
    "repeated": repeated,
    "fancy": fancy,
    "dropped": dropped,
    "swapped": swapped,
    "starred": starred,
}
"""The disguises that are measured, each by its name."""


def disguise(text: str, chance: random.Random) -> str:
    """Disguise a text in one way, or at times in two."""
    kinds = [*KINDS.values(), joined, starred, dropped]
    text = chance.choice(kinds)(text, chance)
    return chance.choice(kinds)(text, chance) if chance.random() < 0.15 else text
