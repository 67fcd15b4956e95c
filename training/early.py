"""Fits the early answer: what the first layers alone make of a text, so that most ordinary ones need no more.

A linear map from the state after `DEPTH` layers to what the whole network says, by ridge regression: nothing of the
network itself is trained for it. How low an early answer must be to be the last one is found by `training.calibrate`.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from tokenizers import Tokenizer

from parley.screening.normalise import for_model
from training.encoder import LAYERS, Judge
from training.heads import read_rows
from training.prepare import WORK

DEPTH = 3
_ROWS = 24_000
_RIDGE = 3.0
_LOWEST, _HIGHEST = -10.0, 6.0
"""Logits beyond these say no more."""


def fit_early(
    judge: Judge, tokenizer: Tokenizer, work: Path = WORK, *, seed: int = 5
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights [heads, 2 * width] and biases [heads], fitted on training rows."""
    texts = [for_model(row.text) for row in read_rows(work / "rows.jsonl.gz") if row.split == "train"]
    random.Random(seed).shuffle(texts)  # noqa: S311 - reproducible on purpose
    encoded = sorted((found.ids for found in tokenizer.encode_batch_fast(texts[:_ROWS])), key=len)
    features, answers = [], []
    judge.eval()
    with torch.no_grad():
        for start in track(range(0, len(encoded), 32), "The first layers' answers"):
            chunk = encoded[start : start + 32]
            longest = max(map(len, chunk))
            ids = torch.tensor([row + [0] * (longest - len(row)) for row in chunk])
            mask = (torch.arange(longest) < torch.tensor([[len(row)] for row in chunk])).long()
            early, whole = judge.encode_at(ids, mask, [DEPTH, LAYERS])
            features.append(early.numpy())
            answers.append(judge.output(whole).numpy())
    seen = np.concatenate(features).astype(np.float64)
    wanted = np.clip(np.concatenate(answers), _LOWEST, _HIGHEST).astype(np.float64)
    middle, usual = seen.mean(0), wanted.mean(0)
    centred = seen - middle
    weights = np.linalg.solve(centred.T @ centred + _RIDGE * np.eye(seen.shape[1]), centred.T @ (wanted - usual))
    return weights.T.astype(np.float32), (usual - middle @ weights).astype(np.float32)
