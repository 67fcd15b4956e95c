"""A linear model over hashed words, pairs of words and runs of bytes: a second opinion beside the network's.

It sees spellings that the network's word pieces tear apart, and costs some 50 microseconds. How features are made is
part of the model: `training/README.md` says it too. This file must not decide anything.
"""

from __future__ import annotations

import zlib
from itertools import pairwise
from pathlib import Path
from typing import Any

_BITS = 18
_SIZES = (3, 4, 5)
_MOST_BYTES = 2000
_PRIME, _MIX = 0x01000193, 0x85EBCA6B


def find_features(text: str) -> Any:
    """Return the sorted, distinct bucket numbers of a text that `for_model` gave, as uint32."""
    import numpy

    data = f" {text} ".encode()[:_MOST_BYTES]
    letters = numpy.frombuffer(data + bytes(_SIZES[-1]), dtype=numpy.uint8).astype(numpy.uint32)
    runs = numpy.repeat(numpy.array(_SIZES, dtype=numpy.uint32)[:, None], len(data), axis=1)
    for offset in range(_SIZES[-1]):
        longer = runs[sum(size <= offset for size in _SIZES) :]  # the rows of the sizes that go on here
        longer ^= letters[offset : offset + len(data)]
        longer *= numpy.uint32(_PRIME)
    runs ^= runs >> numpy.uint32(15)
    runs *= numpy.uint32(_MIX)
    runs ^= runs >> numpy.uint32(13)
    words = data.split()
    hashed = [zlib.crc32(word) for word in words]
    hashed += [zlib.crc32(first + b" " + second) for first, second in pairwise(words)]
    whole = [run[: max(len(data) - size + 1, 0)] for size, run in zip(_SIZES, runs, strict=True)]
    found = numpy.concatenate([*whole, numpy.array(hashed, dtype=numpy.uint32)]) & numpy.uint32((1 << _BITS) - 1)
    found.sort()
    return found[numpy.flatnonzero(numpy.diff(found, prepend=~found[:1]))]


class LinearModel:
    """Weights in int8 [heads, buckets] with one scale a head, and a bias a head."""

    def __init__(self, path: Path, heads: int) -> None:
        """Load what `training.linear` stored. Raises OSError, KeyError or ValueError for anything else."""
        import numpy

        with numpy.load(path, allow_pickle=False) as stored:
            weights, self._scales, self._bias = stored["weights"], stored["scales"], stored["bias"]
        if weights.shape != (heads, 1 << _BITS) or len(self._scales) != heads or len(self._bias) != heads:
            raise ValueError("the linear model has another shape")
        self._weights = numpy.ascontiguousarray(weights.T)  # a bucket's weights lie side by side

    def logits(self, text: str) -> list[float]:
        """Return each head's logit: the sum of the buckets' weights over the root of their number, and the bias."""
        import numpy

        buckets = find_features(text)
        if not len(buckets):
            return [float(bias) for bias in self._bias]
        sums = self._weights[buckets].sum(axis=0, dtype=numpy.int32) * self._scales
        result: list[float] = (sums / numpy.sqrt(numpy.float32(len(buckets))) + self._bias).tolist()
        return result
