"""A snapshot into a database: the schema of its version, then all rows in one transaction.

The transaction is why nothing is ever half restored.
"""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from parley.hosting import store
from parley.hosting.dumping import Tally
from parley.hosting.errors import SnapshotError
from parley.hosting.manifest import Index, Manifest, Stored, TableEntry
from parley.hosting.places import Place
from parley.hosting.sealing import open_file
from parley.kit.db import ConnectionIsClosed, LostConnection, connect
from parley.kit.files import CHUNK
from parley.kit.migrate import MigrationError, list_migrations, migrate

if TYPE_CHECKING:
    from pyrage import x25519

QUEUE = "pgqueuer"
"""How the names of the job queue's tables begin: they follow its own version, not the schema's."""

OLDEST_SCHEMA = 27
"""The first with epochs, by which the host that the snapshot was made on is told to stop."""


class Reading:
    """Where the objects of one snapshot come from; each is checked before it is opened."""

    def __init__(
        self, place: Place, manifest: Manifest, identity: x25519.Identity, scratch: Path, tally: Tally
    ) -> None:
        self.place = place
        self.manifest = manifest
        self.identity = identity
        self.scratch = scratch
        self.tally = tally
        self._objects = {one.name: one for one in (manifest.index, *manifest.objects)}

    def find(self, name: str) -> Stored:
        """What the manifest says of an object; raises SnapshotError for one that it does not name."""
        try:
            return self._objects[name]
        except KeyError:
            raise SnapshotError(f"The index names {name}, the manifest does not: the snapshot is damaged.") from None

    async def open(self, name: str, target: Path, *, compressed: bool) -> None:
        """Fetch, check and decrypt an object into the file `target`."""
        stored = self.find(name)
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="opening-") as folder:
            sealed = Path(folder) / "sealed"
            await fetch_checked(self.place, stored, sealed)

            def decrypt() -> None:
                with target.open("wb") as out:
                    open_file(sealed, out, self.identity, compressed=compressed)

            await asyncio.to_thread(decrypt)


async def fetch_checked(place: Place, stored: Stored, target: Path | None) -> None:
    """Read an object, into `target` if one is given; raises SnapshotError when a byte is not as the manifest says."""
    digest, size = hashlib.sha256(), 0
    file = target.open("wb") if target else None
    try:
        async for chunk in place.read(stored.name):
            digest.update(chunk)
            size += len(chunk)
            if file:
                file.write(chunk)
    finally:
        if file:
            file.close()
    if size != stored.size:
        raise SnapshotError(f"{stored.name} in {place.url} has {size} bytes instead of {stored.size}: it is damaged.")
    if digest.hexdigest() != stored.sha256:
        raise SnapshotError(f"{stored.name} in {place.url} is not what was stored: at least one byte was changed.")


def check_versions(manifest: Manifest) -> None:
    """Raise SnapshotError when this program does not know the snapshot's schema."""
    newest = list_migrations()[-1][0]
    if manifest.schema_version < OLDEST_SCHEMA:
        raise SnapshotError(
            f"The snapshot has schema {manifest.schema_version}; this program restores schemas from {OLDEST_SCHEMA} "
            f"on. Restore it with Parley {manifest.program}, which made it, and update that."
        )
    if manifest.oldest_compatible > newest or manifest.schema_version > newest:
        raise SnapshotError(
            f"The snapshot has schema {manifest.schema_version} (Parley {manifest.program}); this program knows "
            f"schemas up to {newest}. Install that Parley or a newer one, and restore again."
        )


_LOST = (*LostConnection, ConnectionIsClosed)


class MaybeLoaded(Exception):
    """The connection was lost while all rows were being committed: nobody knows yet whether they are."""


async def load_database(dsn: str, reading: Reading, index: Index, *, run: str) -> None:
    """Fill the empty database at `dsn` in one transaction, which also notes the restore `run`.

    The schema stays the snapshot's. Raises SnapshotError with nothing changed when anything is not right, and
    MaybeLoaded.
    """
    manifest = reading.manifest
    await _check_is_ours(dsn)
    try:
        await migrate(dsn, up_to=manifest.schema_version)
    except MigrationError as error:
        raise SnapshotError(str(error)) from error
    connection = await connect(dsn)
    try:
        about = await store.get_about(connection)
        if about.schema_version != manifest.schema_version or await store.has_rows(connection):
            raise SnapshotError("The database is not empty: a snapshot is restored into an empty one only.")
        transaction = connection.transaction()
        await transaction.start()
        try:
            await _load_tables(connection, reading, index)
            await _begin_epoch(connection, manifest, run)
        except BaseException:
            with suppress(*_LOST):
                await transaction.rollback()
            raise
        try:
            await transaction.commit()
        except _LOST as error:
            raise MaybeLoaded(str(error)) from error
    finally:
        with suppress(*_LOST):
            await connection.close()


async def is_loaded(dsn: str, run: str) -> bool:
    """Whether the rows of the restore `run` are in the database. Waits for a transaction of it that is still open."""
    connection = await connect(dsn)
    try:
        return await store.has_records(connection) and await store.has_restored(connection, run)
    finally:
        await connection.close()


async def _check_is_ours(dsn: str) -> None:
    """Tables of anything else would be emptied with ours."""
    connection = await connect(dsn)
    try:
        if await store.has_other_schema(connection):
            raise SnapshotError(
                "The database is not empty: there are tables in it that are not Parley's. Make one of its own."
            )
    finally:
        await connection.close()


async def _begin_epoch(connection: Any, manifest: Manifest, run: str) -> None:
    """The host that the snapshot was made on may be running still: from here on it is the old one."""
    epoch = await store.update_epoch_raised(connection)
    detail = {"of": manifest.snapshot, "epoch": epoch, "run": run}
    await store.insert_record(connection, "restored", True, 0.0, detail)


async def _load_tables(connection: Any, reading: Reading, index: Index) -> None:
    wanted = [(one.name, one.partition_of, one.bound) for one in index.tables if one.partition_of and one.bound]
    await store.insert_partitions(connection, wanted)
    known = {row.name: row for row in await store.list_tables(connection)}
    for entry in index.tables:
        if entry.name not in known or set(known[entry.name].columns) != set(entry.columns):
            raise SnapshotError(
                f"The table {entry.name} of the snapshot does not fit this program's schema "
                f"{reading.manifest.schema_version}: use Parley {reading.manifest.program}, which made it."
            )
    saved = {entry.name for entry in index.tables}
    for row in known.values():
        if row.name not in saved and row.partition_of is None and not row.name.startswith(QUEUE):
            raise SnapshotError(
                f"The database is not empty: it has a table {row.name}, which the snapshot does not know. Restore into "
                "a database of its own."
            )
    await store.delete_bindings(connection)
    for entry in index.tables:
        await _load_table(connection, reading, entry)
    for name, value in index.sequences.items():
        await store.update_sequence(connection, name, value)
    await store.insert_bindings(connection)


async def _load_table(connection: Any, reading: Reading, entry: TableEntry) -> None:
    digest = hashlib.sha256()

    async def rows() -> AsyncIterator[bytes]:
        with tempfile.TemporaryDirectory(dir=reading.scratch, prefix="rows-") as folder:
            for part in entry.parts:
                path = Path(folder) / "part"
                await reading.open(part, path, compressed=True)
                with path.open("rb") as file:
                    while chunk := file.read(CHUNK):
                        digest.update(chunk)
                        yield chunk
                reading.tally.add(path.stat().st_size)

    answer = await connection.copy_to_table(entry.name, source=rows(), columns=list(entry.columns), format="text")
    if int(answer.removeprefix("COPY ")) != entry.rows or digest.hexdigest() != entry.sha256:
        raise SnapshotError(f"The rows of {entry.name} are not those that were saved: the snapshot is damaged.")
