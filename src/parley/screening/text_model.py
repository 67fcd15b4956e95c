"""Runs the text model that ships with Parley: a small encoder in ONNX, in process, one core, no network.

`live_model()` loads it once per process; `warm()` does so before the first post. Each text is scored on its own, in
one call without padding: activations are quantised by their range in a call, so neighbours in a batch would change a
score, and the same text must always get the same one. This file must not decide anything.
"""

from __future__ import annotations

import hashlib
import logging
import math
import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from parley.screening.common_words import cost_of_word
from parley.screening.languages import known_part
from parley.screening.model_text import for_model
from parley.screening.ngrams import LinearModel

log = logging.getLogger(__name__)

VERSION = 2
"""Raised with every change that can alter a score: it is part of the ruleset's hash."""

SHIPPED = Path(__file__).parent / "model"
SLOW_FUSION = "SkipLayerNormFusion"
"""One optimisation of ONNX Runtime that makes the model a fifth slower on a CPU; see training/graph.py."""

CARD = "text.json"
FIRST, REST = "text.onnx", "text.rest.onnx"
"""The network's first layers with an early answer, and its other layers."""

_PART = 40
"""Tokens. Longer texts are scored in parts of whole sentences: one threat must not drown in much that is harmless."""

_OVERLAP = 8
_MOST_PARTS = 8
_MOST_CALLS = 10
_MOST_CHARACTERS = 24_000
_SENTENCE = re.compile(r"[^.!?;\n]+[.!?;\n]*\s*|[.!?;\n]+\s*")
_WORD = re.compile(r"[a-z']+")
_CACHED = 512
_CACHED_CHARACTERS = 1200
_COMMON = 7.0
_JOINED_WORDS = 80


class ModelUnavailable(Exception):
    """The model's files are missing, damaged or not what text.json says. The text names the file, never content."""


class Curve(msgspec.Struct, frozen=True):
    """Turns a logit into a probability: sigmoid(a * logit + b)."""

    a: float
    b: float

    def probability(self, logit: float) -> float:
        """Return the calibrated probability, to five digits."""
        if not math.isfinite(logit):
            raise ArithmeticError("the model gave no number")
        return round(1 / (1 + math.exp(-max(min(self.a * logit + self.b, 40.0), -40.0))), 5)


class LinearPart(msgspec.Struct, frozen=True):
    """The linear model beside the network: its file, and by how much its logit counts for each head."""

    file: str
    weights: dict[str, float]


class ModelCard(msgspec.Struct, frozen=True):
    """What text.json says of the files beside it.

    `early_exit` holds a logit for each head. Where the first layers' answers stay below all of them, the others are not
    asked: most ordinary posts are plainly harmless.
    """

    version: str
    heads: tuple[str, ...]
    max_tokens: int
    calibration: dict[str, Curve]
    languages: tuple[str, ...]
    sha256: dict[str, str]
    thresholds: dict[str, dict[str, float]] = {}
    linear: LinearPart | None = None
    early_exit: dict[str, float] = {}


class Scores(msgspec.Struct, frozen=True):
    """Probabilities by head, and whether every text was in a language that the model knows."""

    heads: Mapping[str, float]
    covered: bool


def load_model(folder: Path | str = SHIPPED) -> TextModel:
    """Load a model from its folder; raises ModelUnavailable with a sentence for the operator."""
    folder = Path(folder)
    try:
        card = msgspec.json.decode((folder / CARD).read_bytes(), type=ModelCard)
        for name, expected in card.sha256.items():
            if Path(name).name != name:
                raise ModelUnavailable(f"{CARD} names {name!r}, which is not in its own folder.")
            with (folder / name).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != expected:
                    raise ModelUnavailable(f"{name} of the text model is damaged. Install Parley again.")
        missing = {FIRST, REST, "tokenizer.json"} - card.sha256.keys()
        if missing or set(card.heads) - card.calibration.keys() or card.max_tokens < 8:
            raise ModelUnavailable(f"{CARD} is not complete. Install Parley again.")
        network, tokenizer = _open(folder, card)
        return TextModel(card, network, tokenizer, _open_linear(folder, card))
    except OSError as error:
        raise ModelUnavailable(f"{Path(str(error.filename)).name} of the text model is missing.") from error
    except msgspec.MsgspecError as error:
        raise ModelUnavailable(f"{CARD} of the text model cannot be read: {error}") from error


def _open(folder: Path, card: ModelCard) -> tuple[Network, Any]:
    """Return the network and the tokenizer. One thread: a write's judge must not fight the other processes' for cores.

    Without the arena and the memory pattern, a long text leaves no memory behind.
    """
    import onnxruntime
    from tokenizers import Tokenizer

    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4
    try:
        first, rest = (
            onnxruntime.InferenceSession(
                folder / name, options, providers=["CPUExecutionProvider"], disabled_optimizers=[SLOW_FUSION]
            )
            for name in (FIRST, REST)
        )
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:
        raise ModelUnavailable(f"The text model cannot be opened ({type(error).__name__}).") from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    for name, session in ((FIRST, first), (REST, rest)):
        if session.get_outputs()[-1].shape[-1] != len(card.heads):
            raise ModelUnavailable(f"{CARD} names {len(card.heads)} heads, {name} has others.")
    begin, end = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    if begin is None or end is None:
        raise ModelUnavailable("tokenizer.json knows no [CLS] and [SEP]. Install Parley again.")
    return Network(first, rest, rest.get_inputs()[0].name, begin, end, card.max_tokens), tokenizer


def _open_linear(folder: Path, card: ModelCard) -> LinearModel | None:
    if card.linear is None:
        return None
    if card.linear.file not in card.sha256 or set(card.heads) - card.linear.weights.keys():
        raise ModelUnavailable(f"{CARD} is not complete. Install Parley again.")
    try:
        return LinearModel(folder / card.linear.file, len(card.heads))
    except (ValueError, KeyError, EOFError) as error:
        raise ModelUnavailable(f"{card.linear.file} of the text model cannot be read.") from error


@dataclass(frozen=True, eq=False)
class Network:
    """The two halves of the encoder."""

    _first: Any
    _rest: Any
    _between: str
    _begin: int
    _end: int
    _most_tokens: int

    def answer_early(self, ids: list[int]) -> tuple[Any, list[float]]:
        """Return the tokens' states after the first layers, and the logits by head that they allow."""
        import numpy

        row = numpy.array([[self._begin, *ids[: self._most_tokens - 2], self._end]], dtype=numpy.int64)
        states, logits = self._first.run(None, {"input_ids": row})
        return states, logits[0].tolist()

    def answer(self, states: Any) -> list[float]:
        """Return the logits by head of the whole network, from the states that `answer_early` gave."""
        logits: list[float] = self._rest.run(None, {self._between: states})[0][0].tolist()
        return logits


@dataclass(frozen=True, eq=False)
class TextModel:
    """One loaded model. Safe to use from several threads; a call releases the interpreter's lock."""

    card: ModelCard
    _network: Network
    _tokenizer: Any
    _linear: LinearModel | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "_remembered", lru_cache(maxsize=_CACHED)(self._score_text))

    def score(
        self, texts: Iterable[str], *, declared: str | None = None, hints: frozenset[str] = frozenset()
    ) -> Scores:
        """Score the texts of one revision: of each head the maximum over the texts, and over all of them together.

        `declared` is the language that the author gave. `hints` are words that make a part of a very long text worth
        looking at; of such a text the beginning, the end and the parts with most hints are scored.
        """
        plain: list[str] = []
        covered = True
        for text in texts:
            part, known = known_part(for_model(_shorten(text)), self.card.languages, declared)
            covered = covered and known
            if part:
                plain.append(part)
        units = list(dict.fromkeys(sorted(plain, key=len, reverse=True)))[:_MOST_CALLS]
        if len(plain) > 1:
            units.append(" ".join(" ".join(plain).split()[:_JOINED_WORDS]))
        best = dict.fromkeys(self.card.heads, 0.0)
        left = _MOST_CALLS
        for unit in units:
            logits, calls = self._look_up(unit, hints, left)
            left = max(left - calls, 1)
            for head, score in self._probabilities(logits).items():
                best[head] = max(best[head], score)
        return Scores(best, covered)

    def score_plain(self, text: str) -> dict[str, float]:
        """Score one text that `for_model` gave, whatever its language."""
        return self._probabilities(self._look_up(text, frozenset(), _MOST_PARTS)[0])

    def _probabilities(self, logits: Sequence[float]) -> dict[str, float]:
        curves = self.card.calibration
        return {h: curves[h].probability(logit) for h, logit in zip(self.card.heads, logits, strict=True)}

    def _look_up(self, text: str, hints: frozenset[str], most: int) -> tuple[Sequence[float], int]:
        if len(text) > _CACHED_CHARACTERS:
            return self._score_text(text, hints, most)
        remembered: Any = self.__dict__["_remembered"]
        logits, calls = remembered(text, hints, _MOST_PARTS)
        return logits, calls

    def _score_text(self, text: str, hints: frozenset[str], most: int) -> tuple[Sequence[float], int]:
        """Return the maximum of each logit over the text's parts, and how many parts there were."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        if len(encoded.ids) <= _PART:
            return self._run(text, encoded.ids), 1
        starts = [start for start, _ in encoded.offsets]
        parts = _split(text, starts)
        if len(parts) > most:
            inner = sorted(parts[1:-1], key=lambda part: -_suspicion(text, starts, part, hints))
            parts = sorted([parts[0], parts[-1], *inner[: max(most - 2, 0)]])
        rows = []
        for first, last in parts:
            end = starts[last] if last < len(starts) else len(text)
            rows.append(self._run(text[starts[first] : end], encoded.ids[first:last]))
        return tuple(max(column) for column in zip(*rows, strict=True)), len(rows)

    def _run(self, text: str, ids: list[int]) -> tuple[float, ...]:
        card = self.card
        second = [0.0] * len(card.heads)
        if self._linear is not None and card.linear is not None:
            shares = card.linear.weights
            second = [shares[h] * logit for h, logit in zip(card.heads, self._linear.logits(text), strict=True)]
        states, logits = self._network.answer_early(ids)
        early = tuple(map(sum, zip(logits, second, strict=True)))
        if all(logit < card.early_exit.get(head, -math.inf) for head, logit in zip(card.heads, early, strict=True)):
            return early
        return tuple(map(sum, zip(self._network.answer(states), second, strict=True)))


def _split(text: str, starts: list[int]) -> list[tuple[int, int]]:
    """Return parts of whole sentences as ranges of tokens; a sentence that is too long for one is cut, with overlap."""
    parts: list[tuple[int, int]] = []
    first = end = 0
    for sentence in _SENTENCE.finditer(text):
        last = bisect_left(starts, sentence.end())
        if last - first > _PART and end > first:
            parts.append((first, end))
            first = end
        while last - first > _PART:
            parts.append((first, first + _PART))
            first += _PART - _OVERLAP
        end = last
    return [*parts, (first, end)] if end > first else parts


def _suspicion(text: str, starts: list[int], part: tuple[int, int], hints: frozenset[str]) -> float:
    """How telling the hints in a part are: the rarer a word, the more so; the most usual words tell nothing."""
    end = starts[part[1]] if part[1] < len(starts) else len(text)
    words = set(_WORD.findall(text[starts[part[0]] : end]))
    return sum(max(min(cost_of_word(word), 15.0) - _COMMON, 0.0) for word in words & hints)


def _shorten(text: str) -> str:
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]}\n\n{text[-half:]}"


_loaded: TextModel | ModelUnavailable | None = None


def live_model() -> TextModel:
    """Return this process's model. Raises ModelUnavailable, each time, if it could not be loaded."""
    global _loaded
    if _loaded is None:
        try:
            _loaded = load_model()
        except ModelUnavailable as error:
            log.error("%s Texts are judged without it, and the policy's fail mode applies.", error)
            _loaded = error
    if isinstance(_loaded, ModelUnavailable):
        raise ModelUnavailable(str(_loaded))
    return _loaded


def use_model(model: TextModel | None) -> None:
    """Make a model the live one of this process; None forgets it, so that the shipped one is loaded when asked for."""
    global _loaded
    _loaded = model


def warm() -> bool:
    """Load the model and run it once, so that no post waits for it; False if it is not available."""
    try:
        live_model().score(["Good morning, all of you! 🙂", "Guten Morgen zusammen, schönes Wetter heute"])
    except ModelUnavailable:
        return False
    return True
