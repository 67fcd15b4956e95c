"""What the text model sees of a text: plain lower-case words, with the disguises of single words undone.

Unlike the word bank's view, which rewrites only into a bank's words, this one rewrites into common English words.
Links become `http`, mentions `@user`, emoji their names. Linear in the text's length. Changing anything here changes
what the model was trained on, so `VERSION` is raised and the model is made again. This file must not decide
anything, and must not know a bank.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain
from pathlib import Path

from parley.screening.common_words import common_words
from parley.screening.letters import ENCLOSED, FILLERS, STROKED
from parley.screening.undoing import LATIN_MARKS, is_ascii_letter, join_letters, read_numbers, undo_token

VERSION = 1
_LINK = re.compile(r"(?:https?://|\bwww\.)(?:[\w-]++\.)*[\w-]++(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)
_LINK_HOST = re.compile(r"(?:https?://)?[\w-]++(?:\.[\w-]++)+", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@/.])(?:@[\w-]++(?:\.[\w-]++)*)+")
_CAMEL_TAG = re.compile(r"#(\w{2,100})")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FLAGS = re.compile("[\U0001f1e6-\U0001f1ff]+")
_REVERSED = re.compile("\u202e([^\u202c\u2069\n]*)[\u202c\u2069]?")
_OVERLONG = re.compile(r"([^\w\s*#])\1{3,}|([^\W\da-z])\2{3,}")
_QUOTES = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'", "＇": "'"})
_NAMES = {"🔫": "gun", "🔪": "knife", "🏻": "light skin", "🏼": "light skin", "🏽": "brown skin", "🏾": "dark skin"}
_NAMES |= {"🏿": "dark skin", "❤": "heart", "♀": "woman", "♂": "man"}


@lru_cache(maxsize=1)
def _invisible() -> dict[int, str | int | None]:
    """Characters that show nothing (other than white space), and those that only colour others."""
    table: dict[int, str | int | None] = {
        point: None
        for point in chain(range(0x20000), range(0xE0000, 0xE0200))
        if unicodedata.category(chr(point)) in ("Cc", "Cf", "Cs", "Me") and not 9 <= point <= 13
    }
    table |= dict.fromkeys(chain(FILLERS, range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0)), None)
    return table | {0x85: " "} | dict.fromkeys(range(0xD800, 0xE000), None)


@lru_cache(maxsize=1)
def _mark_runs() -> re.Pattern[str]:
    """More than two marks on one character: nobody's spelling, and slow to bring into order."""
    points = [p for p in range(0x300, 0x1F000) if unicodedata.combining(chr(p)) or unicodedata.category(chr(p)) == "Mn"]
    ranges: list[list[int]] = []
    for point in points:
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    marks = "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
    return re.compile(f"([{marks}]{{2}})[{marks}]+")


@lru_cache(maxsize=1)
def _symbols() -> dict[int, str]:
    """Accented Latin letters as plain ones, enclosed letters as letters, emoji as their English names."""
    table: dict[int, str] = {}
    for point in chain(range(0xC0, 0x250), range(0x1E00, 0x1F00)):
        base = unicodedata.normalize("NFD", chr(point))[0]
        if base.isascii() and base.isalpha():
            table[point] = base
    table |= (
        STROKED | {ord(chr(point).upper()): plain for point, plain in STROKED.items() if chr(point) != "ı"} | ENCLOSED
    )
    for character, name in _emoji_names().items():
        if len(character) == 1 and ord(character) > 0x2300 and ord(character) not in table:
            table[ord(character)] = f" {name} "
    return table


@lru_cache(maxsize=1)
def _emoji_names() -> dict[str, str]:
    lines = (Path(__file__).parent / "emoji_en.txt").read_text(encoding="utf-8").splitlines()
    return {character: name for character, _, name in (line.partition("\t") for line in lines)} | _NAMES


def for_model(text: str) -> str:
    """Return the text as the model sees it. Equal for texts that look equal; applying it twice changes nothing."""
    if not text.isascii() or not text.isprintable():
        text = _visible(text)
    if "#" in text:
        text = _CAMEL_TAG.sub(lambda tag: "#" + _CAMEL.sub(" ", tag[1]), text)
    if not text.isascii():
        text = _plain(text)
    text = text.lower()
    if "http" in text or "www." in text:
        text = _LINK.sub(_link, text)
    if "@" in text:
        text = _MENTION.sub(_mention, text)
    text = _OVERLONG.sub(lambda run: run[0][:3], text)
    latin = _is_latin(text)
    undone = _undo(text, latin)
    # Undoing may show that most letters were Latin ones in disguise: the others are then read as such too.
    return _undo(undone, True) if not latin and _is_latin(undone) else undone


def _is_latin(text: str) -> bool:
    return text.isascii() or sum(map(is_ascii_letter, text)) * 2 > sum(map(str.isalpha, text))


def _undo(text: str, latin: bool) -> str:
    known = common_words().cost
    tokens = [token if token in known else undo_token(token, latin) for token in text.split()]
    return " ".join(join_letters(" ".join(tokens).split(), latin))


def _mention(found: re.Match[str]) -> str:
    """A name says nothing, unless it is none: `@bout`, `@s5`."""
    name = found[0]
    if len(name) > 12 or name[1:] in common_words().cost:
        return " @user "
    return next((word for word in read_numbers(name) if word in common_words().cost), " @user ")


def _link(found: re.Match[str]) -> str:
    """A link's address says nothing; words that only pretend to be one (`https://i-will-come`) do."""
    return " http " if _LINK_HOST.match(found[0]) else " " + found[0].partition("//")[2]


def _visible(text: str) -> str:
    """Remove what shows nothing, and turn back what is shown in reverse."""
    if "\u202e" in text:
        text = _REVERSED.sub(lambda part: part[1][::-1], text)
    return text.translate(_invisible())


def _plain(text: str) -> str:
    """Unfold compatibility forms, drop accents of Latin letters, name emoji. At most 20 times as long."""
    text = unicodedata.normalize("NFKC", _mark_runs().sub(r"\1", text.translate(_QUOTES))).translate(_invisible())
    if not text.isascii():
        text = _REPEATED_SYMBOL.sub(r"\1\1", _FLAGS.sub(_flags, text)).translate(_symbols())
    return LATIN_MARKS.sub("", text)


_REPEATED_SYMBOL = re.compile("([\u2600-\u27bf\U0001f000-\U0001faff])\\1{2,}")


def _flags(run: re.Match[str]) -> str:
    """Regional letters are flags in pairs; a run that is no row of flags is words in disguise."""
    letters = run[0]
    names = _emoji_names()
    pairs = [letters[start : start + 2] for start in range(0, len(letters), 2)]
    if all(pair in names for pair in pairs):
        return "".join(f" {names[pair]} flag " for pair in dict.fromkeys(pairs))
    return "".join(chr(ord(letter) - 0x1F1E6 + ord("a")) for letter in letters)
