"""Providers, their notices, our broken promises to them, and orders: read over the tables of other rooms. SQL only."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class ProviderRow(msgspec.Struct, frozen=True):
    """Who sends notices."""

    id: int
    name: str
    since: datetime | None


LIST_PROVIDERS = """
    SELECT p.id, p.name, (SELECT min(n.received_at) FROM notices n WHERE n.provider_id = p.id)
    FROM providers p WHERE p.revoked_at IS NULL ORDER BY lower(p.name)
"""


async def list_providers(tx: Tx) -> list[ProviderRow]:
    """Providers that were not struck off."""
    return [ProviderRow(*row) for row in await tx.fetch(LIST_PROVIDERS)]


GET_PROVIDER = """
    SELECT p.id, p.name, (SELECT min(n.received_at) FROM notices n WHERE n.provider_id = p.id)
    FROM providers p WHERE p.id = $1
"""


async def get_provider(tx: Tx, provider_id: int) -> ProviderRow | None:
    """A provider, also one that was struck off: what it was answered stays true."""
    row = await tx.fetchrow(GET_PROVIDER, provider_id)
    return ProviderRow(*row) if row else None


class NoticeHead(msgspec.Struct, frozen=True):
    """A notice of a provider without its URLs."""

    id: int
    reference: str
    channel: str
    received_at: datetime
    acknowledged_at: datetime | None
    answered_at: datetime | None
    due_at: datetime
    breached: bool
    asked_at: datetime | None
    stood_still_hours: float


LIST_PROVIDER_NOTICES = """
    SELECT n.id, n.reference, n.channel, n.received_at, n.acknowledged_at, n.answered_at, n.due_at,
           EXISTS (SELECT FROM sla_clocks c WHERE c.notice_id = n.id AND c.state = 'breached'),
           (SELECT q.asked_at FROM notice_questions q WHERE q.notice_id = n.id AND q.state = 'open'),
           (SELECT coalesce(sum(extract(epoch FROM q.ended_at - q.asked_at)::float8), 0) / 3600
            FROM notice_questions q
            WHERE q.notice_id = n.id AND q.state <> 'open' AND q.paused_clocks <> '{}')
    FROM notices n WHERE n.provider_id = $1 AND n.id < $2 ORDER BY n.id DESC LIMIT $3
"""


async def list_provider_notices(tx: Tx, provider_id: int, below: int, limit: int) -> list[NoticeHead]:
    """The notices of a provider with ids below one, the newest first."""
    return [NoticeHead(*row) for row in await tx.fetch(LIST_PROVIDER_NOTICES, provider_id, below, limit)]


class BreachRow(msgspec.Struct, frozen=True):
    """A promise about a provider's notice that was broken."""

    notice_id: int
    reference: str
    kind: str
    due_at: datetime
    ended_at: datetime | None


LIST_PROVIDER_BREACHES = """
    SELECT n.id, n.reference, c.kind, c.due_at, c.ended_at
    FROM notices n JOIN sla_clocks c ON c.notice_id = n.id
    WHERE n.provider_id = $1 AND c.state = 'breached'
    ORDER BY c.due_at DESC LIMIT $2
"""


async def list_provider_breaches(tx: Tx, provider_id: int, limit: int) -> list[BreachRow]:
    """Broken promises to a provider, the newest first."""
    return [BreachRow(*row) for row in await tx.fetch(LIST_PROVIDER_BREACHES, provider_id, limit)]


COUNT_SWEPT = """
    SELECT count(*) FROM sweep_changes
    WHERE id >= $1 AND clause = ANY($2::text[]) AND undone_at IS NULL
      AND kind IN ('hidden', 'revision_hidden', 'limited', 'withdrawn')
"""


async def count_swept(tx: Tx, from_id: int, clauses: list[str]) -> int:
    """How many revisions sweeps over history took down under these clauses since then."""
    return int(await tx.fetchval(COUNT_SWEPT, from_id, clauses))


class OrderRow(msgspec.Struct, frozen=True):
    """Orders of the authorities of one state: how many, median hours to a receipt and to effect, how many were late."""

    state: str
    kind: str
    count: int
    receipt: float | None
    effect: float | None
    late: int


LIST_ORDERS = """
    SELECT coalesce(p.country, ''), l.kind, count(*),
           percentile_cont(0.5) WITHIN GROUP (
               ORDER BY extract(epoch FROM n.acknowledged_at - l.received_at)::float8 / 3600),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM l.ended_at - l.received_at)::float8 / 3600),
           count(*) FILTER (WHERE coalesce(l.ended_at, $3) > l.due_at)
    FROM legal_requests l
    LEFT JOIN notices n ON n.id = l.notice_id
    LEFT JOIN providers p ON p.id = n.provider_id
    WHERE l.id >= $1 AND l.id < $2 AND l.state <> 'withdrawn'
    GROUP BY 1, 2 ORDER BY 1, 2
"""


async def list_orders(tx: Tx, from_id: int, until_id: int, moment: datetime) -> list[OrderRow]:
    """Orders of authorities, by state; at `moment` they are late or not."""
    return [OrderRow(*row) for row in await tx.fetch(LIST_ORDERS, from_id, until_id, moment)]


class MisuseRow(msgspec.Struct, frozen=True):
    """Who was stopped for misuse: authors suspended or terminated, and reporters who are not listened to any more."""

    authors: int
    reporters: int


GET_MISUSE = """
    SELECT (SELECT count(DISTINCT a.account_id) FROM decisions d JOIN decision_actions a ON a.decision_id = d.id
            WHERE d.id >= $1 AND d.id < $2 AND d.reverses_id IS NULL AND a.kind IN ('suspend', 'terminate')),
           (SELECT count(*) FROM reporters WHERE muted_at >= $3 AND muted_at < $4)
"""


async def get_misuse(tx: Tx, ids: tuple[int, int], moments: tuple[datetime, datetime]) -> MisuseRow:
    """Suspensions for misuse in a period, given as ids and as moments."""
    return MisuseRow(*await tx.fetchrow(GET_MISUSE, *ids, *moments))
