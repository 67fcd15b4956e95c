"""Signals of the text model: how likely each kind of harm is, as calibrated probabilities from 0 to 1.

The model runs once per revision, when the first of these is asked for. A model that is missing or damaged makes each
of them fail, so that the policy's fail mode applies. This file must not decide which probability is too high.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from parley.screening import languages, model_text, text_model
from parley.screening.signal import Frame, Measured, Signal
from parley.screening.verdict import SignalValue

HEADS: dict[str, str] = {
    "violence": "a threat, incitement to violence or praise of it",
    "hate": "hatred of a group of people",
    "harassment": "an attack on a person",
    "sexism": "contempt for a sex",
    "sexual": "sexual content",
    "self_harm": "suicide or self-harm",
}
"""What each head of the model finds, in words that stand after "very likely"."""

_ABOUT = "How likely the text holds {}: 0 to 1, by the text model. It runs once per post, for the first head asked."
_MODEL_US, _READ_US = 2000, 1
"""What the first head costs, for which the model runs, and what each of the others does."""
_CERTAINTIES = ((0.9, "very likely"), (0.7, "likely"), (0.4, "possibly"), (0.15, "perhaps"), (0.0, "hardly"))


def measure_coverage(frame: Frame) -> Measured:
    """Whether every text is in a language that the model knows."""
    return Measured({"text.model.covered": frame.text_scores.covered})


def _measure_head(head: str) -> Callable[[Frame], Measured]:
    def measure(frame: Frame) -> Measured:
        return Measured({f"text.{head}.score": frame.text_scores.heads[head]})

    return measure


def describe_score(head: str, score: float) -> str:
    """Return a head's score in words: `very likely a threat, incitement to violence or praise of it (0.93)`."""
    certainty = next(words for least, words in _CERTAINTIES if score >= least)
    return f"{certainty} {HEADS[head]} ({score:.2f})"


def describe_scores(expression: str, values: Mapping[str, SignalValue]) -> list[str]:
    """Return the scores that a rule's expression speaks of, in words, the highest first."""
    named = {head: values.get(f"text.{head}.score") for head in HEADS if f"text.{head}.score" in expression}
    scores = {head: score for head, score in named.items() if isinstance(score, float) and score >= 0.15}
    return [describe_score(head, scores[head]) for head in sorted(scores, key=lambda head: -scores[head])]


def _version() -> int:
    """A number that changes with the model and with what it sees: rulesets with another model are others."""
    try:
        card = (text_model.SHIPPED / text_model.CARD).read_bytes()
    except OSError:
        card = b""
    seen = f"{model_text.VERSION} {languages.VERSION} {text_model.VERSION}".encode()
    return int.from_bytes(hashlib.sha256(card + seen).digest()[:4])


_VERSION = _version()

TEXT_SIGNALS: tuple[Signal, ...] = (
    *(
        Signal(
            f"text_{head}",
            _VERSION,
            _ABOUT.format(found),
            {f"text.{head}.score": "double"},
            _measure_head(head),
            from_model=True,
            cost_us=_READ_US if place else _MODEL_US,
        )
        for place, (head, found) in enumerate(HEADS.items())
    ),
    Signal(
        "text_coverage",
        _VERSION,
        "Whether the text model knows the language of every text. Where it does not, the scores say little.",
        {"text.model.covered": "bool"},
        measure_coverage,
        from_model=True,
        cost_us=_READ_US,
    ),
)
