"""A hash tree over a list (RFC 9162, 2.1): one root for all entries, and short proofs of single ones.

Pure. Leaves are the entries' hashes in order: leaf = SHA-256(0 || hash), node = SHA-256(1 || left || right). A tree
that grows is held as its peaks, the roots of the complete trees of which it is made, largest first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """The leaf of an entry with this hash."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The node above two others."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows: `count` leaves, whose `peaks` are kept."""

    def __init__(self, count: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != count.bit_count():
            raise ValueError(f"a tree of {count} leaves has {count.bit_count()} peaks, not {len(peaks)}")
        self.count = count
        self.peaks = list(peaks)

    def add(self, entry: bytes) -> None:
        """Add the next entry's hash."""
        node, size = leaf_hash(entry), self.count
        while size & 1:
            node = node_hash(self.peaks.pop(), node)
            size >>= 1
        self.peaks.append(node)
        self.count += 1

    @property
    def root(self) -> bytes:
        """The root over all leaves."""
        if not self.peaks:
            return EMPTY
        node = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            node = node_hash(peak, node)
        return node


class Prover:
    """Audit paths (RFC 9162, 2.1.3.1) of the entries at some places (from 0), in one pass over all hashes.

    Memory grows with the number of proofs and with the height of the tree, not with the number of entries.
    """

    def __init__(self, indexes: Iterable[int]) -> None:
        self._wanted = set(indexes)
        self._paths: dict[int, list[bytes]] = {index: [] for index in self._wanted}
        self._stack: list[tuple[int, bytes, list[int]]] = []
        """Complete subtrees: height, root, and which wanted leaves are in it."""
        self._count = 0

    def add(self, entry: bytes) -> None:
        """Take the next entry's hash."""
        inside = [self._count] if self._count in self._wanted else []
        self._count += 1
        node = (0, leaf_hash(entry), inside)
        while self._stack and self._stack[-1][0] == node[0]:
            node = self._join(self._stack.pop(), node)
        self._stack.append(node)

    def finish(self) -> dict[int, list[bytes]]:
        """The paths, by place, once every entry was taken."""
        while len(self._stack) > 1:
            right = self._stack.pop()
            self._stack.append(self._join(self._stack.pop(), right))
        return self._paths

    def _join(
        self, left: tuple[int, bytes, list[int]], right: tuple[int, bytes, list[int]]
    ) -> tuple[int, bytes, list[int]]:
        for index in left[2]:
            self._paths[index].append(right[1])
        for index in right[2]:
            self._paths[index].append(left[1])
        return left[0] + 1, node_hash(left[1], right[1]), [*left[2], *right[2]]


def is_proved(entry: bytes, index: int, count: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` shows that the entry with this hash is the one at `index` of the tree (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < count:
        return False
    here, last, node = index, count - 1, leaf_hash(entry)
    for other in path:
        if last == 0:
            return False
        if here & 1 or here == last:
            node = node_hash(other, node)
            while not here & 1 and here:
                here, last = here >> 1, last >> 1
        else:
            node = node_hash(node, other)
        here, last = here >> 1, last >> 1
    return last == 0 and node == root
