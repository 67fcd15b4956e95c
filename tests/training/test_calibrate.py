"""Calibration finds the curve that made the labels, also from logits that begin far off."""

import numpy as np
import pytest

from training.calibrate import early_exits, fit_sigmoid, share_ended
from training.heads import HEADS
from training.metrics import sigmoid


@pytest.mark.parametrize(("a", "b", "shift"), [(1.0, 0.0, 0.0), (0.6, -1.0, -3.0), (2.0, 1.5, -6.0)])
def test_the_true_curve_is_found(a, b, shift):
    chance = np.random.default_rng(1)
    logits = 3 * chance.normal(size=20_000) + shift
    labels = (chance.random(20_000) < sigmoid(a * logits + b)).astype(float)
    found = fit_sigmoid(labels, logits, np.ones(20_000))
    assert found == pytest.approx((a, b), abs=0.25)


def test_few_positives_and_large_logits_do_not_diverge():
    logits = np.concatenate([np.full(3000, -9.0), np.linspace(-8, 6, 17)])
    labels = np.concatenate([np.zeros(3000), np.ones(17)])
    a, b = fit_sigmoid(labels, logits, np.ones(3017))
    assert 0 < a < 50
    assert abs(b) < 100


def test_one_in_a_hundred_of_what_is_flagged_is_answered_early_at_most():
    chance = np.random.default_rng(2)
    last = chance.normal(size=(20_000, len(HEADS)))
    early = last + 0.3 * chance.normal(size=last.shape)
    ordinary = chance.normal(size=(50_000, len(HEADS))) - 1.0
    bars = np.quantile(ordinary, 0.99, axis=0)
    bounds = early_exits(early, last, ordinary)
    margins = [bounds[head] - bar for head, bar in zip(HEADS, bars, strict=True)]
    assert max(margins) - min(margins) < 0.01
    flagged = last >= bars
    ended = (early < [bounds[head] for head in HEADS]).all(axis=1)
    assert 0 < np.mean(ended[flagged.any(axis=1)]) <= 0.011
    assert np.mean(ended[flagged[:, 0]]) <= 0.011
    assert share_ended(early, bounds) == pytest.approx(np.mean(ended))
    assert share_ended(early, bounds) > 0.2
    assert share_ended(early, dict.fromkeys(HEADS, -99.0)) == 0
