"""Opening an archive that a member brought along: a ZIP file, or a tar.gz which is turned into one. Hostile input.

Nothing is ever unpacked under a name that the archive chose: what is wanted is looked up by its name and copied to a
place of our own. Sizes are bounded before anything is read. Must run on a thread of its own: every call blocks.
"""

from __future__ import annotations

import gzip
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from parley.kit.errors import Invalid, NotFound

MOST_CATALOGUE = 24 * 2**20
"""Bytes of a ZIP's table of contents: about 200,000 files. It is read into memory whole."""

MOST_ENTRIES = 300_000
MOST_HEADER = 2**20
PIECE = 2**18
_TAIL = 2**16 + 22
_END = b"PK\x05\x06"
_END64 = b"PK\x06\x06"
_LOCATOR64 = b"PK\x06\x07"
_GZIP = b"\x1f\x8b"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The others may ask for memory without end."""

DAMAGED = "This archive is damaged, or not one that can be read. Make it again where it comes from."
_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    struct.error,
    RuntimeError,
    NotImplementedError,
    OSError,
    ValueError,
)

Inspector = Callable[[bytes], int]
"""Called with the first bytes of a file; returns the most bytes that it may have, or raises Invalid."""


class Container:
    """An open archive."""

    def __init__(self, file: zipfile.ZipFile) -> None:
        self._zip = file
        self._names = {_plain(info.filename): info for info in file.infolist() if not info.is_dir()}

    def __contains__(self, name: str) -> bool:
        return _plain(name) in self._names

    def size(self, name: str) -> int:
        """What the archive says of a file's size; it cannot be read beyond that. Raises NotFound."""
        return self._info(name).file_size

    def _info(self, name: str) -> zipfile.ZipInfo:
        info = self._names.get(_plain(name))
        if info is None:
            raise NotFound(detail=f"no {name[:200]} in the archive")
        return info

    @contextmanager
    def open(self, name: str, *, most: int) -> Iterator[IO[bytes]]:
        """One file, to be read from its beginning. Raises NotFound, Invalid for one of more than `most` bytes."""
        info = self._info(name)
        if info.compress_type not in _METHODS or info.flag_bits & 0x1:
            raise Invalid("This archive is locked with a password, or packed in an unusual way. Pack it as plain ZIP.")
        if info.file_size > most:
            raise Invalid(f"{_plain(name)[:100]} in this archive is larger than {most // 2**20} MiB.")
        try:
            with self._zip.open(info) as file:
                yield file
        except _FAULTS as error:
            raise Invalid(DAMAGED, detail=repr(error)) from error

    def read(self, name: str, *, most: int) -> bytes:
        """A small file whole."""
        with self.open(name, most=most) as file:
            return file.read(most + 1)[:most]

    def copy(self, name: str, path: Path, inspect: Inspector, *, most: int) -> tuple[int, bytes]:
        """A file to a place of our own; returns its size and its first bytes, which decide how large it may be."""
        with self.open(name, most=most) as file, path.open("wb") as target:
            head = file.read(4096)
            limit, size = min(inspect(head), most), len(head)
            target.write(head)
            while chunk := file.read(PIECE):
                size += len(chunk)
                if size > limit:
                    raise Invalid(f"a file in the archive is larger than {limit // 2**20} MiB")
                target.write(chunk)
        if size > limit:
            raise Invalid(f"a file in the archive is larger than {limit // 2**20} MiB")
        return size, head


def _plain(name: str) -> str:
    """Names as they are compared: no leading slash or dot, one kind of slash."""
    return name.replace("\\", "/").lstrip("/").removeprefix("./")


@contextmanager
def open_container(file: IO[bytes]) -> Iterator[Container]:
    """Open a ZIP file; raises Invalid for what is none, and for one whose table of contents is too large."""
    try:
        if _catalogue_size(file) > MOST_CATALOGUE:
            raise Invalid("This archive holds too many files.")
        file.seek(0)
        opened = zipfile.ZipFile(file)
    except _FAULTS as error:
        raise Invalid(DAMAGED, detail=repr(error)) from error
    with opened:
        if len(opened.infolist()) > MOST_ENTRIES:
            raise Invalid("This archive holds too many files.")
        yield Container(opened)


def _catalogue_size(file: IO[bytes]) -> int:
    """How large the table of contents claims to be, before anything of it is read (APPNOTE 4.3.14 and 4.3.16)."""
    end = file.seek(0, 2)
    start = file.seek(max(0, end - _TAIL - 76))
    tail = file.read(end - start)
    sizes = [0]
    at = tail.rfind(_END)
    if at < 0:
        raise zipfile.BadZipFile("no end of central directory")
    while at >= 0:  # every place that may be taken for the end, so that none is hidden behind a comment
        if at + 20 <= len(tail):
            sizes.append(struct.unpack_from("<L", tail, at + 12)[0] % 0xFFFFFFFF)
        if at >= 20 and tail[at - 20 : at - 16] == _LOCATOR64:
            offset = struct.unpack_from("<Q", tail, at - 12)[0]
            for place in (offset, start + at - 76):
                file.seek(place)
                record = file.read(56)
                if record[:4] == _END64:
                    sizes.append(struct.unpack_from("<Q", record, 40)[0])
        at = tail.rfind(_END, 0, at)
    return max(sizes)


def is_tar(head: bytes) -> bool:
    """Whether this seems to be a tar.gz, as Mastodon made until 4.1."""
    return head[:2] == _GZIP


class _BoundedGzip(gzip.GzipFile):
    """Unpacks no more than it may, and never a large piece at once: headers of a tar may claim any size."""

    most = 0

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or size > MOST_HEADER:
            raise Invalid(DAMAGED)
        if self.tell() + size > self.most + MOST_HEADER:
            raise Invalid("This archive unpacks to more than an archive may hold.")
        return super().read(size)


def repack_tar(source: IO[bytes], target: Path, *, most: int) -> None:
    """Write the files of a tar.gz into a ZIP file. Links, devices and whatever else is no file are left out.

    Raises Invalid for what is damaged, or unpacks to more than `most` bytes.
    """
    packed = _BoundedGzip(fileobj=source, mode="rb")
    packed.most = most
    try:
        with (
            packed,
            tarfile.open(fileobj=packed, mode="r:") as tar,
            zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as file,
        ):
            count = total = 0
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # the library keeps every header otherwise
                count, total = count + 1, total + max(0, member.size)
                if count > MOST_ENTRIES or total > most or len(member.name) > 1000:
                    raise Invalid("This archive unpacks to more than an archive may hold.")
                if not member.isreg() or member.issparse():
                    continue
                content = tar.extractfile(member)
                assert content is not None
                method = zipfile.ZIP_DEFLATED if member.name.endswith(".json") else zipfile.ZIP_STORED
                info = zipfile.ZipInfo(_plain(member.name) or "unnamed")
                info.compress_type = method
                with content, file.open(info, "w", force_zip64=True) as entry:
                    while chunk := content.read(PIECE):
                        entry.write(chunk)
    except (tarfile.TarError, *_FAULTS) as error:
        raise Invalid(DAMAGED, detail=repr(error)) from error
