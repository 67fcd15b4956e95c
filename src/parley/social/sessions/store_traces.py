"""The table of traces of sign-ins. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class BeginningRow(msgspec.Struct, frozen=True):
    """A sign-up, or a browser that signed in."""

    account_id: int
    created_at: datetime
    email: str
    address: str | None
    device: bytes | None


LIST_BEGINNINGS = """
    SELECT u.account_id, u.created_at, u.email, host(u.sign_up_address), NULL::bytea
    FROM users u WHERE u.account_id = $1
    UNION ALL
    (SELECT u.account_id, s.created_at, u.email, host(s.address), s.device_hash
     FROM sessions s JOIN users u ON u.account_id = s.account_id
     WHERE s.account_id = $1 ORDER BY s.id DESC LIMIT 10)
"""


async def list_beginnings(tx: Tx, account_id: int) -> list[BeginningRow]:
    """How a member signed up, and the newest ten browsers."""
    return [BeginningRow(*row) for row in await tx.fetch(LIST_BEGINNINGS, account_id)]


UPSERT_TRACES = """
    INSERT INTO account_traces (account_id, kind, digest, seen_at)
    SELECT $1, found.kind, found.digest, $4 FROM unnest($2::text[], $3::bytea[]) AS found (kind, digest)
    ON CONFLICT (account_id, kind, digest) DO UPDATE SET seen_at = excluded.seen_at
"""


async def upsert_traces(
    tx: Tx, account_id: int, kinds: Sequence[str], digests: Sequence[bytes], moment: datetime
) -> None:
    """Keep traces of an account, or note that they were seen again."""
    await tx.execute(UPSERT_TRACES, account_id, kinds, digests, moment)


# Of what very many share nothing is taken: one look-up in the index for each trace, and it stops at the limit.
LIST_SHARED = """
    SELECT DISTINCT o.account_id, m.kind
    FROM account_traces m
    CROSS JOIN LATERAL (
        SELECT array_agg(t.account_id) AS ids FROM (
            SELECT account_id FROM account_traces
            WHERE digest = m.digest AND kind = m.kind AND account_id <> $1 LIMIT $2 + 1) t
    ) shared
    CROSS JOIN LATERAL unnest(shared.ids) AS o (account_id)
    WHERE m.account_id = $1 AND cardinality(shared.ids) <= $2
"""


async def list_shared(tx: Tx, account_id: int, most: int) -> list[tuple[int, str]]:
    """Other accounts, and each kind of trace that they have in common with this one."""
    return [(row[0], row[1]) for row in await tx.fetch(LIST_SHARED, account_id, most)]


LIST_CLUSTERED = """
    SELECT o.account_id FROM account_standing m
    JOIN account_standing o ON o.cluster_id = m.cluster_id AND o.account_id <> m.account_id
    WHERE m.account_id = $1 AND m.cluster_id IS NOT NULL AND m.cluster_size <= $2
    LIMIT $2
"""


async def list_clustered(tx: Tx, account_id: int, most: int) -> list[int]:
    """Accounts that signed up alike."""
    return [row[0] for row in await tx.fetch(LIST_CLUSTERED, account_id, most)]


DELETE_OLD_TRACES = """
    DELETE FROM account_traces t
    WHERE t.seen_at < $1 AND NOT is_held(t.account_id) AND NOT EXISTS (
        SELECT FROM account_restrictions r WHERE r.account_id = t.account_id AND r.kind IN ('suspend', 'terminate'))
    RETURNING t.account_id
"""


async def delete_old_traces(tx: Tx, before: datetime) -> int:
    """Delete what was last seen before a time, but for accounts that are shut out, or under a legal hold."""
    return len(await tx.fetch(DELETE_OLD_TRACES, before))
