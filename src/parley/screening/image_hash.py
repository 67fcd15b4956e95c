"""PDQ, the perceptual hash of pictures that hash-sharing programmes exchange, and an index of many of them.

Pure: pixels or hashes in, hashes or rows out. Nothing here knows what a match leads to, nor where hashes are kept.
The algorithm is Meta's (https://github.com/facebook/ThreatExchange/tree/main/pdq) by the library `pdqhash`; two
pictures are the same to people when at most 31 of the 256 bits differ, and a hash of a picture with too little
detail (quality below 50) says nothing. The index: docs/decisions/0014.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HASH_BITS = 256
HASH_BYTES = HASH_BITS // 8
MATCH_DISTANCE = 31
"""Bits that may differ: PDQ's own threshold for a confident match."""
LEAST_QUALITY = 50
"""0 to 100; below this a hash is not looked up and not taken into a bank."""
HASHED_SIDE = 512
"""Longest side of what is hashed. More pixels cost time and hardly move the hash."""
FORMS = ("as it is", "turned left", "turned round", "turned right", "upside down", "mirrored", "transposed", "crossed")
"""In words, what `turned_forms` returns, in its order."""

CROPS: tuple[tuple[str, tuple[float, float, float, float]], ...] = (
    *((f"cut by {share:.0%} all round", (share, share, share, share)) for share in (0.03, 0.06, 0.1, 0.15)),
    *((f"cut by {share:.0%} above", (0.0, share, 0.0, 0.0)) for share in (0.05, 0.1, 0.15, 0.2)),
    *((f"cut by {share:.0%} below", (0.0, 0.0, 0.0, share)) for share in (0.05, 0.1, 0.15, 0.2)),
    *((f"cut by {share:.0%} on the left", (share, 0.0, 0.0, 0.0)) for share in (0.05, 0.1, 0.15, 0.2)),
    *((f"cut by {share:.0%} on the right", (0.0, 0.0, share, 0.0)) for share in (0.05, 0.1, 0.15, 0.2)),
)
"""The parts of a picture that are hashed with it when somebody puts the picture itself into a bank: shares cut off
at left, top, right and bottom. They find cuts near to these and no others."""


class PictureHash(Struct, frozen=True):
    """The hash of one picture (32 bytes), and how much there is in it to tell it from others (0 to 100)."""

    bits: bytes
    quality: int

    @property
    def is_useful(self) -> bool:
        """Whether the hash may be compared with others."""
        return self.quality >= LEAST_QUALITY


def hash_pixels(pixels: NDArray[np.uint8]) -> PictureHash:
    """Hash a picture of shape (height, width, 3), 8 bits a channel, best at most HASHED_SIDE on a side."""
    import numpy as np
    import pdqhash

    bits, quality = pdqhash.compute(np.ascontiguousarray(pixels))
    return PictureHash(np.packbits(np.asarray(bits, np.uint8)).tobytes(), int(quality))


def crop_box(size: tuple[int, int], cut: tuple[float, float, float, float]) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels of what is left of a picture after a cut of CROPS."""
    width, height = size
    left, top, right, bottom = cut
    return round(width * left), round(height * top), round(width * (1 - right)), round(height * (1 - bottom))


def turned_forms(plain: bytes) -> tuple[bytes, ...]:
    """The hash of a picture in its eight forms, turned and mirrored, the plain one first, in the order of FORMS.

    Turning a picture swaps or negates coefficients of its cosine transform, whose median is about zero, so the bits
    of the hash can be turned without the picture: as near to the turned picture's own hash as PDQ's own eight forms
    are (docs/decisions/0014).
    """
    import numpy as np

    grid = np.unpackbits(np.frombuffer(plain, np.uint8))[::-1].reshape(16, 16)
    odd = (np.arange(16) % 2 == 0).astype(np.uint8)  # Frequencies begin at 1, so those at even places are odd.
    down, across = odd[:, None], odd[None, :]
    turned = grid.T
    found = (
        grid,
        turned ^ down,
        grid ^ down ^ across,
        turned ^ across,
        grid ^ down,
        grid ^ across,
        turned,
        turned ^ down ^ across,
    )
    return tuple(np.packbits(form.reshape(-1)[::-1]).tobytes() for form in found)


def count_differing(one: bytes, other: bytes) -> int:
    """How many bits differ between two hashes of the same length."""
    return (int.from_bytes(one) ^ int.from_bytes(other)).bit_count()


_BANDS, _BAND_BITS = 16, 16
_FLIPS = (0, *(1 << bit for bit in range(_BAND_BITS)))


def band_keys(hashes: Sequence[bytes]) -> list[int]:
    """The keys under which an index by bands finds everything within MATCH_DISTANCE of any of `hashes`.

    A hash is cut into sixteen bands of sixteen bits. When at most 31 bits differ, at least one band differs in at
    most one. A key is the band's number times 65,536 plus its bits.
    """
    keys: set[int] = set()
    for one in hashes:
        for band in range(_BANDS):
            value = int.from_bytes(one[2 * band : 2 * band + 2])
            keys.update(band << _BAND_BITS | (value ^ flip) for flip in _FLIPS)
    return sorted(keys)


class HashIndex:
    """Finds which of many hashes lie within MATCH_DISTANCE of one. Immutable; never misses one.

    About 100 bytes of memory a hash; figures: docs/decisions/0014. Building it holds the interpreter for seconds per
    million: do it in a thread.
    """

    def __init__(self, hashes: bytes) -> None:
        """`hashes` are those to be found, 32 bytes each, one after the other."""
        import numpy as np

        rows = np.frombuffer(hashes, np.uint8).reshape(-1, HASH_BYTES)
        self._count = len(rows)
        self._rows = rows.view(np.uint64)
        bands = rows.view(">u2").astype(np.uint16)
        self._order = np.empty((_BANDS, self._count), np.uint32)
        self._begins = np.zeros((_BANDS, 2**_BAND_BITS + 1), np.uint32)
        for band in range(_BANDS):
            values = bands[:, band]
            self._order[band] = np.argsort(values, kind="stable")
            np.cumsum(np.bincount(values, minlength=2**_BAND_BITS), out=self._begins[band, 1:])
        self._flips = np.array(_FLIPS, np.uint16)
        asked = np.repeat(np.arange(_BANDS), len(_FLIPS))  # the band of each key
        self._first_begin, self._first_place = asked * self._begins.shape[1], asked * self._count

    def __len__(self) -> int:
        return self._count

    def find(self, *forms: bytes) -> list[tuple[int, int]]:
        """Rows within MATCH_DISTANCE of any of `forms`, each with its least distance, the nearest first.

        All forms in one go cost little more than one: the time goes into the calls, not into the rows.
        """
        import numpy as np

        if not self._count or not forms:
            return []
        asked = np.frombuffer(b"".join(forms), np.uint64).reshape(len(forms), -1)
        bands = np.frombuffer(b"".join(forms), ">u2").astype(np.uint16).reshape(len(forms), _BANDS, 1)
        keys = (bands ^ self._flips).reshape(len(forms), -1) + self._first_begin
        begins = self._begins.reshape(-1)[keys]
        lengths = (self._begins.reshape(-1)[keys + 1] - begins).astype(np.int64)
        places = _spread((begins + self._first_place).ravel(), lengths.ravel())
        rows = self._order.reshape(-1)[places]
        differing = np.take(self._rows, rows, axis=0)
        end = 0
        for form, count in zip(asked, lengths.sum(axis=1).tolist(), strict=True):
            differing[end : end + count] ^= form
            end += count
        distances = np.zeros(len(rows), np.uint16)
        for column in range(differing.shape[1]):  # four passes are much faster than one sum over rows of four
            distances += np.bitwise_count(differing[:, column])
        near = np.flatnonzero(distances <= MATCH_DISTANCE)
        found: dict[int, int] = {}
        for row, distance in zip(rows[near].tolist(), distances[near].tolist(), strict=True):
            found[row] = min(distance, found.get(row, distance))
        return sorted(found.items(), key=lambda item: (item[1], item[0]))


def _spread(begins: Any, lengths: Any) -> Any:
    """Every whole number of the ranges that begin at `begins` and have these lengths, one range after the other."""
    import numpy as np

    ends = np.cumsum(lengths)
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(int(ends[-1]))
