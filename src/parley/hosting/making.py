"""Making snapshots, and throwing away old ones.

A snapshot is one signed manifest and the objects that it names, encrypted. The manifest is written last, so what has
none is not a snapshot. Files that a former snapshot in the same place holds already are not copied again.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

import parley
from parley.hosting import store
from parley.hosting.dumping import Progress, Tally, Writing, dump_tables
from parley.hosting.manifest import (
    FOLDER,
    FORMAT,
    FileEntry,
    Index,
    Manifest,
    Stored,
    decode_manifest,
    encode_manifest,
    merkle_root,
)
from parley.hosting.places import Place, open_place
from parley.hosting.sealing import recovery_recipient
from parley.kit.db import connect
from parley.kit.errors import NotFound
from parley.kit.files import AREAS, FileStore, open_file_store, scratch_folder
from parley.kit.settings import PREFIX, Settings
from parley.kit.signing import public_key_of, sign

KEYS = ("secret.key", "signing.key", "link-ca.key", "link-ca.crt")
"""The instance's own keys, in its data folder; the last two are there once it has had a second host."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that was just made. `key_file` is where a new recovery key was written."""

    manifest: Manifest
    copied: int
    """Bytes that were written to the place."""
    seconds: float
    removed: int
    """Older snapshots that were thrown away."""
    key_file: Path | None


async def create_snapshot(
    settings: Settings, dsn: str, url: str, *, keep: int | None = None, progress: Progress | None = None
) -> Made:
    """Save the whole instance to `url`; with `keep`, only so many snapshots stay there.

    Everything in the database is of one moment. Files are copied after that moment, and one that is deleted meanwhile
    is named as vanished. Raises SnapshotError; what was written before an error is no snapshot and is used by the next.
    """
    began = datetime.now(UTC)
    place = open_place(url, make=True)
    recipient, key_file = recovery_recipient(settings)
    signer = public_key_of(settings).hex()  # before the keys are read: this makes the one that is missing
    known = await _known_files(place, settings)
    with tempfile.TemporaryDirectory(dir=scratch_folder(settings), prefix="snapshot-") as folder:
        tally = Tally(progress)
        writing = Writing(place, recipient, Path(folder), tally)
        connection = await connect(dsn)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                about = await store.get_about(connection)
                areas = areas_of(open_file_store(settings))
                listed = [
                    (area, *one) for area, files in areas.items() async for batch in files.list_all() for one in batch
                ]
                tally.expect(sum(info.size for _, _, info in listed) + await store.get_database_size(connection))
                tables = await dump_tables(connection, writing)
                sequences = await store.list_sequences(connection)
        finally:
            await connection.close()
        files, vanished, again = await _save_files(writing, areas, listed, known)
        index = Index(
            tables=tuple(tables),
            sequences=sequences,
            files=tuple(files),
            vanished=tuple(vanished),
            settings=changed_settings(settings),
            keys=_read_keys(settings),
        )
        index_object = await _save_index(writing, index)
    objects = {**{one.name: one for one in again}, **writing.objects}
    copied = sum(one.size for one in writing.objects.values())
    del objects[index_object.name]
    manifest = Manifest(
        format=FORMAT,
        snapshot=f"{began:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}",
        created_at=began,
        domain=settings.local_domain,
        instance_id=about.instance_id,
        program=parley.__version__,
        schema_version=about.schema_version,
        oldest_compatible=about.oldest_compatible,
        recipient=recipient,
        signer=signer,
        index=index_object,
        objects=tuple(sorted(objects.values(), key=lambda one: one.name)),
        rows=sum(table.rows for table in tables),
        files=len(files),
        media_root=merkle_root(one.sha256 for one in files),
    )
    await _finish(settings, place, manifest)
    _remember(settings, place, files, objects)
    removed = await remove_old_snapshots(place, keep) if keep else 0
    seconds = (datetime.now(UTC) - began).total_seconds()
    return Made(manifest=manifest, copied=copied, seconds=seconds, removed=removed, key_file=key_file)


async def _finish(settings: Settings, place: Place, manifest: Manifest) -> None:
    """Only now it is a snapshot: the manifest comes after everything that it names, and after its signature."""
    encoded = encode_manifest(manifest)
    await place.put(f"{FOLDER}/{manifest.snapshot}/manifest.sig", sign(settings, encoded))
    await place.put(f"{FOLDER}/{manifest.snapshot}/manifest.json", encoded)


def areas_of(files: FileStore) -> dict[str, FileStore]:
    """The areas of the file store by name."""
    return dict(zip(AREAS, (files, files.uploads, files.evidence), strict=True))


async def _save_index(writing: Writing, index: Index) -> Stored:
    with tempfile.TemporaryFile(dir=writing.scratch) as file:
        file.write(msgspec.json.encode(index))
        file.seek(0)
        return writing.objects[await writing.add(file, compress=True)]


async def _save_files(
    writing: Writing,
    areas: dict[str, FileStore],
    listed: Sequence[tuple[str, str, Any]],
    known: dict[tuple[str, str, int, datetime], tuple[FileEntry, Stored]],
) -> tuple[list[FileEntry], list[str], list[Stored]]:
    """Copy what the last snapshot does not hold; returns the files in order, the vanished, the objects that stay."""
    entries: list[FileEntry] = []
    vanished: list[str] = []
    again: list[Stored] = []
    for area, name, info in sorted(listed, key=lambda one: (one[0], one[1])):
        before = known.get((area, name, info.size, info.modified_at))
        if before and await writing.place.size_of(before[1].name) == before[1].size:
            entries.append(before[0])
            again.append(before[1])
            writing.tally.add(info.size)
            continue
        with tempfile.TemporaryFile(dir=writing.scratch) as file:
            digest = hashlib.sha256()
            try:
                async for chunk in await areas[area].read(name):
                    digest.update(chunk)
                    await asyncio.to_thread(file.write, chunk)
            except NotFound:
                vanished.append(f"{area}/{name}")
                continue
            size = file.tell()
            file.seek(0)
            stored = await writing.add(file, compress=False)
        entries.append(FileEntry(area, name, digest.hexdigest(), size, info.modified_at, stored))
    return entries, vanished, again


async def _known_files(
    place: Place, settings: Settings
) -> dict[tuple[str, str, int, datetime], tuple[FileEntry, Stored]]:
    """What the newest snapshot of this instance in `place` holds, as far as this machine remembers its index.

    The index itself is encrypted to a key that the instance does not have, so a copy of the list is kept in the data
    folder; without it everything is copied again, and nothing worse happens.
    """
    path = settings.path("snapshots", _memory_name(place))
    try:
        remembered = msgspec.json.decode(path.read_bytes(), type=list[tuple[FileEntry, Stored]])
    except (OSError, msgspec.DecodeError):
        return {}
    return {(one.area, one.name, one.size, one.modified_at): (one, stored) for one, stored in remembered}


def _memory_name(place: Place) -> str:
    return hashlib.sha256(place.url.encode()).hexdigest()[:16] + ".json"


def _remember(settings: Settings, place: Place, files: Sequence[FileEntry], objects: dict[str, Stored]) -> None:
    path = settings.path("snapshots", _memory_name(place))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode([(one, objects[one.object]) for one in files]))
    temporary.replace(path)


def changed_settings(settings: Settings) -> dict[str, str]:
    """Settings that are not the default, as they would stand in the environment; the data folder is this machine's."""
    changed = {}
    for field in msgspec.structs.fields(Settings):
        value = getattr(settings, field.name)
        if value != field.default and field.name not in ("data_dir", "database_url"):
            text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
            changed[PREFIX + field.name.upper()] = text
    return changed


def _read_keys(settings: Settings) -> dict[str, str]:
    keys = {}
    for name in KEYS:
        path = settings.path(name)
        if path.exists():
            keys[name] = base64.b64encode(path.read_bytes()).decode()
    return keys


async def remove_old_snapshots(place: Place, keep: int) -> int:
    """Keep the newest `keep` snapshots and the objects that they name; returns how many snapshots were removed.

    Objects that no manifest names are left by a snapshot that was not finished, or were those of one that is removed.
    """
    names = await list_snapshots(place)
    old, kept = names[:-keep], names[-keep:]
    if not old:
        return 0
    needed: set[str] = set()
    for name in kept:
        manifest = decode_manifest(await place.get(f"{FOLDER}/{name}/manifest.json"))
        needed |= {manifest.index.name, *(one.name for one in manifest.objects)}
    for name in old:
        await place.delete(f"{FOLDER}/{name}/manifest.json")
        await place.delete(f"{FOLDER}/{name}/manifest.sig")
    for stored in await place.list_under("objects"):
        if stored not in needed:
            await place.delete(stored)
    return len(old)


async def list_snapshots(place: Place) -> list[str]:
    """Names of the whole snapshots in a place, oldest first."""
    names = await place.list_under(FOLDER)
    return [name.split("/")[-2] for name in names if name.endswith("/manifest.json")]
