"""Changing where the instance's name points: RFC 2136 with compare-and-set, or the API of any DNS company that
dns-lexicon knows. And looking, with the authoritative servers' own eyes, at what the world sees.

The file is called as the thing is; the library of the same name is imported absolutely.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec

from parley.hosting.errors import SnapshotError

if TYPE_CHECKING:
    import dns.message
    import dns.name

TTL = 60
"""Seconds that the world may remember an address: what a move has to wait for in the end."""

MOST_TTL = 300
ANSWER_SECONDS = 5.0


class NamesError(SnapshotError):
    """The DNS cannot be asked or changed; the text says why and what to do."""


class StaleName(NamesError):
    """The name points elsewhere than was expected: somebody else has changed it meanwhile."""


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """How the zone is changed, as `PARLEY_DNS` says."""

    kind: str
    """rfc2136 or lexicon"""
    zone: str
    server: str = ""
    port: int = 53
    key_name: str = ""
    key: str = ""
    algorithm: str = "hmac-sha256"
    provider: str = ""


def read_door(text: str) -> Door:
    """`rfc2136://key-name:base64-key@server:53/example.org?algorithm=hmac-sha256`, or
    `lexicon://provider/example.org`. Raises NamesError."""
    if not text:
        raise NamesError(
            "PARLEY_DNS is not set: rfc2136://key-name:key@server/zone, or lexicon://provider/zone "
            "(with LEXICON_PROVIDER_TOKEN or what else the company needs in the environment)."
        )
    try:
        parts = urlsplit(text)
        zone, port = parts.path.strip("/").lower(), parts.port or 53
    except ValueError as error:
        raise NamesError(f"PARLEY_DNS is not a URL: {error}.") from error
    if parts.scheme not in ("rfc2136", "lexicon") or not zone or not parts.hostname:
        raise NamesError("PARLEY_DNS must be rfc2136://key-name:key@server/zone or lexicon://provider/zone.")
    if parts.scheme == "lexicon":
        return Door(kind="lexicon", zone=zone, provider=parts.hostname)
    if not parts.username or not parts.password:
        raise NamesError("PARLEY_DNS lacks the name and the secret of the key: rfc2136://key-name:key@server/zone.")
    algorithm = parse_qs(parts.query).get("algorithm", ["hmac-sha256"])[0]
    return Door(
        kind="rfc2136",
        zone=zone,
        server=parts.hostname,
        port=port,
        key_name=unquote(parts.username),
        key=unquote(parts.password),
        algorithm=algorithm,
    )


class Addresses(msgspec.Struct, frozen=True, kw_only=True):
    """Where a name points: its addresses, sorted, and how long they may be remembered, in seconds."""

    v4: tuple[str, ...] = ()
    v6: tuple[str, ...] = ()
    ttl: int = 0

    @property
    def all(self) -> tuple[str, ...]:
        """Both kinds."""
        return (*self.v4, *self.v6)


def read_addresses(texts: Sequence[str]) -> Addresses:
    """IPv4 and IPv6 addresses as people write them; raises NamesError."""
    import ipaddress

    try:
        found = [ipaddress.ip_address(text.strip()) for text in texts]
    except ValueError as error:
        raise NamesError(f"{error}: addresses are written as 192.0.2.1 or 2001:db8::1.") from error
    if not found:
        raise NamesError("Name at least one address.")
    return Addresses(
        v4=tuple(sorted(str(one) for one in found if one.version == 4)),
        v6=tuple(sorted(str(one) for one in found if one.version == 6)),
    )


async def ask_server(name: str, server: str, port: int = 53) -> Addresses:
    """Where a name points as one server says; raises NamesError when it does not answer or is not responsible."""
    found: dict[str, tuple[str, ...]] = {}
    ttls = []
    for kind in ("A", "AAAA"):
        answer = await _query(name, kind, server, port)
        rows = [rrset for rrset in answer.answer if rrset.rdtype.name == kind]
        found[kind] = tuple(sorted(str(one) for rrset in rows for one in rrset))
        ttls += [rrset.ttl for rrset in rows]
    return Addresses(v4=found["A"], v6=found["AAAA"], ttl=max(ttls, default=0))


async def _query(name: str, kind: str, server: str, port: int) -> dns.message.Message:
    import dns.asyncquery
    import dns.exception
    import dns.message
    import dns.rcode

    try:
        question = dns.message.make_query(name, kind)
        answer, _ = await dns.asyncquery.udp_with_fallback(question, server, timeout=ANSWER_SECONDS, port=port)
    except (dns.exception.DNSException, OSError) as error:
        raise NamesError(f"The DNS server {server} does not answer: {error or type(error).__name__}.") from error
    if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        raise NamesError(f"The DNS server {server} answers {dns.rcode.to_text(answer.rcode())} for {name}.")
    return answer


async def read_published(door: Door, name: str) -> Addresses:
    """Where a name points as those say who take changes: the zone's server, or the company. Raises NamesError."""
    if door.kind == "lexicon":
        from parley.hosting.dns_company import read_at_company

        return await asyncio.to_thread(read_at_company, door, name)
    return await ask_server(name, *await server_of(door))


async def server_of(door: Door) -> tuple[str, int]:
    """Address and port of the server that takes changes by RFC 2136. Raises NamesError."""
    return await _address_of(door.server), door.port


async def point_name(
    door: Door, name: str, to: Addresses, *, expected: Addresses | None = None, ttl: int = TTL
) -> Addresses:
    """Let `name` point to the addresses `to`, and to nothing else; returns where it pointed before.

    `expected` is where it must point now: over RFC 2136 the server itself refuses the change when it does not (its
    prerequisites, section 2.4.2), so that two hosts cannot both win. Where it points to `to` already, its `ttl` is
    changed. Raises StaleName when it points elsewhere, NamesError otherwise.
    """
    if door.kind == "lexicon":
        from parley.hosting.dns_company import change_at_company

        return await asyncio.to_thread(change_at_company, door, name, to, expected, ttl)
    before = await read_published(door, name)
    compare_addresses(name, before, expected)
    await _update(door, name, to, before, ttl)
    return before


def compare_addresses(name: str, before: Addresses, expected: Addresses | None) -> None:
    """Raise StaleName unless a name points to what was expected; None expects nothing."""
    if expected is not None and before.all != expected.all:
        raise StaleName(
            f"{name} points to {', '.join(before.all) or 'nothing'}, not to {', '.join(expected.all) or 'nothing'}: "
            "somebody has changed it. Nothing was done."
        )


async def _update(door: Door, name: str, to: Addresses, before: Addresses, ttl: int) -> None:
    """One UPDATE message: prerequisites are the whole sets of before, so it happens at once or not at all."""
    import dns.asyncquery
    import dns.exception
    import dns.name
    import dns.rcode
    import dns.rdataset
    import dns.tsigkeyring
    import dns.update

    try:
        keyring = dns.tsigkeyring.from_text({door.key_name: (door.algorithm, door.key)})
    except Exception as error:
        raise NamesError(f"The key in PARLEY_DNS is not base64 text: {error}.") from error
    zone = dns.name.from_text(door.zone)
    owner = dns.name.from_text(name)
    if not owner.is_subdomain(zone):
        raise NamesError(f"{name} is not in the zone {door.zone}.")
    message = dns.update.UpdateMessage(zone, keyring=keyring)
    relative = owner.relativize(zone)
    for kind, old, new in (("A", before.v4, to.v4), ("AAAA", before.v6, to.v6)):
        if old:
            message.present(relative, dns.rdataset.from_text("IN", kind, 0, *old))
        else:
            message.absent(relative, kind)
        if new:
            message.replace(relative, dns.rdataset.from_text("IN", kind, ttl, *new))
        elif old:
            message.delete(relative, kind)
    try:
        answer = await dns.asyncquery.tcp(message, await _address_of(door.server), ANSWER_SECONDS, port=door.port)
    except (dns.exception.DNSException, OSError) as error:
        raise NamesError(
            f"The DNS server {door.server} did not take the change: {error or type(error).__name__}."
        ) from error
    if answer.rcode() in (dns.rcode.NXRRSET, dns.rcode.YXRRSET):
        raise StaleName(f"{name} was changed by somebody else at this very moment. Nothing was done.")
    if answer.rcode() != dns.rcode.NOERROR:
        raise NamesError(f"The DNS server {door.server} refused the change: {dns.rcode.to_text(answer.rcode())}.")


async def _address_of(server: str) -> str:
    """dnspython wants an address; a server may be given by name."""
    import ipaddress
    import socket

    try:
        return str(ipaddress.ip_address(server))
    except ValueError:
        pass
    try:
        rows = await asyncio.get_running_loop().getaddrinfo(server, 53, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise NamesError(f"The DNS server {server} has no address: {error.strerror}.") from error
    return str(rows[0][4][0])


async def wait_until_seen(
    name: str, to: Addresses, servers: Sequence[tuple[str, int]], *, ttl: int | None = None, seconds: float = 120.0
) -> float:
    """Wait until every authoritative server answers with `to`, and lets it be remembered for `ttl` seconds at most
    (None: however long). Returns after how many seconds; raises NamesError."""
    began = time.monotonic()
    waiting = list(servers)
    while True:
        answers = await asyncio.gather(*(ask_server(name, *one) for one in waiting), return_exceptions=True)
        waiting = [
            server
            for server, answer in zip(waiting, answers, strict=True)
            if not isinstance(answer, Addresses) or answer.all != to.all or (ttl is not None and answer.ttl > ttl)
        ]
        if not waiting:
            return time.monotonic() - began
        if time.monotonic() - began > seconds:
            late = ", ".join(server for server, _ in waiting)
            raise NamesError(f"After {seconds:.0f} seconds these servers do not show the change: {late}.")
        await asyncio.sleep(0.2)
