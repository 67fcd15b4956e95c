"""Where snapshots go: a folder, or a bucket of any S3-compatible store, named by one URL.

Whole objects only. Knows nothing of what is in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from parley.hosting.errors import SnapshotError
from parley.kit.files import CHUNK, bucket_options


class Place:
    """One folder or bucket."""

    def __init__(self, url: str, store: Any, *, has_types: bool = False) -> None:
        self.url = url
        self._store = store
        self._has_types = has_types

    async def put(self, name: str, content: bytes | Path, *, content_type: str | None = None) -> None:
        """Write an object whole, from memory or from a file; a bucket serves it as `content_type`."""
        import obstore

        options: Any = {"attributes": {"Content-Type": content_type}} if content_type and self._has_types else {}
        try:
            await obstore.put_async(self._store, name, content, **options)
        except (OSError, obstore.exceptions.BaseError) as error:
            raise SnapshotError(f"{name} could not be written to {self.url}: {_first_line(error)}") from error

    async def size_of(self, name: str) -> int | None:
        """Size in bytes, or None when there is no such object."""
        import obstore

        try:
            return int((await obstore.head_async(self._store, name))["size"])
        except (FileNotFoundError, obstore.exceptions.NotFoundError):
            return None
        except (OSError, obstore.exceptions.BaseError) as error:
            raise SnapshotError(f"{self.url} cannot be read: {_first_line(error)}") from error

    async def read(self, name: str) -> AsyncIterator[bytes]:
        """The bytes of an object, in chunks; raises SnapshotError when it is missing or cannot be read."""
        import obstore

        try:
            result = await obstore.get_async(self._store, name)
            async for chunk in result.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)
        except (FileNotFoundError, obstore.exceptions.NotFoundError) as error:
            raise SnapshotError(f"{name} is missing in {self.url}.") from error
        except (OSError, obstore.exceptions.BaseError) as error:
            raise SnapshotError(f"{name} in {self.url} cannot be read: {_first_line(error)}") from error

    async def get(self, name: str, *, limit: int = 256 * 1024 * 1024) -> bytes:
        """A small object whole."""
        parts, size = [], 0
        async for chunk in self.read(name):
            size += len(chunk)
            if size > limit:
                raise SnapshotError(f"{name} in {self.url} is larger than {limit} bytes: it is not what it should be.")
            parts.append(chunk)
        return b"".join(parts)

    async def list_under(self, prefix: str) -> list[str]:
        """Names of all objects below a prefix, in order."""
        import obstore

        try:
            names = [meta["path"] async for batch in obstore.list(self._store, prefix) for meta in batch]
        except (OSError, obstore.exceptions.BaseError) as error:
            raise SnapshotError(f"{self.url} cannot be read: {_first_line(error)}") from error
        return sorted(names)

    async def delete(self, name: str) -> None:
        """Remove an object; one that is gone already is fine."""
        import obstore

        try:
            await obstore.delete_async(self._store, name)
        except (FileNotFoundError, obstore.exceptions.NotFoundError):
            return
        except (OSError, obstore.exceptions.BaseError) as error:
            raise SnapshotError(f"{name} in {self.url} cannot be removed: {_first_line(error)}") from error


def open_place(url: str, *, make: bool = False) -> Place:
    """The place that `url` names: `/a/folder`, `file:///a/folder` or `s3://bucket/prefix` (credentials and endpoint
    from the usual AWS_ variables). `make` creates a missing folder. Raises SnapshotError for anything else."""
    from obstore.store import LocalStore, from_url

    parts = urlsplit(url)
    if parts.scheme in ("", "file"):
        folder = Path(parts.path if parts.scheme else url).expanduser().resolve()
        if make:
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            except OSError as error:
                raise SnapshotError(f"The folder {folder} cannot be made: {error.strerror}.") from error
        if not folder.is_dir():
            raise SnapshotError(f"There is no folder {folder}.")
        return Place(str(folder), LocalStore(folder, automatic_cleanup=True))
    if parts.scheme != "s3":
        raise SnapshotError(f"{url} is neither a folder nor s3://bucket/prefix.")
    try:
        return Place(url, from_url(url.rstrip("/"), client_options=bucket_options()), has_types=True)
    except Exception as error:
        raise SnapshotError(f"{url} cannot be opened: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300]
