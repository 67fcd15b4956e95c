"""Signatures of this instance, for outsiders: Ed25519 (RFC 8032) by `cryptography`.

The key is made once and kept in `<data_dir>/signing.key`, readable by its owner alone; it goes with the instance when
that changes its host. What is signed is always bytes that the verifier has, never something to be rebuilt.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from parley.kit.settings import Settings, SettingsError

KEY_FILE = "signing.key"


def sign(settings: Settings, data: bytes) -> bytes:
    """The signature (64 bytes) of `data` with the instance's key."""
    return _key_of(settings.path(KEY_FILE)).sign(data)


def public_key_of(settings: Settings) -> bytes:
    """The public key (32 bytes), by which others check what the instance signed."""
    return _key_of(settings.path(KEY_FILE)).public_key().public_bytes_raw()


def public_key_in(private: bytes) -> bytes:
    """The public key (32 bytes) of what a key file holds; raises ValueError for anything that is no key."""
    return Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def fingerprint_of(public_key: bytes) -> str:
    """The SHA-256 of a public key in hexadecimal, for people to compare."""
    return hashlib.sha256(public_key).hexdigest()


def is_signed_by(public_key: bytes, signature: bytes, data: bytes) -> bool:
    """Whether `signature` of `data` was made with the private half of `public_key` (32 bytes)."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=8)
def _key_of(path: Path) -> Ed25519PrivateKey:
    """The key in a file of 32 bytes; made when there is none, by one process even when several ask at once."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        fresh = path.with_name(f"{path.name}.{os.getpid()}")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(Ed25519PrivateKey.generate().private_bytes_raw())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, path)  # never over one that another process made meanwhile
        fresh.unlink()
    data = path.read_bytes()
    if len(data) != 32:
        raise SettingsError(f"{path} is not a signing key: put the right one back from a snapshot.")
    return Ed25519PrivateKey.from_private_bytes(data)
