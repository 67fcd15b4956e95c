"""The tables of bank entries and of their changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from parley.kit.db import Tx
from parley.screening.extending import BankItem
from parley.social.policies.views import EntryView, NewEntry

INSERT_CHANGE = """
    INSERT INTO bank_changes (account_id, username, what, added, removed) VALUES ($1, $2, $3, $4, $5) RETURNING id
"""


async def insert_change(tx: Tx, by: tuple[int | None, str], what: str, *, added: int, removed: int) -> int:
    """Note a change of the banks and return its number: the banks' new revision."""
    return int(await tx.fetchval(INSERT_CHANGE, *by, what, added, removed))


INSERT_ENTRIES = """
    INSERT INTO bank_entries
        (bank, name, tier, clause, title, state, items, patterns, unless, expires_at, note, source, extra, created_by,
         added_in)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
"""


async def insert_entries(tx: Tx, entries: Iterable[NewEntry], created_by: int | None, change_id: int) -> None:
    """Keep new entries; their names must be free."""
    await tx.executemany(
        INSERT_ENTRIES,
        [
            (
                *(e.item.bank, e.item.name, e.item.tier, e.item.clause, e.item.title, e.item.state),
                *(list(e.item.items), list(e.item.patterns), list(e.item.unless), e.item.expires),
                *(e.note, e.source, e.extra, created_by, change_id),
            )
            for e in entries
        ],
    )


UPDATE_REMOVED = """
    UPDATE bank_entries SET removed_in = $3 WHERE bank = $1 AND name = ANY($2) AND removed_in IS NULL
"""


async def update_removed(tx: Tx, bank: str, names: list[str], change_id: int) -> None:
    """Take entries out of their bank from this change on."""
    await tx.execute(UPDATE_REMOVED, bank, names, change_id)


def _item(row: Any) -> BankItem:
    return BankItem(
        bank=row[1],
        name=row[2],
        tier=row[3],
        clause=row[4],
        title=row[5],
        state=row[6],
        items=tuple(row[7]),
        patterns=tuple(row[8]),
        unless=tuple(row[9]),
        expires=row[10],
    )


def _entry(row: Any) -> EntryView:
    return EntryView(row[0], _item(row), *row[11:])


LIST_ENTRIES = """
    SELECT id, bank, name, tier, clause, title, state, items, patterns, unless, expires_at, note, source, extra,
           created_by, created_at
    FROM bank_entries
    WHERE removed_in IS NULL AND ($1 = '' OR bank = $1) AND ($2 = '' OR source = $2)
      AND ($3 = '' OR name ILIKE '%' || $3 || '%' OR title ILIKE '%' || $3 || '%')
    ORDER BY bank, name LIMIT $4 OFFSET $5
"""


async def list_entries(
    tx: Tx, *, bank: str = "", source: str = "", text: str = "", limit: int = 1_000_000, offset: int = 0
) -> list[EntryView]:
    """Entries that stand in their banks now. `text` must be escaped for LIKE."""
    return [_entry(row) for row in await tx.fetch(LIST_ENTRIES, bank, source, text, limit, offset)]


LIST_ITEMS = """
    SELECT id, bank, name, tier, clause, title, state, items, patterns, unless, expires_at
    FROM bank_entries
    WHERE state IN ('LIVE', 'BACKGROUND') AND added_in <= $1 AND (removed_in IS NULL OR removed_in > $1)
"""


async def list_items(tx: Tx, revision: int) -> list[BankItem]:
    """What the judge looks for at a revision of the banks."""
    return [_item(row) for row in await tx.fetch(LIST_ITEMS, revision)]


LIST_NEW_ITEMS = """
    SELECT id, bank, name, tier, clause, title, state, items, patterns, unless, expires_at
    FROM bank_entries
    WHERE state IN ('LIVE', 'BACKGROUND') AND added_in > $1 AND added_in <= $2
      AND (removed_in IS NULL OR removed_in > $2) AND id > $3
    ORDER BY id LIMIT $4
"""


async def list_new_items(tx: Tx, since: int, revision: int, *, after: int, limit: int) -> list[tuple[int, BankItem]]:
    """What was added after the revision `since` and is there at `revision`, by id, above the id `after`."""
    return [(row[0], _item(row)) for row in await tx.fetch(LIST_NEW_ITEMS, since, revision, after, limit)]


LIST_GONE = """SELECT id FROM bank_entries WHERE removed_in > $1 AND removed_in <= $2"""


async def list_gone(tx: Tx, since: int, revision: int) -> list[int]:
    """Ids of what was removed after the revision `since`, up to `revision`."""
    return [row[0] for row in await tx.fetch(LIST_GONE, since, revision)]


LIST_CHANGE = """
    SELECT id, bank, name, tier, clause, title, state, items, patterns, unless, expires_at, note, source, extra,
           created_by, created_at
    FROM bank_entries WHERE added_in = $1 ORDER BY id LIMIT $2
"""


async def list_entries_of_change(tx: Tx, change_id: int, limit: int) -> list[EntryView]:
    """What a change added."""
    return [_entry(row) for row in await tx.fetch(LIST_CHANGE, change_id, limit)]


COUNT_ENTRIES = """
    SELECT bank, tier, state, count(*) FROM bank_entries WHERE removed_in IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


async def count_entries(tx: Tx) -> list[tuple[str, str, str, int]]:
    """How many entries there are by bank, tier and state."""
    return [(row[0], row[1], row[2], row[3]) for row in await tx.fetch(COUNT_ENTRIES)]


HAS_ENTRY = """SELECT EXISTS (SELECT FROM bank_entries WHERE bank = $1 AND name = $2 AND removed_in IS NULL)"""


async def has_entry(tx: Tx, bank: str, name: str) -> bool:
    """Whether an entry of this name stands in the bank now."""
    return bool(await tx.fetchval(HAS_ENTRY, bank, name))


COUNT_PHRASES = """
    SELECT coalesce(sum(cardinality(items) + cardinality(unless)), 0) FROM bank_entries
    WHERE bank = 'words' AND removed_in IS NULL
"""


async def count_phrases(tx: Tx) -> int:
    """How many phrases the word bank holds."""
    return int(await tx.fetchval(COUNT_PHRASES))
