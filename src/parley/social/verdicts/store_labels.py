"""The table of labels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx

INSERT_LABEL = """
    INSERT INTO labels (subject_type, subject_id, revision, outcome, clause, source, decided_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def insert_label(
    tx: Tx, subject: tuple[str, int, int], outcome: str, clause: str | None, source: str, by: int | None
) -> None:
    """Keep what somebody said of a revision."""
    await tx.execute(INSERT_LABEL, *subject, outcome, clause, source, by)


LIST_LABELS = """
    SELECT DISTINCT ON (named.kind, named.id, named.revision)
        named.kind, named.id, named.revision, l.outcome::text, l.clause, l.source
    FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS named (kind, id, revision)
    JOIN labels l ON l.subject_id = named.id AND l.revision = named.revision
        AND (l.subject_type = named.kind
             OR (l.subject_type IN ('status', 'poll', 'message') AND named.kind IN ('status', 'poll', 'message')))
    ORDER BY named.kind, named.id, named.revision, l.id DESC
"""


async def list_labels(
    tx: Tx, subjects: Sequence[tuple[str, int, int]]
) -> list[tuple[str, int, int, str, str | None, str]]:
    """The newest label of each of these revisions: type, id, revision, outcome, clause and source."""
    columns = [list(column) for column in zip(*subjects, strict=True)]
    rows = await tx.fetch(LIST_LABELS, *columns)
    return [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in rows]


class LabelledRow(msgspec.Struct, frozen=True):
    """A label beside what the machine said of the same revision."""

    id: int
    created_at: datetime
    outcome: str
    clause: str | None
    source: str
    judged: str
    judged_clause: str | None
    judged_at: datetime
    language: str
    scores: dict[str, float]


# The result beside a label is the first one of the revision: what the machine said before people looked.
LIST_LABELLED = """
    SELECT l.id, l.created_at, l.outcome::text, l.clause, l.source, r.outcome::text, r.clause, r.created_at,
        coalesce(r.detail -> 'signals' ->> 'content.language', ''),
        coalesce((SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(r.detail -> 'signals') AS s
                  WHERE s.key LIKE 'text.%.score'), '{}'::jsonb)
    FROM labels l
    CROSS JOIN LATERAL (
        SELECT * FROM screening_results
        WHERE subject_id = l.subject_id AND revision = l.revision
          AND subject_type = ANY(CASE WHEN l.subject_type IN ('status', 'poll', 'message')
                                 THEN ARRAY['status', 'poll', 'message'] ELSE ARRAY[l.subject_type] END)
        ORDER BY id LIMIT 1) AS r
    WHERE l.id > $1 AND l.created_at >= $2 AND NOT EXISTS (
        SELECT FROM labels later
        WHERE later.subject_type = l.subject_type AND later.subject_id = l.subject_id
          AND later.revision = l.revision AND later.id > l.id)
    ORDER BY l.id LIMIT $3
"""


async def list_labelled(tx: Tx, after_id: int, since: datetime, limit: int) -> list[LabelledRow]:
    """Labels that count, oldest first, with what the machine had said before anybody looked."""
    return [LabelledRow(*row) for row in await tx.fetch(LIST_LABELLED, after_id, since, limit)]


COUNT_LABELS = """
    SELECT date_trunc('week', created_at, 'UTC'), count(*) FROM labels WHERE created_at >= $1 GROUP BY 1 ORDER BY 1
"""


async def count_labels(tx: Tx, since: datetime) -> list[tuple[Any, int]]:
    """How many labels each week (its Monday) brought."""
    return [(row[0], row[1]) for row in await tx.fetch(COUNT_LABELS, since)]
