"""Writing an archive: a ZIP file that grows on disk, piece by piece, with a list of hashes that the instance signs.

Memory holds one piece at a time and the ZIP's table of contents. The list of hashes is the last but two of its files,
in the format of `sha256sum`, so that anybody can check an archive with what every system has: see README.txt in it.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import IO

from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of, sign

SUMS = "SHA256SUMS"
SIGNATURE = "SHA256SUMS.sig"
KEY = "instance-key.pem"
PIECE = 2**18
"""Text is gathered up to so many bytes before it is packed."""

# An Ed25519 public key as SubjectPublicKeyInfo (RFC 8410): these bytes, then the key.
_SPKI = bytes.fromhex("302a300506032b6570032100")


class ArchiveWriter:
    """One archive that is being written. Use `open_archive`."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6)
        self._sums: IO[bytes] = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 (closed by `close`)
        self._when = now().timetuple()[:6]
        self.files = 0

    async def add(self, name: str, content: bytes) -> None:
        """A small file whole."""

        async def once() -> AsyncIterator[bytes]:
            yield content

        await self.stream(name, once())

    async def stream(self, name: str, chunks: AsyncIterator[bytes], *, packed: bool = True) -> int:
        """A file of any size, as it comes; returns its size. `packed` off for what is packed already."""
        info = zipfile.ZipInfo(name, date_time=self._when)
        info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
        info.external_attr = 0o600 << 16
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info, "w", force_zip64=True) as file:
            async for chunk in _gathered(chunks):
                await asyncio.to_thread(file.write, chunk)
                digest.update(chunk)
                size += len(chunk)
        self._sums.write(f"{digest.hexdigest()}  {name}\n".encode())
        self.files += 1
        return size

    async def finish(self, settings: Settings) -> None:
        """Add the hashes, the instance's signature of them, and its public key; then the file is whole."""
        self._sums.seek(0)
        sums = self._sums.read()
        self._zip.writestr(SUMS, sums)
        self._zip.writestr(SIGNATURE, sign(settings, sums))
        self._zip.writestr(KEY, pem_of(public_key_of(settings)))
        await asyncio.to_thread(self._zip.close)

    def close(self) -> None:
        """Give up what is not finished."""
        self._sums.close()
        self._zip.close()


async def _gathered(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a useful size."""
    held, size = [], 0
    async for chunk in chunks:
        held.append(chunk)
        size += len(chunk)
        if size >= PIECE:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def pem_of(public_key: bytes) -> bytes:
    """An Ed25519 public key (32 bytes) as OpenSSL reads it."""
    body = base64.b64encode(_SPKI + public_key).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()


def key_in(pem: bytes) -> bytes | None:
    """The public key (32 bytes) in a file that `pem_of` wrote; None for anything else."""
    lines = pem.decode("ascii", "replace").split("\n")
    if len(lines) < 3 or len(lines[1]) > 200:
        return None
    try:
        body = base64.b64decode(lines[1], validate=True)
    except ValueError:
        return None
    return body[len(_SPKI) :] if body.startswith(_SPKI) and len(body) == len(_SPKI) + 32 else None


def hash_of(path: Path) -> str:
    """The SHA-256 of a whole file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


Progress = Callable[[int, int], None]
"""Called with how many posts and files of how many are written."""
