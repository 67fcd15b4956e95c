"""Finds among our files what is like one of very many rows of a bank: the files are gone through once for all of them.

For a few rows the index in the database is quicker (`matching_past.list_bank_hits`): it takes about 70 ms for each,
however many files there are. Here the rows become an index in memory, and each file takes a fraction of a millisecond.
"""

from __future__ import annotations

import asyncio

from parley.kit.db import Tx
from parley.screening import image_hash
from parley.screening.image_hash import LEAST_QUALITY, HashIndex
from parley.social.media import store_hashes, store_matches
from parley.social.media.matching_past import LikeView, list_exact_hits

ROWS = 20_000
"""Rows of a bank that are looked for at once: their index takes about 20 MB."""
FILES = 2000
FEWEST = 300
"""With fewer rows than that the index in the database is asked, whatever else holds."""
FILES_FOR_ROW = 700
"""How many files are gone through in the time in which the database finds what is like one row."""


class ManyRows:
    """Rows of a bank, in all of their forms, to which files are held."""

    def __init__(self, last_id: int, exact: list[LikeView], forms: bytes) -> None:
        self.last_id = last_id
        """The last of the rows."""
        self.exact = exact
        """What is exactly like one of them: checksums and sounds, which need no walk."""
        self.has_pictures = bool(forms)
        self._index = HashIndex(forms)

    def find(self, rows: list[store_matches.WalkedRow]) -> list[LikeView]:
        """Those of the files that are like one of the rows."""
        found: dict[str, LikeView] = {}
        for row in rows:
            near = self._index.find(row.hash)
            if near and row.file not in found:
                found[row.file] = LikeView(row.file, row.media_id, None, row.account_id, near[0][1], "", row.second)
        return list(found.values())


async def is_quicker_to_walk(tx: Tx, rows: int) -> bool:
    """Whether going through all files is quicker than asking the database for each of so many rows."""
    return rows >= FEWEST and await store_matches.count_at_most(tx) < FILES_FOR_ROW * min(rows, ROWS)


async def load_many_rows(tx: Tx, bank_id: int, after_id: int, last_id: int) -> ManyRows:
    """The next rows of a bank with after_id < id <= last_id, at most ROWS: the same ones each time."""
    rows = await store_hashes.list_looked_for(tx, bank_id, after_id, last_id, ROWS)
    exact = await list_exact_hits(tx, rows)
    pictures = [hash_bytes for _, kind, hash_bytes in rows if kind in ("pdq", "frame")]
    end = rows[-1][0] if len(rows) == ROWS else last_id
    return await asyncio.to_thread(_index, end, exact, pictures)


def _index(end: int, exact: list[LikeView], pictures: list[bytes]) -> ManyRows:
    forms = bytearray()
    for one in pictures:
        for form in image_hash.turned_forms(one):
            forms += form
    return ManyRows(end, exact, bytes(forms))


async def walk_files(tx: Tx, many: ManyRows, after: int) -> tuple[list[LikeView], int | None]:
    """Hold the next files, behind the hash with the id `after`, to the rows; and where to go on, None at the end."""
    rows = await store_matches.list_walked(tx, after, FILES, LEAST_QUALITY)
    found = await asyncio.to_thread(many.find, rows)
    return found, rows[-1].id if len(rows) == FILES else None
