"""Says which words carried the text model's score, for the desk and `parley policy explain`.

Every word is left out once and the rest scored again: dozens of runs of the model. It is asked for by people who look
at one text, and must never be called inside a write.
"""

from __future__ import annotations

import re

from msgspec import Struct

from parley.screening.languages import known_part
from parley.screening.model_text import for_model
from parley.screening.text_model import TextModel, live_model
from parley.screening.text_signals import describe_score

_SENTENCE = re.compile(r"[^.!?;]+[.!?;]*")
_MOST_SENTENCES = 40
_MOST_WORDS = 40
_SHOWN_WORDS = 5
_LEAST_SCORE = 0.15
_LEAST_DROP = 0.1


class ScoreReason(Struct, frozen=True):
    """One head's score of one text, why, and the words that carried it, strongest first, as the model saw them."""

    head: str
    score: float
    sentence: str
    words: tuple[str, ...]


def explain_scores(text: str, *, declared: str | None = None, model: TextModel | None = None) -> list[ScoreReason]:
    """Return a reason for each head that gives the text at least 0.15, the highest first. Up to 80 runs of the model.

    Raises ModelUnavailable.
    """
    model = model or live_model()
    seen, covered = known_part(for_model(text), model.card.languages, declared)
    if not seen:
        return []
    scores = model.score_plain(seen)
    heads = sorted((head for head in scores if scores[head] >= _LEAST_SCORE), key=lambda head: -scores[head])
    reasons = []
    for head in heads:
        words = _carrying_words(model, seen, head, scores[head])
        quoted = ", ".join(f'"{word}"' for word in words)
        carried = f", because of {quoted}" if words else ", because of the text as a whole"
        doubt = "" if covered else " Most of the text is in a language that the model does not know."
        said = describe_score(head, scores[head])
        reasons.append(ScoreReason(head, scores[head], f"{said[0].upper()}{said[1:]}{carried}.{doubt}", words))
    return reasons


def _carrying_words(model: TextModel, text: str, head: str, score: float) -> tuple[str, ...]:
    """Leave out each word, in a long text each word of the sentence that matters, and see how far the score falls."""
    words = text.split()
    if len(words) > _MOST_WORDS:
        sentences = [found.group().strip() for found in _SENTENCE.finditer(text)][:_MOST_SENTENCES]
        found = max(sentences, key=lambda sentence: model.score_plain(sentence)[head], default="")
        words = found.split()[:_MOST_WORDS]
        score = model.score_plain(" ".join(words))[head] if words else score
    drops = []
    for index, word in enumerate(words):
        rest = " ".join(words[:index] + words[index + 1 :])
        left = model.score_plain(rest)[head] if rest else 0.0
        drops.append((score - left, -index, word.strip(".,;:!?\"'()")))
    drops.sort(reverse=True)
    strong = [word for drop, _, word in drops if drop >= _LEAST_DROP * score and word]
    return tuple(dict.fromkeys(strong))[:_SHOWN_WORDS]
