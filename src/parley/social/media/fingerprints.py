"""MD5, SHA-1 and SHA-256 of a file as it was sent, which lists of known files name. Reads it once, piece by piece."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

from parley.social.media.results import FileHash

_PIECE = 2**20


async def hash_bytes(path: Path) -> tuple[FileHash, ...]:
    """The three hashes of the bytes of a file. MD5 and SHA-1 are there because lists use them, not for safety."""
    return await asyncio.to_thread(_hash, path)


def _hash(path: Path) -> tuple[FileHash, ...]:
    digests = {
        "md5": hashlib.md5(usedforsecurity=False),
        "sha1": hashlib.sha1(usedforsecurity=False),
        "sha256": hashlib.sha256(),
    }
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            for digest in digests.values():
                digest.update(piece)
    return tuple(FileHash(kind, digest.hexdigest()) for kind, digest in digests.items())


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size
