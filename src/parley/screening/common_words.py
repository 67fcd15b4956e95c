"""Common English words with how rare each is, and how letters without spaces fall into them.

The list is `words_en.txt`, most frequent first. This file must not know what any word means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import chain
from math import log
from pathlib import Path

from msgspec import Struct

RUNS = re.compile(r"([a-z])\1+")
_SHORT_WORDS = "a i u of in to he is as on it by at an be my or me up no we so if do us go am hi ok ya"
_SHORT = tuple(_SHORT_WORDS.split())
_ENDINGS = ("s", "z", "es", "ed", "d", "er", "ers", "ing", "in", "y", "ly")
_DISGUISED = """
fuck fucks fucked fucker fuckers fucking shit shits shitty bitch bitches cunt cunts ass asshole assholes nigger niggers
nigga faggot faggots fag rape raped rapes rapist raping kill kills killed killer killing murder murdered murderer shoot
shooting shot bomb bombs bombing die dies dead death suicide whore whores slut sluts dick cock pussy porn sex bastard
bastards retard retards retarded tranny trannies kike kikes jews jew muslim muslims islam gun guns gays gay lesbian damn
hell hang hanged lynch stab stabbed behead execute slaughter massacre terrorist terrorists terror attack attacks hate
hates hated hurt beat burn black blacks white whites women immigrants illegals traitor traitors scum vermin nazi nazis
hitler holocaust gas gassed genocide exterminate cum tits boobs moron idiot stupid trump obama cop cops police
"""
OFTEN_DISGUISED = frozenset(_DISGUISED.split())
LONGEST = 18


class Words(Struct, frozen=True):
    """The common words: each with its cost (rarer is dearer), by shape for starred ones, and squeezed."""

    cost: Mapping[str, float]
    squeezed: Mapping[str, str]
    shapes: Mapping[tuple[str, int], tuple[str, ...]]
    common: frozenset[str]


@lru_cache(maxsize=1)
def common_words() -> Words:
    """Return the list, loaded once: about 6 MB."""
    ranked = (Path(__file__).parent / "words_en.txt").read_text(encoding="ascii").split()
    cost = {word: log(rank + 30) + 2 for rank, word in enumerate(ranked)}
    cost |= dict.fromkeys(_SHORT, 8.0) | {"u": 9.0}
    squeezed: dict[str, str] = {}
    shapes: dict[tuple[str, int], list[str]] = {}
    for word in chain(_DISGUISED.split(), ranked):
        if len(word) >= 4 or word in OFTEN_DISGUISED:
            shapes.setdefault((word[0], len(word)), []).append(word)
    for word in ranked:
        if len(word) >= 4:
            squeezed.setdefault(RUNS.sub(r"\1", word), word)
    common = frozenset(word for word in ranked[:6000] if len(word) >= 3)
    return Words(cost, squeezed, {key: tuple(words) for key, words in shapes.items()}, common)


def cost_of_word(word: str) -> float:
    """How rare a word is: from about 5 (`the`) to 12; 99 for one that is not common at all."""
    return common_words().cost.get(word, 99.0)


def is_known(word: str) -> bool:
    """Whether this is a common word of three letters or more, as it stands or with a usual ending."""
    cost = common_words().cost
    if word in cost:
        return len(word) >= 3
    return len(word) >= 6 and any(word.endswith(end) and word[: -len(end)] in cost for end in _ENDINGS)


def split_cheaply(text: str, *, unknown: float) -> list[str]:
    """Split letters into the most usual words; neighbouring letters of no word stay together."""
    cost = common_words().cost
    best: list[tuple[float, int, bool]] = [(0.0, 0, True)]
    for end in range(1, len(text) + 1):
        found = (best[end - 1][0] + unknown, end - 1, False)
        for start in range(max(0, end - LONGEST), end):
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
