"""What statements of reasons are made of, read over the tables of decisions, statuses and media. SQL only."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx


class StatementRow(msgspec.Struct, frozen=True):
    """What a decision did to one subject, for a statement of reasons."""

    action_id: int
    kinds: list[str]
    subject_type: str
    subject_id: int
    language: str | None
    media_types: list[str]
    clause: str | None
    kind: str
    source: str
    automated_detection: bool
    automated_decision: bool
    policy_sha256: str
    applied_at: datetime
    ends_at: datetime | None


LIST_STATEMENTS = """
    SELECT min(a.id), array_agg(DISTINCT a.kind ORDER BY a.kind), a.subject_type, a.subject_id,
           max(s.language), coalesce(array_agg(DISTINCT m.type::text) FILTER (WHERE m.type IS NOT NULL), '{}'),
           d.clause, d.kind, d.source, d.automated_detection, d.automated_decision, d.policy_sha256,
           min(a.applied_at), CASE WHEN count(*) = count(a.ends_at) THEN max(a.ends_at) END
    FROM decisions d
    JOIN decision_actions a ON a.decision_id = d.id
    LEFT JOIN statuses s ON a.subject_type = 'status' AND s.id = a.subject_id
    LEFT JOIN media m ON (a.subject_type = 'media' AND m.id = a.subject_id) OR m.id = ANY(s.media_ids)
    WHERE d.id >= $1 AND d.id < $2 AND d.kind NOT IN ('undo', 'expiry') AND d.reverses_id IS NULL
      AND d.source <> 'authority_order' AND a.kind NOT IN ('no_action', 'publish', 'warn')
    GROUP BY d.id, a.subject_type, a.subject_id
    HAVING min(a.id) > $3
    ORDER BY min(a.id)
    LIMIT $4
"""


async def list_statements(tx: Tx, from_id: int, until_id: int, after_id: int, limit: int) -> list[StatementRow]:
    """One row for each decision and subject, in the order of `action_id`, from after `after_id`."""
    return [StatementRow(*row) for row in await tx.fetch(LIST_STATEMENTS, from_id, until_id, after_id, limit)]
