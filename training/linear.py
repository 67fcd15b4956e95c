"""A linear model over hashed n-grams: the baseline of the measurements, and a small second opinion beside the network.

The features and the score are the server's own (`parley.screening.ngrams`); here the weights are made.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from parley.screening.ngrams import LinearModel, find_features
from parley.screening.normalise import for_model
from training.heads import HEADS, Row, read_rows
from training.noise import disguise
from training.prepare import WORK

BITS = 18
"""Two to the power of this is the number of buckets, as the server expects."""

console = Console()


def matrix_of(texts: list[str]) -> Any:
    """Return the texts' features as a sparse matrix, each row of length 1."""
    from scipy.sparse import csr_matrix

    rows = [find_features(text) for text in track(texts, "Counting n-grams")]
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
    """Store the weights in int8, [heads, buckets], with one scale a head."""
    scales = np.quantile(np.abs(weights), 0.9999, axis=1) / 127
    small = np.clip(np.round(weights / scales[:, None]), -127, 127).astype(np.int8)
    np.savez_compressed(path, weights=small, scales=scales.astype(np.float32), bias=bias)
    console.print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


def score_all(texts: list[str], path: Path) -> NDArray[np.float32]:
    """Return the logits [texts, heads] of normalised texts."""
    linear = LinearModel(path, len(HEADS))
    return np.array([linear.logits(text) for text in texts], dtype=np.float32)


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
