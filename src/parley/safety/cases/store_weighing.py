"""What the order of the queue is worked out from, for many cases at once. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class WeighedRow(msgspec.Struct, frozen=True):
    """A case that is to be weighed."""

    id: int
    account_id: int
    severity: int
    due_at: datetime | None
    opened_at: datetime


LIST_TO_WEIGH = """
    SELECT id, account_id, severity, due_at, opened_at FROM cases
    WHERE state <> 'closed' AND id > $1 ORDER BY id LIMIT $2
"""
LIST_NAMED_TO_WEIGH = """
    SELECT id, account_id, severity, due_at, opened_at FROM cases WHERE state <> 'closed' AND id = ANY($1::bigint[])
"""


async def list_to_weigh(tx: Tx, above: int, limit: int) -> list[WeighedRow]:
    """A page of the open cases, by id."""
    return [WeighedRow(*row) for row in await tx.fetch(LIST_TO_WEIGH, above, limit)]


async def list_named_to_weigh(tx: Tx, case_ids: Sequence[int]) -> list[WeighedRow]:
    """Those of these cases that are open."""
    return [WeighedRow(*row) for row in await tx.fetch(LIST_NAMED_TO_WEIGH, list(case_ids))]


class WaitingRow(msgspec.Struct, frozen=True):
    """A subject that waits."""

    case_id: int
    subject_type: str
    subject_id: int
    source: str
    screening_id: int | None


# At most fifty of each case: the gravest.
LIST_WAITING_OF = """
    SELECT wanted.id, s.subject_type, s.subject_id, s.source, s.screening_id
    FROM unnest($1::bigint[]) AS wanted (id)
    CROSS JOIN LATERAL (
        SELECT subject_type, subject_id, source, screening_id FROM case_subjects
        WHERE case_id = wanted.id AND settled_at IS NULL ORDER BY severity, id LIMIT 50) s
"""


async def list_waiting_of(tx: Tx, case_ids: Sequence[int]) -> list[WaitingRow]:
    """What waits in these cases."""
    return [WaitingRow(*row) for row in await tx.fetch(LIST_WAITING_OF, list(case_ids))]


class VoiceRow(msgspec.Struct, frozen=True):
    """How reliable a voice in a case is: a reporter, or several whose accounts were made alike."""

    case_id: int
    reliability: float
    reporters: int
    reports: int


# Accounts that signed up alike speak with one voice, and newcomers more quietly: account_standing and accounts know
# them, and are joined here for that alone.
LIST_VOICES = """
    SELECT r.case_id, max(coalesce(w.reliability, 0.5) * CASE WHEN who.created_at > $2 THEN $3 ELSE 1 END),
        count(DISTINCT r.account_id), count(*)
    FROM reports r
    LEFT JOIN reporters w ON w.account_id = r.account_id
    LEFT JOIN account_standing a ON a.account_id = r.account_id
    LEFT JOIN accounts who ON who.id = r.account_id
    WHERE r.case_id = ANY($1::bigint[])
    GROUP BY r.case_id, coalesce(a.cluster_id, -r.account_id, -r.id)
"""
LIST_SUBJECT_VOICES = """
    SELECT named.id, max(coalesce(w.reliability, 0.5) * CASE WHEN who.created_at > $2 THEN $3 ELSE 1 END),
        count(DISTINCT r.account_id), count(*)
    FROM reports r
    CROSS JOIN LATERAL unnest(r.subject_ids) AS named (id)
    LEFT JOIN reporters w ON w.account_id = r.account_id
    LEFT JOIN account_standing a ON a.account_id = r.account_id
    LEFT JOIN accounts who ON who.id = r.account_id
    WHERE r.case_id = $1 AND NOT r.muted AND named.id = ANY($4::bigint[])
    GROUP BY named.id, coalesce(a.cluster_id, -r.account_id, -r.id)
"""


async def list_voices(tx: Tx, case_ids: Sequence[int], new_since: datetime, newcomer: float) -> list[VoiceRow]:
    """Who speaks in these cases. The word of accounts that were made after `new_since` counts `newcomer`."""
    return [VoiceRow(*row) for row in await tx.fetch(LIST_VOICES, list(case_ids), new_since, newcomer)]


async def list_subject_voices(
    tx: Tx, case_id: int, case_subject_ids: Sequence[int], new_since: datetime, newcomer: float
) -> list[VoiceRow]:
    """Who speaks of these subjects of a case; the subject stands in place of the case."""
    rows = await tx.fetch(LIST_SUBJECT_VOICES, case_id, new_since, newcomer, list(case_subject_ids))
    return [VoiceRow(*row) for row in rows]


class Weight(msgspec.Struct, frozen=True):
    """What a case weighs."""

    case_id: int
    reports: int
    reporters: int
    reach: int
    reach_per_hour: float
    confidence: float
    priority: float


# In the order of their ids, so that two who weigh at once cannot wait for each other in a circle.
UPDATE_WEIGHTS = """
    WITH weights AS MATERIALIZED (
        SELECT w.* FROM unnest($1::bigint[], $2::integer[], $3::integer[], $4::bigint[], $5::real[], $6::real[],
            $7::double precision[]) AS w (id, reports, reporters, reach, per_hour, confidence, priority)
        JOIN cases c ON c.id = w.id
        WHERE c.state <> 'closed'
          AND (c.reports_count, c.reporters_count, c.reach, c.reach_per_hour, c.confidence, c.priority)
            IS DISTINCT FROM (w.reports, w.reporters, w.reach, w.per_hour, w.confidence, w.priority)
        ORDER BY c.id FOR UPDATE OF c SKIP LOCKED)
    UPDATE cases c
    SET reports_count = w.reports, reporters_count = w.reporters, reach = w.reach, reach_per_hour = w.per_hour,
        confidence = w.confidence, priority = w.priority
    FROM weights w WHERE c.id = w.id
"""


async def update_weights(tx: Tx, weights: Sequence[Weight]) -> None:
    """Set what cases weigh, where it has changed. One that somebody changes just now is left for the next time."""
    columns = [[getattr(one, name) for one in weights] for name in Weight.__struct_fields__]
    await tx.execute(UPDATE_WEIGHTS, *columns)


GET_LOOKED_TO = """SELECT looked_to FROM case_intake"""


async def get_looked_to(tx: Tx) -> int:
    """Up to which result screening's findings were looked through."""
    return int(await tx.fetchval(GET_LOOKED_TO) or 0)


UPDATE_LOOKED_TO = """
    INSERT INTO case_intake (looked_to) VALUES ($1)
    ON CONFLICT (only_row) DO UPDATE SET looked_to = greatest(case_intake.looked_to, excluded.looked_to)
"""


async def update_looked_to(tx: Tx, result_id: int) -> None:
    """They were, up to this one."""
    await tx.execute(UPDATE_LOOKED_TO, result_id)
