"""A restore that is not finished: what says so, whose files are whose, and how it is taken back.

A marker in the data folder is there from before the first thing is written until everything is. With it nothing starts.
In a bucket an object of our own claims the place meanwhile, so that nobody ever deletes what another restore put there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from parley.hosting.errors import SnapshotError
from parley.hosting.making import KEYS, areas_of
from parley.hosting.sealing import PUBLIC_FILE
from parley.kit.filelog import sync_folder
from parley.kit.files import bucket_options, open_file_store
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

MARKER = "restore-unfinished.json"
NAMES = "restore-unfinished.files"
"""Every file that the restore will put, one a line; written before the first of them is."""
CLAIM = "restore-unfinished"
"""The object in a bucket that says which restore fills it."""
SETTINGS_FILE = "restored-settings.env"
SCRATCH = "restore-"


class Unfinished(msgspec.Struct, frozen=True, kw_only=True):
    """A restore that was begun into this data folder. `made`: the names in the data folder that were free before."""

    run: str
    snapshot: str
    place: str
    media_store: str
    database: str
    """SHA-256 of the database's address; empty for the embedded one."""
    made: tuple[str, ...]


def read_unfinished(settings: Settings) -> Unfinished | None:
    """The restore that was begun here and is not finished, if there is one."""
    try:
        return msgspec.json.decode(settings.path(MARKER).read_bytes(), type=Unfinished)
    except FileNotFoundError:
        return None


def check_finished(settings: Settings) -> None:
    """Raise SnapshotError while what lies in the data folder is half of an instance."""
    unfinished = read_unfinished(settings)
    if unfinished is not None:
        raise SnapshotError(
            f"The restore of {unfinished.snapshot} into {settings.path()} is not finished, so nothing may start here. "
            f"If it does not run any more, run `parley snapshot restore --from {unfinished.place}` again: it finishes "
            "what is whole, and begins again what is not."
        )


def begin(settings: Settings, *, run: str, snapshot: str, place: str, names: Iterable[str]) -> Unfinished:
    """Leave the marker, and before it the list of files that will be put: both are on disk when this returns."""
    made = tuple(name for name in (*KEYS, PUBLIC_FILE, SETTINGS_FILE) if not settings.path(name).exists())
    unfinished = Unfinished(
        run=run,
        snapshot=snapshot,
        place=place,
        media_store=settings.media_store,
        database=_fingerprint(settings.database_url),
        made=made,
    )
    write_durably(settings.path(NAMES), (f"{name}\n".encode() for name in names))
    write_durably(settings.path(MARKER), [msgspec.json.encode(unfinished)])
    return unfinished


def check_same_place(settings: Settings, unfinished: Unfinished) -> None:
    """Raise SnapshotError when the settings name another database or store than when the restore was begun."""
    if unfinished.database != _fingerprint(settings.database_url) or unfinished.media_store != settings.media_store:
        raise SnapshotError(
            f"The restore that was begun in {settings.path()} had another database_url or media_store. Set both as "
            "they were and run it again, or restore into a new data folder, an empty database and an empty store."
        )


def _fingerprint(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest() if address else ""


async def check_store_is_empty(settings: Settings) -> None:
    """Raise SnapshotError when there is any file in the place for files, or another restore fills it."""
    import obstore

    where = settings.media_store or str(settings.path())
    advice = "Restore into an empty place: another bucket or prefix (PARLEY_MEDIA_STORE), or another data folder."
    try:
        if await _claim_of(settings) is not None:
            raise SnapshotError(
                f"Another restore fills {where}, or was cut off there. {advice} Where nothing in it is needed, empty "
                f"it, and remove the object {CLAIM} last."
            )
        files = open_file_store(settings, following=True)
        for name, area in {**areas_of(files), "archives": files.archives}.items():
            async for batch in area.list_all():
                if batch:
                    raise SnapshotError(
                        f"{where} is not empty: there are files in {name}/, such as {batch[0][0]}. A restore never "
                        f"touches files of an instance. {advice}"
                    )
    except (OSError, obstore.exceptions.BaseError) as error:
        raise SnapshotError(f"{where} cannot be read: {first_line(error)}") from error


async def claim_store(settings: Settings, unfinished: Unfinished) -> None:
    """Say in a bucket that this restore fills it; raises SnapshotError when another one was faster."""
    import obstore

    if not settings.media_store:
        return
    try:
        await obstore.put_async(_bucket(settings), CLAIM, unfinished.run.encode(), mode="create")
    except (FileExistsError, obstore.exceptions.AlreadyExistsError, obstore.exceptions.PreconditionError) as error:
        raise SnapshotError(f"Another restore has just begun to fill {settings.media_store}.") from error
    except (OSError, obstore.exceptions.BaseError) as error:
        raise SnapshotError(f"{settings.media_store} cannot be written to: {first_line(error)}") from error


async def _claim_of(settings: Settings) -> str | None:
    """Which run fills the bucket; None when none does, or files lie in the data folder."""
    import obstore

    if not settings.media_store:
        return None
    try:
        result = await obstore.get_async(_bucket(settings), CLAIM)
        return bytes(await result.bytes_async()).decode("ascii", "replace")
    except (FileNotFoundError, obstore.exceptions.NotFoundError):
        return None


def _bucket(settings: Settings) -> Any:
    from obstore.store import from_url

    return from_url(settings.media_store.rstrip("/"), client_options=bucket_options())


async def finish(settings: Settings) -> None:
    """Everything is restored: the claim goes, then the list, and the marker last."""
    import obstore

    unfinished = read_unfinished(settings)
    if unfinished is not None and await _claim_of(settings) == unfinished.run:
        await obstore.delete_async(_bucket(settings), CLAIM)
    settings.path(NAMES).unlink(missing_ok=True)
    settings.path(MARKER).unlink(missing_ok=True)
    sync_folder(settings.path())


async def take_back(settings: Settings, unfinished: Unfinished) -> None:
    """Remove what an unfinished restore has made, and nothing else; the marker goes last.

    The place for files was empty when the restore claimed it, and it puts no other names than those on its list. Where
    the claim is gone or another's, no file is touched. The rows are the database's own matter: they are kept in one
    transaction, or not at all.
    """
    files = open_file_store(settings, following=True)
    if not settings.media_store or await _claim_of(settings) == unfinished.run:
        areas = areas_of(files)
        for area, name in _listed(settings):
            if area in areas:
                await areas[area].delete(name)
    for name in unfinished.made:
        settings.path(name).unlink(missing_ok=True)
        settings.path(f"{name}.new").unlink(missing_ok=True)
    if not unfinished.database:
        server = EmbeddedPostgres(settings)
        if server.exists and server.is_running():
            server.abort(30)
        shutil.rmtree(settings.path("postgres"), ignore_errors=True)
    for left in settings.path("tmp").glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    await finish(settings)


def _listed(settings: Settings) -> Iterator[tuple[str, str]]:
    try:
        with settings.path(NAMES).open() as file:
            for line in file:
                area, _, name = line.rstrip("\n").partition("/")
                yield area, name
    except FileNotFoundError:
        return


def write_durably(path: Path, parts: Iterable[bytes], *, fresh: bool = False) -> None:
    """Write a file that only its owner may read, whole and safely on disk; `fresh`: raises FileExistsError over one."""
    new = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        for part in parts:
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    if fresh:
        os.link(new, path)
        new.unlink()
    else:
        new.replace(path)
    sync_folder(path.parent)


def first_line(error: BaseException) -> str:
    """The first line of what an error says, for a sentence."""
    return str(error).strip().split("\n")[0][:300] or type(error).__name__
