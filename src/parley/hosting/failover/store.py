"""What is asked of PostgreSQL about standbys, timelines and rows that only one host has. SQL only."""

from __future__ import annotations

from typing import Any

import msgspec


class StandbyRow(msgspec.Struct, frozen=True):
    """A server that follows this one: its host's name, and how far it is. Bytes; None where it is not known."""

    name: str
    state: str
    sync_state: str
    flushed: str | None
    behind_bytes: int | None
    behind_seconds: float | None


LIST_STANDBYS = """
    SELECT application_name, state, sync_state, flush_lsn::text,
           pg_wal_lsn_diff(pg_current_wal_flush_lsn(), flush_lsn)::bigint,
           extract(epoch FROM flush_lag)::float8
    FROM pg_stat_replication WHERE state IN ('streaming', 'catchup')
    ORDER BY application_name
"""


async def list_standbys(tx: Any) -> list[StandbyRow]:
    """Who follows this server now."""
    return [StandbyRow(*row) for row in await tx.fetch(LIST_STANDBYS)]


class PositionRow(msgspec.Struct, frozen=True):
    """Where a primary stands."""

    in_recovery: bool
    epoch: int
    flushed: str | None
    waits_for: str


GET_POSITION = """
    SELECT pg_is_in_recovery(), (SELECT epoch FROM parley_meta),
           CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_current_wal_flush_lsn()::text END,
           current_setting('synchronous_standby_names')
"""


async def get_position(tx: Any) -> PositionRow:
    """What the server is, with which epoch it was last written, and for whom it waits."""
    return PositionRow(*await tx.fetchrow(GET_POSITION))


HAS_FLUSHED = """
    SELECT bool_or(coalesce(flush_lsn >= $2::text::pg_lsn, false) AND sync_state IN ('sync', 'quorum'))
    FROM pg_stat_replication WHERE application_name = $1 AND state = 'streaming'
"""


async def has_flushed(tx: Any, name: str, lsn: str) -> bool | None:
    """Whether writes wait for the standby `name`, and it has everything up to `lsn` on its disk; None when it does not
    follow any more."""
    found: bool | None = await tx.fetchval(HAS_FLUSHED, name, lsn)
    return found


GET_TIMELINE = """
    SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
"""
GET_HISTORY = """
    SELECT pg_read_file('pg_wal/' || lpad(upper(to_hex($1::int)), 8, '0') || '.history')
"""


async def get_timeline(tx: Any) -> int:
    """The timeline that a primary writes."""
    return int(await tx.fetchval(GET_TIMELINE))


async def get_history(tx: Any, timeline: int) -> str:
    """PostgreSQL's own record of where each timeline left the one before."""
    return str(await tx.fetchval(GET_HISTORY, timeline))


class TouchedRow(msgspec.Struct, frozen=True):
    """A table, or a partition of one, by the file in which it lies."""

    node: int
    name: str
    root: str
    """The table of which it is a part, or itself."""
    keys: list[str]
    """Columns of the primary key; empty where there is none."""


LIST_TOUCHED = """
    SELECT n.node, c.oid::regclass::text, coalesce(pg_partition_root(c.oid), c.oid)::regclass::text,
           coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum)
                     FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                     WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
    FROM unnest($1::bigint[]) AS n (node)
    JOIN pg_class c ON c.oid = pg_filenode_relation(0, n.node::oid)
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace = 'public'::regnamespace
    ORDER BY 2
"""


async def list_touched(tx: Any, nodes: list[int]) -> list[TouchedRow]:
    """Which of our tables lie in these files."""
    return [TouchedRow(*row) for row in await tx.fetch(LIST_TOUCHED, nodes)]


LIST_WRITTEN = """
    SELECT parley_rows_written($1::text::regclass, $2, $3, $4)
"""


async def list_written(tx: Any, table: str, transactions: list[str], first: int, last: int) -> list[dict[str, Any]]:
    """The rows that these transactions left behind in some blocks of a table."""
    return [row[0] for row in await tx.fetch(LIST_WRITTEN, table, transactions, first, last)]


LIST_LIKE = """
    SELECT parley_rows_like($1::text::regclass, $2)
"""


async def list_like(tx: Any, table: str, keys: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of a table with these primary keys."""
    return [row[0] for row in await tx.fetch(LIST_LIKE, table, keys)]


LIST_AT = """
    SELECT parley_rows_at($1::text::regclass, $2, $3)
"""


async def list_at(tx: Any, table: str, places: list[str], before: str) -> list[dict[str, Any]]:
    """The rows at these places of a table, as far as they are older than a transaction."""
    return [row[0] for row in await tx.fetch(LIST_AT, table, places, before)]


LIST_TABLES = """
    SELECT pg_relation_filenode(c.oid), c.oid::regclass::text,
           coalesce(pg_partition_root(c.oid), c.oid)::regclass::text,
           coalesce((SELECT array_agg(a.attname::text ORDER BY a.attnum)
                     FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey)
                     WHERE i.indrelid = c.oid AND i.indisprimary), '{}')
    FROM pg_class c
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relnamespace = 'public'::regnamespace
    ORDER BY 2
"""


async def list_all_tables(tx: Any) -> list[TouchedRow]:
    """Every table of ours that holds rows."""
    return [TouchedRow(*row) for row in await tx.fetch(LIST_TABLES)]


GET_FIRST_TRANSACTION = """
    SELECT xmin::text FROM parley_meta
"""


async def get_first_transaction(tx: Any) -> str:
    """On a host that has taken over: the transaction that wrote its epoch, the first one of its own."""
    return str(await tx.fetchval(GET_FIRST_TRANSACTION))


LIST_SINCE = """
    SELECT parley_rows_since($1::text::regclass, $2, $3, $4)
"""


async def list_since(tx: Any, table: str, first: str, offset: int, limit: int) -> list[dict[str, Any]]:
    """The rows of a table that this transaction or a later one left behind, in the order in which they lie."""
    return [row[0] for row in await tx.fetch(LIST_SINCE, table, first, offset, limit)]


ONLY_READ = """
    SET default_transaction_read_only = on
"""


async def update_to_reading(connection: Any) -> None:
    """Let nothing be written over this connection."""
    await connection.execute(ONLY_READ)


LIST_OWNERS = """
    SELECT email FROM members
    WHERE role = 'owner' AND email_confirmed_at IS NOT NULL AND account_state = 'active' ORDER BY account_id LIMIT 20
"""


async def list_owners(tx: Any) -> list[str]:
    """Mail addresses of those whose instance it is."""
    return [str(row[0]) for row in await tx.fetch(LIST_OWNERS)]
