"""Is the instance's name in good hands: short memories, and host, DNS company and registrar not the same one?

A network was once cut off by its host, and needed a new registrar in the same week. What one company can take away at
once should not be everything. Asked are the world's public DNS and the registries' RDAP servers (RFC 9083).
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from parley.hosting.dns import MOST_TTL, Addresses, NamesError, ask_server

RDAP = "https://rdap.org"
"""Redirects to the registry that is responsible: https://about.rdap.org"""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `ok` None: it could not be found out."""

    what: str
    ok: bool | None
    said: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a name."""

    name: str
    addresses: Addresses
    servers: tuple[tuple[str, str], ...]
    """The authoritative servers: name and address."""
    findings: tuple[Finding, ...]


async def check_name(name: str, *, resolver: Any = None, rdap: str = RDAP) -> Checked:
    """Look at a name; raises NamesError when the DNS cannot be asked at all. `resolver` is dnspython's, for tests."""
    asked = resolver or _default_resolver()
    zone, servers, port = await _find_authority(name, asked)
    answers = await asyncio.gather(*(ask_server(name, address, port) for _, address in servers), return_exceptions=True)
    known = [one for one in answers if isinstance(one, Addresses)]
    if not known:
        raise NamesError(f"None of the servers of {zone} answers.")
    hosts = [host for host, _ in servers]
    findings = [
        _servers_agree(servers, answers),
        _short_memory(name, known),
        await _three_companies(asked, zone, known[0], hosts, rdap),
    ]
    return Checked(name=name, addresses=known[0], servers=tuple(servers), findings=tuple(findings))


async def find_servers(name: str, *, resolver: Any = None) -> list[tuple[str, int]]:
    """Addresses and ports of the servers that are responsible for a name; raises NamesError."""
    _, servers, port = await _find_authority(name, resolver or _default_resolver())
    return [(address, port) for _, address in servers]


async def read_authority(name: str, *, resolver: Any = None) -> Addresses:
    """Where a name points as its authoritative servers say, with the longest TTL of them all; raises NamesError."""
    servers = await find_servers(name, resolver=resolver)
    answers = await asyncio.gather(*(ask_server(name, *one) for one in servers), return_exceptions=True)
    known = [one for one in answers if isinstance(one, Addresses)]
    if not known:
        raise NamesError(f"None of the DNS servers of {name} answers.")
    return msgspec.structs.replace(known[0], ttl=max(one.ttl for one in known))


def _default_resolver() -> Any:
    import dns.asyncresolver
    import dns.exception

    try:
        return dns.asyncresolver.get_default_resolver()
    except dns.exception.DNSException as error:
        raise NamesError(f"This machine knows no DNS server to ask (/etc/resolv.conf): {error}.") from error


async def _find_authority(name: str, resolver: Any) -> tuple[str, list[tuple[str, str]], int]:
    """The zone's name, its servers (name, address), and the port they listen on."""
    zone, hosts = await _authority(resolver, name)
    servers = [(host, address) for host in hosts for address in await _addresses(resolver, host)]
    if not servers:
        raise NamesError(f"The DNS servers of {zone} have no addresses.")
    return zone, servers, int(getattr(resolver, "port", 53))


def _servers_agree(servers: list[tuple[str, str]], answers: list[Any]) -> Finding:
    silent = [host for (host, _), one in zip(servers, answers, strict=True) if not isinstance(one, Addresses)]
    views = {one.all for one in answers if isinstance(one, Addresses)}
    if silent:
        return Finding(what="servers", ok=False, said=f"These servers do not answer: {', '.join(sorted(set(silent)))}.")
    if len(views) > 1:
        return Finding(what="servers", ok=False, said="The servers do not agree; a change may be under way.")
    return Finding(what="servers", ok=True, said=f"All {len(servers)} servers answer, and agree.")


def _short_memory(name: str, known: list[Addresses]) -> Finding:
    longest = max(one.ttl for one in known)
    if longest > MOST_TTL:
        said = f"{name} may be remembered for {longest} seconds: set its TTL to {MOST_TTL} or less, well before a move."
        return Finding(what="ttl", ok=False, said=said)
    return Finding(what="ttl", ok=True, said=f"{name} may be remembered for {longest} seconds.")


async def _three_companies(resolver: Any, zone: str, addresses: Addresses, hosts: list[str], rdap: str) -> Finding:
    """Names of the three, as the registries know them. Whoever is named twice could take away two things at once."""
    dns_addresses = await _addresses(resolver, hosts[0])
    host, company, registrar = await asyncio.gather(
        _owner_of_address(addresses.all[0] if addresses.all else None, rdap),
        _owner_of_address(dns_addresses[0] if dns_addresses else None, rdap),
        _registrar_of(zone, rdap),
    )
    names = {"host": host, "DNS company": company, "registrar": registrar}
    said = ", ".join(f"{what}: {who or 'not found out'}" for what, who in names.items()) + "."
    if not all(names.values()):
        return Finding(what="three companies", ok=None, said=said)
    different = len({str(who).lower().split()[0].strip(",.") for who in names.values()})
    if different < 3:
        return Finding(what="three companies", ok=False, said=f"They are not three different ones. {said}")
    return Finding(what="three companies", ok=True, said=said)


async def _authority(resolver: Any, name: str) -> tuple[str, list[str]]:
    import dns.exception
    import dns.name
    import dns.resolver

    labels = dns.name.from_text(name)
    while len(labels) > 1:
        try:
            answer = await resolver.resolve(labels, "NS")
        except (dns.resolver.NoAnswer, dns.resolver.NXDOMAIN):
            labels = labels.parent()
            continue
        except dns.exception.DNSException as error:
            raise NamesError(f"The DNS cannot be asked for {name}: {error}.") from error
        return str(labels).rstrip("."), sorted(str(one.target).rstrip(".") for one in answer)
    raise NamesError(f"Nobody is responsible for {name} in the DNS.")


async def _addresses(resolver: Any, host: str) -> list[str]:
    import dns.exception

    found = []
    for kind in ("A", "AAAA"):
        try:
            found += [str(one) for one in await resolver.resolve(host, kind)]
        except dns.exception.DNSException:
            continue
    return found


async def _owner_of_address(address: str | None, rdap: str) -> str | None:
    found = await _rdap(f"{rdap}/ip/{address}") if address else None
    if found is None:
        return None
    return _entity(found, ("registrant", "administrative", "abuse")) or found.get("name")


async def _registrar_of(zone: str, rdap: str) -> str | None:
    found = await _rdap(f"{rdap}/domain/{zone}")
    return _entity(found, ("registrar",)) if found else None


async def _rdap(url: str) -> dict[str, Any] | None:
    import httpx

    try:
        async with httpx.AsyncClient(timeout=10, follow_redirects=True) as client:
            answer = await client.get(url, headers={"Accept": "application/rdap+json"})
            found = answer.json() if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _entity(found: dict[str, Any], roles: tuple[str, ...]) -> str | None:
    """The name in the vCard of the first entity with one of the roles (RFC 9083, section 5.1)."""
    for role in roles:
        for entity in found.get("entities", ()):
            if role in entity.get("roles", ()):
                for row in (entity.get("vcardArray") or [None, []])[1]:
                    if row[0] in ("fn", "org") and isinstance(row[3], str) and row[3].strip():
                        return str(row[3]).strip()
    return None
