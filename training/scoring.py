"""Runs the files of an exported model, and the word bank, over many texts, exactly as the server does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer

from parley.screening import load_policy, shipped_policy
from parley.screening.text_model import load_model
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


def open_session(graph: Path, threads: int = 1) -> onnxruntime.InferenceSession:
    """Return a session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def network_logits(
    texts: list[str], graph: Path, tokenizer: Path, *, threads: int = 1, about: str = "Scoring"
) -> NDArray[np.float32]:
    """Return the network's logits [texts, heads] of normalised texts, each run alone."""
    session = open_session(graph, threads)
    cutter = Tokenizer.from_file(str(tokenizer))
    cutter.enable_truncation(MAX_TOKENS)
    cutter.no_padding()
    encoded = [found.ids for found in cutter.encode_batch_fast(texts)]
    logits = [
        session.run(["logits"], {"input_ids": np.array([ids], dtype=np.int64)})[0][0] for ids in track(encoded, about)
    ]
    return np.array(logits, dtype=np.float32)


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
