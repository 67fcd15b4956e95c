"""The hashed n-grams: the same numbers everywhere, and weights that survive storing."""

import numpy as np
import pytest

from parley.screening.ngrams import LinearModel
from parley.screening.ngrams import find_features as features
from training.linear import BITS, save

FIRST = [11699, 13937, 16532, 31886]


def test_features_are_distinct_sorted_buckets_and_never_change():
    found = features("i will find you")
    assert found.dtype == np.uint32
    assert found.max() < 1 << BITS
    assert (np.diff(found.astype(np.int64)) > 0).all()
    assert found[:4].tolist() == FIRST


@pytest.mark.parametrize("text", ["", " ", "a", "🙂" * 2000, "ab c" * 100_000])
def test_any_text_gives_few_buckets(text):
    assert len(features(text)) <= 12_000


def test_weights_survive_storing(tmp_path):
    chance = np.random.default_rng(1)
    weights = chance.normal(size=(6, 1 << BITS)).astype(np.float32)
    bias = np.arange(6, dtype=np.float32)
    save(tmp_path / "linear.npz", weights, bias)
    linear = LinearModel(tmp_path / "linear.npz", 6)
    buckets = features("nice shop you have there, would be a pity if it burned")
    expected = weights[:, buckets].sum(axis=1) / np.sqrt(len(buckets)) + bias
    found = linear.logits("nice shop you have there, would be a pity if it burned")
    np.testing.assert_allclose(found, expected, atol=0.15)


def test_weights_of_another_shape_are_refused(tmp_path):
    np.savez(tmp_path / "x.npz", weights=np.zeros((8, 6), np.int8), scales=np.ones(6, np.float32), bias=np.ones(6))
    with pytest.raises(ValueError, match="another shape"):
        LinearModel(tmp_path / "x.npz", 6)
