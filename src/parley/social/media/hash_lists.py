"""What is in the banks of hashes, for those who look after them. Callers check who that is."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.screening.hash_formats import ListedHash
from parley.social.media import store_hashes
from parley.social.media.store_hashes import BankRow, HashRow

_PAGE = 10_000


async def list_banks(tx: Tx) -> list[BankRow]:
    """All banks by name."""
    return await store_hashes.list_banks(tx)


async def list_newest(tx: Tx, bank: str, limit: int) -> list[HashRow]:
    """The newest rows of a bank, newest first; none for a bank that is not there."""
    banks = await store_hashes.list_banks(tx, bank)
    return await store_hashes.list_newest_hashes(tx, banks[0].id, limit) if banks else []


async def list_all(tx: Tx, bank: str) -> list[ListedHash]:
    """Everything of a bank that is looked for, as it is written into a list; nothing for a bank that is not there."""
    found: list[ListedHash] = []
    for one in await store_hashes.list_banks(tx, bank):
        after = 0
        while rows := await store_hashes.list_bank_hashes(tx, one.id, after, _PAGE):
            found += [
                ListedHash(
                    row.kind,
                    row.hash,
                    tuple(row.tags),
                    row.quality,
                    str(row.entry) if row.kind == "frame" else "",
                )
                for row in rows
                if row.state != "DISPUTED"
            ]
            after = rows[-1].id
    return found
