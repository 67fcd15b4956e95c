"""How much people without an account may send together, so that nobody drowns the notices of all others.

Two bounds beside the one for each address: for a network (IPv4 /24, IPv6 /48), and for all strangers together. What is
urgent, a threat to life or the abuse of a child, has room of its own. The more comes in, the more work a browser has to
do for a notice (challenges.py). Nothing is lost: whoever comes too late keeps what was typed, and is told when to come
again.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta

from parley.kit.db import Database, Tx
from parley.kit.errors import RateLimited
from parley.kit.limits import bucket_of, check_rate, count_try, get_tries
from parley.kit.settings import Settings

MOST_OF_ADDRESS = 20
MOST_OF_NETWORK = 60
MOST_OF_ALL = 1000
MOST_URGENT = 500
PER = timedelta(hours=1)
URLS_OF_ONE = 20
"""Addresses that one notice names; each twenty more count as another."""
LOADS = (100, 300, 600)
"""Notices of this hour beyond which the work is four, sixteen, sixty-four times as much."""

ORDINARY, URGENT = bucket_of("notice-strangers", "ordinary"), bucket_of("notice-strangers", "urgent")


def network_of(address: str) -> str:
    """The network of an address: what one household, one machine or one small provider has."""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


async def count_stranger(db: Database, settings: Settings, address: str) -> None:
    """Count a try of somebody at this address. Raises RateLimited."""
    await count_try(db, settings, bucket_of("notice", address), MOST_OF_ADDRESS, PER)
    await count_try(db, settings, bucket_of("notice-network", network_of(address)), MOST_OF_NETWORK, PER)


async def check_strangers(tx: Tx, settings: Settings, *, urgent: bool, urls: int = 1) -> None:
    """Count a notice that the work was done for, in its transaction; one with many addresses counts as several.

    Raises RateLimited.
    """
    bucket, most = (URGENT, MOST_URGENT) if urgent else (ORDINARY, MOST_OF_ALL)
    try:
        await check_rate(tx, settings, bucket, most, PER, weight=1 + urls // URLS_OF_ONE)
    except RateLimited as error:
        minutes = -(-error.retry_after // 60)
        raise RateLimited(
            f"Very many notices come in just now. Nothing that you typed is lost: send it again in {minutes} minutes, "
            f"or write to {settings.abuse_mail}, which counts the same.",
            retry_after=error.retry_after,
        ) from error


async def get_load(tx: Tx, settings: Settings) -> int:
    """How busy it is: 0, or by how much the work grows (1 to 3)."""
    if settings.rate_limits == "off":
        return 0
    found = await get_tries(tx, ORDINARY, PER) + await get_tries(tx, URGENT, PER)
    return sum(found >= one for one in LOADS)
