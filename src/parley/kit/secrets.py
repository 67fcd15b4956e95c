"""Sealing of secrets at rest: AES-256-GCM by `cryptography`, with the instance's one key.

The key comes from `settings.secret_key`, or is made once and kept in `<data_dir>/secret.key`, readable by its
owner alone. Losing the key makes what was sealed unreadable (members must set up their one-time passwords
again); nothing here may log or return it.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import secrets
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from parley.kit.settings import KEY_BYTES, Settings, SettingsError

_NONCE_BYTES = 12
_VERSION = b"\x01"


class CannotUnseal(Exception):
    """The bytes were not sealed with this key for this purpose, or were changed."""


def seal(settings: Settings, data: bytes, *, purpose: str = "") -> bytes:
    """Encrypt and authenticate `data`. `purpose` is bound to it: only the same purpose opens it again."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _VERSION + nonce + _cipher(settings).encrypt(nonce, data, purpose.encode())


def unseal(settings: Settings, sealed: bytes, *, purpose: str = "") -> bytes:
    """What `seal` was given; raises CannotUnseal."""
    if sealed[:1] != _VERSION or len(sealed) < 1 + _NONCE_BYTES + 16:
        raise CannotUnseal("not a sealed value")
    nonce, body = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
    try:
        return _cipher(settings).decrypt(nonce, body, purpose.encode())
    except InvalidTag as error:
        raise CannotUnseal("sealed with another key or for another purpose") from error


def keyed_hash(settings: Settings, text: str, *, purpose: str) -> str:
    """HMAC-SHA-256 of `text` in hexadecimal, which only this instance can make. `purpose` is bound to it."""
    own_key = hmac.digest(_key_of(settings.secret_key, settings.path("secret.key")), purpose.encode(), "sha256")
    return hmac.digest(own_key, text.encode(), "sha256").hex()


def _cipher(settings: Settings) -> AESGCM:
    return AESGCM(_key_of(settings.secret_key, settings.path("secret.key")))


@lru_cache(maxsize=8)
def _key_of(given: str, path: Path) -> bytes:
    return _decode(given, "secret_key") if given else _kept_key(path)


def _decode(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SettingsError(f"{where} is not valid base64; give 32 random bytes in base64.") from error
    if len(key) != KEY_BYTES:
        raise SettingsError(f"{where} holds {len(key)} bytes; give 32 random bytes in base64.")
    return key


def _kept_key(path: Path) -> bytes:
    """The key in `path`, made when missing. Of several processes that start at once, the first link wins."""
    if not path.exists():
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    return _decode(path.read_text(), str(path))
