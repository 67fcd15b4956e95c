"""The measures against plain counting."""

import math

import numpy as np
import pytest

from training.metrics import (
    auroc,
    average_precision,
    calibration_error,
    interval,
    recall_at,
    sigmoid,
    threshold_at,
)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    chance = np.random.default_rng(1)
    labels = (chance.random(80) < 0.3).astype(float)
    scores = np.round(chance.random(80) + 0.4 * labels, 1)
    pairs = [1.0 if p > n else 0.5 if p == n else 0.0 for p in scores[labels == 1] for n in scores[labels == 0]]
    assert auroc(labels, scores) == pytest.approx(sum(pairs) / len(pairs))
    assert math.isnan(auroc(np.zeros(3), np.arange(3.0)))


def test_average_precision_takes_ties_together():
    labels = np.array([1.0, 0.0, 1.0, 0.0])
    assert average_precision(labels, np.array([4.0, 3.0, 2.0, 1.0])) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision(labels, np.ones(4)) == pytest.approx(0.5)


def test_a_threshold_flags_at_most_its_share():
    scores = np.linspace(0, 1, 1001)
    assert (scores >= threshold_at(scores, 0.01)).sum() == 10
    assert (np.ones(50) >= threshold_at(np.ones(50), 0.01)).sum() == 0
    assert recall_at(np.array([1.0, 1.0, 0.0]), np.array([0.2, 0.9, 0.95]), 0.5) == 0.5


def test_calibration_error_is_nought_for_true_probabilities():
    chance = np.random.default_rng(2)
    probabilities = chance.random(40_000)
    labels = (chance.random(40_000) < probabilities).astype(float)
    assert calibration_error(labels, probabilities) < 0.02
    assert calibration_error(labels, probabilities**3) > 0.1


def test_an_interval_holds_the_measure():
    chance = np.random.default_rng(3)
    labels = (chance.random(500) < 0.2).astype(float)
    scores = chance.normal(size=500) + labels
    low, high = interval(auroc, labels, scores, rounds=100)
    assert low < auroc(labels, scores) < high
    assert 0.02 < high - low < 0.2


def test_sigmoid_does_not_overflow():
    assert sigmoid(np.array([-1000.0, 0.0, 1000.0])).tolist() == [0.0, 0.5, 1.0]
