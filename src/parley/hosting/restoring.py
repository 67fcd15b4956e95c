"""Restoring a snapshot onto an empty machine: files, keys, then the database; whole, or not at all.

The commit of all rows comes last, so a database with members in it has its keys and files beside it. Until everything
is done the data folder says so (parley.hosting.unfinished), and nothing starts there.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from parley.hosting import unfinished as unfinished_restore
from parley.hosting.dumping import Progress, Tally
from parley.hosting.errors import SnapshotError
from parley.hosting.loading import MaybeLoaded, Reading, check_versions, is_loaded, load_database
from parley.hosting.making import KEYS, areas_of, changed_settings
from parley.hosting.manifest import Index, Manifest
from parley.hosting.sealing import PUBLIC_FILE
from parley.hosting.unfinished import SCRATCH, SETTINGS_FILE, Unfinished, first_line, read_unfinished, write_durably
from parley.hosting.verifying import check_file, check_index, find_snapshot, read_index
from parley.kit.files import FileStore, open_file_store, scratch_folder
from parley.kit.migrate import migrate
from parley.kit.processes import AlreadyRunning, lock_data_folder
from parley.kit.settings import Settings

if TYPE_CHECKING:
    from pyrage import x25519

DATABASE_GROWS = 2
"""How many times as large as its compressed rows a database is at the very least."""

Opening = Callable[[Settings], AbstractContextManager[str]]
"""Gives the database's address for as long as it is needed, and starts an embedded server. Raises SnapshotError."""


class Kept(SnapshotError):
    """Rows are in the database, or may be: nothing is taken back, and the same restore run again goes on."""


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What was restored. `other_settings` are those of the snapshot that are not set the same here, by name."""

    manifest: Manifest
    rows: int
    files: int
    vanished: int
    other_settings: tuple[str, ...]


async def restore_snapshot(
    settings: Settings,
    open_database: Opening,
    url: str,
    *,
    identity: x25519.Identity,
    name: str | None = None,
    signer: str | None = None,
    progress: Progress | None = None,
) -> Restored:
    """Fill the configured, empty data folder, file store and database from a snapshot.

    Every object is checked before it is used, and all that can be checked is before anything is written. Raises
    SnapshotError, and then takes away again what it had written. One that was killed is run again: what it left is
    taken away first, or finished where all rows are there.
    """
    with _alone(settings):
        if read_unfinished(settings) is None:
            await check_is_empty(settings)
        place, manifest = await find_snapshot(url, name, signer=signer)
        check_versions(manifest)
        if manifest.domain != settings.local_domain:
            raise SnapshotError(
                f"The snapshot is of {manifest.domain}, and this instance is {settings.local_domain}: members' "
                f"addresses cannot change. Set PARLEY_DOMAIN={manifest.domain} and restore again."
            )
        is_whole = await _settle(settings, open_database, manifest)
        with tempfile.TemporaryDirectory(dir=scratch_folder(settings), prefix=SCRATCH) as folder:
            reading = Reading(place, manifest, identity, Path(folder), Tally(progress, manifest.size * 2))
            index = await read_index(reading)
            if not is_whole:
                await check_is_empty(settings)
                check_index(manifest, index)
                _check_space(settings, manifest, index)
                await _restore(settings, open_database, reading, index)
    return Restored(
        manifest=manifest,
        rows=manifest.rows,
        files=len(index.files),
        vanished=len(index.vanished),
        other_settings=_other_settings(settings, index),
    )


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    try:
        lock = lock_data_folder(settings)
    except AlreadyRunning as error:
        raise SnapshotError(str(error)) from error
    with lock:
        yield


async def check_is_empty(settings: Settings) -> None:
    """Raise SnapshotError when an instance lives in the data folder already, or files in the place for files."""
    for name in (*KEYS, "postgres"):
        if settings.path(name).exists():
            raise SnapshotError(
                f"{settings.path()} is not empty ({name} is there): restore into a new data folder (PARLEY_DATA_DIR)."
            )
    await unfinished_restore.check_store_is_empty(settings)


def _check_space(settings: Settings, manifest: Manifest, index: Index) -> None:
    """What is sure not to fit is not begun. A database of one's own is on a disk that is not known here."""
    held = {file.object for file in index.files} | {manifest.index.name}
    rows = sum(one.size for one in manifest.objects if one.name not in held)
    needed = 0 if settings.media_store else sum(file.size for file in index.files)
    needed += 0 if settings.database_url else rows * DATABASE_GROWS
    free = shutil.disk_usage(settings.path()).free
    if needed > free:
        raise SnapshotError(
            f"{settings.path()} has {free / 1024**3:.1f} GiB free, and the snapshot needs {needed / 1024**3:.1f} GiB "
            "at least. Restore onto a larger disk."
        )


async def _settle(settings: Settings, open_database: Opening, manifest: Manifest) -> bool:
    """Deal with a restore that was cut off here. True: all of it was there already, and now it is finished.

    Otherwise what it had made is taken away.
    """
    left = read_unfinished(settings)
    if left is None:
        return False
    unfinished_restore.check_same_place(settings, left)
    if not await _has_all_rows(settings, open_database, left):
        await _take_back(settings, left)
        return False
    if left.snapshot != manifest.snapshot:
        raise SnapshotError(
            f"{left.snapshot} was restored into {settings.path()} but for the last step: run this again with "
            f"--name {left.snapshot} to finish it, or restore {manifest.snapshot} into a new data folder, an empty "
            "database and an empty store."
        )
    with open_database(settings) as dsn:
        await _finish(settings, dsn)
    return True


async def _has_all_rows(settings: Settings, open_database: Opening, left: Unfinished) -> bool:
    if settings.database_url:
        try:
            return await is_loaded(settings.database_url, left.run)
        except Exception as error:
            raise SnapshotError(f"The database cannot be reached, so nothing is done: {first_line(error)}") from error
    try:
        if not settings.path("postgres", "data", "PG_VERSION").exists():
            return False
        with open_database(settings) as dsn:
            return await is_loaded(dsn, left.run)
    except Exception:
        return False  # a server that was cut off while it was made; it has nothing but what the snapshot has


async def _restore(settings: Settings, open_database: Opening, reading: Reading, index: Index) -> None:
    manifest = reading.manifest
    unfinished = unfinished_restore.begin(
        settings,
        run=secrets.token_hex(16),
        snapshot=manifest.snapshot,
        place=reading.place.url,
        names=(f"{file.area}/{file.name}" for file in index.files),
    )
    async with _taken_back_on_error(settings, unfinished):
        await unfinished_restore.claim_store(settings, unfinished)
        await _restore_files(reading, index, areas_of(open_file_store(settings, following=True)))
        _write_keys(settings, manifest, index)
        _write_settings(settings, index)
        with open_database(settings) as dsn:
            try:
                await load_database(dsn, reading, index, run=unfinished.run)
            except MaybeLoaded as error:
                await _ask_what_became(dsn, unfinished, error)
            await _finish(settings, dsn)


async def _ask_what_became(dsn: str, unfinished: Unfinished, error: MaybeLoaded) -> None:
    """The connection was lost at the commit. Returns when all rows are there; raises SnapshotError."""
    try:
        loaded = await is_loaded(dsn, unfinished.run)
    except Exception as second:
        raise Kept(
            "The database was lost while it took the rows, so it is not known whether it has them; nothing was taken "
            "back. Run the same command again when it can be reached: it goes on from what is there."
        ) from second
    if not loaded:
        raise SnapshotError(f"The database was lost before it had taken the rows: {first_line(error)}") from error


async def _finish(settings: Settings, dsn: str) -> None:
    """All is there. What can still fail takes nothing away, and is done again by the same command."""
    try:
        await migrate(dsn)
        await unfinished_restore.finish(settings)
    except Exception as error:
        raise Kept(
            f"Everything of the snapshot is restored, and stays; but the last step failed: {first_line(error)} "
            "Run the same command again when that is mended; until then nothing starts here."
        ) from error


@asynccontextmanager
async def _taken_back_on_error(settings: Settings, unfinished: Unfinished) -> AsyncIterator[None]:
    try:
        yield
    except Kept:
        raise
    except SnapshotError:
        await _take_back(settings, unfinished)
        raise
    except Exception as error:
        await _take_back(settings, unfinished)
        raise SnapshotError(
            f"The restore failed, and what it had written is taken away again: {first_line(error)}"
        ) from error
    except BaseException:
        await _take_back(settings, unfinished)
        raise


async def _take_back(settings: Settings, unfinished: Unfinished) -> None:
    try:
        await unfinished_restore.take_back(settings, unfinished)
    except Exception as error:
        raise SnapshotError(
            "The restore failed, and what it had written could not all be taken away again: "
            f"{first_line(error)} Run the same command again: it takes the rest away first."
        ) from error


async def _restore_files(reading: Reading, index: Index, areas: dict[str, FileStore]) -> None:
    path = reading.scratch / "plain"
    for file in index.files:
        await reading.open(file.object, path, compressed=False)
        check_file(path, file.sha256, f"{file.area}/{file.name}")
        await areas[file.area].put(file.name, path)
        reading.tally.add(file.size)


def _write_keys(settings: Settings, manifest: Manifest, index: Index) -> None:
    """Keys are only readable by their owner, as when they were made. A recovery.pub that is here already stays."""
    for name, text in index.keys.items():
        write_durably(settings.path(name), [base64.b64decode(text)], fresh=True)
    if not settings.path(PUBLIC_FILE).exists():
        write_durably(settings.path(PUBLIC_FILE), [f"{manifest.recipient}\n".encode()])


def _write_settings(settings: Settings, index: Index) -> None:
    """Leave the old host's settings beside the data."""
    lines = [f"{name}={text}" for name, text in sorted(index.settings.items())]
    text = "\n".join(["# Settings of the host that this instance was restored from.", *lines, ""])
    write_durably(settings.path(SETTINGS_FILE), [text.encode()])


def _other_settings(settings: Settings, index: Index) -> tuple[str, ...]:
    """Names of the snapshot's settings that are not the same here."""
    here = changed_settings(settings)
    return tuple(sorted(name for name, text in index.settings.items() if here.get(name) != text))
