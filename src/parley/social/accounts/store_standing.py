"""The table of what is known of accounts' conduct. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx

UPSERT_STRIKES = """
    INSERT INTO account_standing (account_id, strikes) VALUES ($1, $2)
    ON CONFLICT (account_id) DO UPDATE SET strikes = excluded.strikes, updated_at = now()
"""


async def upsert_strikes(tx: Tx, account_id: int, strikes: int) -> None:
    """Set how many strikes count now."""
    await tx.execute(UPSERT_STRIKES, account_id, strikes)


UPSERT_REPORTERS = """
    INSERT INTO account_standing (account_id, reporters) VALUES ($1, $2)
    ON CONFLICT (account_id) DO UPDATE SET reporters = excluded.reporters, updated_at = now()
"""


async def upsert_reporters(tx: Tx, account_id: int, reporters: int) -> None:
    """Set how many accounts reported it in the last week."""
    await tx.execute(UPSERT_REPORTERS, account_id, reporters)


UPSERT_LINKED = """
    INSERT INTO account_standing (account_id, linked_banned) VALUES ($1, $2)
    ON CONFLICT (account_id) DO UPDATE SET linked_banned = excluded.linked_banned, updated_at = now()
    WHERE account_standing.linked_banned <> excluded.linked_banned
"""


async def upsert_linked(tx: Tx, account_id: int, linked_banned: int) -> None:
    """Set how many accounts that are shut out it is linked to."""
    await tx.execute(UPSERT_LINKED, account_id, linked_banned)


LIST_REPORTED = """
    SELECT account_id FROM account_standing WHERE reporters > 0 AND account_id > $1 ORDER BY account_id LIMIT $2
"""


async def list_reported(tx: Tx, above: int, limit: int) -> list[int]:
    """Accounts with reports of the last week, by id."""
    return [row[0] for row in await tx.fetch(LIST_REPORTED, above, limit)]


UPSERT_CLUSTERS = """
    INSERT INTO account_standing (account_id, cluster_id, cluster_size)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::integer[])
    ON CONFLICT (account_id) DO UPDATE
    SET cluster_id = excluded.cluster_id, cluster_size = excluded.cluster_size, updated_at = now()
    WHERE (account_standing.cluster_id, account_standing.cluster_size)
        IS DISTINCT FROM (excluded.cluster_id, excluded.cluster_size)
"""


async def upsert_clusters(tx: Tx, account_ids: Sequence[int], cluster_ids: Sequence[int], sizes: Sequence[int]) -> None:
    """Set the cluster of each account; rows that say so already are left alone."""
    await tx.execute(UPSERT_CLUSTERS, account_ids, cluster_ids, sizes)


DELETE_CLUSTERS = """
    UPDATE account_standing SET cluster_id = NULL, cluster_size = 1, updated_at = now()
    WHERE cluster_id IS NOT NULL AND account_id = ANY($1::bigint[])
"""


async def delete_clusters(tx: Tx, account_ids: Sequence[int]) -> None:
    """Say that these accounts are in no cluster."""
    await tx.execute(DELETE_CLUSTERS, account_ids)
