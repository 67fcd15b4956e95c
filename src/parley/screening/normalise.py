"""Undoes the disguises that people put words in, so that banks can be matched in linear time.

A text becomes a view: lower-case words between single spaces, with zero-width characters, accents and
stacked marks removed and compatibility forms unfolded. A word is rewritten further (look-alikes, numbers
for letters, spacing, repeats, stars) only when the result is a word that a bank contains: ordinary words are
never bent into bad ones. This file must not know any bank's content and must not decide anything.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain

from msgspec import Struct

from parley.screening.letters import ENCLOSED, FILLERS, look_alikes
from parley.screening.model_text import for_model as for_model

VERSION = 1
"""Raised with every change that can alter a verdict: it is part of the ruleset's hash."""

BREAK = "."
"""The word that stands in a view where a sentence ends, so that no phrase matches across it."""

_CHUNK = re.compile(r"\S+")
_BREAK_AFTER = re.compile(r"(?:(?<![.])[.]|[!?;]+)[)\"'»”’\]]*$")
_LINK = re.compile(r"(?:https?://|www\.)", re.IGNORECASE)
_PARTS = re.compile(r"[^\W_]+")
_RUN = re.compile(r"(.)\1\1")
_RUNS = re.compile(r"(.)\1+")
_LONG_RUNS = re.compile(r"(.)\1{2,}")
_STARRED = re.compile(r"[a-z][a-z*#]*[*#][a-z*#]*")
_ALONE = re.compile(r"[぀-ヿ㐀-䶿一-鿿豈-﫿☀-➿\U0001f000-\U0001faff]")
_PAIRED_FLAGS = re.compile("[\U0001f1e6-\U0001f1ff]{2}")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘`´ʼ＇", "'"))
_EDGES = "".join(c for c in map(chr, range(0x21, 0x7F)) if not c.isalnum()) + "«»„“”‚‘’…–—·•¿¡"
_LEET = dict(zip("03456789@$+€£¥(1!|", "oeasgtbgastelyciii", strict=True))
_LEET_I = str.maketrans(_LEET)
_LEET_L = str.maketrans(_LEET | {"1": "l", "!": "l", "|": "l"})
_LEET_CHARACTERS = frozenset(_LEET)
_SPACED_MAX = 60


@lru_cache(maxsize=1)
def _removed() -> dict[int, str | int | None]:
    """Combining marks (which NFKD would sort), controls, format characters, fillers: all that shows nothing."""
    points = chain(range(0x20000), range(0xE0000, 0xE0200))
    return {
        point: None
        for point in points
        if point in FILLERS or unicodedata.category(chr(point)) in ("Cc", "Cf", "Cs", "Me", "Mn")
    }


@lru_cache(maxsize=1)
def _prepared() -> dict[int, str | int | None]:
    return _removed() | ENCLOSED


def fold(text: str) -> str:
    """Return the text in lower case, with what shows nothing removed and compatibility forms unfolded.

    Marks are removed before NFKD as well as after it: sorting ten thousand of them takes quadratic time.
    """
    if text.isascii() and text.isprintable():
        return text.lower()
    text = _PAIRED_FLAGS.sub(" ", text).translate(_prepared())
    unfolded = unicodedata.normalize("NFKD", text)[: 2 * len(text) + 32]  # One ligature can unfold to 18 letters.
    return unfolded.translate(_removed()).casefold()


def count_stacked_marks(text: str) -> int:
    """Return how many combining marks the text carries beyond two on any one character."""
    if text.isascii():
        return 0
    extra = run = 0
    for character in text:
        run = run + 1 if unicodedata.combining(character) else 0
        extra += run > 2
    return extra


class Vocabulary(Struct, frozen=True):
    """The words that banks contain: the only words that a disguise may be undone into.

    `stems` are beginnings of words (a phrase's `murder*`). `spellings` maps one word to one or more.
    """

    words: frozenset[str]
    stems: tuple[str, ...]
    spellings: Mapping[str, tuple[str, ...]]
    squeezed: Mapping[str, str]
    by_length: Mapping[int, tuple[str, ...]]
    longest: int

    def knows(self, word: str) -> bool:
        """Whether a bank contains this word or a beginning of it."""
        return word in self.words or word in self.spellings or word.startswith(self.stems)


def build_vocabulary(
    words: Iterable[str], stems: Iterable[str], spellings: Mapping[str, tuple[str, ...]]
) -> Vocabulary:
    """Prepare the look-ups. Words shorter than four letters are never the result of a squeeze or a star."""
    known = frozenset(words)
    lengths: dict[int, list[str]] = {}
    squeezed: dict[str, str] = {}
    for word in sorted(known):
        if len(word) >= 4:
            lengths.setdefault(len(word), []).append(word)
            squeezed.setdefault(_RUNS.sub(r"\1", word), word)
    return Vocabulary(
        words=known,
        stems=tuple(sorted(stems)),
        spellings=dict(spellings),
        squeezed=squeezed,
        by_length={length: tuple(group) for length, group in lengths.items()},
        longest=max((len(word) for word in known), default=0),
    )


class View(Struct, frozen=True):
    """A text as banks see it: ` word word . word `, in UTF-8, with the way back to what was written.

    `starts[i]` is the byte offset of word i (of the space before it); `spans[i]` is its place in `raw`.
    """

    raw: str
    text: bytes
    starts: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    disguised: frozenset[int]

    def words_between(self, start: int, end: int) -> range:
        """Return the indexes of the words that the byte range of `text` covers."""
        first = max(bisect_right(self.starts, start) - 1, 0)
        last = max(bisect_right(self.starts, max(end - 2, start)) - 1, first)
        return range(first, last + 1)

    def quote(self, words: range, *, limit: int = 120) -> str:
        """Return what the author wrote there, on one line and cut to `limit` characters."""
        written = " ".join(self.raw[self.spans[words[0]][0] : self.spans[words[-1]][1]].split())
        written = "".join(c for c in written if c.isprintable())
        return written if len(written) <= limit else written[: limit - 1] + "…"


def join_views(views: Sequence[View]) -> View:
    """Return several texts as one, for phrases whose words are spread over them."""
    pieces: list[bytes] = []
    starts: list[int] = []
    spans: list[tuple[int, int]] = []
    disguised: list[int] = []
    written = offset = 0
    for view in views:
        disguised += [len(starts) + index for index in view.disguised]
        starts += [offset + start for start in view.starts]
        spans += [(written + start, written + end) for start, end in view.spans]
        pieces.append(view.text[:-1])
        offset += len(view.text) - 1
        written += len(view.raw) + 1
    raw = "\n".join(view.raw for view in views)
    return View(raw, b"".join(pieces) + b" ", tuple(starts), tuple(spans), frozenset(disguised))


class _Word(Struct):
    text: str
    start: int
    end: int
    disguised: bool = False


def build_view(raw: str, vocabulary: Vocabulary) -> View:
    """Return the view of a text. Linear in its length; the caller caps the length."""
    words: list[_Word] = []
    breaks = end = 0
    ended = False
    for found in _CHUNK.finditer(raw):
        chunk, start = found.group(), found.start()
        ended = ended or raw.count("\n", end, start) > 1
        if ended and words and chunk[0].isupper():  # "kill. yourself" is one sentence in disguise.
            words.append(_Word(BREAK, end, end))
            breaks += 1
        end = found.end()
        ended = _BREAK_AFTER.search(chunk[-6:]) is not None
        words.extend(_Word(text, start, end, hidden) for text, hidden in _split_chunk(chunk, vocabulary))
    if breaks * 3 > len(words) and len(words) > 4:  # A full stop after each word is a disguise, not a sentence.
        words = [word for word in words if word.text != BREAK]
    return _assemble(raw, _join_spaced(words, vocabulary))


def _assemble(raw: str, words: list[_Word]) -> View:
    starts: list[int] = []
    pieces: list[bytes] = []
    offset = 0
    for word in words:
        piece = b" " + word.text.encode("utf-8", "replace")
        starts.append(offset)
        pieces.append(piece)
        offset += len(piece)
    return View(
        raw=raw,
        text=b"".join(pieces) + b" ",
        starts=tuple(starts),
        spans=tuple((word.start, word.end) for word in words),
        disguised=frozenset(index for index, word in enumerate(words) if word.disguised),
    )


def _split_chunk(chunk: str, vocabulary: Vocabulary) -> list[tuple[str, bool]]:
    """Return the words of one run of non-space characters, each with whether it was disguised."""
    if chunk.isascii() and chunk.isalpha() and len(chunk) <= 10:
        return _known_forms(chunk.lower(), vocabulary)
    if _LINK.match(chunk):
        return [("http", False)]
    folded = fold(chunk.translate(_APOSTROPHES))
    if not folded:
        return []
    if "'" in folded:
        spelled = vocabulary.spellings.get(folded.strip(_EDGES))
        if spelled:
            return [(word, False) for word in spelled]
        folded = folded.replace("'", "")
    core = folded.strip(_EDGES)
    hidden = _was_hidden(chunk, core)
    if core.isalpha() and core.isascii() and len(core) <= 10 and folded[0] != "#":
        return _mark(_known_forms(core, vocabulary), hidden)
    if folded[:1] == "@" and "@" not in folded[1:]:
        name = folded.rstrip(_EDGES)
        if len(name) > 1 and not _decode(name, vocabulary):
            return [("@" + "".join(_PARTS.findall(name)), False)]
    if not core.isascii() and core in vocabulary.words:
        return [(core, hidden)]  # A word of another alphabet that a bank knows, though it looks like a Latin one.
    for whole in (folded, core):
        decoded = _decode(whole, vocabulary)
        if decoded:
            return [(word, True) for word in vocabulary.spellings.get(decoded, (decoded,))]
    parts = [piece for part in _PARTS.findall(core) for piece in _ALONE.sub(r" \g<0> ", part).split()]
    parts += [symbol for symbol in _ALONE.findall(folded) if symbol not in parts]
    joined = "".join(parts)
    if len(parts) > 1 and 4 <= len(joined) <= vocabulary.longest and joined in vocabulary.words:
        return [(joined, True)]
    if (
        len(parts) == 1
        and joined not in vocabulary.words
        and 8 <= len(joined) <= _SPACED_MAX
        and (folded[0] == "#" or len(joined) > 10)
    ):
        pieces = _segment(joined, vocabulary)
        if pieces:  # A hashtag, or words without the spaces between them.
            return [(word, True) for word, _, _ in pieces]
    if len(parts) <= 1 and not hidden:
        return [form for part in parts for form in _known_forms(part, vocabulary)]
    return _mark([form for part in parts for form in _known_forms(part, vocabulary)], hidden)


def _was_hidden(chunk: str, folded: str) -> bool:
    """Whether letters stood between characters that show nothing, or were compatibility forms of letters."""
    if chunk.isascii() or not folded.isalnum():
        return False
    return any(
        ord(character) in FILLERS
        or ord(character) in ENCLOSED
        or unicodedata.category(character) == "Cf"
        or unicodedata.decomposition(character).startswith("<")
        for character in chunk
        if not character.isascii()
    )


def _mark(forms: list[tuple[str, bool]], hidden: bool) -> list[tuple[str, bool]]:
    return [(word, True) for word, _ in forms] if hidden else forms


def _known_forms(word: str, vocabulary: Vocabulary) -> list[tuple[str, bool]]:
    """Return the word, its spelled-out form, or the bank's word that it disguises."""
    if len(word) == 1:
        return [(word, False)]  # Spelled out by `_join_spaced`, once it is known to stand alone.
    spelled = vocabulary.spellings.get(word)
    if spelled:
        return [(part, False) for part in spelled]
    if word in vocabulary.words or (word.isascii() and word.isalpha() and not _RUN.search(word)):
        return [(word, False)]
    decoded = _decode(word, vocabulary)
    if decoded:
        return [(part, True) for part in vocabulary.spellings.get(decoded, (decoded,))]
    return [(word, False)]


def _decode(word: str, vocabulary: Vocabulary) -> str:
    """Return the bank's word behind a disguised one, or an empty string. A few look-ups, never a search."""
    if not word or len(word) > _SPACED_MAX:
        return ""
    candidates = [word]
    if not word.isascii():
        latin = word.translate(look_alikes())
        if not latin.isascii() or latin == word:
            return ""
        candidates = [latin]
    if not any(character.isalpha() for character in candidates[0]):
        return ""
    if not _LEET_CHARACTERS.isdisjoint(candidates[0]):
        candidates += [candidates[0].translate(_LEET_I), candidates[0].translate(_LEET_L)]
    for candidate in candidates:
        if candidate != word and vocabulary.knows(candidate):
            return candidate
    for candidate in candidates:
        if _RUN.search(candidate):
            for shorter in (_LONG_RUNS.sub(r"\1\1", candidate), _LONG_RUNS.sub(r"\1", candidate)):
                if vocabulary.knows(shorter):
                    return shorter
            known = vocabulary.squeezed.get(_RUNS.sub(r"\1", candidate))
            if known:
                return known
    for candidate in candidates:
        if _STARRED.fullmatch(candidate) and sum(map(candidate.count, "*#")) * 2 < len(candidate):
            pattern = re.compile(candidate.replace("*", ".").replace("#", "."))
            for known in vocabulary.by_length.get(len(candidate), ()):
                if pattern.fullmatch(known):
                    return known
    return ""


def _join_spaced(words: list[_Word], vocabulary: Vocabulary) -> list[_Word]:
    """Join runs of at least three single letters (`k i l l`) where bank words cover the whole run."""
    joined: list[_Word] = []
    index = 0
    if not any(len(word.text) == 1 for word in words):
        return words
    while index < len(words):
        stop = index
        while stop < len(words) and stop - index < _SPACED_MAX and _is_letter(words[stop].text):
            stop += 1
        found = _segment("".join(w.text for w in words[index:stop]), vocabulary) if stop - index >= 3 else []
        if found:
            for text, first, last in found:
                run = words[index + first : index + last]
                joined.append(_Word(text, run[0].start, run[-1].end, True))
            index = stop
        else:
            stop = max(stop, index + 1)
            for word in words[index:stop]:
                spelled = vocabulary.spellings.get(word.text, (word.text,)) if len(word.text) == 1 else (word.text,)
                joined.extend(_Word(text, word.start, word.end, word.disguised) for text in spelled)
            index = stop
    return joined


def _is_letter(word: str) -> bool:
    return len(word) == 1 and word.isalnum() and not _ALONE.match(word)


def _segment(letters: str, vocabulary: Vocabulary) -> list[tuple[str, int, int]]:
    """Split letters into bank words (with one long enough to matter), or return nothing."""
    plain = letters.translate(look_alikes()) if not letters.isascii() else letters
    for text in dict.fromkeys((plain, plain.translate(_LEET_I), plain.translate(_LEET_L))):
        best: list[list[tuple[str, int, int]] | None] = [[]] + [None] * len(text)
        for end in range(1, len(text) + 1):
            for start in range(max(0, end - vocabulary.longest), end):
                before = best[start]
                if before is not None and text[start:end] in vocabulary.words:
                    best[end] = [*before, (text[start:end], start, end)]
                    break
        found = best[len(text)]
        if found and any(last - first >= 4 for _, first, last in found):
            return found
    return []
