"""All hosts of the instance in one glance: for the operator's page and for metrics.

Each host is asked for its status, with little patience; where the domain points to is looked up beside that, and never
waited for. What was found is used again for a moment, however many ask.
"""

from __future__ import annotations

import asyncio
import time

import msgspec

from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.records import HostRecord, Hosts, read_hosts
from parley.hosting.hosts.views import HostStatus, MediaStatus
from parley.kit.gate import gate_of
from parley.kit.settings import Settings

PATIENCE = 2.0
"""Seconds within which a host must have answered."""

FRESH = 2.0
"""Seconds that an answer is used again."""

NAME_FRESH = 60.0


class NameSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Where the domain points to. `right`: to the primary; None while that is not known."""

    addresses: tuple[str, ...] = ()
    right: bool | None = None
    said: str = ""


class HostSeen(msgspec.Struct, frozen=True, kw_only=True):
    """One host: what it says of itself, or why it does not."""

    record: HostRecord
    status: HostStatus | None = None
    error: str = ""
    database: tuple[int, float] | None = None
    """A standby: bytes and seconds that its database is behind, by the primary's word where that can be had."""
    media: MediaStatus | None = None
    """A standby: how far its files are, by its own word or else by the primary's."""


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """All hosts, this one first."""

    me: str
    hosts: tuple[HostSeen, ...]
    name: NameSeen

    @property
    def primary(self) -> HostSeen | None:
        """The one that may write: with the highest epoch, should several say so."""
        found = [one for one in self.hosts if one.status is not None and one.status.role == "primary"]
        return max(found, key=lambda one: one.status.epoch if one.status else 0, default=None)


class _Kept:
    """What one process found last."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.overview: Overview | None = None
        self.at = 0.0
        self.name = NameSeen()
        self.name_at = 0.0
        self.looking: asyncio.Task[None] | None = None


_kept: dict[str, _Kept] = {}


async def look_at_hosts(settings: Settings) -> Overview | None:
    """Every host's status; None on a machine that stands alone. Takes two seconds when a host does not answer."""
    hosts = read_hosts(settings) if gate_of(settings).has_agent else None
    if hosts is None:
        return None
    kept = _kept.setdefault(str(settings.path()), _Kept())
    async with kept.lock:
        if kept.overview is None or time.monotonic() - kept.at > FRESH:
            kept.overview = await _look(settings, hosts, kept)
            kept.at = time.monotonic()
        return kept.overview


async def _look(settings: Settings, hosts: Hosts, kept: _Kept) -> Overview:
    records = sorted(hosts.hosts, key=lambda one: (one.name != hosts.me, one.name))
    seen = await asyncio.gather(*(_ask(settings, record) for record in records))
    overview = Overview(me=hosts.me, hosts=tuple(seen), name=kept.name)
    primary = overview.primary
    if time.monotonic() - kept.name_at > NAME_FRESH and (kept.looking is None or kept.looking.done()):
        kept.looking = asyncio.create_task(_look_up(settings, primary.record if primary else None, kept))
    found = tuple(_with_primary(one, primary) for one in seen)
    return Overview(me=hosts.me, hosts=found, name=kept.name)


async def _ask(settings: Settings, record: HostRecord) -> HostSeen:
    from parley.hosting.hosts.client import open_host

    try:
        async with asyncio.timeout(PATIENCE), open_host(settings, record.name) as host:
            return HostSeen(record=record, status=await host.status(seconds=PATIENCE))
    except TimeoutError:
        return HostSeen(record=record, error=f"The host {record.name} does not answer.")
    except HostError as error:
        return HostSeen(record=record, error=str(error))


def _with_primary(seen: HostSeen, primary: HostSeen | None) -> HostSeen:
    """Add what the primary knows of a host that follows it."""
    if primary is None or primary.status is None or primary.record.name == seen.record.name:
        return seen
    by_primary = next((one for one in primary.status.standbys if one.name == seen.record.name), None)
    database = None
    if by_primary is not None and by_primary.behind_bytes is not None:
        database = by_primary.behind_bytes, by_primary.behind_seconds or 0.0
    elif seen.status is not None and seen.status.behind_bytes is not None:
        database = seen.status.behind_bytes, seen.status.behind_seconds or 0.0
    media = seen.status.media if seen.status is not None else primary.status.media
    return msgspec.structs.replace(seen, database=database, media=media)


async def _look_up(settings: Settings, primary: HostRecord | None, kept: _Kept) -> None:
    kept.name_at = time.monotonic()
    kept.name = await find_name(settings, primary)
    kept.at = 0.0


async def find_name(settings: Settings, primary: HostRecord | None) -> NameSeen:
    """Where the world finds the domain, by this machine's resolver."""
    if settings.is_loopback:
        return NameSeen(said="The domain is this machine itself.")
    import dns.asyncresolver
    import dns.exception
    import dns.resolver

    found: list[str] = []
    for kind in ("A", "AAAA"):
        try:
            answer = await dns.asyncresolver.resolve(settings.local_domain, kind, lifetime=PATIENCE)
            found += [str(one) for one in answer]
        except dns.resolver.NoAnswer:
            continue
        except (dns.exception.DNSException, OSError) as error:
            return NameSeen(said=f"{settings.local_domain} cannot be looked up: {error or type(error).__name__}.")
    addresses = tuple(sorted(found))
    there = ", ".join(addresses) or "nowhere"
    if primary is None or not primary.addresses:
        return NameSeen(addresses=addresses, said=f"{settings.local_domain} points to {there}.")
    if {one.lower() for one in addresses} == {one.lower() for one in primary.addresses}:
        return NameSeen(addresses=addresses, right=True, said=f"{settings.local_domain} points to {primary.name}.")
    wanted = ", ".join(primary.addresses)
    said = f"{settings.local_domain} points to {there}, and not to {primary.name} ({wanted})."
    return NameSeen(addresses=addresses, right=False, said=said)
