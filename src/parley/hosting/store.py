"""What a snapshot asks of the database's catalogue, and how it gets the tables ready to be filled. SQL only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

GET_ABOUT = """
    SELECT schema_version, oldest_compatible, instance_id::text FROM parley_meta
"""


class AboutRow(msgspec.Struct, frozen=True):
    """The two schema numbers and the instance's own id."""

    schema_version: int
    oldest_compatible: int
    instance_id: str


async def get_about(tx: Any) -> AboutRow:
    """What the database says of itself."""
    return AboutRow(*await tx.fetchrow(GET_ABOUT))


RAISE_EPOCH = """
    UPDATE parley_meta SET epoch = epoch + 1 RETURNING epoch
"""


async def update_epoch_raised(tx: Any) -> int:
    """Begin a new epoch; returns it. What still writes with an older one is refused from now on."""
    return int(await tx.fetchval(RAISE_EPOCH))


GET_DATABASE_SIZE = """
    SELECT pg_database_size(current_database())
"""


async def get_database_size(tx: Any) -> int:
    """Bytes on disk, indexes too: about what there is to be copied."""
    return int(await tx.fetchval(GET_DATABASE_SIZE))


class TableRow(msgspec.Struct, frozen=True):
    """A table that holds rows: its columns in order, and of what it is a partition."""

    name: str
    columns: list[str]
    partition_of: str | None
    bound: str | None


LIST_TABLES = """
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum),
           (SELECT p.relname FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent WHERE i.inhrelid = c.oid),
           pg_get_expr(c.relpartbound, c.oid)
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relpersistence = 'p'
    GROUP BY c.oid
    ORDER BY c.relname
"""


async def list_tables(tx: Any) -> list[TableRow]:
    """Every table whose rows must be kept; unlogged ones are lost in a crash as well, and so are not among them."""
    return [TableRow(*row) for row in await tx.fetch(LIST_TABLES)]


LIST_SEQUENCES = """
    SELECT sequencename, coalesce(last_value, start_value) FROM pg_sequences WHERE schemaname = 'public'
    ORDER BY sequencename
"""


async def list_sequences(tx: Any) -> dict[str, int]:
    """Where each sequence stands."""
    return {row[0]: int(row[1]) for row in await tx.fetch(LIST_SEQUENCES)}


SET_SEQUENCE = """
    SELECT setval(format('%I', $1::text)::regclass, $2)
"""


async def update_sequence(tx: Any, name: str, value: int) -> None:
    """Let a sequence go on from `value`."""
    await tx.execute(SET_SEQUENCE, name, value)


HAS_ROWS = """
    SELECT EXISTS (SELECT FROM accounts)
"""


async def has_rows(tx: Any) -> bool:
    """Whether somebody lives in this database already."""
    return bool(await tx.fetchval(HAS_ROWS))


HAS_OTHER_SCHEMA = """
    SELECT to_regclass('parley_meta') IS NULL
        AND EXISTS (SELECT FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p'))
"""


async def has_other_schema(tx: Any) -> bool:
    """Whether the database has tables of something else, and none of ours."""
    return bool(await tx.fetchval(HAS_OTHER_SCHEMA))


MAKE_PARTITION = """
DO $do$
DECLARE
    wanted record;
BEGIN
    FOR wanted IN SELECT * FROM wanted_partitions LOOP
        IF to_regclass(format('%I', wanted.name)) IS NULL THEN
            EXECUTE format('CREATE TABLE %I PARTITION OF %I %s', wanted.name, wanted.parent, wanted.bound);
        END IF;
    END LOOP;
END
$do$
"""
WANTED_PARTITIONS = """
    CREATE TEMPORARY TABLE wanted_partitions (name text, parent text, bound text) ON COMMIT DROP
"""
WANT_PARTITION = """
    INSERT INTO wanted_partitions VALUES ($1, $2, $3)
"""


async def insert_partitions(tx: Any, wanted: list[tuple[str, str, str]]) -> None:
    """Make the partitions (name, parent, bound) that are missing."""
    await tx.execute(WANTED_PARTITIONS)
    await tx.executemany(WANT_PARTITION, wanted)
    await tx.execute(MAKE_PARTITION)


UNBIND_TABLES = """
DO $do$
DECLARE
    one record;
BEGIN
    CREATE TEMPORARY TABLE set_aside (name text, definition text, place integer) ON COMMIT DROP;
    FOR one IN
        SELECT conrelid::regclass::text AS tab, conname, pg_get_constraintdef(oid) AS definition
        FROM pg_constraint
        WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
    LOOP
        INSERT INTO set_aside VALUES (one.conname,
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', one.tab, one.conname, one.definition), 2);
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.tab, one.conname);
    END LOOP;
    FOR one IN
        SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
        FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
        WHERE c.relnamespace = 'public'::regnamespace AND NOT c.relispartition
            AND NOT EXISTS (SELECT FROM pg_constraint n WHERE n.conindid = i.indexrelid)
    LOOP
        INSERT INTO set_aside VALUES (one.name, one.definition, 1);
        EXECUTE format('DROP INDEX %s', one.name);
    END LOOP;
    FOR one IN
        SELECT oid::regclass::text AS tab FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('ALTER TABLE %s DISABLE TRIGGER USER', one.tab);
    END LOOP;
END
$do$
"""

EMPTY_TABLES = """
DO $do$
DECLARE
    names text;
BEGIN
    SELECT string_agg(oid::regclass::text, ', ') INTO names FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;
    EXECUTE 'TRUNCATE ' || names;
END
$do$
"""


async def delete_bindings(tx: Any) -> None:
    """Empty every table and set aside what would slow or stop its filling: foreign keys, indexes, our triggers."""
    await tx.execute(UNBIND_TABLES)
    await tx.execute(EMPTY_TABLES)


BIND_TABLES = """
DO $do$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT oid::regclass::text AS tab FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE TRIGGER USER', one.tab);
    END LOOP;
    FOR one IN SELECT definition FROM set_aside ORDER BY place LOOP
        EXECUTE one.definition;
    END LOOP;
END
$do$
"""


async def insert_bindings(tx: Any) -> None:
    """Put back what `delete_bindings` set aside. Every foreign key is checked by that."""
    await tx.execute(BIND_TABLES)


COUNT_ROWS = """
CREATE FUNCTION pg_temp.count_rows_of(name text, OUT number bigint) LANGUAGE plpgsql AS $do$
BEGIN
    EXECUTE format('SELECT count(*) FROM %I', name) INTO number;
END
$do$
"""
LIST_COUNTS = """
    SELECT name, pg_temp.count_rows_of(name) FROM unnest($1::text[]) AS list (name)
"""


async def count_rows(tx: Any, names: list[str]) -> dict[str, int]:
    """How many rows each table really has."""
    await tx.execute(COUNT_ROWS)
    return {row[0]: int(row[1]) for row in await tx.fetch(LIST_COUNTS, names)}


INSERT_RECORD = """
    INSERT INTO hosting_records (kind, ok, seconds, detail) VALUES ($1, $2, $3, $4)
"""


async def insert_record(tx: Any, kind: str, ok: bool, seconds: float, detail: dict[str, Any]) -> None:
    """Note that a snapshot was made or a drill held, or that it failed."""
    await tx.execute(INSERT_RECORD, kind, ok, seconds, detail)


HAS_RECORDS = """
    SELECT to_regclass('hosting_records') IS NOT NULL
"""


async def has_records(tx: Any) -> bool:
    """Whether the database has a schema in which anything could be noted."""
    return bool(await tx.fetchval(HAS_RECORDS))


HAS_RESTORED = """
    SELECT EXISTS (SELECT FROM hosting_records WHERE kind = 'restored' AND detail ->> 'run' = $1)
"""


async def has_restored(tx: Any, run: str) -> bool:
    """Whether this restore filled the database. A restore holds the table, so this waits for its end."""
    return bool(await tx.fetchval(HAS_RESTORED, run))


class RecordRow(msgspec.Struct, frozen=True):
    """The last snapshot or drill."""

    kind: str
    ok: bool
    seconds: float
    detail: dict[str, Any]
    created_at: datetime


LIST_LAST_RECORDS = """
    SELECT DISTINCT ON (kind, ok) kind, ok, seconds, detail, created_at
    FROM hosting_records ORDER BY kind, ok, id DESC
"""


async def list_last_records(tx: Any) -> list[RecordRow]:
    """The last of each kind that went well, and the last that did not."""
    return [RecordRow(*row) for row in await tx.fetch(LIST_LAST_RECORDS)]


LET_READ_ONLY = """
DO $do$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
END
$do$
"""
END_OTHERS = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


async def update_to_read_only(connection: Any) -> None:
    """Let every connection to this database from now on be for reading, and end those that there are."""
    await connection.execute(LET_READ_ONLY)
    await connection.execute(END_OTHERS)
