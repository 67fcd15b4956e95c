"""Accounts that signed up alike: from neighbouring addresses, with mail addresses of one pattern, minutes apart.

A sign for screening, never a reason by itself: a school, a company or a family signs up alike too. The pure part is
`find_clusters`; the job looks at the members of the last days.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.ids import id_at
from parley.kit.instance import Instance
from parley.social.accounts.standing import set_clusters
from parley.social.sessions import store_clusters
from parley.social.sessions.store_clusters import SignUpRow

LOOK_BACK = timedelta(days=14)
MOST = 20_000
"""How many sign-ups are looked at, the newest."""
_NEAR = timedelta(hours=6)
_SOON = timedelta(minutes=15)
_DIGITS = re.compile(r"\d+")
_PROVIDERS = """
gmail.com googlemail.com outlook.com hotmail.com live.com yahoo.com icloud.com me.com proton.me protonmail.com gmx.de
gmx.net web.de aol.com mail.ru yandex.ru qq.com 163.com fastmail.com posteo.de t-online.de orange.fr
"""
_LARGE = frozenset(_PROVIDERS.split())
"""Providers whose domain says nothing about who writes from it."""


class Trait(msgspec.Struct, frozen=True):
    """Something that sign-ups may have in common, and how far apart in time it still counts (None: any)."""

    kind: str
    value: str
    within: timedelta | None


def traits_of(row: SignUpRow) -> list[Trait]:
    """What a sign-up may share with others."""
    traits: list[Trait] = []
    local, _, domain = row.email.lower().rpartition("@")
    name, plus, _ = local.partition("+")
    if domain in ("gmail.com", "googlemail.com"):
        name = name.replace(".", "")
    if plus or name != local:
        traits.append(Trait("mailbox", f"{name}@{domain}", None))
    pattern = _DIGITS.sub("#", local)
    if "#" in pattern and sum(map(str.isalpha, pattern)) >= 3:
        traits.append(Trait("pattern", f"{pattern}@{domain}", _NEAR))
    if domain not in _LARGE:
        traits.append(Trait("domain", domain, _SOON))
    if row.address:
        traits.append(Trait("network", _network_of(row.address), _SOON))
    return traits


def _network_of(address: str) -> str:
    """The network that one household or one machine has: an IPv4 address's /24, an IPv6 address's /48."""
    parsed = ipaddress.ip_address(address.partition("/")[0])
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def find_clusters(rows: Iterable[SignUpRow]) -> dict[int, list[int]]:
    """Groups of at least two accounts, each linked to another by a trait; by the lowest account id of each."""
    ordered = sorted(rows, key=lambda row: (row.created_at, row.account_id))
    leader = {row.account_id: row.account_id for row in ordered}

    def find(account_id: int) -> int:
        while leader[account_id] != account_id:
            leader[account_id] = leader[leader[account_id]]
            account_id = leader[account_id]
        return account_id

    last: dict[tuple[str, str], tuple[datetime, int]] = {}
    for row in ordered:
        for trait in traits_of(row):
            key = (trait.kind, trait.value)
            before = last.get(key)
            if before is not None and (trait.within is None or row.created_at - before[0] <= trait.within):
                one, other = sorted((find(before[1]), find(row.account_id)))
                leader[other] = one
            last[key] = (row.created_at, row.account_id)
    groups: dict[int, list[int]] = {}
    for account_id in sorted(leader):
        groups.setdefault(find(account_id), []).append(account_id)
    return {first: members for first, members in groups.items() if len(members) > 1}


async def cluster_sign_ups(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, every ten minutes: find who of the members of the last two weeks signed up alike, and tell screening."""
    async with instance.db.read() as tx:
        rows = await store_clusters.list_sign_ups(tx, id_at(now() - LOOK_BACK), MOST)
    clusters = find_clusters(rows)
    together: Sequence[int] = [account_id for members in clusters.values() for account_id in members]
    alone = {row.account_id for row in rows}.difference(together)
    async with instance.db.write() as tx:
        await set_clusters(tx, clusters, sorted(alone))
