"""Runs the files of an exported model, and the word bank, over many texts, exactly as the server does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
    texts: list[str], graph: Path, tokenizer: Path, *, threads: int = 1, size: int = 16, about: str = "Scoring"
) -> NDArray[np.float32]:
    """Return the network's logits [texts, heads] of normalised texts."""
    session = open_session(graph, threads)
    cutter = Tokenizer.from_file(str(tokenizer))
    cutter.enable_truncation(MAX_TOKENS)
    cutter.no_padding()
    encoded = [found.ids for found in cutter.encode_batch_fast(texts)]
    order = sorted(range(len(texts)), key=lambda i: len(encoded[i]))
    logits: NDArray[Any] | None = None
    for start in track(range(0, len(order), size), about):
        chunk = order[start : start + size]
        longest = max(len(encoded[i]) for i in chunk)
        ids = np.zeros((len(chunk), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for place, i in enumerate(chunk):
            ids[place, : len(encoded[i])] = encoded[i]
            mask[place, : len(encoded[i])] = 1
        found = session.run(["logits"], {"input_ids": ids, "attention_mask": mask})[0]
        if logits is None:
            logits = np.zeros((len(texts), found.shape[1]), dtype=np.float32)
        logits[chunk] = found
    return np.zeros((0, 0), dtype=np.float32) if logits is None else logits


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
