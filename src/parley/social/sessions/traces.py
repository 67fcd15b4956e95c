"""What sign-ins of different accounts have in common, as keyed hashes: a hint that two may be the same person.

A family, a school and a company share addresses too, so nothing follows from it by itself: people look. Raw data
stays where it was (with the member and the session, and is forgotten there); here it cannot be read any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.secrets import keyed_hash
from parley.kit.settings import Settings
from parley.social.sessions import store_traces
from parley.social.sessions.clusters import traits_of
from parley.social.sessions.store_clusters import SignUpRow
from parley.social.sessions.store_traces import BeginningRow

STRONG = frozenset({"device", "mailbox"})
"""One of these alone is a link; two of the others are."""
KEPT = timedelta(days=365)
MOST_SHARED = 50
"""What more accounts than this have in common says nothing: a provider's address, a library."""
_KINDS = frozenset({"mailbox", "pattern", "network"})


class Link(msgspec.Struct, frozen=True):
    """Another account, and what it has in common: device, mailbox, address, network, pattern, cluster."""

    account_id: int
    traits: tuple[str, ...]


async def note_traces(tx: Tx, settings: Settings, account_id: int) -> None:
    """Keep the traces of how a member signed up and of the newest sign-ins. May run twice."""
    rows = await store_traces.list_beginnings(tx, account_id)
    found = {(kind, keyed_hash(settings, value, purpose=f"trace {kind}")) for kind, value in _values(rows)}
    if found:
        pairs = sorted(found)
        await store_traces.upsert_traces(
            tx, account_id, [kind for kind, _ in pairs], [bytes.fromhex(digest) for _, digest in pairs], now()
        )


def _values(rows: Iterable[BeginningRow]) -> Iterable[tuple[str, str]]:
    for row in rows:
        for trait in traits_of(SignUpRow(row.account_id, row.created_at, row.email, row.address)):
            if trait.kind in _KINDS:
                yield trait.kind, trait.value
        if row.address:
            yield "address", row.address
        if row.device is not None:
            yield "device", row.device.hex()


async def list_links(tx: Tx, account_id: int, *, limit: int = 20) -> list[Link]:
    """Accounts that are linked to this one, those with most in common first. Two queries. For the staff alone."""
    traits: dict[int, set[str]] = {}
    for other, kind in await store_traces.list_shared(tx, account_id, MOST_SHARED):
        traits.setdefault(other, set()).add(kind)
    for other in await store_traces.list_clustered(tx, account_id, MOST_SHARED):
        traits.setdefault(other, set()).add("cluster")
    links = [Link(other, tuple(sorted(shared))) for other, shared in traits.items() if _is_link(shared)]
    return sorted(links, key=lambda link: (-weight_of(link.traits), link.account_id))[:limit]


def _is_link(shared: set[str]) -> bool:
    return bool(shared & STRONG) or len(shared - {"network"} if "address" in shared else shared) >= 2


def weight_of(traits: Sequence[str]) -> int:
    """How much two accounts have in common."""
    return sum(3 if trait in STRONG else 1 for trait in traits)


async def forget_old_traces(tx: Tx) -> int:
    """Delete what was not seen for a year, but for accounts that are shut out now; returns how many."""
    return await store_traces.delete_old_traces(tx, now() - KEPT)
