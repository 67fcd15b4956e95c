"""Changing banks of hashes: making one, putting hashes and pictures in, taking them out, calling one a false positive.

Callers check who may: so far that is the operator's command line. Every change is a fact, so that what came in is
looked for among the files that are here already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from parley import screening
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.screening.content import MEDIA_TIERS, MediaMatch
from parley.screening.hash_formats import BadLine, ListedHash
from parley.screening.image_hash import LEAST_QUALITY
from parley.social.events.actions import record
from parley.social.events.facts import HashesBanked
from parley.social.media import store_exchanges, store_hashes
from parley.social.media.fingerprints import hash_bytes
from parley.social.media.formats import sniff
from parley.social.media.hash_lookup import find_matches
from parley.social.media.process import decode
from parley.social.media.results import FileHash
from parley.social.media.store_hashes import BankRow, NewHash
from parley.social.policies.drafts import (
    MOST_SAMPLES,
    DraftRow,
    KeptDraft,
    keep_draft,
    most_alone,
    read_draft,
    record_alone,
)
from parley.social.policies.views import Staff

STATES = ("LIVE", "BACKGROUND", "EXPIRED")
AT_ONCE = 5000
"""Hashes that are put in by one statement."""
OPERATOR = 0
"""Who does what the command line does."""


class Imported(msgspec.Struct, frozen=True):
    """What an import did: hashes that are new, hashes that were there, and the first lines that were no hashes."""

    added: int
    known: int
    bad: tuple[BadLine, ...] = ()
    bad_count: int = 0
    draft: int | None = None
    """The list is too large for one person: it waits under this number, and nothing of it is looked for yet."""
    waiting: int = 0
    """How many hashes of it are new."""


async def get_bank(tx: Tx, name: str) -> BankRow:
    """The bank of that name; raises NotFound with a sentence."""
    banks = await store_hashes.list_banks(tx, name)
    if not banks:
        raise NotFound(f"There is no bank {name!r}. `parley bank hashes list` shows those that there are.")
    return banks[0]


async def make_bank(
    tx: Tx, name: str, *, tier: str, clause: str, title: str = "", state: str = "LIVE", change: bool = False
) -> BankRow:
    """Make a bank, or with `change` give the one of that name another tier, clause, title or state. Raises Invalid."""
    if tier not in MEDIA_TIERS:
        raise Invalid(f"The tier must be one of {', '.join(MEDIA_TIERS)}.")
    if state not in STATES:
        raise Invalid(f"The state must be one of {', '.join(STATES)}.")
    if clause not in screening.live_ruleset().clauses:
        known = ", ".join(screening.live_ruleset().clauses)
        raise Invalid(f"The policy has no clause {clause!r}. Its clauses are {known}.")
    await store_hashes.update_generation(tx)
    banks = await store_hashes.list_banks(tx, name)
    if banks and not change:
        raise Invalid(f"There is a bank {name!r} already.")
    if banks:
        before = banks[0]
        await store_hashes.update_bank(tx, before.id, title or before.title, tier, clause, state)
        if state != "EXPIRED" and (before.tier, before.clause, before.state) != (tier, clause, state):
            await _look_again(tx, before.id)
    else:
        await store_hashes.insert_bank(tx, name, title, tier, clause, state)
    return await get_bank(tx, name)


async def _look_again(tx: Tx, bank_id: int) -> None:
    """A bank leads to something else now: what it knows of the past is judged again, as if it had come in now."""
    first, last, count = await store_hashes.get_bank_span(tx, bank_id)
    if count:
        fact = HashesBanked(account_id=OPERATOR, bank_id=bank_id, first_id=first, last_id=last, hashes=count)
        await record(tx, fact)


async def add_hashes(tx: Tx, bank: BankRow, hashes: Sequence[NewHash], *, account_id: int = OPERATOR) -> list[int]:
    """Put hashes into a bank; returns the ids of those that it did not have. Records HashesBanked."""
    await store_hashes.update_generation(tx)
    ids: list[int] = []
    for part in _parts(hashes):
        ids += await store_hashes.insert_hashes(tx, bank.id, part)
    if ids and bank.state != "EXPIRED":
        fact = HashesBanked(
            account_id=account_id, bank_id=bank.id, first_id=min(ids), last_id=max(ids), hashes=len(ids)
        )
        await record(tx, fact)
    return ids


def _parts(hashes: Iterable[NewHash]) -> Iterator[list[NewHash]]:
    """Parts of about AT_ONCE; hashes of one entry, which stand together, are not torn apart."""
    part: list[NewHash] = []
    for one in hashes:
        if len(part) >= AT_ONCE and (not one.group or one.group != part[-1].group):
            yield part
            part = []
        part.append(one)
    if part:
        yield part


class _Reading:
    """Reads a list, and counts in it what is and what is no hash."""

    def __init__(self, source: str, tags: Sequence[str]) -> None:
        self._source = source[:200]
        self._tags = tags
        self.seen = self.bad_count = 0
        self.bad: list[BadLine] = []

    def read(self, listed: Iterable[ListedHash | BadLine]) -> Iterator[NewHash]:
        """Every usable hash."""
        for one in listed:
            if isinstance(one, BadLine):
                self.bad_count += 1
                if len(self.bad) < 20:
                    self.bad.append(one)
            elif one.kind in ("pdq", "frame") and one.quality < LEAST_QUALITY:
                self.bad_count += 1
            else:
                self.seen += 1
                yield NewHash(
                    kind=one.kind,
                    hash=one.hash,
                    quality=min(one.quality, 100),
                    tags=tuple(dict.fromkeys((*one.tags, *self._tags))),
                    source=self._source,
                    group=one.entry,
                )


async def import_hashes(
    tx: Tx,
    staff: Staff | None,
    bank: BankRow,
    listed: Iterable[ListedHash | BadLine],
    settings: Settings,
    *,
    source: str,
    tags: Sequence[str] = (),
) -> Imported:
    """Put a list into a bank, all in one transaction. Lines that are no hashes are counted and left out.

    `staff` None is an operator's shell. A list that brings more than one person may bring (`most_alone`) is kept as a
    draft until a second one has confirmed it (`import_draft`).
    """
    reading = _Reading(source, tags)
    most, alone = most_alone(), not settings.four_eyes
    by = staff.account_id if staff else OPERATOR
    small: list[list[NewHash]] = []
    kept: KeptDraft | None = None
    added = new = 0
    for part in _parts(reading.read(listed)):
        if alone:
            added += len(await add_hashes(tx, bank, part, account_id=by))
            continue
        new += await store_hashes.count_new(tx, bank.id, part)
        if kept is None and reading.seen <= most:
            small.append(part)
            continue
        if kept is None:
            kept = await keep_draft(tx, staff, "hashes", bank.name, source=source)
            for earlier in small:
                await kept.add(tx, earlier, _samples(earlier))
            small = []
        await kept.add(tx, part, _samples(part))
    if alone and added > most:
        await record_alone(tx, staff, bank.name, added)
    if kept is not None and new > most:
        await kept.wait(tx, staff, new)
        return Imported(0, reading.seen - new, tuple(reading.bad), reading.bad_count, kept.id, new)
    if kept is not None:
        async for part in read_draft(tx, kept.id, NewHash):
            added += len(await add_hashes(tx, bank, part, account_id=by))
        await kept.drop(tx)
    for part in small:
        added += len(await add_hashes(tx, bank, part, account_id=by))
    return Imported(added, reading.seen - added, tuple(reading.bad), reading.bad_count)


def _samples(hashes: Sequence[NewHash]) -> list[str]:
    return [f"{one.kind} {one.hash.hex()} {' '.join(one.tags)}".rstrip() for one in hashes[:MOST_SAMPLES]]


async def import_draft(tx: Tx, draft: DraftRow) -> int:
    """Put a list that two people stand behind into its bank; returns how many hashes are new. Raises NotFound."""
    bank = await get_bank(tx, draft.bank)
    added = 0
    async for part in read_draft(tx, draft.id, NewHash):
        added += len(await add_hashes(tx, bank, part, account_id=draft.proposed_by or OPERATOR))
    return added


async def hash_file(instance: Instance, path: Path, *, with_crops: bool = False) -> tuple[FileHash, ...]:
    """Hash a picture, video or sound on this machine, in the process that decodes what members send.

    Raises Invalid for a file that cannot be read. With `with_crops` the parts of a picture that
    `screening.image_hash.CROPS` names are hashed too.
    """
    expected = sniff(_head(path))
    with tempfile.TemporaryDirectory(prefix="media-", dir=scratch_folder(instance.settings)) as name:
        result = await decode(path, expected, "bank" if with_crops else "attachment", Path(name))
    if result.error is not None:
        raise Invalid(result.error)
    return result.hashes


def _head(path: Path) -> bytes:
    if not path.is_file():
        raise Invalid(f"There is no file {path}.")
    with path.open("rb") as file:
        return file.read(4096)


async def add_file(
    instance: Instance, bank_name: str, path: Path, *, note: str = "", source: str = "file"
) -> list[int]:
    """Put a file into a bank: its hashes, those of parts of a picture, and the SHA-256 of its bytes.

    Nothing of the file itself is kept. Raises Invalid when it has too little detail for its hash to mean anything.
    """
    found = await hash_file(instance, path, with_crops=True)
    near = [one for one in found if one.kind in ("pdq", "frame")]
    if near and all(one.quality < LEAST_QUALITY for one in near):
        raise Invalid("This picture has too little detail: its hash would be found in innocent pictures too.")
    exact = [one for one in await hash_bytes(path) if one.kind == "sha256"]
    hashes = [
        NewHash(
            kind=one.kind,
            hash=bytes.fromhex(one.hash),
            quality=one.quality,
            part=one.part,
            note=note[:500],
            source=source[:200],
            group="file",
        )
        for one in (*found, *exact)
        if one.quality >= LEAST_QUALITY
    ]
    async with instance.db.write() as tx:
        return await add_hashes(tx, await get_bank(tx, bank_name), hashes)


async def remove_hash(tx: Tx, bank_name: str, text: str) -> int:
    """Forget a hash of a bank, given in hexadecimal; returns how many rows went. Raises NotFound, Invalid."""
    bank = await get_bank(tx, bank_name)
    try:
        hash_bits = bytes.fromhex(text)
    except ValueError as error:
        raise Invalid("A hash is written in hexadecimal digits.") from error
    await store_hashes.update_generation(tx)
    count = await store_hashes.delete_hash(tx, bank.id, hash_bits)
    if not count:
        raise NotFound(f"The bank {bank_name!r} does not hold this hash.")
    return count


async def remove_entry(tx: Tx, bank_name: str, entry: int) -> int:
    """Forget an entry of a bank with all of its parts or frames; returns how many rows went. Raises NotFound."""
    await store_hashes.update_generation(tx)
    rows = [row for row in await store_hashes.list_entry(tx, entry) if row.bank == bank_name]
    if not rows:
        raise NotFound(f"The bank {bank_name!r} has no entry {entry}.")
    await store_hashes.delete_entry(tx, entry)
    return len(rows)


async def check_file(instance: Instance, path: Path) -> tuple[MediaMatch, ...]:
    """What the banks know of a file on this machine; nothing is stored. Raises Invalid."""
    hashes = (*await hash_file(instance, path), *await hash_bytes(path))
    return await find_matches(instance, hashes)


async def dispute_entry(tx: Tx, entry: int) -> int:
    """Call an entry a false positive: it is looked for no more, and the exchange that it came from is told.

    Returns how many hashes are concerned; raises NotFound.
    """
    await store_hashes.update_generation(tx)
    rows = await store_hashes.list_entry(tx, entry)
    if not rows:
        raise NotFound(f"There is no entry {entry}.")
    await store_hashes.update_entry_state(tx, entry, "DISPUTED")
    exchange_id = await store_exchanges.get_exchange_of_bank(tx, rows[0].bank)
    if exchange_id is not None:
        for row in rows:
            if row.external_key and row.state != "DISPUTED":
                await store_exchanges.insert_opinion(
                    tx, exchange_id, row.kind, row.hash, row.external_key, row.external
                )
        await enqueue(tx, "send_hash_opinions", {})
    return len(rows)
