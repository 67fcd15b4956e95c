"""The tables of candidates and of what they said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class CandidateRow(msgspec.Struct, frozen=True):
    """One candidate."""

    id: int
    sha256: str
    version: str
    state: str
    cursor: int
    added_by: int
    compared: dict[str, Any] | None
    compared_at: datetime | None
    created_at: datetime


INSERT_CANDIDATE = """
    INSERT INTO model_candidates (sha256, against, added_by, cursor) VALUES ($1, $2, $3, $4) RETURNING id
"""


async def insert_candidate(tx: Tx, sha256: str, against: str, added_by: int, cursor: int) -> int:
    """Let a model judge what comes after `cursor`, beside the live one; UniqueViolation when one does already."""
    return int(await tx.fetchval(INSERT_CANDIDATE, sha256, against, added_by, cursor))


GET_CANDIDATE = """
    SELECT c.id, c.sha256, m.version, c.state, c.cursor, c.added_by, c.compared, c.compared_at, c.created_at
    FROM model_candidates c JOIN text_models m ON m.sha256 = c.sha256
    WHERE c.state = 'judging' FOR NO KEY UPDATE OF c
"""


async def get_candidate(tx: Tx) -> CandidateRow | None:
    """The model that judges beside the live one, locked."""
    row = await tx.fetchrow(GET_CANDIDATE)
    return CandidateRow(*row) if row else None


UPDATE_STATE = """UPDATE model_candidates SET state = $2, ended_at = now() WHERE id = $1"""


async def update_state(tx: Tx, candidate_id: int, state: str) -> None:
    """A candidate judges no longer."""
    await tx.execute(UPDATE_STATE, candidate_id, state)


UPDATE_COMPARED = """UPDATE model_candidates SET compared = $2, compared_at = now() WHERE id = $1"""


async def update_compared(tx: Tx, candidate_id: int, compared: Any) -> None:
    """Keep the newest comparison."""
    await tx.execute(UPDATE_COMPARED, candidate_id, compared)


UPDATE_CURSOR = """UPDATE model_candidates SET cursor = $2 WHERE id = $1 AND cursor = $3 RETURNING id"""
INSERT_RESULT = """
    INSERT INTO candidate_results (candidate_id, result_id, outcome, live_outcome, scores)
    SELECT $1, * FROM unnest($2::bigint[], $3::verdict_outcome[], $4::verdict_outcome[], $5::jsonb[])
    ON CONFLICT DO NOTHING
"""


async def insert_results(
    tx: Tx, candidate_id: int, before: int, cursor: int, rows: list[tuple[int, str, str, dict[str, float]]]
) -> bool:
    """Keep what it said (result, outcome, live outcome, scores) and move its cursor; False when somebody else did."""
    if await tx.fetchval(UPDATE_CURSOR, candidate_id, cursor, before) is None:
        return False
    if rows:
        columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)]
        await tx.execute(INSERT_RESULT, candidate_id, *columns)
    return True


class ComparedRow(msgspec.Struct, frozen=True):
    """What both said of one revision."""

    result_id: int
    outcome: str
    live_outcome: str
    scores: dict[str, float]
    live_scores: dict[str, float]
    subject_type: str
    subject_id: int
    revision: int


LIST_COMPARED = """
    SELECT c.result_id, c.outcome::text, c.live_outcome::text, c.scores,
        coalesce((SELECT jsonb_object_agg(s.key, s.value) FROM jsonb_each(r.detail -> 'signals') AS s
                  WHERE s.key LIKE 'text.%.score'), '{}'::jsonb),
        r.subject_type, r.subject_id, r.revision
    FROM candidate_results c JOIN screening_results r ON r.id = c.result_id
    WHERE c.candidate_id = $1 AND c.result_id > $2 ORDER BY c.result_id LIMIT $3
"""


async def list_compared(tx: Tx, candidate_id: int, after_id: int, limit: int) -> list[ComparedRow]:
    """What both said, oldest first."""
    return [ComparedRow(*row) for row in await tx.fetch(LIST_COMPARED, candidate_id, after_id, limit)]
