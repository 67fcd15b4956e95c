"""Copying files from another host: one at a time, verified before it is visible, and again until it is right.

Bytes arrive in memory or in a scratch file, are hashed on the way, and are put into this host's store only when their
hash is the one that the file log, the file's own name or the other host says. Knows no log and no order of changes.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from parley.hosting.standby.source import Arriving, Gone, Source, StoreTrouble, WrongFile
from parley.kit.errors import NotFound
from parley.kit.files import FileStore, digest_in_name, is_kept_name

log = logging.getLogger(__name__)

IN_MEMORY = 4 * 2**20
"""Files up to this size arrive in memory; larger ones in a scratch file."""

AT_ONCE = 8
"""Files that are on their way at the same time."""


class Wanted(msgspec.Struct, frozen=True):
    """A file that should be here. `size` and `sha256` (hexadecimal) as far as they are known: -1 and empty if not."""

    area: str
    name: str
    size: int = -1
    sha256: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What tells files apart."""
        return self.area, self.name


class Copier:
    """Copies files from `source` into this host's areas. Counts what it did."""

    def __init__(self, source: Source, areas: dict[str, FileStore], scratch: Path) -> None:
        self.source = source
        self.areas = areas
        self._scratch = scratch
        self._free = asyncio.Semaphore(AT_ONCE)
        self.files = 0
        self.bytes = 0

    async def copy(self, wanted: Wanted) -> bool:
        """Have a file here as it should be; False when the other host has it no more.

        Raises WrongFile when what arrives is not it, StoreTrouble when it cannot be kept, HostUnreachable.
        """
        if not is_kept_name(wanted.area, wanted.name):
            raise WrongFile("its name is not one that this area has: this Parley is older than the other one")
        async with self._free:
            if await self.has(wanted):
                return True
            try:
                async with self.source.read(wanted.area, wanted.name) as arriving:
                    await self._keep(wanted, arriving)
            except Gone:
                return False
            self.files += 1
            return True

    async def has(self, wanted: Wanted) -> bool:
        """Whether the file is here already, with the right bytes as far as that is known."""
        store = self.areas[wanted.area]
        try:
            size = (await store.head(wanted.name)).size
            if wanted.size not in (-1, size):
                return False
            return not wanted.sha256 or await store.hash_of(wanted.name) == wanted.sha256
        except NotFound:
            return False
        except Exception as error:
            raise StoreTrouble(_why(error)) from error

    async def delete(self, area: str, name: str) -> None:
        """Delete a file here."""
        try:
            await self.areas[area].delete(name)
        except Exception as error:
            raise StoreTrouble(_why(error)) from error

    async def _keep(self, wanted: Wanted, arriving: Arriving) -> None:
        if wanted.size not in (-1, arriving.size):
            raise WrongFile(f"it has {arriving.size} bytes there instead of {wanted.size}")
        expected = wanted.sha256 or digest_in_name(wanted.area, wanted.name)
        if arriving.size <= IN_MEMORY:
            data = b"".join([chunk async for chunk in arriving.chunks])
            await self._put(wanted, data, hashlib.sha256(data).hexdigest(), expected)
        else:
            with tempfile.TemporaryDirectory(prefix="copy-", dir=self._scratch) as folder:
                path = Path(folder) / "file"
                await self._put(wanted, path, await _save(arriving.chunks, path), expected)
        self.bytes += arriving.size

    async def _put(self, wanted: Wanted, content: bytes | Path, found: str, expected: str | None) -> None:
        if expected and found != expected:
            raise WrongFile(f"its bytes have the SHA-256 {found} instead of {expected}")
        try:
            await self.areas[wanted.area].put(wanted.name, content)
        except Exception as error:
            raise StoreTrouble(_why(error)) from error


async def _save(chunks: AsyncIterator[bytes], path: Path) -> str:
    """Write what arrives into a file; returns the SHA-256 in hexadecimal. Raises StoreTrouble for a full disk."""
    digest = hashlib.sha256()
    with path.open("wb") as file:

        def write(data: bytes) -> None:
            digest.update(data)
            file.write(data)

        try:
            async for chunk in chunks:
                await asyncio.to_thread(write, chunk)
        except OSError as error:
            raise StoreTrouble(_why(error)) from error
    return digest.hexdigest()


def _why(error: BaseException) -> str:
    said = getattr(error, "detail", "") or str(error)  # what a member is told of a store says less
    return (said.strip().split("\n")[0] or type(error).__name__)[:300]
