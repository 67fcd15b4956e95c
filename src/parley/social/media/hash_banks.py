"""Changing banks of hashes: making one, putting hashes and pictures in, taking them out, calling one a false positive.

Callers check who may: so far that is the operator's command line. Every change is a fact, so that what came in is
looked for among the files that are here already.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from parley import screening
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.kit.files import scratch_folder
from parley.kit.instance import Instance
from parley.kit.jobs import enqueue
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
    for start in range(0, len(hashes), AT_ONCE):
        ids += await store_hashes.insert_hashes(tx, bank.id, hashes[start : start + AT_ONCE])
    if ids and bank.state != "EXPIRED":
        fact = HashesBanked(
            account_id=account_id, bank_id=bank.id, first_id=min(ids), last_id=max(ids), hashes=len(ids)
        )
        await record(tx, fact)
    return ids


async def import_hashes(
    tx: Tx, bank: BankRow, listed: Iterable[ListedHash | BadLine], *, source: str, tags: Sequence[str] = ()
) -> Imported:
    """Put a list into a bank, all in one transaction. Lines that are no hashes are counted and left out."""
    bad: list[BadLine] = []
    waiting: list[NewHash] = []
    added = seen = bad_count = 0
    for one in listed:
        if isinstance(one, BadLine):
            bad_count += 1
            if len(bad) < 20:
                bad.append(one)
            continue
        if one.kind in ("pdq", "frame") and one.quality < LEAST_QUALITY:
            bad_count += 1
            continue
        seen += 1
        waiting.append(
            NewHash(
                kind=one.kind,
                hash=one.hash,
                quality=min(one.quality, 100),
                tags=tuple(dict.fromkeys((*one.tags, *tags))),
                source=source[:200],
                group=one.entry,
            )
        )
        # Frames of one video stand together in a list; they must come into the same statement.
        if len(waiting) >= AT_ONCE and not one.entry:
            added += len(await add_hashes(tx, bank, waiting))
            waiting = []
    if waiting:
        added += len(await _add_whole(tx, bank, waiting))
    return Imported(added, seen - added, tuple(bad), bad_count)


async def _add_whole(tx: Tx, bank: BankRow, hashes: Sequence[NewHash]) -> list[int]:
    """Put hashes in, those of one entry by one statement."""
    single = [one for one in hashes if not one.group]
    groups: dict[str, list[NewHash]] = {}
    for one in hashes:
        if one.group:
            groups.setdefault(one.group, []).append(one)
    ids = await add_hashes(tx, bank, single) if single else []
    for group in groups.values():
        ids += await add_hashes(tx, bank, group)
    return ids


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
