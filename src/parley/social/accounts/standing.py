"""What is known of accounts' conduct, as screening is told: strikes, reports, sign-ups that are alike, links to
accounts that are shut out.

Written by the desk and by jobs of the rooms that know; nothing here decides what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parley.kit.db import Tx
from parley.social.accounts import store_standing


async def set_strikes(tx: Tx, account_id: int, strikes: int) -> None:
    """How many strikes against the account count now; whoever gives, takes back or lets expire one says so."""
    await store_standing.upsert_strikes(tx, account_id, strikes)


async def set_reporters(tx: Tx, account_id: int, reporters: int) -> None:
    """How many different accounts reported it in the last week."""
    await store_standing.upsert_reporters(tx, account_id, reporters)


async def set_linked(tx: Tx, account_id: int, linked_banned: int) -> None:
    """How many accounts that are shut out now it has much in common with. A sign, never a reason by itself."""
    await store_standing.upsert_linked(tx, account_id, linked_banned)


async def list_reported(tx: Tx, above: int, limit: int) -> list[int]:
    """Accounts with an id above `above` that were reported in the last week as far as is known, in order."""
    return await store_standing.list_reported(tx, above, limit)


async def set_clusters(tx: Tx, clusters: Mapping[int, Sequence[int]], alone: Sequence[int]) -> None:
    """Set who signed up alike: members by the id of each cluster; those in `alone` are in none (any more)."""
    members = sorted((account_id, cluster) for cluster, ids in clusters.items() for account_id in ids)
    await store_standing.upsert_clusters(
        tx,
        [account_id for account_id, _ in members],
        [cluster for _, cluster in members],
        [len(clusters[cluster]) for _, cluster in members],
    )
    await store_standing.delete_clusters(tx, sorted(alone))
