"""Measures of a ranking and of probabilities. Plain numpy; labels are 0 or 1, scores any real numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auroc(labels: Floats, scores: Floats) -> float:
    """Return the area under the ROC curve: how often a positive stands above a negative (ties count half)."""
    positives = labels == 1
    wins, losses = int(positives.sum()), int((~positives).sum())
    if not wins or not losses:
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[positives].sum() - wins * (wins + 1) / 2) / (wins * losses))


def average_precision(labels: Floats, scores: Floats) -> float:
    """Return the mean precision over the positives, best first; tied scores are taken together."""
    if not labels.sum():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    found, ordered = np.cumsum(labels[order]), scores[order]
    last = np.flatnonzero(np.append(np.diff(ordered) != 0, True))
    precision = found[last] / (last + 1)
    recall = found[last] / labels.sum()
    return float(np.sum(np.diff(np.concatenate([[0.0], recall])) * precision))


def threshold_at(ordinary: Floats, share: float) -> float:
    """Return the score that at most this share of ordinary texts reaches."""
    ordered = np.sort(ordinary)[::-1]
    allowed = int(share * len(ordered))
    return float(np.nextafter(ordered[min(allowed, len(ordered) - 1)], np.inf))


def recall_at(labels: Floats, scores: Floats, threshold: float) -> float:
    """Return the share of positives at or above a threshold."""
    positives = scores[labels == 1]
    return float((positives >= threshold).mean()) if len(positives) else float("nan")


def calibration_error(labels: Floats, probabilities: Floats, bins: int = 15) -> float:
    """Return the expected calibration error over bins that hold equally many texts."""
    order = np.argsort(probabilities, kind="stable")
    parts = np.array_split(order, bins)
    return float(sum(abs(labels[p].mean() - probabilities[p].mean()) * len(p) for p in parts if len(p)) / len(order))


def interval(
    measure: Callable[[Floats, Floats], float], labels: Floats, scores: Floats, *, rounds: int = 200, seed: int = 1
) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a measure, positives and negatives drawn apart."""
    chance = np.random.default_rng(seed)
    groups = [np.flatnonzero(labels == value) for value in (0, 1)]
    found = []
    for _ in range(rounds):
        drawn = np.concatenate([chance.choice(g, len(g)) for g in groups if len(g)])
        found.append(measure(labels[drawn], scores[drawn]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


def sigmoid(logits: Floats) -> Floats:
    """Return the logistic function, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)), dtype=np.float64)
