"""The hashed n-grams: the same numbers everywhere, and a score that numpy alone can compute."""

import numpy as np

from training.linear import BITS, MOST_BYTES, features, load, save, score

FIRST = [11699, 13937, 16532, 31886]


def test_features_are_distinct_sorted_buckets_and_never_change():
    found = features("i will find you")
    assert found.dtype == np.uint32
    assert found.max() < 1 << BITS
    assert (np.diff(found.astype(np.int64)) > 0).all()
    assert found[:4].tolist() == FIRST


def test_long_and_empty_texts_are_bounded():
    assert len(features("")) <= 2
    assert len(features("ab c" * 100_000)) <= 6 * MOST_BYTES


def test_weights_survive_storing(tmp_path):
    chance = np.random.default_rng(1)
    weights = chance.normal(size=(6, 1 << BITS)).astype(np.float32)
    bias = np.arange(6, dtype=np.float32)
    save(tmp_path / "linear.npz", weights, bias)
    again, same = load(tmp_path / "linear.npz")
    buckets = features("nice shop you have there, would be a pity if it burned")
    np.testing.assert_allclose(score(buckets, again, same), score(buckets, weights, bias), atol=0.15)
    assert score(np.zeros(0, dtype=np.uint32), again, same).tolist() == bias.tolist()
