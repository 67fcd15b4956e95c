"""The table of known answers, and the words of what they are about. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.golden.views import GoldenCase


class FormRow(msgspec.Struct, frozen=True):
    """What must be known of a revision before others than the staff are asked about it."""

    status_id: int
    revision: int
    has_media: bool
    is_public: bool
    pictures: list[list[str]]
    """File and description of each picture that is served; fewer than its media where some are something else."""
    media: int


LIST_FORMS = """
    SELECT r.status_id, r.revision, r.media_ids <> '{}', s.visibility IN ('public', 'unlisted'),
        coalesce((
            SELECT array_agg(ARRAY[coalesce(m.preview_file, m.file), m.description]
                             ORDER BY array_position(r.media_ids, m.id))
            FROM media m
            WHERE m.id = ANY(r.media_ids) AND m.type = 'image' AND m.state = 'ready' AND m.file IS NOT NULL
              AND NOT m.hidden AND s.state = 'published'), '{}'::text[]),
        cardinality(r.media_ids)
    FROM unnest($1::bigint[], $2::integer[]) AS named (status_id, revision)
    JOIN status_revisions r ON r.status_id = named.status_id AND r.revision = named.revision
    JOIN statuses s ON s.id = r.status_id
"""


async def list_forms(tx: Tx, named: Sequence[tuple[int, int]]) -> list[FormRow]:
    """Of these revisions (status, revision), whether they carry media and whom they were for."""
    rows = await tx.fetch(LIST_FORMS, [pair[0] for pair in named], [pair[1] for pair in named])
    return [FormRow(*row) for row in rows]


# Settled: decided by a person about one public status without media, never taken back, and a second person agreed,
# as reviewer of an appeal or in a blind check, or a month has passed in which nobody objected who could have. What was
# found to be fine is asked under the rule under which it had been reported.
LIST_SETTLED = """
    SELECT d.id, a.subject_type, a.subject_id, a.revision,
           CASE WHEN a.kind IN ('no_action', 'publish') THEN 'fine' ELSE 'breaks' END,
           coalesce(d.clause,
                    (SELECT u.clause FROM case_subjects u
                     WHERE u.case_id = d.case_id AND u.subject_type = a.subject_type AND u.subject_id = a.subject_id),
                    (SELECT c.clause FROM cases c WHERE c.id = d.case_id))
    FROM decisions d
    JOIN LATERAL (
        SELECT x.subject_type, x.subject_id, coalesce(x.revision, s.revision) AS revision, x.kind
        FROM decision_actions x JOIN statuses s ON s.id = x.subject_id
        WHERE x.decision_id = d.id AND x.subject_type = 'status' AND x.reversed_at IS NULL
          AND s.visibility IN ('public', 'unlisted')
        ORDER BY x.id LIMIT 1
    ) a ON true
    JOIN status_revisions r ON r.status_id = a.subject_id AND r.revision = a.revision AND r.media_ids = '{}'
    WHERE d.kind = 'decision' AND d.reversed_by_id IS NULL AND NOT d.automated_decision
      AND NOT EXISTS (SELECT FROM appeals o WHERE o.decision_id = d.id AND o.state <> 'upheld')
      AND (d.created_at < $1
           OR EXISTS (SELECT FROM appeals u WHERE u.decision_id = d.id AND u.state = 'upheld')
           OR EXISTS (SELECT FROM quality_checks q WHERE q.decision_id = d.id AND q.answer = q.expected))
      AND NOT EXISTS (
          SELECT FROM golden_cases g
          WHERE g.subject_type = a.subject_type AND g.subject_id = a.subject_id AND g.revision = a.revision)
      AND (a.kind IN ('no_action', 'publish') OR d.clause IS NOT NULL)
    ORDER BY d.id DESC LIMIT $2
"""


async def list_settled(tx: Tx, undisputed_since: datetime, limit: int) -> list[GoldenCase]:
    """Decisions that can become known answers (their `id` is 0), the newest first."""
    rows = await tx.fetch(LIST_SETTLED, undisputed_since, limit)
    return [
        GoldenCase(
            id=0,
            decision_id=row[0],
            subject_type=row[1],
            subject_id=row[2],
            revision=row[3],
            expected=row[4],
            clause=row[5],
        )
        for row in rows
    ]


INSERT_GOLDEN = """
    INSERT INTO golden_cases (decision_id, subject_type, subject_id, revision, expected, clause)
    VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING
"""


async def insert_golden(tx: Tx, new: GoldenCase) -> None:
    """Keep a known answer."""
    await tx.execute(
        INSERT_GOLDEN, new.decision_id, new.subject_type, new.subject_id, new.revision, new.expected, new.clause
    )


UPDATE_RETIRED = """
    UPDATE golden_cases g SET retired_at = now()
    WHERE g.retired_at IS NULL AND (
        EXISTS (SELECT FROM decisions d WHERE d.id = g.decision_id AND d.reversed_by_id IS NOT NULL)
        OR NOT EXISTS (SELECT FROM status_revisions r WHERE r.status_id = g.subject_id AND r.revision = g.revision))
"""
HAS_RETIRABLE = """
    SELECT EXISTS (
        SELECT FROM golden_cases g WHERE g.retired_at IS NULL AND (
            EXISTS (SELECT FROM decisions d WHERE d.id = g.decision_id AND d.reversed_by_id IS NOT NULL)
            OR NOT EXISTS (
                SELECT FROM status_revisions r WHERE r.status_id = g.subject_id AND r.revision = g.revision)))
"""


async def has_retirable(tx: Tx) -> bool:
    """Whether some answers are no longer known: reversed, or their words are gone."""
    return bool(await tx.fetchval(HAS_RETIRABLE))


async def update_retired(tx: Tx) -> None:
    """Retire them."""
    await tx.execute(UPDATE_RETIRED)


COUNT_LIVE = """SELECT count(*) FILTER (WHERE expected = 'breaks'), count(*) FILTER (WHERE expected = 'fine')
    FROM golden_cases WHERE retired_at IS NULL"""


async def count_live(tx: Tx) -> tuple[int, int]:
    """How many known answers there are: breaks, fine."""
    row = await tx.fetchrow(COUNT_LIVE)
    return int(row[0]), int(row[1])


# By the hash of both ids, so that everybody gets others and nobody can guess which.
LIST_UNSEEN = """
    SELECT g.id, g.decision_id, g.subject_type, g.subject_id, g.revision, g.expected, g.clause
    FROM golden_cases g JOIN decisions d ON d.id = g.decision_id
    WHERE g.retired_at IS NULL AND g.clause IS NOT NULL AND d.account_id <> $1 AND d.decided_by IS DISTINCT FROM $1
      AND NOT EXISTS (SELECT FROM jury_seats s WHERE s.golden_id = g.id AND s.account_id = $1)
      AND NOT EXISTS (SELECT FROM quality_checks q WHERE q.golden_id = g.id AND q.reviewer_id = $1)
      AND NOT EXISTS (SELECT FROM reports r WHERE r.case_id = d.case_id AND r.account_id = $1)
    ORDER BY sha256(convert_to(g.id::text || ':' || $1::text, 'UTF8')) LIMIT $2
"""


async def list_unseen(tx: Tx, account_id: int, limit: int) -> list[GoldenCase]:
    """Known answers that somebody was not asked for yet, and is no party of."""
    return [
        GoldenCase(**dict(zip(GoldenCase.__struct_fields__, row, strict=True)))
        for row in await tx.fetch(LIST_UNSEEN, account_id, limit)
    ]


LIST_GOLDEN = """
    SELECT id, decision_id, subject_type, subject_id, revision, expected, clause FROM golden_cases
    WHERE id = ANY($1::bigint[])
"""


async def list_golden(tx: Tx, ids: list[int]) -> list[GoldenCase]:
    """Known answers by id."""
    return [
        GoldenCase(**dict(zip(GoldenCase.__struct_fields__, row, strict=True)))
        for row in await tx.fetch(LIST_GOLDEN, ids)
    ]
