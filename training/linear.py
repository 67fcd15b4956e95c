"""A linear model over hashed n-grams: the baseline of the measurements, and a small second opinion beside the network.

The features are defined in README.md ("What ships"), so that the server can compute them with numpy alone.
"""

from __future__ import annotations

import argparse
import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from parley.screening.normalise import for_model
from training.heads import HEADS, Row, read_rows
from training.noise import disguise
from training.prepare import WORK

BITS = 18
SIZES = (3, 4, 5)
MOST_BYTES = 2000
_PRIME, _MIX = 0x01000193, 0x85EBCA6B

console = Console()


def features(text: str) -> NDArray[np.uint32]:
    """Return the sorted, distinct bucket numbers of a normalised text: its words, pairs of words and runs of bytes."""
    data = f" {text} ".encode()[:MOST_BYTES]
    numbers = np.frombuffer(data, dtype=np.uint8).astype(np.uint32)
    found = []
    with np.errstate(over="ignore"):
        for size in SIZES:
            if len(numbers) < size:
                continue
            count = len(numbers) - size + 1
            run = np.full(count, size, dtype=np.uint32)
            for offset in range(size):
                run = (run ^ numbers[offset : offset + count]) * np.uint32(_PRIME)
            run = (run ^ (run >> np.uint32(15))) * np.uint32(_MIX)
            found.append(run ^ (run >> np.uint32(13)))
    words = data.split()
    hashed = [zlib.crc32(word) for word in words]
    hashed += [zlib.crc32(first + b" " + second) for first, second in pairwise(words)]
    found.append(np.array(hashed, dtype=np.uint32))
    return np.unique(np.concatenate(found) & np.uint32((1 << BITS) - 1))


def score(buckets: NDArray[np.uint32], weights: NDArray[Any], bias: NDArray[Any]) -> NDArray[np.float32]:
    """Return the logits of one text: the sum of its buckets' weights over the root of their number, and the bias."""
    if not len(buckets):
        return np.asarray(bias, dtype=np.float32)
    total = weights[:, buckets].astype(np.float32).sum(axis=1)
    return np.asarray(total / np.sqrt(np.float32(len(buckets))) + bias, dtype=np.float32)


def matrix_of(texts: list[str]) -> Any:
    """Return the texts' features as a sparse matrix, each row of length 1."""
    from scipy.sparse import csr_matrix

    rows = [features(text) for text in track(texts, "Counting n-grams")]
    ends = np.cumsum([0, *(len(row) for row in rows)])
    values = np.concatenate([np.full(len(row), 1 / np.sqrt(max(len(row), 1)), dtype=np.float32) for row in rows])
    return csr_matrix((values, np.concatenate(rows).astype(np.int32), ends), shape=(len(texts), 1 << BITS))


def train(rows: list[Row], *, cost: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return weights [heads, buckets] and biases [heads] of one logistic regression a head."""
    import random

    from sklearn.linear_model import LogisticRegression

    chance = random.Random(seed)  # noqa: S311 - reproducible on purpose
    matrix = matrix_of([for_model(disguise(r.text, chance) if chance.random() < 0.1 else r.text) for r in rows])
    weights = np.zeros((len(HEADS), 1 << BITS), dtype=np.float32)
    bias = np.zeros(len(HEADS), dtype=np.float32)
    for place, head in enumerate(track(HEADS, "Fitting the heads")):
        chosen = np.array([i for i, row in enumerate(rows) if head in row.labels])
        labels = np.array([rows[i].labels[head] for i in chosen])
        if labels.min() == labels.max():
            raise SystemExit(f"The rows hold only one label for {head}: write cases for it.")
        sizes = np.array([rows[i].weights.get(head, 1.0) for i in chosen])
        model = LogisticRegression(C=cost, solver="liblinear", max_iter=50)
        model.fit(matrix[chosen], labels, sample_weight=sizes)
        weights[place], bias[place] = model.coef_[0], model.intercept_[0]
    return weights, bias


def save(path: Path, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
    """Store the weights in int8, with one scale a head."""
    scales = np.quantile(np.abs(weights), 0.9999, axis=1) / 127
    small = np.clip(np.round(weights / scales[:, None]), -127, 127).astype(np.int8)
    np.savez_compressed(path, weights=small, scales=scales.astype(np.float32), bias=bias)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def load(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return what `save` stored, as float32."""
    with np.load(path) as found:
        return found["weights"].astype(np.float32) * found["scales"][:, None], found["bias"]


def score_all(texts: list[str], path: Path) -> NDArray[np.float32]:
    """Return the logits [texts, heads] of normalised texts."""
    weights, bias = load(path)
    return np.stack([score(features(text), weights, bias) for text in texts])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK, help="folder for everything that is made on the way")
    parser.add_argument("--cost", type=float, default=6.0, help="inverse strength of the regularisation")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rows = [row for row in read_rows(options.work / "rows.jsonl.gz") if row.split == "train"]
    save(options.work / "linear.npz", *train(rows, cost=options.cost, seed=options.seed))


if __name__ == "__main__":
    main()
