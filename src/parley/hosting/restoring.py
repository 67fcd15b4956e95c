"""Restoring a snapshot onto an empty machine: keys, files, database; whole, or not at all."""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from parley.hosting import store
from parley.hosting.dumping import Progress, Tally
from parley.hosting.errors import SnapshotError
from parley.hosting.loading import Reading, check_versions, load_database
from parley.hosting.making import KEYS, areas_of, changed_settings
from parley.hosting.manifest import Index, Manifest
from parley.hosting.sealing import PUBLIC_FILE
from parley.hosting.verifying import check_file, find_snapshot, read_index
from parley.kit.db import connect
from parley.kit.files import FileStore, open_file_store, scratch_folder
from parley.kit.settings import Settings

if TYPE_CHECKING:
    from pyrage import x25519

SETTINGS_FILE = "restored-settings.env"


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored. `other_settings` are those of the snapshot that are not set the same here, by name."""

    manifest: Manifest
    rows: int
    files: int
    vanished: int
    other_settings: tuple[str, ...]


async def restore_snapshot(
    settings: Settings,
    open_database: Callable[[Settings], AbstractContextManager[str]],
    url: str,
    *,
    identity: x25519.Identity,
    name: str | None = None,
    signer: str | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Fill the configured, empty data folder, file store and database from a snapshot.

    `open_database` gives the database's address for as long as it is needed (and starts an embedded server). Every
    object is checked before it is used. Raises SnapshotError, and then takes away again what it had written.
    """
    check_is_empty(settings)
    place, manifest = await find_snapshot(url, name, signer=signer)
    check_versions(manifest)
    if manifest.domain != settings.local_domain:
        raise SnapshotError(
            f"The snapshot is of {manifest.domain}, and this instance is {settings.local_domain}: members' addresses "
            f"cannot change. Set PARLEY_DOMAIN={manifest.domain} and restore again."
        )
    with tempfile.TemporaryDirectory(dir=scratch_folder(settings), prefix="restore-") as folder:
        reading = Reading(place, manifest, identity, Path(folder), Tally(progress, manifest.size * 2))
        index = await read_index(reading)
        async with _taken_back_on_error(settings) as written:
            await _restore_files(reading, index, areas_of(open_file_store(settings, following=True)), written)
            with open_database(settings) as dsn:
                await load_database(dsn, reading, index)
                await _begin_epoch(dsn, manifest)
            _write_keys(settings, manifest, index)
    return Restored(
        manifest=manifest,
        rows=manifest.rows,
        files=len(index.files),
        vanished=len(index.vanished),
        other_settings=_write_settings(settings, index),
    )


def check_is_empty(settings: Settings) -> None:
    """Raise SnapshotError when an instance lives in the data folder already."""
    for name in (*KEYS, "postgres"):
        if settings.path(name).exists():
            raise SnapshotError(
                f"{settings.path()} is not empty ({name} is there): restore into a new data folder (PARLEY_DATA_DIR)."
            )


@asynccontextmanager
async def _taken_back_on_error(settings: Settings) -> AsyncIterator[list[tuple[FileStore, str]]]:
    import shutil

    written: list[tuple[FileStore, str]] = []
    try:
        yield written
    except BaseException:
        for area, name in written:
            await area.delete(name)
        for name in (*KEYS, PUBLIC_FILE):
            settings.path(name).unlink(missing_ok=True)
        if not settings.database_url:
            shutil.rmtree(settings.path("postgres"), ignore_errors=True)
        raise


async def _begin_epoch(dsn: str, manifest: Manifest) -> None:
    """The host that the snapshot was made on may be running still: from here on it is the old one."""
    connection = await connect(dsn)
    try:
        async with connection.transaction():
            epoch = await store.update_epoch_raised(connection)
            await store.insert_record(connection, "restored", True, 0.0, {"of": manifest.snapshot, "epoch": epoch})
    finally:
        await connection.close()


async def _restore_files(
    reading: Reading, index: Index, areas: dict[str, FileStore], written: list[tuple[FileStore, str]]
) -> None:
    path = reading.scratch / "plain"
    for file in index.files:
        if file.area not in areas:
            raise SnapshotError(f"This Parley knows no area {file.area} of files. Install a newer one.")
        await reading.open(file.object, path, compressed=False)
        check_file(path, file.sha256, f"{file.area}/{file.name}")
        await areas[file.area].put(file.name, path)
        written.append((areas[file.area], file.name))
        reading.tally.add(file.size)


def _write_keys(settings: Settings, manifest: Manifest, index: Index) -> None:
    """Keys are only readable by their owner, as when they were made."""
    for name, text in index.keys.items():
        if name not in KEYS:
            raise SnapshotError(f"This Parley knows no key {name}. Install a newer one.")
        with os.fdopen(os.open(settings.path(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(base64.b64decode(text))
    settings.path(PUBLIC_FILE).write_text(manifest.recipient + "\n")


def _write_settings(settings: Settings, index: Index) -> tuple[str, ...]:
    """Leave the old host's settings beside the data, and return the names of those that are not the same here."""

    here = changed_settings(settings)
    other = tuple(sorted(name for name, text in index.settings.items() if here.get(name) != text))
    path = settings.path(SETTINGS_FILE)
    lines = [f"{name}={text}" for name, text in sorted(index.settings.items())]
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write("\n".join(["# Settings of the host that this instance was restored from.", *lines, ""]))
    return other
