"""Asks the banks of hashes about a file: what of them is in it, however it was turned, shrunk or cut.

The worker, which looks at every upload, holds an index in memory (`indexed`); it is read once and grows by what comes
in later. Every other process asks the database, whose index finds the same, more slowly (docs/decisions/0014).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import msgspec

from parley.kit.db import Database, Tx
from parley.kit.instance import Instance
from parley.screening import image_hash, video_hash
from parley.screening.content import MEDIA_TIERS, MediaMatch
from parley.screening.image_hash import FORMS, LEAST_QUALITY, MATCH_DISTANCE, HashIndex
from parley.social.media import store_hashes
from parley.social.media.results import FileHash
from parley.social.media.store_hashes import HashRow

_PAGE = 50_000
_LARGEST_TAIL = 50_000
"""Rows that are indexed anew whenever something comes in; with more, everything is."""


class _Held:
    """This process's index: a large part that stays, and a small one that is made anew when banks change."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.generation = 0
        self.last_id = 0
        self.parts: list[tuple[HashIndex, list[int]]] = []
        self.tail: tuple[list[int], bytearray] = ([], bytearray())

    def candidates(self, forms: Iterable[bytes]) -> set[int]:
        """Ids of rows that may be near, found in memory."""
        return {ids[row] for index, ids in self.parts for row, _ in index.find(*forms)}


_held: WeakKeyDictionary[Database, _Held] = WeakKeyDictionary()


async def _load(db: Database) -> _Held:
    """The index of this process, up to date; reads only what came in since."""
    held = _held.setdefault(db, _Held())
    async with held.lock, db.read() as tx:
        generation = await store_hashes.get_generation(tx)
        if generation == held.generation:
            return held
        ids, hashes = held.tail
        while rows := await store_hashes.list_indexed(tx, held.last_id, _PAGE):
            ids += [row[0] for row in rows]
            for row in rows:
                hashes += row[1]
            held.last_id = rows[-1][0]
        small = HashIndex(b"") if not ids else await asyncio.to_thread(HashIndex, bytes(hashes))
        large = held.parts[:-1]
        if len(ids) > _LARGEST_TAIL:
            large.append((small, ids))
            held.tail = ([], bytearray())
            small, ids = HashIndex(b""), []
        held.parts = [*large, (small, ids)]
        held.generation = generation
        return held


class _Asked(msgspec.Struct, frozen=True):
    """One picture or frame of the file that is asked about, in its eight forms."""

    forms: tuple[bytes, ...]

    def likeness(self, other: bytes) -> tuple[int, int]:
        """Distance to `other` and the place of the form that is nearest."""
        return min((image_hash.count_differing(form, other), place) for place, form in enumerate(self.forms))


async def get_banks_change(instance: Instance) -> int:
    """Which change of the banks is the last one: when it is another later, something else is looked for by then."""
    async with instance.db.read() as tx:
        return await store_hashes.get_generation(tx)


async def find_matches(
    instance: Instance, hashes: Sequence[FileHash], *, place: str = "file", indexed: bool = False
) -> tuple[MediaMatch, ...]:
    """What of the banks is in a file with these hashes, the gravest first, each entry once."""
    asked = [
        _Asked(image_hash.turned_forms(bytes.fromhex(one.hash)))
        for one in hashes
        if one.kind in ("pdq", "frame") and one.quality >= LEAST_QUALITY
    ]
    exact = [bytes.fromhex(one.hash) for one in hashes if one.kind in ("md5", "sha1", "sha256")]
    sounds = [bytes.fromhex(one.hash) for one in hashes if one.kind == "audio"]
    ids: set[int] = set()
    if asked and indexed:
        held = await _load(instance.db)
        ids = await asyncio.to_thread(lambda: {one for frame in asked for one in held.candidates(frame.forms)})
    async with instance.db.read() as tx:
        if asked and not indexed:
            ids = await _ask_database(tx, asked)
        rows = await store_hashes.list_named(tx, sorted(ids)) if ids else []
        same = await store_hashes.list_exact(tx, exact, sounds) if exact or sounds else []
    found = [_match(row, place) for row in same]
    found += _match_near(rows, asked, place)
    best: dict[int, MediaMatch] = {}
    for one in found:
        if one.entry not in best or (one.distance, -one.share) < (best[one.entry].distance, -best[one.entry].share):
            best[one.entry] = one
    return tuple(sorted(best.values(), key=lambda one: (one.background, MEDIA_TIERS.index(one.tier), one.distance)))


async def _ask_database(tx: Tx, asked: Sequence[_Asked]) -> set[int]:
    ids: set[int] = set()
    if not await store_hashes.has_near(tx):
        return ids
    for frame in asked:
        keys = image_hash.band_keys(frame.forms)
        ids.update(await store_hashes.list_near_ids(tx, keys, frame.forms, MATCH_DISTANCE))
    return ids


def _match_near(rows: Sequence[HashRow], asked: Sequence[_Asked], place: str) -> list[MediaMatch]:
    """Pictures that are like one of the asked frames, and videos of which enough frames are."""
    found: list[MediaMatch] = []
    videos: dict[int, list[tuple[int, int, int, HashRow]]] = {}
    for row in rows:
        if row.quality < LEAST_QUALITY:
            continue
        near = [(at, *frame.likeness(row.hash)) for at, frame in enumerate(asked)]
        near = [one for one in near if one[1] <= MATCH_DISTANCE]
        if not near:
            continue
        if row.kind == "frame":
            videos.setdefault(row.entry, []).extend((at, distance, form, row) for at, distance, form in near)
            continue
        _, distance, form = min(near, key=lambda one: one[1])
        found.append(_match(row, place, distance, form))
    for hits in videos.values():
        row, known = hits[0][3], hits[0][3].rows
        pairs = [(at, hit.id) for at, _, _, hit in hits]
        shares = video_hash.share_frames(pairs, asked=len(asked), known=known)
        seen = min(len({at for at, _ in pairs}), len({other for _, other in pairs}))
        if shares.alike and seen >= min(2, len(asked), known):
            _, distance, form, row = min(hits, key=lambda one: one[1])
            found.append(_match(row, place, distance, form, max(shares.asked, shares.known)))
    return found


def _match(row: HashRow, place: str, distance: int = 0, form: int = 0, share: float = 1.0) -> MediaMatch:
    return MediaMatch(
        bank=row.bank,
        entry=row.entry,
        tier=row.tier,
        clause=row.clause,
        kind=row.kind,
        distance=distance,
        form=FORMS[form] if form else "",
        part=row.part,
        share=round(min(share, 1.0), 3),
        place=place,
        background="BACKGROUND" in (row.state, row.bank_state),
    )
