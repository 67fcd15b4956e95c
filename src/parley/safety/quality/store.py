"""The table of checks, and what may be drawn for one. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """Something that may be judged again; exactly one of the first three ids is set."""

    decision_id: int | None = None
    screening_id: int | None = None
    golden_id: int | None = None
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    severity: int | None
    by: str
    expected: str
    clause: str | None


# Decisions about the words of one public status. Read across rooms, and only read.
LIST_DECISIONS = """
    SELECT d.id, a.subject_type, a.subject_id, a.revision, d.account_id, d.severity,
           CASE WHEN d.automated_decision THEN 'rule' ELSE 'person' END,
           CASE WHEN a.kind IN ('no_action', 'publish') THEN 'fine' ELSE 'breaks' END, d.clause
    FROM decisions d
    JOIN LATERAL (
        SELECT x.subject_type, x.subject_id, coalesce(x.revision, s.revision) AS revision, x.kind
        FROM decision_actions x JOIN statuses s ON s.id = x.subject_id
        WHERE x.decision_id = d.id AND x.subject_type = 'status' AND s.visibility IN ('public', 'unlisted')
        ORDER BY x.id LIMIT 1
    ) a ON true
    JOIN status_revisions r ON r.status_id = a.subject_id AND r.revision = a.revision AND r.media_ids = '{}'
    WHERE d.created_at >= $1 AND d.kind IN ('decision', 'interim', 'jury', 'sweep', 'screening')
      AND d.reversed_by_id IS NULL
      AND NOT EXISTS (SELECT FROM quality_checks q WHERE q.decision_id = d.id)
    ORDER BY d.id LIMIT $2
"""


async def list_decisions(tx: Tx, since: datetime, limit: int) -> list[Candidate]:
    """Decisions since a moment that were not drawn yet."""
    return [
        Candidate(
            decision_id=row[0],
            subject_type=row[1],
            subject_id=row[2],
            revision=row[3],
            account_id=row[4],
            severity=row[5],
            by=row[6],
            expected=row[7],
            clause=row[8],
        )
        for row in await tx.fetch(LIST_DECISIONS, since, limit)
    ]


# What screening held or refused and nobody has decided. What was refused has no row of its own: its words are kept with
# the result.
LIST_STOPPED = """
    SELECT s.id, s.subject_type, s.subject_id, s.revision, s.account_id,
           CASE WHEN s.outcome = 'reject' THEN 'reject' ELSE 'hold' END, s.clause
    FROM screening_results s JOIN accounts a ON a.id = s.account_id
    WHERE s.id >= $1 AND s.outcome IN ('hold', 'reject') AND s.subject_type IN ('status', 'poll', 'profile')
      AND NOT s.degraded
      AND NOT EXISTS (SELECT FROM quality_checks q WHERE q.screening_id = s.id)
      AND NOT EXISTS (
          SELECT FROM decision_actions x
          WHERE x.subject_type = 'status' AND x.subject_id = s.subject_id AND s.subject_type IN ('status', 'poll'))
    ORDER BY s.id LIMIT $2
"""


async def list_stopped(tx: Tx, since_id: int, limit: int) -> list[Candidate]:
    """What screening stopped since an id; its severity is not known here."""
    return [
        Candidate(
            screening_id=row[0],
            subject_type=row[1],
            subject_id=row[2],
            revision=row[3],
            account_id=row[4],
            severity=None,
            by=row[5],
            expected="breaks",
            clause=row[6],
        )
        for row in await tx.fetch(LIST_STOPPED, since_id, limit)
    ]


INSERT_CHECK = """
    INSERT INTO quality_checks (decision_id, screening_id, golden_id, subject_type, subject_id, revision, account_id,
                                stratum, expected, expected_clause, reviewer_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING
"""


async def insert_check(tx: Tx, new: Candidate, stratum: str, reviewer_id: int | None = None) -> None:
    """Draw something for a check; a question with a known answer is for one reader."""
    await tx.execute(
        INSERT_CHECK,
        new.decision_id,
        new.screening_id,
        new.golden_id,
        new.subject_type,
        new.subject_id,
        new.revision,
        new.account_id,
        stratum,
        new.expected,
        new.clause,
        reviewer_id,
    )


class CheckRow(msgspec.Struct, frozen=True):
    """One check."""

    id: int
    decision_id: int | None
    screening_id: int | None
    golden_id: int | None
    subject_type: str
    subject_id: int
    revision: int | None
    account_id: int
    stratum: str
    expected: str
    expected_clause: str | None
    state: str
    reviewer_id: int | None
    leased_until: datetime | None


_CHECK = """
    SELECT q.id, q.decision_id, q.screening_id, q.golden_id, q.subject_type, q.subject_id, q.revision, q.account_id,
           q.stratum, q.expected, q.expected_clause, q.state, q.reviewer_id, q.leased_until
    FROM quality_checks q
"""
LOCK_CHECK = _CHECK + " WHERE q.id = $1 FOR UPDATE"
# What the reader holds already, else what nobody does: never their own decision, their own words, or what they
# reported. $3 is the gravest severity that they are given.
_OPEN_TO = """
    (q.state = 'waiting' AND (q.reviewer_id IS NULL OR q.reviewer_id = $1)
     OR q.state = 'claimed' AND (q.reviewer_id = $1 OR q.leased_until < $2))
    AND split_part(q.stratum, '-', 2)::int >= $3
    AND q.account_id <> $1
    AND (q.decision_id IS NULL OR $1 NOT IN (SELECT list_deciders(q.decision_id)))
    AND NOT EXISTS (SELECT FROM decisions d JOIN reports r ON r.case_id = d.case_id
                    WHERE d.id = q.decision_id AND r.account_id = $1)
"""
GET_NEXT = (
    _CHECK
    + """
    WHERE /*open*/
    ORDER BY q.state = 'claimed' AND q.reviewer_id = $1 DESC, sha256(convert_to(q.id::text, 'UTF8')) LIMIT 1
    FOR UPDATE SKIP LOCKED
""".replace("/*open*/", _OPEN_TO)
)
COUNT_MINE = "SELECT count(*) FROM quality_checks q WHERE /*open*/".replace("/*open*/", _OPEN_TO)


async def lock_check(tx: Tx, check_id: int) -> CheckRow | None:
    """One check, that nobody else changes until `tx` ends."""
    row = await tx.fetchrow(LOCK_CHECK, check_id)
    return CheckRow(*row) if row else None


async def get_next(tx: Tx, account_id: int, moment: datetime, least_severity: int) -> CheckRow | None:
    """A check that a member of the staff may answer, locked."""
    row = await tx.fetchrow(GET_NEXT, account_id, moment, least_severity)
    return CheckRow(*row) if row else None


async def count_mine(tx: Tx, account_id: int, moment: datetime, least_severity: int) -> int:
    """How many checks wait that somebody may answer."""
    return int(await tx.fetchval(COUNT_MINE, account_id, moment, least_severity))


UPDATE_CLAIMED = """UPDATE quality_checks SET state = 'claimed', reviewer_id = $2, leased_until = $3 WHERE id = $1"""
UPDATE_ANSWERED = """
    UPDATE quality_checks SET state = 'answered', answer = $2, clause = $3, answered_at = now(), leased_until = NULL
    WHERE id = $1
"""
UPDATE_DROPPED = """UPDATE quality_checks SET state = 'dropped', leased_until = NULL WHERE id = $1"""


async def update_claimed(tx: Tx, check_id: int, account_id: int, until: datetime) -> None:
    """Give a check to a reader."""
    await tx.execute(UPDATE_CLAIMED, check_id, account_id, until)


async def update_answered(tx: Tx, check_id: int, answer: str, clause: str | None) -> None:
    """Keep a reader's answer."""
    await tx.execute(UPDATE_ANSWERED, check_id, answer, clause)


async def update_dropped(tx: Tx, check_id: int) -> None:
    """Give a check up: its words are gone."""
    await tx.execute(UPDATE_DROPPED, check_id)


class CountRow(msgspec.Struct, frozen=True):
    """Checks of one stratum."""

    stratum: str
    waiting: int
    answered: int
    unsure: int
    disagreed: int


COUNT_STRATA = """
    SELECT stratum, count(*) FILTER (WHERE state IN ('waiting', 'claimed')), count(*) FILTER (WHERE answer IS NOT NULL),
           count(*) FILTER (WHERE answer = 'unsure'),
           count(*) FILTER (WHERE answer IN ('breaks', 'fine') AND answer <> expected)
    FROM quality_checks WHERE drawn_at >= $1 GROUP BY stratum ORDER BY stratum
"""


async def count_strata(tx: Tx, since: datetime) -> list[CountRow]:
    """Checks by stratum since a moment."""
    return [CountRow(*row) for row in await tx.fetch(COUNT_STRATA, since)]


LIST_DISAGREEMENTS = """
    SELECT q.id, q.decision_id, d.case_id, q.screening_id, q.stratum, q.expected, q.expected_clause, q.answer, q.clause,
           q.answered_at
    FROM quality_checks q LEFT JOIN decisions d ON d.id = q.decision_id
    WHERE q.answer IN ('breaks', 'fine') AND q.answer <> q.expected AND q.golden_id IS NULL AND q.answered_at >= $1
    ORDER BY q.answered_at DESC LIMIT $2
"""


async def list_disagreements(tx: Tx, since: datetime, limit: int) -> list[tuple[object, ...]]:
    """What second readers saw otherwise, the newest first."""
    return [tuple(row) for row in await tx.fetch(LIST_DISAGREEMENTS, since, limit)]


LIST_PAIRS = """
    SELECT expected, answer FROM quality_checks
    WHERE answer IN ('breaks', 'fine') AND decision_id IS NOT NULL AND stratum LIKE '%-person' AND answered_at >= $1
    ORDER BY id LIMIT 20000
"""


async def list_pairs(tx: Tx, since: datetime) -> list[list[str]]:
    """What people decided, and what a second one said of it."""
    return [[row[0], row[1]] for row in await tx.fetch(LIST_PAIRS, since)]


LIST_READERS = """
    SELECT a.id, a.username,
           count(q.id) FILTER (WHERE q.reviewer_id = a.id AND q.golden_id IS NULL),
           count(q.id) FILTER (WHERE q.reviewer_id = a.id AND q.golden_id IS NULL AND q.answer = q.expected),
           count(q.id) FILTER (WHERE q.reviewer_id = a.id AND q.golden_id IS NOT NULL),
           count(q.id) FILTER (WHERE q.reviewer_id = a.id AND q.golden_id IS NOT NULL AND q.answer = q.expected),
           count(q.id) FILTER (WHERE d.decided_by = a.id),
           count(q.id) FILTER (WHERE d.decided_by = a.id AND q.answer <> q.expected)
    FROM accounts a
    LEFT JOIN quality_checks q ON q.answer IN ('breaks', 'fine') AND q.answered_at >= $1
        AND (q.reviewer_id = a.id
             OR EXISTS (SELECT FROM decisions o WHERE o.id = q.decision_id AND o.decided_by = a.id))
    LEFT JOIN decisions d ON d.id = q.decision_id
    WHERE a.role <> 'member' AND a.domain IS NULL
    GROUP BY a.id, a.username ORDER BY a.username
"""


async def list_readers(tx: Tx, since: datetime) -> list[tuple[object, ...]]:
    """How each member of the staff reads, and how their own decisions are read."""
    return [tuple(row) for row in await tx.fetch(LIST_READERS, since)]


LIST_WEEKS = """
    SELECT date_trunc('week', answered_at, 'UTC'), count(*) FILTER (WHERE answer = expected),
           count(*) FILTER (WHERE answer <> expected)
    FROM quality_checks WHERE answer IN ('breaks', 'fine') AND golden_id IS NULL AND answered_at >= $1
    GROUP BY 1 ORDER BY 1
"""


async def list_weeks(tx: Tx, since: datetime) -> list[tuple[datetime, int, int]]:
    """Agreed and disagreed, week by week."""
    return [(row[0], int(row[1]), int(row[2])) for row in await tx.fetch(LIST_WEEKS, since)]


LIST_STAFF = """
    SELECT id FROM accounts WHERE role <> 'member' AND domain IS NULL AND state = 'active' ORDER BY id
"""


async def list_staff(tx: Tx) -> list[int]:
    """Everybody of the staff."""
    return [row[0] for row in await tx.fetch(LIST_STAFF)]


COUNT_KNOWN_WAITING = """
    SELECT reviewer_id, count(*) FROM quality_checks
    WHERE golden_id IS NOT NULL AND state IN ('waiting', 'claimed') AND reviewer_id = ANY ($1::bigint[])
    GROUP BY reviewer_id
"""


async def count_known_waiting(tx: Tx, account_ids: Sequence[int]) -> dict[int, int]:
    """How many questions with a known answer wait for each."""
    return {row[0]: int(row[1]) for row in await tx.fetch(COUNT_KNOWN_WAITING, list(account_ids))}


GET_AUTHOR = """SELECT account_id FROM decisions WHERE id = $1"""


async def get_author(tx: Tx, decision_id: int) -> int:
    """Whom a decision is about."""
    return int(await tx.fetchval(GET_AUTHOR, decision_id))
