"""The table of questions to whoever sent a notice. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class QuestionRow(msgspec.Struct, frozen=True):
    """A question as it is stored."""

    id: int
    notice_id: int
    asked_by: int
    question: str
    answer: str
    state: str
    paused_clocks: list[int]
    asked_at: datetime
    until_at: datetime
    ended_at: datetime | None


INSERT_QUESTION = """
    INSERT INTO notice_questions (id, notice_id, asked_by, question, paused_clocks, asked_at, until_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def insert_question(
    tx: Tx,
    question_id: int,
    notice_id: int,
    asked_by: int,
    question: str,
    paused_clocks: Sequence[int],
    asked_at: datetime,
    until_at: datetime,
) -> None:
    """Store an open question."""
    await tx.execute(
        INSERT_QUESTION, question_id, notice_id, asked_by, question, list(paused_clocks), asked_at, until_at
    )


LOCK_OPEN = """
    SELECT id, notice_id, asked_by, question, answer, state, paused_clocks, asked_at, until_at, ended_at
    FROM notice_questions WHERE notice_id = $1 AND state = 'open' FOR UPDATE
"""


async def get_locked_open(tx: Tx, notice_id: int) -> QuestionRow | None:
    """The open question of a notice, locked."""
    row = await tx.fetchrow(LOCK_OPEN, notice_id)
    return QuestionRow(*row) if row else None


LIST_QUESTIONS = """
    SELECT id, notice_id, asked_by, question, answer, state, paused_clocks, asked_at, until_at, ended_at
    FROM notice_questions WHERE notice_id = $1 ORDER BY id
"""


async def list_questions(tx: Tx, notice_id: int) -> list[QuestionRow]:
    """The questions about a notice in order."""
    return [QuestionRow(*row) for row in await tx.fetch(LIST_QUESTIONS, notice_id)]


LIST_OVERDUE = """
    SELECT notice_id FROM notice_questions WHERE state = 'open' AND until_at <= $1 ORDER BY until_at LIMIT $2
"""


async def list_overdue(tx: Tx, moment: datetime, limit: int) -> list[int]:
    """Notices whose open question was not answered until now."""
    return [row[0] for row in await tx.fetch(LIST_OVERDUE, moment, limit)]


UPDATE_ENDED = """UPDATE notice_questions SET state = $2, answer = $3, ended_at = $4 WHERE id = $1"""


async def update_ended(tx: Tx, question_id: int, state: str, answer: str, moment: datetime) -> None:
    """It was answered, or nobody waits for the answer any more."""
    await tx.execute(UPDATE_ENDED, question_id, state, answer, moment)


UPDATE_DUE = """UPDATE notices SET due_at = $2 WHERE id = $1"""


async def update_due(tx: Tx, notice_id: int, due_at: datetime) -> None:
    """A notice is due when its clock is."""
    await tx.execute(UPDATE_DUE, notice_id, due_at)


# Plan: notice_subjects_case.
LIST_CASE_NOTICES = """
    SELECT DISTINCT notice_id FROM notice_subjects WHERE case_id = $1 ORDER BY notice_id DESC LIMIT $2
"""


async def list_case_notices(tx: Tx, case_id: int, limit: int) -> list[int]:
    """The newest notices that led to a case."""
    return [row[0] for row in await tx.fetch(LIST_CASE_NOTICES, case_id, limit)]
