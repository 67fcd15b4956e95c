"""The table of screening results."""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.db import Tx

INSERT_RESULT = """
    INSERT INTO screening_results
        (subject_type, subject_id, revision, account_id, outcome, clause, sentence, ruleset, detail, degraded,
         latency_us)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    RETURNING id
"""


async def insert_result(
    tx: Tx,
    subject: tuple[str, int, int, int],
    outcome: tuple[str, str | None, str, str],
    detail: dict[str, Any],
    *,
    degraded: bool,
    latency_us: int,
) -> int:
    """Store one result; `subject` is type, id, revision, account; `outcome` is outcome, clause, sentence, ruleset."""
    return int(await tx.fetchval(INSERT_RESULT, *subject, *outcome, detail, degraded, latency_us))


INSERT_REPEATED = """
    INSERT INTO screening_results
        (subject_type, subject_id, revision, account_id, outcome, clause, sentence, ruleset, detail, degraded,
         latency_us, rescreened_at)
    SELECT subject_type, subject_id, revision, account_id, outcome, clause, sentence, ruleset, detail || $2, degraded,
        latency_us, rescreened_at
    FROM screening_results WHERE id = $1
    RETURNING id
"""


async def insert_repeated(tx: Tx, result_id: int, why: dict[str, Any]) -> int:
    """Store a copy of a result, with `why` in its detail."""
    return int(await tx.fetchval(INSERT_REPEATED, result_id, why))


GET_STATUS_LABELS = """
    SELECT detail -> 'labels' FROM screening_results
    WHERE subject_type IN ('status', 'poll', 'message') AND subject_id = $1 ORDER BY id DESC LIMIT 1
"""


async def get_status_labels(tx: Tx, status_id: int) -> list[str]:
    """The labels that rules gave the newest revision of a status."""
    return list(await tx.fetchval(GET_STATUS_LABELS, status_id) or ())


class ResultRow(msgspec.Struct, frozen=True):
    """One screening result."""

    id: int
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    outcome: str
    clause: str | None
    sentence: str
    ruleset: str
    degraded: bool
    detail: dict[str, Any]


GET_RESULTS = """
    SELECT id, subject_type, subject_id, revision, account_id, outcome::text, clause, sentence, ruleset, degraded,
           detail
    FROM screening_results WHERE id = ANY($1)
"""


async def get_results(tx: Tx, ids: list[int]) -> dict[int, ResultRow]:
    """Results by id; missing ids are left out."""
    return {row[0]: ResultRow(*row) for row in await tx.fetch(GET_RESULTS, ids)}


LIST_DEGRADED = """
    SELECT id, subject_type, subject_id, revision, account_id, outcome::text, clause, sentence, ruleset, degraded,
           detail
    FROM screening_results WHERE degraded AND rescreened_at IS NULL
    ORDER BY coalesce((detail ->> 'attempts')::integer, 0), id LIMIT $1
    FOR UPDATE SKIP LOCKED
"""


async def list_degraded(tx: Tx, limit: int) -> list[ResultRow]:
    """Results that a failed signal left incomplete and that were not screened again, the least tried first; locked."""
    return [ResultRow(*row) for row in await tx.fetch(LIST_DEGRADED, limit)]


UPDATE_RESCREENED = """
    UPDATE screening_results SET rescreened_at = now(), detail = detail - 'again' WHERE id = $1
"""


async def update_rescreened(tx: Tx, result_id: int) -> None:
    """Note that this degraded result has been screened again."""
    await tx.execute(UPDATE_RESCREENED, result_id)


UPDATE_ATTEMPTED = """
    UPDATE screening_results
    SET detail = jsonb_set(detail, '{attempts}', to_jsonb(coalesce((detail ->> 'attempts')::integer, 0) + 1))
    WHERE id = $1
"""


async def update_attempted(tx: Tx, result_id: int) -> None:
    """Note that the judge failed on it once more."""
    await tx.execute(UPDATE_ATTEMPTED, result_id)


GET_LOCKED_RESULT = """
    SELECT id, subject_type, subject_id, revision, account_id, outcome::text, clause, sentence, ruleset, degraded,
           detail
    FROM screening_results WHERE id = $1 FOR UPDATE
"""


async def get_locked_result(tx: Tx, result_id: int) -> ResultRow | None:
    """One result, locked until the transaction ends."""
    row = await tx.fetchrow(GET_LOCKED_RESULT, result_id)
    return ResultRow(*row) if row else None


UPDATE_FILES = """UPDATE screening_results SET detail = jsonb_set(detail, '{waiting,files}', $2) WHERE id = $1"""


async def update_files(tx: Tx, result_id: int, media_ids: list[int]) -> None:
    """Which files the revision waits for."""
    await tx.execute(UPDATE_FILES, result_id, media_ids)


UPDATE_WAITED = """
    UPDATE screening_results SET detail = detail - 'waiting', rescreened_at = now() WHERE id = $1
"""


async def update_waited(tx: Tx, result_id: int) -> None:
    """Note that a revision which waited for its files has been judged with them."""
    await tx.execute(UPDATE_WAITED, result_id)
