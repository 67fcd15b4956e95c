"""Banks of sign-up: domains of mail addresses, network addresses and user names that are refused or looked at.

Found in constant time however many entries there are. This file must not decide what a match leads to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias

import re2
from msgspec import Struct

from parley.screening.banks import TIERS, Tier, parent_domains, quiet_options, read_link

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
AccountBankName = Literal["emails", "addresses", "names"]


class AccountEntry(Struct, frozen=True, kw_only=True):
    """One entry: of `emails` it has domains with their subdomains (but for `unless`), of `addresses` networks, of
    `names` patterns (RE2) for lower-case user names."""

    id: str
    bank: AccountBankName
    tier: Tier
    clause: str
    title: str
    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    background: bool = False
    expires: datetime | None = None

    def counts_at(self, moment: datetime) -> bool:
        """Whether it leads to anything then."""
        return not self.background and (self.expires is None or moment < self.expires)


class SignUp(Struct, frozen=True, kw_only=True):
    """Who wants an account. `address` is the network address, empty when it is not known."""

    username: str
    email: str
    address: str
    now: datetime


class Hit(Struct, frozen=True, kw_only=True):
    """An entry that was found, in `what` of a sign-up (mail address, network address, user name), which `shows` it."""

    entry: AccountEntry
    what: str
    shows: str

    def __str__(self) -> str:
        return f"The {self.what} {self.shows} is in the bank ({self.entry.id}, rule {self.entry.clause})."


class SignUpVerdict(Struct, frozen=True, kw_only=True):
    """What the banks say about a sign-up: `tier` None for nothing, reject for refused, hold for approval by people,
    flag for looking at afterwards. `clause` is that of the strongest match; `because` explains it to the staff;
    `entries` are those that were found, `bank` that of the strongest."""

    tier: Tier | None = None
    clause: str | None = None
    because: tuple[str, ...] = ()
    entries: tuple[str, ...] = ()
    bank: str = ""


class AccountBank:
    """All entries of one ruleset. Immutable after construction, safe to share."""

    def __init__(self, entries: Sequence[AccountEntry]) -> None:
        self.entries = tuple(entries)
        self._domains: dict[str, list[AccountEntry]] = {}
        self._networks: dict[tuple[int, int], dict[int, list[AccountEntry]]] = {}
        self._patterns = []
        for entry in entries:
            for domain in entry.domains:
                self._domains.setdefault(domain, []).append(entry)
            for written in entry.networks:
                network = read_network(written)
                same_length = self._networks.setdefault((network.version, network.prefixlen), {})
                same_length.setdefault(int(network.network_address), []).append(entry)
            self._patterns += [(entry, re2.compile(pattern, quiet_options())) for pattern in entry.patterns]

    def find_email(self, address: str) -> list[AccountEntry]:
        """Return the entries for a mail address, each once; one without a domain matches nothing."""
        _, found, domain = address.strip().rpartition("@")
        if not found:
            return []
        host = read_link(f"http://{domain}/").host
        parents = parent_domains(host)
        entries = {entry.id: entry for parent in parents for entry in self._domains.get(parent, ())}
        return [entry for entry in entries.values() if not set(entry.unless) & set(parents)]

    def find_address(self, address: str) -> list[AccountEntry]:
        """Return the entries for a network address; an IPv4 address inside an IPv6 one is read as what it is."""
        try:
            one = ipaddress.ip_address(address.strip().split("%")[0])
        except ValueError:
            return []
        if isinstance(one, ipaddress.IPv6Address) and one.ipv4_mapped:
            one = one.ipv4_mapped
        found: dict[str, AccountEntry] = {}
        for (version, length), networks in self._networks.items():
            if version == one.version:
                start = int(one) >> (one.max_prefixlen - length) << (one.max_prefixlen - length)
                found |= {entry.id: entry for entry in networks.get(start, ())}
        return list(found.values())

    def find_name(self, username: str) -> list[AccountEntry]:
        """Return the entries for a user name."""
        return list({e.id: e for e, pattern in self._patterns if pattern.search(username.lower())}.values())


def find_entries(bank: AccountBank, new: SignUp) -> list[Hit]:
    """Return the entries for a sign-up that count now, those of the strongest tier first."""
    looks = [
        ("mail address", new.email, bank.find_email(new.email)),
        ("network address", new.address, bank.find_address(new.address)),
        ("user name", new.username, bank.find_name(new.username)),
    ]
    found = [
        Hit(entry=entry, what=what, shows=shown)
        for what, shown, entries in looks
        for entry in entries
        if entry.counts_at(new.now)
    ]
    return sorted(found, key=lambda hit: TIERS.index(hit.entry.tier))


def judge_sign_up(bank: AccountBank, new: SignUp) -> SignUpVerdict:
    """Return what the bank says about a sign-up; pure, as the judge is."""
    found = find_entries(bank, new)
    if not found:
        return SignUpVerdict()
    first = found[0].entry
    return SignUpVerdict(
        tier=first.tier,
        clause=first.clause,
        because=tuple(str(hit) for hit in found),
        entries=tuple(hit.entry.id for hit in found),
        bank=first.bank,
    )


def read_network(written: str) -> Network:
    """Return a network, or raise ValueError with a sentence."""
    try:
        return ipaddress.ip_network(written.strip(), strict=False)
    except ValueError:
        example = "192.0.2.0/24, 192.0.2.7 or 2001:db8::/32"
        raise ValueError(f"{written!r} is not a network. Write it as {example}.") from None
