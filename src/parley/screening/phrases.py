"""The little language of a word bank's phrases, turned into one linear-time expression each.

    kill yourself            these words, next to one another
    (kill|shoot) them        one of several; an alternative may be several words
    kill [all] of them       a part that may be missing
    hang ... traitors        up to three words between; never across the end of a sentence
    murder*                  any word that begins so
    <mention> <number>       an @name, a number
    <word>                   any one word

Phrases are matched against a normalised view, so they are written in plain lower-case words without
apostrophes. This file must not know what any phrase means.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from parley.screening.normalise import fold

GAP_WORDS = 3
_TOKEN = re.compile(r"\s*(\.\.\.|[()\[\]|]|<[a-z]+>|[^\s()\[\]|<>]+)")
_PLACEHOLDERS = {
    "<mention>": r" @[^ ]+",
    "<number>": r" [0-9]+",
    "<word>": r" [^ .]+",
}
_WORD = r" [^ .]+"


class PhraseError(ValueError):
    """A phrase that does not follow the language; the text says what is allowed."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """One compiled phrase.

    `pattern` is RE2 syntax for a view (each word with the space before it). Every text that the pattern can
    match contains one of `anchors`: words that are looked for first, in one pass for all phrases.
    An anchor that ends with `*` is the beginning of a word. `words` and `stems` feed the vocabulary.
    """

    written: str
    pattern: str
    anchors: frozenset[str]
    words: frozenset[str]
    stems: frozenset[str]


@dataclass(slots=True)
class _Part:
    """A piece of a phrase: its pattern, and the anchors of which one must be present (None: nothing must)."""

    pattern: str
    anchors: frozenset[str] | None = None
    words: set[str] = field(default_factory=set)
    stems: set[str] = field(default_factory=set)


def compile_phrase(written: str, spell: Callable[[str], tuple[str, ...]]) -> Phrase:
    """Compile one phrase; `spell` gives the words that a word is spelled out to (usually itself)."""
    tokens = _tokenise(written)
    part, rest = _parse_sequence(tokens, written, spell)
    if rest:
        raise PhraseError(f"{written!r} closes a bracket that it never opened. Every ( needs one ), every [ one ].")
    if not part.anchors:
        raise PhraseError(
            f"{written!r} has no word that must be there. Give at least one word outside [ ] that is not a placeholder."
        )
    return Phrase(written, part.pattern + " ", part.anchors, frozenset(part.words), frozenset(part.stems))


def _tokenise(written: str) -> list[str]:
    tokens: list[str] = []
    position = 0
    text = written.strip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if not found:
            raise PhraseError(f"{written!r} cannot be read at {text[position:]!r}. {_allowed()}")
        tokens.append(found.group(1))
        position = found.end()
    if not tokens:
        raise PhraseError("A phrase is empty. Write at least one word.")
    if tokens[0] == "..." or tokens[-1] == "...":
        raise PhraseError(f"{written!r} begins or ends with a gap, which would match anything. Remove the '...'.")
    return tokens


def _allowed() -> str:
    return "Allowed are words, (a|b), [maybe], ..., word*, <mention>, <number> and <word>."


def _parse_sequence(
    tokens: list[str], written: str, spell: Callable[[str], tuple[str, ...]]
) -> tuple[_Part, list[str]]:
    """Parse up to a `|`, a closing bracket or the end; return the part and the tokens that are left."""
    whole = _Part("")
    best: frozenset[str] | None = None
    while tokens and tokens[0] not in (")", "]", "|"):
        token, tokens = tokens[0], tokens[1:]
        if token in ("(", "["):
            part, tokens = _parse_group(token, tokens, written, spell)
        else:
            part = _parse_word(token, written, spell)
        whole.pattern += part.pattern
        whole.words |= part.words
        whole.stems |= part.stems
        best = _better(best, part.anchors)
    whole.anchors = best
    return whole, tokens


def _parse_group(
    opening: str, tokens: list[str], written: str, spell: Callable[[str], tuple[str, ...]]
) -> tuple[_Part, list[str]]:
    closing = ")" if opening == "(" else "]"
    group = _Part("")
    patterns: list[str] = []
    anchors: frozenset[str] | None = frozenset()
    while True:
        part, tokens = _parse_sequence(tokens, written, spell)
        if not tokens or (tokens[0] not in ("|", closing)):
            raise PhraseError(f"{written!r} opens a {opening} that is never closed by {closing}.")
        if not part.pattern:
            raise PhraseError(f"{written!r} has an empty alternative. Write [a|b] for a part that may be missing.")
        patterns.append(part.pattern)
        group.words |= part.words
        group.stems |= part.stems
        anchors = None if anchors is None or part.anchors is None else anchors | part.anchors
        separator, tokens = tokens[0], tokens[1:]
        if separator == closing:
            break
    group.pattern = f"(?:{'|'.join(patterns)}){'' if opening == '(' else '?'}"
    group.anchors = anchors if opening == "(" else None
    return group, tokens


def _parse_word(item: str, written: str, spell: Callable[[str], tuple[str, ...]]) -> _Part:
    if item == "...":
        return _Part(f"(?:{_WORD}){{0,{GAP_WORDS}}}")
    if item.startswith("<"):
        if item not in _PLACEHOLDERS:
            raise PhraseError(f"{written!r} uses {item}, which does not exist. {_allowed()}")
        return _Part(_PLACEHOLDERS[item])
    bare = item.removesuffix("*")
    if not bare or fold(bare) != bare or not _is_plain(bare):
        raise PhraseError(
            f"{written!r} has the word {item!r}, which no normalised text can contain. Write it in lower case, "
            "without accents, apostrophes, hyphens or punctuation (dont, not don't)."
        )
    if item.endswith("*"):
        if len(bare) < 3:
            raise PhraseError(f"{written!r} has {item!r}: a beginning of a word needs at least three letters.")
        return _Part(f" {re.escape(bare)}[^ ]*", frozenset({item}), stems={bare})
    spelled = spell(bare)
    pattern = "".join(f" {re.escape(word)}" for word in spelled)
    return _Part(pattern, frozenset({max(spelled, key=len)}), words={bare, *spelled})


def _is_plain(word: str) -> bool:
    return word.isalnum() or (len(word) == 1 and not word.isascii())


def _better(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Choose the anchors that are rarer in ordinary text: longer words, then fewer of them."""
    if one is None or other is None:
        return one or other
    return max(one, other, key=lambda group: (min(map(len, group)), -len(group)))
