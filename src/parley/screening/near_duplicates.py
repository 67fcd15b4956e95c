"""Fingerprints of texts: copies share a number, whatever was done to hide that they are copies.

A text is first stripped to its letters (mentions, links and hashtags around it, spaces, look-alikes, numbers for
letters and repeats are undone), then MinHash makes eight 32-bit numbers of its five-letter pieces. Two texts that
share one are very likely copies; `difference` says how far they differ. Short texts are copies only when all their
letters and links are the same. The measurements behind this: docs/decisions/0011.

Fingerprints are stored, so nothing here may change without `VERSION` and a job that makes them anew. This file must
not read a database and must not decide anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from msgspec import Struct

from parley.screening.letters import look_alikes
from parley.screening.normalise import fold

VERSION = 1

BANDS = 8
"""Numbers in a fingerprint."""
_ROWS = 3
"""Minima in each number: more make it surer and find less."""
_PIECE = 5
"""Letters in a piece."""
SHORT = 24
"""Texts with fewer letters (about five words) are compared whole."""
MEANINGLESS = 8
"""Texts with fewer letters and no link say nothing by themselves: that they were said before is no sign."""
_MOST = 20_000
"""Characters that are looked at."""

_LINK = re.compile(r"(?:https?://|\bwww\.)[^\s<>]+", re.IGNORECASE)
_MENTION = re.compile(r"(?<!\w)@\w[\w.-]*(?:@[\w.-]+)?")
_EDGES = ".,!?:;\"'()[]{}*_~<>…–—-“”‘’«»"
_REPEATED = re.compile(r"(.)\1+")
_SAME = str.maketrans("01l!|34@5$7+869", "oiiiieaassttbgg")


class Fingerprint(Struct, frozen=True):
    """What a text is recognised by. `letters` is what is left of it (of a short one with its links); `bands` are its
    eight signed 32-bit numbers. One that is not `telling` is so short that saying the same means nothing."""

    letters: str
    bands: tuple[int, ...]
    telling: bool


def strip_text(text: str) -> str:
    """The letters of a text in one form: two ways to write the same words give the same letters."""
    words = _MENTION.sub(" ", _LINK.sub(" ", fold(text[:_MOST]))).split()
    first, last = 0, len(words)
    while last > first and words[last - 1].startswith("#"):
        last -= 1
    while first < last and words[first].startswith("#"):
        first += 1
    said = " ".join(word.strip(_EDGES) for word in (words[first:last] or words))
    if not said.isascii():
        said = said.translate(look_alikes())
    letters = "".join(filter(str.isalnum, said.translate(_SAME)))
    return _REPEATED.sub(r"\1", letters)


def make_fingerprint(texts: Iterable[str]) -> Fingerprint | None:
    """The fingerprint of what several texts say together, in their order; None when they say nothing at all."""
    whole = " ".join(texts)[:_MOST]
    letters = strip_text(whole)
    if len(letters) >= SHORT:
        return Fingerprint(letters, _bands_of(letters), True)
    links = sorted({link.rstrip(_EDGES).split("?")[0].split("#")[0].lower() for link in _LINK.findall(whole)})
    exact = " ".join([letters, *links]).strip()
    if not exact:
        return None
    digest = hashlib.blake2b(exact.encode("utf-8", "replace"), digest_size=4 * BANDS).digest()
    numbers = (int.from_bytes(digest[4 * n : 4 * n + 4], "little", signed=True) for n in range(BANDS))
    return Fingerprint(exact, tuple(numbers), bool(links) or len(letters) >= MEANINGLESS)


def difference(one: str, other: str) -> float:
    """How far the letters of two texts differ: 0.0 the same, 1.0 nothing in common (Jaccard distance of pieces)."""
    if one == other:
        return 0.0
    if len(one) < SHORT or len(other) < SHORT:
        return 1.0
    mine, theirs = _pieces(one), _pieces(other)
    return 1.0 - len(mine & theirs) / len(mine | theirs)


def _pieces(letters: str) -> set[str]:
    return {letters[place : place + _PIECE] for place in range(len(letters) - _PIECE + 1)}


@lru_cache(maxsize=1)
def _factors() -> Any:
    """The multipliers of the hash functions: odd, and the same on every machine for ever."""
    import numpy

    digests = (hashlib.blake2b(b"parley near-duplicates %d" % n, digest_size=8).digest() for n in range(BANDS * _ROWS))
    return numpy.frombuffer(b"".join(digests), dtype="<u8") | numpy.uint64(1)


def _bands_of(letters: str) -> tuple[int, ...]:
    import numpy

    points = numpy.frombuffer(letters.encode("utf-32-le", "replace"), dtype="<u4").astype(numpy.uint64)
    count = len(points) - _PIECE + 1
    hashes = numpy.zeros(count, dtype=numpy.uint64)
    for place in range(_PIECE):
        hashes ^= points[place : place + count]
        hashes *= numpy.uint64(0x9E3779B97F4A7C15)
        hashes ^= hashes >> numpy.uint64(29)
    minima = ((hashes[:, None] * _factors()[None, :]) >> numpy.uint64(32)).min(axis=0)
    mixed = numpy.zeros(BANDS, dtype=numpy.uint64)
    for row in minima.reshape(BANDS, _ROWS).T:
        mixed ^= row
        mixed *= numpy.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> numpy.uint64(31)
    numbers = (mixed & numpy.uint64(0xFFFFFFFF)).astype(numpy.uint32).view(numpy.int32)
    return tuple(int(number) for number in numbers)
