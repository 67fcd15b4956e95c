"""Passwords: argon2id hashing off the event loop, and what a password must be. Knows no database.

Never hash inside a transaction: a hash takes tens of milliseconds and would hold a connection that long.
"""

from __future__ import annotations

import asyncio
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from parley.kit.ids import new_token

MIN_LENGTH = 8
MAX_LENGTH = 256

HASHER = PasswordHasher()
"""argon2id with the library's parameters (RFC 9106, second recommendation: 64 MiB, 3 passes)."""

_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# Two at a time: each takes 64 MiB, and the machine must go on serving pages while somebody guesses passwords.


def problems_of(password: str, *, username: str = "", email: str = "") -> list[tuple[str, str]]:
    """What is wrong with a new password, as Mastodon's codes with a sentence; empty when it is fine."""
    if not password:
        return [("ERR_BLANK", "can't be blank")]
    if len(password) < MIN_LENGTH:
        return [("ERR_TOO_SHORT", f"is too short (minimum is {MIN_LENGTH} characters)")]
    if len(password) > MAX_LENGTH:
        return [("ERR_TOO_LONG", f"is too long (maximum is {MAX_LENGTH} characters)")]
    if "\0" in password:
        return [("ERR_INVALID", "may not hold a null character")]
    lowered = password.lower()
    if lowered in {username.lower(), email.lower(), email.lower().partition("@")[0]} - {""}:
        return [("ERR_INVALID", "must not be your username or e-mail address")]
    if len(set(lowered)) < 3:
        return [("ERR_INVALID", "must not be one character over and over")]
    return []


def _normal(password: str) -> str:
    # The same password typed on another system may arrive composed differently (NIST SP 800-63B, 3.1.1.2).
    return unicodedata.normalize("NFKC", password[: MAX_LENGTH * 4])


async def hash_password(password: str) -> str:
    """The hash to store, as a PHC string. Runs in a thread."""
    return await asyncio.get_running_loop().run_in_executor(_threads, HASHER.hash, _normal(password))


async def is_right_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the stored one. With `stored` None (no such member) it takes the same time, and says no."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_threads, _verify, stored, _normal(password))


def _verify(stored: str | None, password: str) -> bool:
    try:
        return HASHER.verify(stored or _nobodys_hash(HASHER), password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobodys_hash(hasher: PasswordHasher) -> str:
    return hasher.hash(new_token())


def is_outdated_hash(stored: str) -> bool:
    """Whether the hash was made with other parameters than today's and should be made anew."""
    return HASHER.check_needs_rehash(stored)
