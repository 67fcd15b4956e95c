"""Undoes the disguise of one token: look-alikes, numbers and stars for letters, separators, drawn-out letters.

A token is bent only when it is no common English word and the result is one. This file must not look at whole texts,
but for runs of single letters, and must not decide anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import product

from parley.screening.common_words import (
    LONGEST,
    OFTEN_DISGUISED,
    RUNS,
    common_words,
    cost_of_word,
    is_known,
    split_cheaply,
)
from parley.screening.letters import look_alikes

LATIN_MARKS = re.compile("(?<=[A-Za-z])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")


def is_ascii_letter(character: str) -> bool:
    """Whether a character is one of the 26 small letters."""
    return "a" <= character <= "z"


_RUN = re.compile(r"([a-z])\1\1")
_LONG_RUNS = re.compile(r"([a-z])\1{2,}")
_PARTS = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"\d{2,}[a-z]?|\d[a-z]?|[ivxlcdm]+")
_ALPHABETIC = re.compile(r"[a-z]+")
_STARRED = re.compile(r"[a-z][a-z*#-]*[*#-][a-z*#]*")
_CONTRACTED = re.compile(r"[a-z]+'[a-z]{1,3}")
PUNCTUATION = "".join(c for c in map(chr, range(0x21, 0x7F)) if not c.isalnum()) + "«»„‚…–—·•¿¡‹›"
_STRIPPED_LEFT = "".join(c for c in PUNCTUATION if c not in "@$+#")
_STRIPPED_RIGHT = "".join(c for c in PUNCTUATION if c not in "$*#")
_INNER_LEET = re.compile(r"[a-z][013457@$!]+[a-z]")
_SIZED = re.compile(r"\d(?:am|pm|in|ft|k[gm]?|m[ms]?|[gmt]b|hr?s?|st|nd|rd|th|[dgpx])")
_COUNTED = re.compile(r"([a-z]+)\d+")
_LEET = dict(zip("03456789@$+€£¥(", "oeasgtbgastelyc", strict=True))
_LEET_MAP = str.maketrans(_LEET)
_LEET_SET = frozenset(_LEET) | frozenset("1!|")
_EITHER = re.compile(r"[1!|]")
_PREFIXES = frozenset(["re", "co", "un", "pre", "non", "de", "ex", "e", "x"])
_LETTERS_MAX = 60


@lru_cache(maxsize=8192)
def undo_token(token: str, latin: bool) -> str:
    """Return what one token says. `latin` tells that most letters around it are Latin ones."""
    if len(token) > 200:
        return token
    for _ in range(4):  # What one step lays bare the next can read: `aaa@k_a`.
        undone = _undo_once(token, latin)
        if undone == token or " " in undone:
            return undone
        token = undone
    return token


def _undo_once(token: str, latin: bool) -> str:
    if token in ("http", "@user"):
        return token
    if not token.isascii():
        token = _without_look_alikes(token, latin)
    core = token.strip(PUNCTUATION)
    if not core or core.isdecimal():
        return token
    whole = token.lstrip(_STRIPPED_LEFT).rstrip(_STRIPPED_RIGHT)
    candidates: tuple[str, ...] = (whole, core) if whole != core else (core,)
    if len(core) >= 3 and core in common_words().cost:
        return _dollars(token, whole) if "$" in (whole[0], whole[-1]) else token
    for candidate in candidates:
        found = _decode(_squeeze(candidate))
        if found:
            return _put(token, candidate, found)
    return _ALPHABETIC.sub(lambda part: _squeeze(part[0]), token) if _RUN.search(core) else token


def _dollars(token: str, whole: str) -> str:
    """`$hit` is a word without a dollar too, and so is `$axe`; `gun$` has only one meaning."""
    found = whole.translate(_LEET_MAP)
    plain = found in OFTEN_DISGUISED or (whole[0] != "$" and is_known(found))
    return _put(token, whole, found) if plain else token


def _put(token: str, old: str, new: str) -> str:
    at = token.index(old)
    return token[:at] + new + token[at + len(old) :]


@lru_cache(maxsize=1)
def _look_alike_letters() -> dict[int, str]:
    """Letters of Unicode's table, and a few more that a reader takes for Latin ones (ς is what NFKC makes of ϲ)."""
    letters = {point: latin for point, latin in look_alikes().items() if chr(point).isalpha()}
    return letters | {ord(letter): latin for letter, latin in zip("ςтткмнвոҽɩɑαυ", "cttkmhbneiaau", strict=True)}


def _without_look_alikes(token: str, latin: bool) -> str:
    plain = LATIN_MARKS.sub("", token.translate(_look_alike_letters()))
    if not all(character.isascii() for character in plain if character.isalpha()):
        return token
    mixed = any(map(is_ascii_letter, token))
    return plain if mixed or (latin and plain.strip(PUNCTUATION) in common_words().cost) else token


def _squeeze(word: str) -> str:
    """Shorten drawn-out letters to the word that has them once or twice, or else to two."""
    if not _RUN.search(word) or word in common_words().cost or _NUMBERED.fullmatch(word):
        return word
    cost = common_words().cost
    twice, once = _LONG_RUNS.sub(r"\1\1", word), _LONG_RUNS.sub(r"\1", word)
    if twice in cost or once in cost:
        return min(twice, once, key=lambda shorter: cost.get(shorter, 99.0))
    return common_words().squeezed.get(RUNS.sub(r"\1", word), twice)


def _decode(word: str) -> str:
    """Return the common word (or words) behind a disguised one, or an empty string. A few look-ups, never a search."""
    if len(word) < 3 or _NUMBERED.fullmatch(word) or _CONTRACTED.fullmatch(word) or _SIZED.fullmatch(word):
        return ""
    if word.isascii() and word.isalpha():
        return "" if is_known(word) else _split_glued(word, word[:0])
    if word[0] == "#":
        return "#" + _split_glued(word[1:], "#") if word[1:].isascii() and word[1:].isalpha() else ""
    found = _without_numbers(word)
    if found:
        return found
    parts = _PARTS.findall(word)[: _LETTERS_MAX + 1]
    if "'" not in word[1:-1] or all(len(part) == 1 for part in parts):
        found = _without_separators(parts)
        if found:
            return found
    return _without_stars(word)


def _without_numbers(word: str) -> str:
    """`k1ll3r`: the most usual word that it can be read as, or the first reading of one that can be nothing else."""
    readings = list(read_numbers(word))
    known = [reading for reading in readings if is_known(reading)]
    counted = _COUNTED.fullmatch(word)
    if known:
        found = min(known, key=cost_of_word)
        # `part3` is no parte, but `shi7` is no shi.
        return "" if counted and cost_of_word(counted[1]) < cost_of_word(found) + 1 else found
    inner = _INNER_LEET.search(word) and not counted and len(word) >= 5 and sum(map(is_ascii_letter, word)) >= 3
    return _squeeze(readings[0]) if inner and readings and readings[0].isalpha() else ""


def read_numbers(word: str) -> Iterator[str]:
    """Readings with digits and symbols as letters; none for what looks like a number, a price or a size."""
    if _LEET_SET.isdisjoint(word) or not any(map(is_ascii_letter, word)) or len(word) > LONGEST + 2:
        return
    if _COUNTED.fullmatch(word) and word[1].isdigit():
        return
    if sum(map(str.isdigit, word)) * 20 > len(word) * (15 if len(word) >= 5 else 12):
        return
    plain = word.translate(_LEET_MAP)
    places = [found.start() for found in _EITHER.finditer(plain)]
    if len(places) > 4:
        return
    for letters in product("il", repeat=len(places)):
        candidate = list(plain)
        for place, letter in zip(places, letters, strict=True):
            candidate[place] = letter
        yield "".join(candidate)


def _without_separators(parts: Sequence[str]) -> str:
    """`k.i.l.l`, `ki-ll`: one word, unless the parts are words of their own."""
    joined = "".join(parts)
    if len(joined) > _LETTERS_MAX or not joined.isascii():
        return ""
    if all(len(part) == 1 for part in parts):
        return " ".join(_spelled(joined)) if len(parts) >= 3 else ""
    cost = common_words().cost
    if parts[0] in _PREFIXES or all(part in cost and len(part) > 1 for part in parts) or len(joined) < 4:
        return ""
    for candidate in (joined, *read_numbers(joined)):
        if candidate in cost:
            return candidate
    return ""


def _without_stars(word: str) -> str:
    """`k*ll`: the most usual word of that shape; one with mostly stars only if it is often written so."""
    if not _STARRED.fullmatch(word) or len(word) > LONGEST:
        return ""
    stars = sum(map(word.count, "*#-" if len(word) >= 6 else "*#"))  # A hyphen in a short word is a hyphen.
    pattern = re.compile(re.sub("[*#-]", ".", word))
    for known in common_words().shapes.get((word[0], len(word)), ()):
        if pattern.fullmatch(known) and (known in OFTEN_DISGUISED or (len(word) >= 4 and 0 < stars * 2 < len(word))):
            return known
    return ""


def _split_glued(word: str, tag: str) -> str:
    """`#killthemall` and `killthemall`: words without the spaces between them."""
    if not (6 if tag else 8) <= len(word) <= _LETTERS_MAX or is_known(word):
        return word if tag else ""
    pieces = split_cheaply(word, unknown=99.0)
    if not pieces or len(pieces) * 5 > len(word) * 2 or any(piece not in common_words().cost for piece in pieces):
        return word if tag else ""
    if not tag and not all(piece in common_words().common for piece in pieces):
        return ""
    if not tag and len(pieces) < 3 and OFTEN_DISGUISED.isdisjoint(pieces):  # `overweight` is no disguise.
        return ""
    return " ".join(pieces)


def _spelled(letters: str) -> list[str]:
    """Words behind single characters (`k i l l`), or nothing where words do not cover most of them."""
    found: list[str] = []
    most = len(letters) * 3 // 5
    for text in dict.fromkeys((letters.translate(_look_alike_letters()), *_without_leet_letters(letters))):
        pieces = split_cheaply(text, unknown=9.0)
        covered = sum(len(piece) for piece in pieces if len(piece) >= 3 and piece in common_words().cost)
        if covered > most:
            found, most = pieces, covered
    return found


def _without_leet_letters(letters: str) -> tuple[str, ...]:
    plain = letters.translate(_look_alike_letters())
    if _LEET_SET.isdisjoint(plain) or sum(map(is_ascii_letter, plain)) * 2 < len(plain):
        return ()
    return tuple(_EITHER.sub(letter, plain.translate(_LEET_MAP)) for letter in "il")


def join_letters(tokens: list[str], latin: bool) -> Iterator[str]:
    """Join runs of at least three single letters where common words cover them."""
    run: list[str] = []
    for token in [*tokens, ""]:
        single = len(token) == 1 and (token.isalpha() or token in _LEET_SET)
        last = bool(run) and len(token) in (2, 3, 4) and token[0].isalpha() and not token[1:].strip(PUNCTUATION)
        if single or last:
            run.append(token)
        if run and (not single or len(run) == _LETTERS_MAX):
            letters = "".join(character[0] for character in run)
            pieces = _spelled(letters) if len(run) >= 3 and (latin or letters.isascii()) else []
            yield from (undo_token(piece, latin) + (run[-1][1:] if piece is pieces[-1] else "") for piece in pieces)
            yield from () if pieces else run
            run = []
        if token and not single and not last:
            yield token
