"""Files: named objects in a folder or in any S3-compatible store, through obstore. Knows no table.

Areas that never mix: what may be served (`FileStore` itself, below `media/`), what members sent and nobody has
cleaned yet (`FileStore.uploads`), copies of what was reported (`FileStore.evidence`), and archives of members
(`FileStore.archives`), which their owners alone fetch; no route reads the others by name.
A file is written whole or not at all.
"""

# Long because every way to a stored file stands here: what passed it by would be missing in the log of changes.

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import io
import logging
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from parley.kit.errors import NotFound, StoreRefused, StoreSilent
from parley.kit.filelog import FileLog, open_file_log, sync_folder
from parley.kit.filelog_lines import NewChange
from parley.kit.gate import GateClosed
from parley.kit.ids import new_token
from parley.kit.metrics import note_refused_file

if TYPE_CHECKING:
    from parley.kit.settings import Settings

log = logging.getLogger(__name__)

CHUNK = 256 * 1024
"""How many bytes are read at a time."""

AREAS = ("media", "uploads", "evidence")
"""Folder or prefix of each area that a snapshot keeps, the served one first."""

ARCHIVES = "archives"
"""What members take away and bring along: made again when it is lost, so no snapshot and no other host has it."""

CONTENT = "content"
"""The folder of what is stored by its content, below the served area."""

NOTICES = "notices"
"""The folder of raw messages, in the area of evidence."""

SLOWEST_READER = timedelta(hours=1)
"""How long one file may take to be read from or written to an S3-compatible store: a video on a slow line."""

ANSWER_SECONDS = 30.0
"""So long a store may take to answer; and to take a file, beside the time of its bytes."""

SLOWEST_STORE = 128 * 1024
"""Bytes a second that a store takes at least."""

UNDO_SECONDS = 5.0
"""So long what was put in vain may take to be deleted; later a job finds it, as it finds what a crash left."""

RETRIES: Any = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=15),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=2), "base": 2},
}
"""How often a bucket that fails is asked again: somebody waits for the answer."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What a disk says that takes nothing more."""

SCRATCH = "scratch"
"""The area of temporary files, in metrics."""

NAME_BITS = 192
KEY_BITS = 128
_NAME = re.compile(r"[0-9a-z]{2}/[0-9a-z]{2}/[A-Za-z0-9_-]{22,64}\.[a-z0-9]{2,5}")
_DIGEST = r"[0-9a-f]{2}/(?P<digest>[0-9a-f]{64})"
_KEPT = {
    "media": (re.compile(rf"{CONTENT}/[0-9a-f]{{2}}/{_DIGEST}-[A-Za-z0-9_-]{{22}}\.[a-z0-9]{{2,5}}"), _NAME),
    "uploads": (_NAME,),
    "evidence": (
        re.compile(rf"{_DIGEST}(-[A-Za-z0-9_-]{{11}})?(\.[a-z0-9]{{2,5}})?"),
        re.compile(rf"{NOTICES}/{_DIGEST}"),
    ),
}
"""Each area's names. What has another is refused when it is put, because no other host would take it."""

IN_MEMORY = 5 * 2**20
"""Files up to this size are read once, hashed and written from memory; larger ones are hashed as they are written."""

Elsewhere = Callable[[str, str], Awaitable[bool]]
"""Asked for a file (area, name) that is missing; True once it has been put where it belongs."""


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


def is_kept_name(area: str, name: str) -> bool:
    """Whether a file of this area may have this name; nothing that leads elsewhere does."""
    return any(form.fullmatch(name) for form in _KEPT.get(area, ()))


def digest_in_name(area: str, name: str) -> str | None:
    """The SHA-256 that the name says its content has, in hexadecimal; None where the area's names say nothing."""
    for form in _KEPT.get(area, ()):
        match = form.fullmatch(name)
        if match is not None:
            return match.groupdict().get("digest")
    return None


class Keeping(msgspec.Struct, frozen=True):
    """What else is done with an area where the instance has a second host.

    `log`: where changes are written down; None on a host that only follows. `folder`: where the files lie, None for a
    bucket, which keeps by itself what it has taken.
    """

    area: str
    log: FileLog | None
    folder: Path | None


def refused(area: str, doing: str, error: BaseException) -> StoreRefused:
    """The error for a store, or a disk, that did not do what it was asked for: `put`, `read`, `move`, or `delete`.

    It is written into the log for the operator, and counted.
    """
    said = str(error).partition("\n")[0][:300] or type(error).__name__
    log.error("the store of files refused to %s a file of the area %r: %s", doing, area, said)
    note_refused_file(area, doing)
    return (StoreSilent if doing == "read" else StoreRefused)(detail=said)


class FileStore:
    """One area of the store. `uploads`, `evidence` and `archives` are the others (None on those areas themselves).

    `keeping` None: a host that stands alone. `elsewhere` is asked for files that are missing.
    """

    def __init__(
        self,
        store: Any,
        uploads: FileStore | None = None,
        evidence: FileStore | None = None,
        archives: FileStore | None = None,
        *,
        keeping: Keeping | None = None,
        area: str = AREAS[0],
    ) -> None:
        self._area = area
        self._store = store
        self._uploads = uploads
        self._evidence = evidence
        self._archives = archives
        self._keeping = keeping
        self.elsewhere: Elsewhere | None = None

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

    @property
    def archives(self) -> FileStore:
        """The area of archives that members take away or bring along."""
        if self._archives is None:
            raise RuntimeError("this area of the store has no area of archives")
        return self._archives

    @contextlib.asynccontextmanager
    async def _asking(self, doing: str, *, size: int | None = 0) -> AsyncIterator[None]:
        """Ask the store, in a time that is right for so many bytes (None: however long it takes).

        Raises StoreRefused for whatever is no answer. That something is not there, or has no possible name, is one.
        """
        import obstore.exceptions as refusals

        try:
            async with asyncio.timeout(None if size is None else ANSWER_SECONDS + size / SLOWEST_STORE):
                yield
        except (OSError, refusals.BaseError) as error:
            if isinstance(error, FileNotFoundError) and doing != "put":
                raise
            raise refused(self._area, doing, error) from error

    async def put(self, name: str, content: bytes | Path) -> None:
        """Write a file from memory, or from a path in parts of 5 MiB. Atomic; replaces what was there.

        With a second host it is on disk and in the file log then, and on the other host too where commits wait for it.
        Raises StoreRefused when it could not be kept, GateClosed where this host may not write, NotSafe when the other
        one did not confirm in time.
        """
        keeping = self._keeping
        file_log = keeping.log if keeping is not None else None
        if keeping is not None and not is_kept_name(keeping.area, name):
            raise ValueError(f"{name} is no name that the area {keeping.area} knows: see _KEPT")
        if file_log is not None:
            await file_log.gate.enter()
        position = 0
        try:
            async with self._asking("put", size=_size_of(content)):
                size, sha256 = await self._write(name, content)
            if keeping is not None and file_log is not None:
                async with self._asking("put", size=None):
                    put = NewChange(op="put", area=keeping.area, name=name, size=size, sha256=sha256)
                    position = await file_log.note(put)
        except (GateClosed, StoreRefused):
            if keeping is None or file_log is not None:  # who follows may have had that file before
                await self._undo(name)
            raise
        if file_log is not None:
            await file_log.wait_safe(position)

    async def _undo(self, name: str) -> None:
        """Delete what was put in vain, where nobody else can have written that name."""
        import obstore

        if name.startswith(f"{CONTENT}/") or is_file_name(name):
            with contextlib.suppress(OSError, obstore.exceptions.BaseError):
                async with asyncio.timeout(UNDO_SECONDS):
                    await obstore.delete_async(self._store, name)

    async def _write(self, name: str, content: bytes | Path) -> tuple[int, str]:
        """Write a file; where there is a second host also hash it on the way, and wait for the disk.

        Returns the size and the SHA-256 in hexadecimal, as far as they were looked for.
        """
        import obstore

        if self._keeping is None:
            await obstore.put_async(self._store, name, content)
            return 0, ""
        hashing = _Hashing(content)
        await obstore.put_async(self._store, name, await asyncio.to_thread(hashing.source))
        await self._sync(name)
        return hashing.size, hashing.digest.hexdigest()

    async def _sync(self, name: str) -> None:
        assert self._keeping is not None
        if self._keeping.folder is not None:
            await asyncio.to_thread(_sync_file, self._keeping.folder, name)

    async def head(self, name: str) -> FileInfo:
        """Size and time of a file; raises NotFound, or StoreSilent when the store does not answer."""
        import obstore

        try:
            async with self._asking("read"):
                meta = await obstore.head_async(self._store, name)
        except (FileNotFoundError, ValueError) as error:
            raise NotFound(detail=f"no file {name}") from error
        return FileInfo(meta["size"], meta["last_modified"])

    async def fetch_missing(self, name: str) -> bool:
        """Ask elsewhere for a file that is not here, where there is an elsewhere; True once it is here."""
        return self.elsewhere is not None and await self.elsewhere(
            self._keeping.area if self._keeping else AREAS[0], name
        )

    async def exists(self, name: str) -> bool:
        """Whether the file is there."""
        try:
            await self.head(name)
        except NotFound:
            return False
        return True

    async def read(self, name: str, *, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Open a file and return its bytes from `start` up to, not including, `end`, in chunks.

        Raises NotFound, or StoreSilent, before the first chunk, so that a door can still answer 404 or 503.
        """
        import obstore

        options: dict[str, Any] = {}
        if end is not None:
            options["range"] = (start, end)
        elif start:
            options["range"] = {"offset": start}
        try:
            async with self._asking("read"):
                result = await obstore.get_async(self._store, name, options=options)  # type: ignore[arg-type]
        except (FileNotFoundError, ValueError) as error:
            if not await self.fetch_missing(name):
                raise NotFound(detail=f"no file {name}") from error
            async with self._asking("read"):
                result = await obstore.get_async(self._store, name, options=options)  # type: ignore[arg-type]
        return _chunks(result)

    async def get(self, name: str, *, limit: int) -> bytes:
        """A small file whole; raises ValueError when it is larger than `limit` bytes."""
        if (await self.head(name)).size > limit:
            raise ValueError(f"{name} is larger than {limit} bytes")
        return b"".join([chunk async for chunk in await self.read(name)])

    def open_seekable(self, name: str) -> IO[bytes]:
        """A stored file to be read from anywhere in it, on a thread of its own: each piece is fetched when it is read.

        Raises FileNotFoundError.
        """
        import obstore

        return io.BufferedReader(_SeekableFile(obstore.open_reader(self._store, name)), buffer_size=CHUNK)

    async def save_to(self, name: str, path: Path) -> None:
        """Copy a stored file to `path` on this machine, a chunk at a time."""
        with path.open("wb") as file:
            async for chunk in await self.read(name):
                await asyncio.to_thread(file.write, chunk)

    async def delete(self, name: str) -> None:
        """Remove a file; one that is already gone is fine. Raises StoreRefused."""
        import obstore

        keeping = self._keeping
        if keeping is not None and keeping.log is not None:
            await keeping.log.gate.enter()
        with contextlib.suppress(FileNotFoundError):
            async with self._asking("delete"):
                await obstore.delete_async(self._store, name)
        if keeping is not None and keeping.log is not None:
            await keeping.log.note(NewChange(op="delete", area=keeping.area, name=name))

    async def discard(self, *names: str | None) -> None:
        """Remove what turned out not to be wanted, as far as the store does that now; a job finds what stays."""
        for name in filter(None, names):
            with contextlib.suppress(StoreRefused, GateClosed):
                await self.delete(name)

    async def move(self, name: str, target: str) -> None:
        """Give a file another name, in place of what had that name."""
        import obstore

        keeping = self._keeping
        if keeping is None:
            async with self._asking("move"):
                await obstore.rename_async(self._store, name, target)
            return
        if not is_kept_name(keeping.area, target):
            raise ValueError(f"{target} is no name that the area {keeping.area} knows: see _KEPT")
        if keeping.log is not None:
            await keeping.log.gate.enter()
        async with self._asking("move"):
            await obstore.rename_async(self._store, name, target)
            await self._sync(target)
        if keeping.log is not None:
            size = (await self.head(target)).size
            sha256 = digest_in_name(keeping.area, target) or await self.hash_of(target)
            await keeping.log.note(
                NewChange(op="move", area=keeping.area, name=name, target=target, size=size, sha256=sha256)
            )

    async def hash_of(self, name: str) -> str:
        """The SHA-256 of a stored file in hexadecimal, read whole; raises NotFound."""
        digest = hashlib.sha256()
        async for chunk in await self.read(name):
            digest.update(chunk)
        return digest.hexdigest()

    async def list_all(self) -> AsyncIterator[list[tuple[str, FileInfo]]]:
        """Every file of this area with what the store knows of it; batches in no order."""
        import obstore

        async for batch in obstore.list(self._store, chunk_size=200):
            yield [(meta["path"], FileInfo(meta["size"], meta["last_modified"])) for meta in batch]

    async def list_folders(self) -> list[str]:
        """Folders that hold all files between them, each with not too many: those at the top, in order, and instead of
        the few that hold most of everything the folders in them."""
        import obstore

        folders: list[str] = []
        for folder in (await obstore.list_with_delimiter_async(self._store))["common_prefixes"]:
            if folder in (CONTENT, NOTICES):
                folders += (await obstore.list_with_delimiter_async(self._store, folder))["common_prefixes"]
            else:
                folders.append(folder)
        return sorted(folders)

    async def list_sizes(self, folder: str) -> dict[str, int]:
        """Every file below a folder, with its size in bytes."""
        import obstore

        found: dict[str, int] = {}
        async for batch in obstore.list(self._store, folder, chunk_size=1000):
            found.update((meta["path"], meta["size"]) for meta in batch)
        return found

    async def list_older(self, than: datetime, *, under: str | None = None) -> AsyncIterator[list[str]]:
        """Names of files last written before `than`, in the folder `under` or everywhere; batches in no order."""
        import obstore

        async for batch in obstore.list(self._store, under, chunk_size=200):
            yield [meta["path"] for meta in batch if meta["last_modified"] < than]


class _SeekableFile(io.RawIOBase):
    """A stored file as Python's own libraries want one."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._reader.seek(offset, whence))

    def tell(self) -> int:
        return int(self._reader.tell())

    def readinto(self, buffer: Any) -> int:
        data = bytes(self._reader.read(len(buffer)))
        buffer[: len(data)] = data
        return len(data)


async def _chunks(result: Any) -> AsyncIterator[bytes]:
    async for chunk in result.stream(min_chunk_size=CHUNK):
        yield bytes(chunk)


def _size_of(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


class _Hashing:
    """Content that is hashed as it is read, once."""

    def __init__(self, content: bytes | Path) -> None:
        self._content = content
        self.size = _size_of(content)
        self.digest = hashlib.sha256()

    def source(self) -> bytes | Iterator[bytes]:
        """What the store is given."""
        if isinstance(self._content, Path) and self.size > IN_MEMORY:
            return self._parts(self._content)
        data = self._content if isinstance(self._content, bytes) else self._content.read_bytes()
        self.size = len(data)
        self.digest.update(data)
        return data

    def _parts(self, path: Path) -> Iterator[bytes]:
        self.size = 0
        with path.open("rb") as file:
            while chunk := file.read(2**20):
                self.digest.update(chunk)
                self.size += len(chunk)
                yield chunk


def _sync_file(folder: Path, name: str) -> None:
    """Wait until a file, and every folder on the way to it, is on disk."""
    path = folder / name
    with path.open("rb") as file:
        os.fsync(file.fileno())
    for parent in path.parents:
        sync_folder(parent)
        if parent == folder:
            return


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


def open_file_store(settings: Settings, *, following: bool = False) -> FileStore:
    """The instance's file store, as `settings.media_store` says; makes the folders when they are missing.

    `following`: for whoever copies files of another host, or of a snapshot, here, which are on disk then and in no log.
    """
    places = [_open_area(settings, name) for name in (*AREAS, ARCHIVES)]
    log = None if following else open_file_log(settings)
    keeping = [
        Keeping(area, log, folder) if following or log is not None else None
        for area, (_, folder) in zip(AREAS, places, strict=False)
    ]
    uploads, evidence = (FileStore(places[at][0], keeping=keeping[at], area=AREAS[at]) for at in (1, 2))
    archives = FileStore(places[3][0], area=ARCHIVES)
    return FileStore(places[0][0], uploads, evidence, archives, keeping=keeping[0])


def _open_area(settings: Settings, name: str) -> tuple[Any, Path | None]:
    """The store of one area, and its folder when it is one."""
    from obstore.store import LocalStore, from_url

    if settings.media_store:
        url = f"{settings.media_store.rstrip('/')}/{name}"
        return from_url(url, client_options=bucket_options(), retry_config=RETRIES), None
    folder = settings.path(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder, automatic_cleanup=True), folder
