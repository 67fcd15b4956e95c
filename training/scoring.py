"""Runs the files of an exported model, and the word bank, over many texts, exactly as the server does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer

from parley.screening import load_policy, shipped_policy
from parley.screening.text_model import FIRST, REST, load_model
from training.heads import HEADS

MAX_TOKENS = 96
"""Longer texts are cut. A post of 280 characters has about 70 tokens."""

KEYWORDS: dict[str, tuple[str, ...]] = {
    "violence": ("threat-", "incitement-", "target-lists", "praise-of", "praise-codes"),
    "hate": ("hate-",),
    "harassment": ("harassment-", "self-harm-encouraged"),
    "sexism": ("sexism",),
    "sexual": ("sexual-", "porn-", "sex-", "intimate-images", "exploitation-"),
    "self_harm": ("self-harm-",),
}
"""Which entries of the word bank stand for which head, by the beginnings of their names."""
_TIERS = {"reject": 3.0, "hold": 2.0, "flag": 1.0}


def network_logits(
    texts: list[str], folder: Path, *, about: str = "Scoring"
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the early and the last logits, each [texts, heads], of normalised texts, by the server's own runtime."""
    first, rest = (open_graph(folder / name) for name in (FIRST, REST))
    between = rest.get_inputs()[0].name
    cutter = Tokenizer.from_file(str(folder / "tokenizer.json"))
    cutter.enable_truncation(MAX_TOKENS)
    cutter.no_padding()
    early, last = [], []
    for found in track(cutter.encode_batch_fast(texts), about):
        states, logits = first.run(None, {"input_ids": np.array([found.ids], dtype=np.int64)})
        early.append(logits[0])
        last.append(rest.run(None, {between: states})[0][0])
    return np.array(early, dtype=np.float32), np.array(last, dtype=np.float32)


def open_graph(path: Path) -> onnxruntime.InferenceSession:
    """Return a session on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def shipped_scores(texts: list[str], folder: Path, *, about: str = "Scoring") -> NDArray[np.float64]:
    """Return the calibrated probabilities [texts, heads] of normalised texts, by the server's own runtime."""
    model = load_model(folder)
    found = [model.score_plain(text) for text in track(texts, about)]
    return np.array([[scores[head] for head in HEADS] for scores in found])


def keyword_scores(texts: list[str]) -> NDArray[np.float64]:
    """Return what the shipped policy's word bank finds [texts, heads], in raw texts: 3 reject, 2 hold, 1 flag."""
    bank = load_policy(shipped_policy()).words
    scores = np.zeros((len(texts), len(HEADS)))
    for place, text in enumerate(track(texts, "Looking for keywords")):
        for found in bank.find(bank.view(text[:5000])):
            for head, starts in KEYWORDS.items():
                if found.entry.id.startswith(starts):
                    column = HEADS.index(head)
                    scores[place, column] = max(scores[place, column], _TIERS.get(found.entry.tier, 1.0))
    return scores
