"""The tables of hash banks: what is looked for in files. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from parley.kit.db import Tx


class BankRow(msgspec.Struct, frozen=True):
    """A bank with how many hashes it holds."""

    id: int
    name: str
    title: str
    tier: str
    clause: str
    state: str
    hashes: int


class NewHash(msgspec.Struct, frozen=True, kw_only=True):
    """A hash for a bank. Rows with the same `group` (a word of the caller's) become one entry."""

    kind: str
    hash: bytes
    quality: int = 100
    part: str = ""
    state: str = "LIVE"
    tags: tuple[str, ...] = ()
    note: str = ""
    source: str = ""
    external_key: str = ""
    external: dict[str, Any] | None = None
    group: str = ""


class HashRow(msgspec.Struct, frozen=True):
    """One hash of a bank, with its bank and how many rows its entry has."""

    id: int
    entry: int
    bank: str
    tier: str
    clause: str
    bank_state: str
    kind: str
    hash: bytes
    quality: int
    part: str
    state: str
    tags: list[str]
    note: str
    source: str
    external_key: str
    external: dict[str, Any] | None
    rows: int


LIST_BANKS = """
    SELECT b.id, b.name, b.title, b.tier, b.clause, b.state,
        (SELECT count(*) FROM bank_hashes h WHERE h.bank_id = b.id)
    FROM hash_banks b WHERE $1::text IS NULL OR b.name = $1
    ORDER BY b.name
"""


async def list_banks(tx: Tx, name: str | None = None) -> list[BankRow]:
    """All banks by name, or the one of that name."""
    return [BankRow(*row) for row in await tx.fetch(LIST_BANKS, name)]


INSERT_BANK = """
    INSERT INTO hash_banks (name, title, tier, clause, state) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (name) DO NOTHING RETURNING id
"""


async def insert_bank(tx: Tx, name: str, title: str, tier: str, clause: str, state: str) -> int | None:
    """A new bank's id; None when the name is taken."""
    bank_id: int | None = await tx.fetchval(INSERT_BANK, name, title, tier, clause, state)
    return bank_id


UPDATE_BANK = """
    UPDATE hash_banks SET title = $2, tier = $3, clause = $4, state = $5, updated_at = now() WHERE id = $1
"""


async def update_bank(tx: Tx, bank_id: int, title: str, tier: str, clause: str, state: str) -> None:
    """Change what a match of the bank leads to."""
    await tx.execute(UPDATE_BANK, bank_id, title, tier, clause, state)


DELETE_BANK = """DELETE FROM hash_banks WHERE id = $1"""


async def delete_bank(tx: Tx, bank_id: int) -> None:
    """Remove a bank with its hashes."""
    await tx.execute(DELETE_BANK, bank_id)


UPDATE_GENERATION = """UPDATE hash_bank_changes SET generation = generation + 1 RETURNING generation"""


async def update_generation(tx: Tx) -> int:
    """Note, first thing in a transaction, that it changes what is looked for. Such wait for each other."""
    return int(await tx.fetchval(UPDATE_GENERATION))


GET_GENERATION = """SELECT generation FROM hash_bank_changes"""


async def get_generation(tx: Tx) -> int:
    """Which change of the banks is the last."""
    return int(await tx.fetchval(GET_GENERATION))


# The first row of each group gives the entry its number: the ids are taken in the order of the array.
INSERT_HASHES = """
    WITH given AS (
        SELECT g.*, nextval(pg_get_serial_sequence('bank_hashes', 'id')) AS id
        FROM unnest($2::text[], $3::bytea[], $4::smallint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::jsonb[], $12::text[])
            AS g (kind, hash, quality, part, state, tags, note, source, external_key, external, grouped)
    ), numbered AS (
        SELECT *, CASE WHEN grouped = '' THEN id ELSE min(id) OVER (PARTITION BY grouped) END AS entry FROM given
    )
    INSERT INTO bank_hashes (id, bank_id, entry, kind, hash, quality, part, state, tags, note, source, external_key,
        external)
    OVERRIDING SYSTEM VALUE
    SELECT id, $1, entry, kind, hash, quality, part, state, string_to_array(tags, ' '), note, source, external_key,
        external
    FROM numbered n
    WHERE grouped <> '' OR NOT EXISTS (
        SELECT FROM bank_hashes h
        WHERE h.bank_id = $1 AND h.kind = n.kind AND h.hash = n.hash AND h.external_key = n.external_key
    )
    RETURNING id
"""


# As INSERT_HASHES sees it: what belongs together is new each time.
COUNT_NEW = """
    SELECT count(DISTINCT (g.kind, g.hash)) FILTER (WHERE g.grouped = '' AND NOT EXISTS (
            SELECT FROM bank_hashes h
            WHERE h.bank_id = $1 AND h.kind = g.kind AND h.hash = g.hash AND h.external_key = ''))
        + count(*) FILTER (WHERE g.grouped <> '')
    FROM unnest($2::text[], $3::bytea[], $4::text[]) AS g (kind, hash, grouped)
"""


async def count_new(tx: Tx, bank_id: int, hashes: Sequence[NewHash]) -> int:
    """How many of these hashes the bank does not have yet."""
    columns = ([one.kind for one in hashes], [one.hash for one in hashes], [one.group for one in hashes])
    return int(await tx.fetchval(COUNT_NEW, bank_id, *columns))


async def insert_hashes(tx: Tx, bank_id: int, hashes: Sequence[NewHash]) -> list[int]:
    """Add hashes that the bank does not have yet; returns the new rows' ids."""
    columns = (
        [one.kind for one in hashes],
        [one.hash for one in hashes],
        [one.quality for one in hashes],
        [one.part for one in hashes],
        [one.state for one in hashes],
        [" ".join(tag.replace(" ", "_") for tag in one.tags) for one in hashes],
        [one.note for one in hashes],
        [one.source for one in hashes],
        [one.external_key for one in hashes],
        [one.external for one in hashes],
        [one.group for one in hashes],
    )
    return [row[0] for row in await tx.fetch(INSERT_HASHES, bank_id, *columns)]


LIST_NAMED = """
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external,
        CASE h.kind WHEN 'frame' THEN (SELECT count(*) FROM bank_hashes f WHERE f.entry = h.entry) ELSE 1 END
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.id = ANY($1) AND b.state <> 'EXPIRED' AND h.state <> 'DISPUTED'
"""


async def list_named(tx: Tx, ids: Sequence[int]) -> list[HashRow]:
    """Those of the rows that are (still) looked for."""
    return [HashRow(*row) for row in await tx.fetch(LIST_NAMED, ids)]


LIST_EXACT = """
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external, 1
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.hash = ANY($1) AND h.kind IN ('md5', 'sha1', 'sha256') AND b.state <> 'EXPIRED' AND h.state <> 'DISPUTED'
    UNION ALL
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external, 1
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.hash = ANY($2) AND h.kind = 'audio' AND b.state <> 'EXPIRED' AND h.state <> 'DISPUTED'
"""


async def list_exact(tx: Tx, hashes: Sequence[bytes], sounds: Sequence[bytes]) -> list[HashRow]:
    """Rows with exactly one of these hashes; `sounds` are hashes of sound tracks."""
    return [HashRow(*row) for row in await tx.fetch(LIST_EXACT, hashes, sounds)]


# For processes that hold no index: found by the bands of the hashes, then measured.
LIST_NEAR_IDS = """
    SELECT h.id FROM bank_hashes h
    JOIN (SELECT DISTINCT id FROM bank_hashes_by_bands($1::integer[]) AS by_bands (id)) found ON found.id = h.id
    WHERE EXISTS (SELECT FROM unnest($2::bytea[]) AS asked WHERE pdq_distance(h.hash, asked) <= $3)
"""


async def list_near_ids(tx: Tx, bands: Sequence[int], forms: Sequence[bytes], distance: int) -> list[int]:
    """Rows of pictures and frames within `distance` bits of one of `forms`, whose bands are `bands`."""
    return [row[0] for row in await tx.fetch(LIST_NEAR_IDS, bands, forms, distance)]


LIST_INDEXED = """
    SELECT id, hash FROM bank_hashes WHERE kind IN ('pdq', 'frame') AND id > $1 ORDER BY id LIMIT $2
"""


async def list_indexed(tx: Tx, after: int, limit: int) -> list[tuple[int, bytes]]:
    """Hashes of pictures and frames for an index, in the order of their ids."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_INDEXED, after, limit)]


HAS_NEAR = """SELECT EXISTS (SELECT FROM bank_hashes WHERE kind IN ('pdq', 'frame'))"""


async def has_near(tx: Tx) -> bool:
    """Whether any bank holds hashes of pictures or frames."""
    return bool(await tx.fetchval(HAS_NEAR))


LIST_BANK_HASHES = """
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external, 1
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.bank_id = $1 AND h.id > $2 ORDER BY h.id LIMIT $3
"""


async def list_bank_hashes(tx: Tx, bank_id: int, after: int, limit: int) -> list[HashRow]:
    """A bank's hashes, also those that are not looked for now, in the order of their ids."""
    return [HashRow(*row) for row in await tx.fetch(LIST_BANK_HASHES, bank_id, after, limit)]


LIST_NEWEST_HASHES = """
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external, 1
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.bank_id = $1 ORDER BY h.id DESC LIMIT $2
"""


async def list_newest_hashes(tx: Tx, bank_id: int, limit: int) -> list[HashRow]:
    """A bank's newest rows."""
    return [HashRow(*row) for row in await tx.fetch(LIST_NEWEST_HASHES, bank_id, limit)]


LIST_ENTRY = """
    SELECT h.id, h.entry, b.name, b.tier, b.clause, b.state, h.kind, h.hash, h.quality, h.part, h.state, h.tags,
        h.note, h.source, h.external_key, h.external, 1
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.entry = $1 ORDER BY h.id
"""


async def list_entry(tx: Tx, entry: int) -> list[HashRow]:
    """All rows of one entry."""
    return [HashRow(*row) for row in await tx.fetch(LIST_ENTRY, entry)]


UPDATE_ENTRY_STATE = """UPDATE bank_hashes SET state = $2 WHERE entry = $1"""


async def update_entry_state(tx: Tx, entry: int, state: str) -> None:
    """LIVE, BACKGROUND (found and logged) or DISPUTED (a false positive: not looked for)."""
    await tx.execute(UPDATE_ENTRY_STATE, entry, state)


DELETE_ENTRY = """DELETE FROM bank_hashes WHERE entry = $1"""


async def delete_entry(tx: Tx, entry: int) -> None:
    """Forget an entry."""
    await tx.execute(DELETE_ENTRY, entry)


DELETE_HASH = """DELETE FROM bank_hashes WHERE bank_id = $1 AND hash = $2 RETURNING id"""


async def delete_hash(tx: Tx, bank_id: int, hash_bytes: bytes) -> int:
    """Forget a hash of a bank; returns how many rows went."""
    return len(await tx.fetch(DELETE_HASH, bank_id, hash_bytes))


DELETE_KEYS = """DELETE FROM bank_hashes WHERE bank_id = $1 AND external_key = ANY($2) AND state <> 'DISPUTED'"""


async def delete_keys(tx: Tx, bank_id: int, keys: Sequence[str]) -> None:
    """Forget what an exchange withdrew or sends anew; what we disputed stays, so that it does not come back."""
    await tx.execute(DELETE_KEYS, bank_id, keys)


LIST_DISPUTED_KEYS = """
    SELECT external_key FROM bank_hashes WHERE bank_id = $1 AND external_key = ANY($2) AND state = 'DISPUTED'
"""


async def list_disputed_keys(tx: Tx, bank_id: int, keys: Sequence[str]) -> set[str]:
    """Which of an exchange's keys we called false positives."""
    return {row[0] for row in await tx.fetch(LIST_DISPUTED_KEYS, bank_id, keys)}


LIST_LOOKED_FOR = """
    SELECT h.id, h.kind, h.hash FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.id > $2 AND h.id <= $3 AND h.bank_id = $1 AND b.state <> 'EXPIRED' AND h.state <> 'DISPUTED'
        AND h.quality >= 50
    ORDER BY h.id LIMIT $4
"""


async def list_looked_for(tx: Tx, bank_id: int, after: int, last: int, limit: int) -> list[tuple[int, str, bytes]]:
    """Id, kind and hash of a bank's rows that are looked for, in the order of their ids."""
    return [tuple(row) for row in await tx.fetch(LIST_LOOKED_FOR, bank_id, after, last, limit)]


LIST_ENTRY_STATES = """
    SELECT DISTINCT ON (h.entry) h.entry, b.name, b.tier, b.clause, 'BACKGROUND' IN (h.state, b.state)
    FROM bank_hashes h JOIN hash_banks b ON b.id = h.bank_id
    WHERE h.entry = ANY($1) AND b.state <> 'EXPIRED' AND h.state <> 'DISPUTED'
    ORDER BY h.entry, h.id
"""


async def list_entry_states(tx: Tx, entries: Sequence[int]) -> dict[int, tuple[str, str, str, bool]]:
    """Bank, tier, clause and whether it is only logged, of those of the entries that are (still) looked for."""
    return {row[0]: (row[1], row[2], row[3], row[4]) for row in await tx.fetch(LIST_ENTRY_STATES, entries)}


GET_BANK_NAME = """SELECT name FROM hash_banks WHERE id = $1 AND state <> 'EXPIRED'"""


async def get_bank_name(tx: Tx, bank_id: int) -> str | None:
    """The name of a bank that is looked for."""
    name: str | None = await tx.fetchval(GET_BANK_NAME, bank_id)
    return name


GET_BANK_SPAN = """SELECT min(id), max(id), count(*) FROM bank_hashes WHERE bank_id = $1"""


async def get_bank_span(tx: Tx, bank_id: int) -> tuple[int, int, int]:
    """The first and last id of a bank's rows, and how many they are; zeros for an empty one."""
    row = await tx.fetchrow(GET_BANK_SPAN, bank_id)
    return (row[0], row[1], row[2]) if row and row[2] else (0, 0, 0)


LIST_SAME_KEYS = """
    SELECT external_key, kind, hash, state FROM bank_hashes
    WHERE bank_id = $1 AND external_key <> '' AND external_key = ANY($2)
"""


async def list_same_keys(tx: Tx, bank_id: int, keys: Sequence[str]) -> dict[str, list[tuple[str, bytes, str]]]:
    """What the bank holds under an exchange's keys: kind, hash and state of each, sorted."""
    found: dict[str, list[tuple[str, bytes, str]]] = {}
    for key, kind, hash_bytes, state in await tx.fetch(LIST_SAME_KEYS, bank_id, keys):
        found.setdefault(key, []).append((kind, hash_bytes, state))
    return {key: sorted(rows) for key, rows in found.items()}


COUNT_OF_SOURCE = """SELECT count(*) FROM bank_hashes WHERE bank_id = $1 AND source = $2"""


async def count_of_source(tx: Tx, bank_id: int, source: str) -> int:
    """How many rows of a bank came from there."""
    return int(await tx.fetchval(COUNT_OF_SOURCE, bank_id, source))


LIST_KEYS_OF = """
    SELECT DISTINCT external_key FROM bank_hashes WHERE bank_id = $1 AND external_key <> '' AND source = $2
"""


async def list_keys_of(tx: Tx, bank_id: int, source: str) -> list[str]:
    """Keys under which an exchange put something into the bank."""
    return [row[0] for row in await tx.fetch(LIST_KEYS_OF, bank_id, source)]
