"""Files: named objects in a folder or in any S3-compatible store, through obstore. Knows no table.

Three areas that never mix: what may be served (`FileStore` itself, below `media/`), what members sent and nobody
has cleaned yet (`FileStore.uploads`) and copies of what was reported (`FileStore.evidence`); no route reads the
latter two. A file is written whole or not at all.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from parley.kit.errors import NotFound
from parley.kit.ids import new_token

if TYPE_CHECKING:
    from parley.kit.settings import Settings

CHUNK = 256 * 1024
"""How many bytes are read at a time."""

AREAS = ("media", "uploads", "evidence")
"""Folder or prefix of each area, the served one first."""

CONTENT = "content"
"""The folder of what is stored by its content, below the served area."""

SLOWEST_READER = timedelta(hours=1)
"""How long one file may take to be read from or written to an S3-compatible store: a video on a slow line."""

NAME_BITS = 192
KEY_BITS = 128
_NAME = re.compile(r"[0-9a-z]{2}/[0-9a-z]{2}/[A-Za-z0-9_-]{22,64}\.[a-z0-9]{2,5}")


class FileInfo(msgspec.Struct, frozen=True):
    """What the store itself knows of a file: its size in bytes and when it was written."""

    size: int
    modified_at: datetime


def new_file_name(extension: str) -> str:
    """An unguessable name such as `k3/9z/<32 random characters>.jpg`; the folders only spread the load."""
    token = new_token(NAME_BITS)
    shard = re.sub(r"[^0-9a-z]", "0", token[:4].lower())
    return f"{shard[:2]}/{shard[2:]}/{token}.{extension}"


def new_content_key(digest: bytes, extension: str) -> str:
    """Where bytes with this SHA-256 are stored: `content/ab/cd/<the digest in hex>-<22 random characters>.jpg`.

    The random part makes each writing a key of its own: one that was given up never comes back, and whoever knows
    a content cannot ask the store for it.
    """
    name = digest.hex()
    return f"{CONTENT}/{name[:2]}/{name[2:4]}/{name}-{new_token(KEY_BITS)}.{extension}"


def is_file_name(name: str) -> bool:
    """Whether `name` has the form that `new_file_name` makes; anything else is not even looked up."""
    return _NAME.fullmatch(name) is not None


class FileStore:
    """One area of the store. `uploads` and `evidence` are the other two (None on those areas themselves)."""

    def __init__(self, store: Any, uploads: FileStore | None = None, evidence: FileStore | None = None) -> None:
        self._store = store
        self._uploads = uploads
        self._evidence = evidence

    @property
    def uploads(self) -> FileStore:
        """The area that no route serves."""
        if self._uploads is None:
            raise RuntimeError("the area of raw uploads has no such area of its own")
        return self._uploads

    @property
    def evidence(self) -> FileStore:
        """The area of copies that outlive what they were made of; no route serves it."""
        if self._evidence is None:
            raise RuntimeError("this area of the store has no area of evidence")
        return self._evidence

    async def put(self, name: str, content: bytes | Path) -> None:
        """Write a file from memory, or from a path in parts of 5 MiB. Atomic; replaces what was there."""
        import obstore

        await obstore.put_async(self._store, name, content)

    async def head(self, name: str) -> FileInfo:
        """Size and time of a file; raises NotFound."""
        import obstore

        try:
            meta = await obstore.head_async(self._store, name)
        except (FileNotFoundError, ValueError) as error:
            raise NotFound(detail=f"no file {name}") from error
        return FileInfo(meta["size"], meta["last_modified"])

    async def exists(self, name: str) -> bool:
        """Whether the file is there."""
        try:
            await self.head(name)
        except NotFound:
            return False
        return True

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Open a file and return its bytes from `start` up to, not including, `end`, in chunks.

        Raises NotFound before the first chunk, so that a door can still answer 404.
        """
        import obstore

        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        try:
            result = await obstore.get_async(self._store, name, options=options)  # type: ignore[arg-type]
        except (FileNotFoundError, ValueError) as error:
            raise NotFound(detail=f"no file {name}") from error
        return _chunks(result)

    async def get(self, name: str, *, limit: int) -> bytes:
        """A small file whole; raises ValueError when it is larger than `limit` bytes."""
        if (await self.head(name)).size > limit:
            raise ValueError(f"{name} is larger than {limit} bytes")
        return b"".join([chunk async for chunk in await self.read(name)])

    async def save_to(self, name: str, path: Path) -> None:
        """Copy a stored file to `path` on this machine, a chunk at a time."""
        import asyncio

        with path.open("wb") as file:
            async for chunk in await self.read(name):
                await asyncio.to_thread(file.write, chunk)

    async def delete(self, name: str) -> None:
        """Remove a file; one that is already gone is fine."""
        import obstore

        try:
            await obstore.delete_async(self._store, name)
        except FileNotFoundError:
            return

    async def move(self, name: str, target: str) -> None:
        """Give a file another name, in place of what had that name."""
        import obstore

        await obstore.rename_async(self._store, name, target)

    async def list_all(self) -> AsyncIterator[list[tuple[str, FileInfo]]]:
        """Every file of this area with what the store knows of it; batches in no order."""
        import obstore

        async for batch in obstore.list(self._store, chunk_size=200):
            yield [(meta["path"], FileInfo(meta["size"], meta["last_modified"])) for meta in batch]

    async def list_older(self, than: datetime, *, under: str | None = None) -> AsyncIterator[list[str]]:
        """Names of files last written before `than`, in the folder `under` or everywhere; batches in no order."""
        import obstore

        async for batch in obstore.list(self._store, under, chunk_size=200):
            yield [meta["path"] for meta in batch if meta["last_modified"] < than]


async def _chunks(result: Any) -> AsyncIterator[bytes]:
    async for chunk in result.stream(min_chunk_size=CHUNK):
        yield bytes(chunk)


def scratch_folder(settings: Settings) -> Path:
    """Where temporary files are made: beside the data, because /tmp is memory on many systems."""
    folder = settings.path("tmp")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def sweep_scratch(settings: Settings, before: datetime) -> None:
    """Delete temporary files that a crash left behind: those last changed before `before`."""
    for path in scratch_folder(settings).iterdir():
        try:
            if path.stat().st_mtime < before.timestamp():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except FileNotFoundError:
            continue


def bucket_options() -> Any:
    """How S3-compatible stores are spoken to. Plain http only where AWS_ALLOW_HTTP says so: a store on this machine."""
    plain = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true")
    return {"timeout": SLOWEST_READER, "allow_http": plain}


def open_file_store(settings: Settings) -> FileStore:
    """The instance's file store, as `settings.media_store` says; makes the folders when they are missing."""
    from obstore.store import LocalStore, from_url

    if settings.media_store:
        base = settings.media_store.rstrip("/")
        options = bucket_options()
        served, *others = (from_url(f"{base}/{name}", client_options=options) for name in AREAS)
        return FileStore(served, *map(FileStore, others))
    areas = []
    for name in AREAS:
        folder = settings.path(name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        areas.append(LocalStore(folder, automatic_cleanup=True))
    return FileStore(areas[0], *map(FileStore, areas[1:]))
