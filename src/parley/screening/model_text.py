"""What the text model sees of a text: plain lower-case words, with the disguises of single words undone.

Unlike the word bank's view, which rewrites only into a bank's words, this one rewrites into common English words
(`words_en.txt`, most frequent first): a token is bent only when it is no such word and the result is one. Links
become `http`, mentions `@user`, emoji their names. Linear in the text's length. Changing anything here changes
what the model was trained on, so `VERSION` is raised and the model is made again. This file must not decide
anything, and must not know a bank.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, product
from math import log
from pathlib import Path

from msgspec import Struct

from parley.screening.letters import ENCLOSED, FILLERS, STROKED, look_alikes

VERSION = 1

_LINK = re.compile(r"(?:https?://|\bwww\.)(?:[\w-]++\.)*[\w-]++(?::\d+)?(?:[/?#]\S*)?", re.IGNORECASE)
_LINK_HOST = re.compile(r"(?:https?://)?[\w-]++(?:\.[\w-]++)+", re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w@/.])(?:@[\w-]++(?:\.[\w-]++)*)+")
_CAMEL_TAG = re.compile(r"#(\w{2,100})")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_FLAGS = re.compile("[\U0001f1e6-\U0001f1ff]+")
_REVERSED = re.compile("\u202e([^\u202c\u2069\n]*)[\u202c\u2069]?")
_OVERLONG = re.compile(r"([^\w\s*#])\1{3,}|([^\W\da-z])\2{3,}")
_RUN = re.compile(r"([a-z])\1\1")
_RUNS = re.compile(r"([a-z])\1+")
_LONG_RUNS = re.compile(r"([a-z])\1{2,}")
_PARTS = re.compile(r"[^\W_]+")
_NUMBERED = re.compile(r"\d{2,}[a-z]*|\d[a-z]{0,2}|[ivxlcdm]+")
_ALPHABETIC = re.compile(r"[a-z]+")
_STARRED = re.compile(r"[a-z][a-z*#]*[*#][a-z*#]*")
_CONTRACTED = re.compile(r"[a-z]+'[a-z]{1,3}")
_PUNCTUATION = "".join(c for c in map(chr, range(0x21, 0x7F)) if not c.isalnum()) + "«»„‚…–—·•¿¡‹›"
_STRIPPED_LEFT = "".join(c for c in _PUNCTUATION if c not in "@$+#")
_STRIPPED_RIGHT = "".join(c for c in _PUNCTUATION if c not in "$*#")
_COUNTED = re.compile(r"([a-z]+)\d+")
_LEET = dict(zip("03456789@$+€£¥(", "oeasgtbgastelyc", strict=True))
_LEET_MAP = str.maketrans(_LEET)
_LEET_SET = frozenset(_LEET) | frozenset("1!|")
_EITHER = re.compile(r"[1!|]")
_QUOTES = str.maketrans({"“": '"', "”": '"', "’": "'", "‘": "'", "`": "'", "´": "'", "ʼ": "'", "＇": "'"})
_SHORT_WORDS = "a i u of in to he is as on it by at an be my or me up no we so if do us go am hi ok ya"
_SHORT = tuple(_SHORT_WORDS.split())
_PREFIXES = frozenset(["re", "co", "un", "pre", "non", "de", "ex", "e", "x"])
_ENDINGS = ("s", "z", "es", "ed", "d", "er", "ers", "ing", "in", "y", "ly")
_DISGUISED = """
fuck fucks fucked fucker fuckers fucking shit shits shitty bitch bitches cunt cunts ass asshole assholes nigger niggers
nigga faggot faggots fag rape raped rapist kill killed murder shoot bomb die dead suicide whore slut dick cock pussy
porn sex bastard retard retarded tranny kike jews jew muslim muslims gun gays gay damn hell
"""
_OFTEN_DISGUISED = frozenset(_DISGUISED.split())
_LONGEST = 18
_LETTERS_MAX = 60
_NAMES = {"🔫": "gun", "🔪": "knife", "🏻": "light skin", "🏼": "light skin", "🏽": "brown skin", "🏾": "dark skin"}
_NAMES |= {"🏿": "dark skin", "❤": "heart", "♀": "woman", "♂": "man"}


class _Words(Struct, frozen=True):
    """The common words: each with its cost (rarer is dearer), by shape for starred ones, and squeezed."""

    cost: Mapping[str, float]
    squeezed: Mapping[str, str]
    shapes: Mapping[tuple[str, int], tuple[str, ...]]
    common: frozenset[str]


@lru_cache(maxsize=1)
def _words() -> _Words:
    ranked = (Path(__file__).parent / "words_en.txt").read_text(encoding="ascii").split()
    cost = {word: log(rank + 30) + 2 for rank, word in enumerate(ranked)}
    cost |= dict.fromkeys(_SHORT, 8.0) | {"u": 9.0}
    squeezed: dict[str, str] = {}
    shapes: dict[tuple[str, int], list[str]] = {}
    for word in chain(_DISGUISED.split(), ranked):
        if len(word) >= 4 or word in _OFTEN_DISGUISED:
            shapes.setdefault((word[0], len(word)), []).append(word)
    for word in ranked:
        if len(word) >= 4:
            squeezed.setdefault(_RUNS.sub(r"\1", word), word)
    common = frozenset(word for word in ranked[:6000] if len(word) >= 3)
    return _Words(cost, squeezed, {key: tuple(words) for key, words in shapes.items()}, common)


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


_LATIN_MARKS = re.compile("(?<=[A-Za-z])[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]+")


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
    import emoji  # Several megabytes of names in all languages, so only when one is met.

    plain = {
        character: " ".join(_PARTS.findall(entry["en"].lower().replace("_", " ")))
        for character, entry in emoji.EMOJI_DATA.items()
        if len(character) == 1 or _FLAGS.fullmatch(character)
    }
    return plain | _NAMES


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
        text = _MENTION.sub(" @user ", text)
    text = _OVERLONG.sub(lambda run: run[0][:3], text)
    known = _words().cost
    latin = text.isascii() or sum(map(_is_ascii_letter, text)) * 2 > sum(map(str.isalpha, text))
    tokens = [token if token in known else _undo(token, latin) for token in text.split()]
    return " ".join(_join_letters(" ".join(tokens).split(), latin))


def _is_ascii_letter(character: str) -> bool:
    return "a" <= character <= "z"


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
    return _LATIN_MARKS.sub("", text)


_REPEATED_SYMBOL = re.compile("([\u2600-\u27bf\U0001f000-\U0001faff])\\1{2,}")


def _flags(run: re.Match[str]) -> str:
    """Regional letters are flags in pairs; a run that is no row of flags is words in disguise."""
    letters = run[0]
    names = _emoji_names()
    pairs = [letters[start : start + 2] for start in range(0, len(letters), 2)]
    if all(pair in names for pair in pairs):
        return "".join(f" {names[pair]} flag " for pair in dict.fromkeys(pairs))
    return "".join(chr(ord(letter) - 0x1F1E6 + ord("a")) for letter in letters)


@lru_cache(maxsize=8192)
def _undo(token: str, latin: bool) -> str:
    """Return what one token says. `latin` tells that most letters around it are Latin ones."""
    if len(token) > 200 or token in ("http", "@user"):
        return token
    if not token.isascii():
        token = _without_look_alikes(token, latin)
    core = token.strip(_PUNCTUATION)
    if not core or core.isdecimal():
        return token
    whole = token.lstrip(_STRIPPED_LEFT).rstrip(_STRIPPED_RIGHT)
    candidates: tuple[str, ...] = (whole, core) if whole != core else (core,)
    if len(core) >= 3 and core in _words().cost:
        return _dollars(token, whole) if "$" in whole else token
    for candidate in candidates:
        found = _decode(_squeeze(candidate))
        if found:
            return _put(token, candidate, found)
    return _ALPHABETIC.sub(lambda part: _squeeze(part[0]), token) if _RUN.search(core) else token


def _dollars(token: str, whole: str) -> str:
    """`$hit` is a word without a dollar too, and so is `$axe`."""
    found = whole.translate(_LEET_MAP)
    return _put(token, whole, found) if found in _OFTEN_DISGUISED else token


def _put(token: str, old: str, new: str) -> str:
    at = token.index(old)
    return token[:at] + new + token[at + len(old) :]


@lru_cache(maxsize=1)
def _look_alike_letters() -> dict[int, str]:
    return {point: latin for point, latin in look_alikes().items() if chr(point).isalpha()}


def _without_look_alikes(token: str, latin: bool) -> str:
    plain = _LATIN_MARKS.sub("", token.translate(_look_alike_letters()))
    if not all(character.isascii() for character in plain if character.isalpha()):
        return token
    mixed = any(map(_is_ascii_letter, token))
    return plain if mixed or (latin and _known(plain.strip(_PUNCTUATION))) else token


def _known(word: str) -> bool:
    cost = _words().cost
    if word in cost:
        return len(word) >= 3
    return len(word) >= 6 and any(word.endswith(end) and word[: -len(end)] in cost for end in _ENDINGS)


def _squeeze(word: str) -> str:
    """Shorten drawn-out letters to the word that has them once or twice, or else to two."""
    if not _RUN.search(word) or word in _words().cost or _NUMBERED.fullmatch(word):
        return word
    cost = _words().cost
    twice, once = _LONG_RUNS.sub(r"\1\1", word), _LONG_RUNS.sub(r"\1", word)
    if twice in cost or once in cost:
        return min(twice, once, key=lambda shorter: cost.get(shorter, 99.0))
    return _words().squeezed.get(_RUNS.sub(r"\1", word), twice)


def _decode(word: str) -> str:
    """Return the common word (or words) behind a disguised one, or an empty string. A few look-ups, never a search."""
    if len(word) < 3 or _NUMBERED.fullmatch(word) or _CONTRACTED.fullmatch(word):
        return ""
    if word.isascii() and word.isalpha():
        return "" if _known(word) else _split_glued(word, word[:0])
    if word[0] == "#":
        return "#" + _split_glued(word[1:], "#") if word[1:].isascii() and word[1:].isalpha() else ""
    for candidate in _without_leet(word):
        if _known(candidate):
            return candidate
    parts = _PARTS.findall(word)[: _LETTERS_MAX + 1]
    if "'" not in word[1:-1] or all(len(part) == 1 for part in parts):
        found = _without_separators(parts)
        if found:
            return found
    return _without_stars(word)


def _without_leet(word: str) -> Iterator[str]:
    """Candidates with digits and symbols read as letters; none for what looks like a number, a price or a version."""
    if _LEET_SET.isdisjoint(word) or not any(map(_is_ascii_letter, word)):
        return
    counted = _COUNTED.fullmatch(word)
    if counted and (len(counted[1]) == 1 or counted[1] in _words().cost):
        return
    if sum(map(str.isdigit, word)) * 5 > len(word) * 3 or len(word) > _LONGEST + 2:
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
    cost = _words().cost
    if parts[0] in _PREFIXES or all(part in cost and len(part) > 1 for part in parts) or len(joined) < 4:
        return ""
    for candidate in (joined, *_without_leet(joined)):
        if candidate in cost:
            return candidate
    return ""


def _without_stars(word: str) -> str:
    """`k*ll`: the most usual word of that shape; one with mostly stars only if it is often written so."""
    if not _STARRED.fullmatch(word) or len(word) > _LONGEST:
        return ""
    stars = word.count("*") + word.count("#")
    pattern = re.compile(word.replace("*", ".").replace("#", "."))
    for known in _words().shapes.get((word[0], len(word)), ()):
        if pattern.fullmatch(known) and (known in _OFTEN_DISGUISED or (len(word) >= 4 and stars * 2 < len(word))):
            return known
    return ""


def _split_glued(word: str, tag: str) -> str:
    """`#killthemall` and `killthemall`: words without the spaces between them."""
    if not (6 if tag else 8) <= len(word) <= _LETTERS_MAX or _known(word):
        return word if tag else ""
    pieces = _cheapest(word, unknown=99.0)
    if not pieces or len(pieces) * 5 > len(word) * 2 or any(piece not in _words().cost for piece in pieces):
        return word if tag else ""
    if not tag and not all(piece in _words().common for piece in pieces):
        return ""
    if not tag and len(pieces) < 3 and _OFTEN_DISGUISED.isdisjoint(pieces):  # `overweight` is no disguise.
        return ""
    return " ".join(pieces)


def _spelled(letters: str) -> list[str]:
    """Words behind single characters (`k i l l`), or nothing where words do not cover most of them."""
    found: list[str] = []
    most = len(letters) * 3 // 5
    for text in dict.fromkeys((letters.translate(look_alikes()), *_without_leet_letters(letters))):
        pieces = _cheapest(text, unknown=9.0)
        covered = sum(len(piece) for piece in pieces if len(piece) >= 3 and piece in _words().cost)
        if covered > most:
            found, most = pieces, covered
    return found


def _without_leet_letters(letters: str) -> tuple[str, ...]:
    plain = letters.translate(look_alikes())
    if _LEET_SET.isdisjoint(plain) or sum(map(_is_ascii_letter, plain)) * 2 < len(plain):
        return ()
    return tuple(_EITHER.sub(letter, plain.translate(_LEET_MAP)) for letter in "il")


def _cheapest(text: str, *, unknown: float) -> list[str]:
    """Split letters into the most usual words; neighbouring letters of no word stay together."""
    cost = _words().cost
    best: list[tuple[float, int, bool]] = [(0.0, 0, True)]
    for end in range(1, len(text) + 1):
        found = (best[end - 1][0] + unknown, end - 1, False)
        for start in range(max(0, end - _LONGEST), end):
            price = cost.get(text[start:end])
            if price is not None and best[start][0] + price < found[0]:
                found = (best[start][0] + price, start, True)
        best.append(found)
    pieces: list[str] = []
    end, loose = len(text), False
    while end:
        _, start, word = best[end]
        if loose and not word:
            pieces[-1] = text[start:end] + pieces[-1]
        else:
            pieces.append(text[start:end])
        end, loose = start, not word
    return pieces[::-1]


def _join_letters(tokens: list[str], latin: bool) -> Iterator[str]:
    """Join runs of at least three single letters where common words cover them."""
    run: list[str] = []
    for token in [*tokens, ""]:
        single = len(token) == 1 and (token.isalpha() or token in _LEET_SET)
        last = bool(run) and len(token) in (2, 3, 4) and token[0].isalpha() and not token[1:].strip(_PUNCTUATION)
        if single or last:
            run.append(token)
        if run and (not single or len(run) == _LETTERS_MAX):
            letters = "".join(character[0] for character in run)
            pieces = _spelled(letters) if len(run) >= 3 and (latin or letters.isascii()) else []
            yield from (_undo(piece, latin) + (run[-1][1:] if piece is pieces[-1] else "") for piece in pieces)
            yield from () if pieces else run
            run = []
        if token and not single and not last:
            yield token
