"""Limits on how often something may be tried.

`check_rate` and `count_try` count in the database, for doors that guess-work would attack (sign-in, codes,
mails). `RequestLimiter` counts in memory, for every other call of the API. Both honour `rate_limits = off`.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import msgspec

from parley.kit import store_limits
from parley.kit.clock import iso, now
from parley.kit.db import Database, Tx
from parley.kit.errors import RateLimited
from parley.kit.settings import Settings

API_MOST = 300
API_PER = timedelta(minutes=5)
_MOST_KEYS = 100_000


def bucket_of(door: str, *keys: object) -> str:
    """A bucket's name: the door in clear, whom it is about as a hash, so that the table holds no address."""
    text = "\0".join(str(key).lower() for key in keys)
    return f"{door}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


async def check_rate(tx: Tx, settings: Settings, bucket: str, most: int, per: timedelta, *, weight: int = 1) -> None:
    """Count one try of `bucket` in `tx`; raises RateLimited beyond `most` in the current window of `per`.

    `weight`: it counts as so many.
    A transaction that is rolled back forgets its count: where a failure must be counted, use `count_try`.
    """
    if settings.rate_limits == "off":
        return
    moment = now()
    start = _window_start(moment, per)
    if await store_limits.upsert_try(tx, bucket, start, weight) > most:
        wait = max(1, int((start + per - moment).total_seconds()) + 1)
        raise RateLimited(f"Too many tries. Please wait {_in_words(wait)} and try again.", retry_after=wait)


async def count_try(
    db: Database, settings: Settings, bucket: str, most: int, per: timedelta, *, weight: int = 1
) -> None:
    """`check_rate` in a transaction of its own, so that the try counts whatever happens after it."""
    if settings.rate_limits == "off":
        return
    async with db.write(local=True) as tx:
        await check_rate(tx, settings, bucket, most, per, weight=weight)


async def get_tries(tx: Tx, bucket: str, per: timedelta) -> int:
    """How many tries of `bucket` were let through in the current window of `per`."""
    return await store_limits.get_tries(tx, bucket, _window_start(now(), per))


def _window_start(moment: datetime, per: timedelta) -> datetime:
    seconds = int(per.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, tz=UTC)


def _in_words(seconds: int) -> str:
    if seconds <= 90:
        return f"{seconds} seconds" if seconds > 1 else "a second"
    if seconds < 5400:
        return f"{-(-seconds // 60)} minutes"
    return f"{-(-seconds // 3600)} hours"


class Allowance(msgspec.Struct, frozen=True):
    """What is left of a caller's requests. `reset_at` is Unix seconds."""

    limit: int
    remaining: int
    reset_at: float
    allowed: bool

    @property
    def retry_after(self) -> int:
        """Seconds until the next window begins."""
        return max(1, int(self.reset_at - now().timestamp()) + 1)

    @property
    def headers(self) -> dict[str, str]:
        """The three headers that Mastodon's clients read."""
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": iso(datetime.fromtimestamp(self.reset_at, tz=UTC)),
        }


class RequestLimiter:
    """Counts requests per caller in fixed windows, in this process alone: cheap, forgotten at a restart."""

    def __init__(self, most: int = API_MOST, per: timedelta = API_PER) -> None:
        self._most = most
        self._per = per.total_seconds()
        self._window = 0
        self._tries: dict[str | int, int] = {}

    def count(self, caller: str | int) -> Allowance:
        """Count one request of `caller` (an account's id or a network address)."""
        window = int(now().timestamp() // self._per)
        if window != self._window:
            self._window = window
            self._tries = {}
        elif len(self._tries) >= _MOST_KEYS and caller not in self._tries:
            del self._tries[next(iter(self._tries))]
        tries = self._tries.get(caller, 0) + 1
        self._tries[caller] = tries
        return Allowance(self._most, max(0, self._most - tries), (window + 1) * self._per, tries <= self._most)
