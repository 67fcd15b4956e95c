"""Schema migrations: numbered SQL files, forward only, each in one transaction, one program at a time.

Two numbers live in the database: the schema version, and the oldest version that a program must know to use it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import parley
from parley.kit.db import connect
from parley.kit.jobs import queue_of, quiet_queue

log = logging.getLogger(__name__)

OLDEST_COMPATIBLE = 1
"""A program that knows only older schemas than this must not touch the database."""

LOCK_KEY = 0x7061726C6579

LOCK = """SELECT pg_advisory_lock($1)"""
UNLOCK = """SELECT pg_advisory_unlock($1)"""
HAS_META = """SELECT to_regclass('parley_meta') IS NOT NULL"""
GET_VERSIONS = """SELECT schema_version, oldest_compatible FROM parley_meta"""
UPDATE_VERSIONS = """UPDATE parley_meta SET schema_version = $1, oldest_compatible = $2"""
GET_SERVER_VERSION = """SELECT current_setting('server_version_num')::integer"""


class MigrationError(Exception):
    """The database cannot be brought to this program's schema; the text says why and what to do."""


def migrations_folder() -> Path:
    """Where the SQL files are: inside an installed package, or beside `src/` in a checkout."""
    inside = Path(parley.__file__).parent / "migrations"
    return inside if inside.is_dir() else Path(parley.__file__).parents[2] / "migrations"


def list_migrations() -> list[tuple[int, Path]]:
    """Every migration as (number, file), in order."""
    files = sorted(migrations_folder().glob("[0-9][0-9][0-9][0-9]_*.sql"))
    return [(int(file.name[:4]), file) for file in files]


async def migrate(dsn: str, *, up_to: int | None = None) -> list[str]:
    """Bring the database at `dsn` to the newest schema, or to schema `up_to`; returns the names of the files that ran.

    Raises MigrationError when the database is newer than this program, or older than PostgreSQL 15.
    """
    connection = await connect(dsn)
    try:
        server = await connection.fetchval(GET_SERVER_VERSION)
        if server < 150000:
            raise MigrationError(f"PostgreSQL {server // 10000} is too old: Parley needs 15 or newer.")
        await connection.execute(LOCK, LOCK_KEY)
        try:
            return await _migrate(connection, up_to)
        finally:
            await connection.execute(UNLOCK, LOCK_KEY)
    finally:
        await connection.close()


async def _migrate(connection: Any, up_to: int | None) -> list[str]:
    migrations = list_migrations()
    newest = migrations[-1][0]
    version = 0
    if await connection.fetchval(HAS_META):
        version, oldest = await connection.fetchrow(GET_VERSIONS)
        if oldest > newest:
            raise MigrationError(
                f"The database has schema {version}, which needs a Parley that knows {oldest}; this one knows "
                f"{newest}. Install the newer Parley."
            )
    done = []
    for number, file in migrations:
        if number <= version or (up_to is not None and number > up_to):
            continue
        log.info("migrating: %s", file.name)
        async with connection.transaction():
            await connection.execute(file.read_text())
            await connection.execute(UPDATE_VERSIONS, number, OLDEST_COMPATIBLE)
        done.append(file.name)
    queue = queue_of(connection)
    if await queue.schema_is_installed():
        await queue.apply_upgrade()
    else:
        await queue.install()
        done.append("job queue")
    await quiet_queue(connection)
    return done


async def needs_migration(dsn: str) -> bool:
    """Whether the database lacks a migration that this program has."""
    connection = await connect(dsn)
    try:
        if not await connection.fetchval(HAS_META):
            return True
        version, _ = await connection.fetchrow(GET_VERSIONS)
        return bool(version < list_migrations()[-1][0])
    finally:
        await connection.close()
