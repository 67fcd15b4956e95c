"""The tables of programmes that share hashes, and of what we have to tell them. No rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class ExchangeRow(msgspec.Struct, frozen=True):
    """A programme. `credentials` are sealed."""

    id: int
    name: str
    api: str
    bank: str
    config: dict[str, Any]
    credentials: bytes | None
    enabled: bool
    checkpoint: Any
    fetched_at: datetime | None
    error: str
    set_by: int | None
    approved_by: list[int]


LIST_EXCHANGES = """
    SELECT e.id, e.name, e.api, b.name, e.config, e.credentials, e.enabled, e.checkpoint, e.fetched_at, e.error,
        e.set_by, ARRAY(SELECT a.account_id FROM hash_exchange_approvals a WHERE a.exchange_id = e.id)
    FROM hash_exchanges e JOIN hash_banks b ON b.id = e.bank_id
    WHERE $1::text IS NULL OR e.name = $1
    ORDER BY e.name
"""


async def list_exchanges(tx: Tx, name: str | None = None) -> list[ExchangeRow]:
    """All programmes by name, or the one of that name."""
    return [ExchangeRow(*row) for row in await tx.fetch(LIST_EXCHANGES, name)]


UPSERT_EXCHANGE = """
    INSERT INTO hash_exchanges (name, api, bank_id, config, credentials, enabled, set_by)
    VALUES ($1, $2, (SELECT id FROM hash_banks WHERE name = $3), $4, $5, $6, $7)
    ON CONFLICT (name) DO UPDATE SET config = excluded.config, enabled = excluded.enabled, error = '',
        set_by = excluded.set_by,
        credentials = coalesce(excluded.credentials, hash_exchanges.credentials)
    RETURNING id
"""


async def upsert_exchange(
    tx: Tx,
    name: str,
    api: str,
    bank: str,
    config: dict[str, Any],
    credentials: bytes | None,
    *,
    enabled: bool,
    set_by: int | None,
) -> int:
    """Set a programme up, or change it; its API and bank stay what they were."""
    return int(await tx.fetchval(UPSERT_EXCHANGE, name, api, bank, config, credentials, enabled, set_by))


INSERT_APPROVAL = """
    INSERT INTO hash_exchange_approvals (exchange_id, account_id, username) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
DELETE_APPROVALS = """DELETE FROM hash_exchange_approvals WHERE exchange_id = $1"""


async def insert_approval(tx: Tx, exchange_id: int, account_id: int, username: str) -> None:
    """Note that somebody stands behind a programme; once each."""
    await tx.execute(INSERT_APPROVAL, exchange_id, account_id, username)


async def delete_approvals(tx: Tx, exchange_id: int) -> None:
    """A programme was changed: who stood behind it did so for another one."""
    await tx.execute(DELETE_APPROVALS, exchange_id)


DELETE_EXCHANGE = """DELETE FROM hash_exchanges WHERE id = $1"""


async def delete_exchange(tx: Tx, exchange_id: int) -> None:
    """Forget a programme; its bank stays."""
    await tx.execute(DELETE_EXCHANGE, exchange_id)


UPDATE_CHECKPOINT = """
    UPDATE hash_exchanges SET checkpoint = $2, fetched_at = now(), error = '' WHERE id = $1
"""


async def update_checkpoint(tx: Tx, exchange_id: int, checkpoint: Any) -> None:
    """Where to go on fetching."""
    await tx.execute(UPDATE_CHECKPOINT, exchange_id, checkpoint)


UPDATE_ERROR = """UPDATE hash_exchanges SET error = $2 WHERE id = $1"""


async def update_error(tx: Tx, exchange_id: int, error: str) -> None:
    """Why the last fetch failed, for the operator."""
    await tx.execute(UPDATE_ERROR, exchange_id, error)


GET_EXCHANGE_OF_BANK = """
    SELECT e.id FROM hash_exchanges e JOIN hash_banks b ON b.id = e.bank_id WHERE b.name = $1 ORDER BY e.id LIMIT 1
"""


async def get_exchange_of_bank(tx: Tx, bank: str) -> int | None:
    """The programme that fills a bank."""
    found: int | None = await tx.fetchval(GET_EXCHANGE_OF_BANK, bank)
    return found


INSERT_OPINION = """
    INSERT INTO hash_opinions (exchange_id, kind, hash, external_key, external) VALUES ($1, $2, $3, $4, $5)
"""


async def insert_opinion(
    tx: Tx, exchange_id: int, kind: str, hash_bytes: bytes, external_key: str, external: dict[str, Any] | None
) -> None:
    """Let a programme be told that one of its hashes is a false positive."""
    await tx.execute(INSERT_OPINION, exchange_id, kind, hash_bytes, external_key, external)


class OpinionRow(msgspec.Struct, frozen=True):
    """A false positive that a programme has to hear of."""

    id: int
    exchange_id: int
    kind: str
    hash: bytes
    external_key: str
    external: dict[str, Any] | None
    attempts: int


LIST_OPINIONS = """
    SELECT id, exchange_id, kind, hash, external_key, external, attempts FROM hash_opinions
    WHERE exchange_id = $1 AND state = 'waiting' ORDER BY id LIMIT $2
"""


async def list_opinions(tx: Tx, exchange_id: int, limit: int) -> list[OpinionRow]:
    """What waits to be told to a programme, oldest first."""
    return [OpinionRow(*row) for row in await tx.fetch(LIST_OPINIONS, exchange_id, limit)]


UPDATE_OPINIONS = """
    UPDATE hash_opinions SET state = $2, error = $3, attempts = attempts + 1,
        sent_at = CASE WHEN $2 = 'sent' THEN now() END
    WHERE id = ANY($1)
"""


async def update_opinions(tx: Tx, ids: Sequence[int], state: str, error: str) -> None:
    """What became of them: waiting, sent, unsupported or failed."""
    await tx.execute(UPDATE_OPINIONS, ids, state, error)


COUNT_OPINIONS = """SELECT state, count(*) FROM hash_opinions WHERE exchange_id = $1 GROUP BY state"""


async def count_opinions(tx: Tx, exchange_id: int) -> dict[str, int]:
    """How many of a programme's false positives are in each state."""
    return {row[0]: row[1] for row in await tx.fetch(COUNT_OPINIONS, exchange_id)}
