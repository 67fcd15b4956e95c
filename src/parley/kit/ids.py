"""Identifiers: time-ordered 64-bit ids (made by the database) and unguessable tokens (made here).

An id is milliseconds since 1970 shifted left by 16 bits, plus 16 bits of a sequence, as Mastodon's are, so that
clients which read a time out of an id are right. Anything that must not be counted through (files, links in mail,
access tokens) is named by `new_token` instead.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import UTC, datetime

from parley.kit.errors import NotFound

MAX_ID = 2**63 - 1


def parse_id(text: str) -> int:
    """An id as clients send it (a decimal string) as int; raises NotFound for anything else."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise NotFound
    number = int(text)
    if not 0 < number <= MAX_ID:
        raise NotFound
    return number


def id_at(moment: datetime) -> int:
    """The smallest id that could have been made at `moment`."""
    return int(moment.timestamp() * 1000) << 16


def time_of_id(number: int) -> datetime:
    """When the id was made, to the millisecond."""
    return datetime.fromtimestamp((number >> 16) / 1000, tz=UTC)


def new_token(bits: int = 256) -> str:
    """An unguessable URL-safe name with `bits` of entropy."""
    return secrets.token_urlsafe(bits // 8)


def token_hash(token: str) -> bytes:
    """SHA-256 of a token (32 bytes): what is stored, so that a stolen database holds no usable token."""
    return hashlib.sha256(token.encode()).digest()
