"""The DNS's part in a move: let the name point to the new host, and know when nobody can remember the old one."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

import msgspec

from parley.hosting.dns import (
    Addresses,
    Door,
    NamesError,
    StaleName,
    ask_server,
    point_name,
    read_addresses,
    read_door,
)
from parley.hosting.dns_check import check_name
from parley.kit.clock import now
from parley.kit.settings import Settings

LOOK_SECONDS = 1.0
AUTHORITY_SECONDS = 8.0


class Names(Protocol):
    """What a move asks of the DNS. Raises NamesError, StaleName."""

    async def current(self) -> Addresses:
        """Where the name points, as an authoritative server says."""

    async def flip(self, to: tuple[str, ...], expected: tuple[str, ...]) -> dict[str, Any]:
        """Let it point to `to`, if it points to `expected` now; `ttl` in the answer is the old one. Again: nothing."""

    async def not_seen(self, to: tuple[str, ...]) -> list[str]:
        """The authoritative servers that do not answer with `to`."""


class RealNames:
    """The DNS as it is, by what `PARLEY_DNS` says; without that, people change it by hand and this only looks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._name = settings.local_domain.split(":")[0]
        self._door: Door | None = read_door(settings.dns) if settings.dns else None
        self._servers: list[tuple[str, int]] | None = None

    async def current(self) -> Addresses:
        """Where the name points now."""
        answers = await self._ask()
        known = [one for _, one in answers if isinstance(one, Addresses)]
        if not known:
            raise NamesError(f"None of the DNS servers of {self._name} answers.")
        longest = max(one.ttl for one in known)
        return msgspec.structs.replace(known[0], ttl=longest)

    async def flip(self, to: tuple[str, ...], expected: tuple[str, ...]) -> dict[str, Any]:
        """Change it, and only from what is expected."""
        before, wanted = await self.current(), read_addresses(to)
        found = {"from": list(before.all), "to": list(wanted.all), "ttl": before.ttl, "at": now().isoformat()}
        if before.all == wanted.all:
            return {**found, "was": "there already"}
        if self._door is None:
            raise NamesError(
                f"PARLEY_DNS is not set: let {self._name} point to {', '.join(wanted.all)} by hand (it points to "
                f"{', '.join(before.all) or 'nothing'}), then run this again; or run it on the host where it is set."
            )
        old = read_addresses(expected) if expected else None
        try:
            await point_name(self._door, self._name, wanted, expected=old)
        except StaleName as error:
            again = ",".join(before.all)
            raise StaleName(
                f"{error} The instance goes on: the old host hands requests on to the new one. If that is what "
                f"you want to be replaced, run this again with --dns-from '{again}'; or change it by hand to "
                f"{', '.join(wanted.all)}, and run this again."
            ) from error
        return {**found, "at": now().isoformat()}

    async def not_seen(self, to: tuple[str, ...]) -> list[str]:
        """The servers that still say something else, or nothing."""
        wanted = read_addresses(to)
        return [
            server
            for server, answer in await self._ask()
            if not isinstance(answer, Addresses) or answer.all != wanted.all
        ]

    async def _ask(self) -> list[tuple[str, Addresses | BaseException]]:
        servers = await self._authority()
        answers = await asyncio.gather(*(ask_server(self._name, *one) for one in servers), return_exceptions=True)
        return list(zip((server for server, _ in servers), answers, strict=True))

    async def _authority(self) -> list[tuple[str, int]]:
        """The zone's servers as the world finds them, and the one that takes the changes."""
        from dns.exception import DNSException

        if self._servers is None:
            found: list[tuple[str, int]] = []
            if self._door is not None and self._door.kind == "rfc2136":
                found.append((await _address(self._door.server), self._door.port))
            if found and self._settings.is_loopback:  # no server of the world knows such a name
                self._servers = found
                return found
            try:
                async with asyncio.timeout(AUTHORITY_SECONDS):
                    checked = await check_name(self._name, rdap="")
                found += [(address, 53) for _, address in checked.servers if (address, 53) not in found]
            except (NamesError, TimeoutError, OSError, DNSException) as error:
                if not found:
                    said = str(error) or "no answer"
                    raise NamesError(f"The DNS servers of {self._name} cannot be found: {said}.") from error
            self._servers = found
        return self._servers


def names_of(settings: Settings) -> Names | None:
    """The DNS; None for an instance whose name is its own machine's, unless it has a zone for it."""
    return RealNames(settings) if settings.dns or not settings.is_loopback else None


async def _address(server: str) -> str:
    import ipaddress
    import socket

    try:
        return str(ipaddress.ip_address(server))
    except ValueError:
        rows = await asyncio.get_running_loop().getaddrinfo(server, 53, type=socket.SOCK_DGRAM)
        return str(rows[0][4][0])


async def wait_until_seen_everywhere(
    names: Names, to: tuple[str, ...], *, ttl: int, since: float, tell: Any, seconds: float
) -> float:
    """Wait until every authoritative server shows `to` and the old answer can be remembered by nobody: `ttl` seconds
    after the last of them did, counted from `since` (a timestamp) at the earliest. Returns the seconds waited."""
    began = time.monotonic()
    while late := await names.not_seen(to):
        tell(f"{', '.join(late)}: not changed yet")
        if time.monotonic() - began > seconds:
            raise NamesError(
                f"After {seconds:.0f} seconds these DNS servers do not show the change: {', '.join(late)}. "
                "The instance goes on, the old host hands requests on; run this again later."
            )
        await asyncio.sleep(LOOK_SECONDS)
    until = since + ttl
    if time.monotonic() - began >= LOOK_SECONDS:
        until = now().timestamp() + ttl  # the last one came later than the change was made
    while (left := until - now().timestamp()) > 0:
        tell(f"old answers are forgotten in {left:.0f} s")
        await asyncio.sleep(min(left, LOOK_SECONDS))
    return time.monotonic() - began
