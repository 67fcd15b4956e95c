"""The table of subjects of cases. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.cases.views import Settled, Source
from parley.safety.log.views import SubjectType


class SubjectRow(msgspec.Struct, frozen=True):
    """One subject of a case."""

    id: int
    case_id: int
    subject_type: SubjectType
    subject_id: int
    revision: int | None
    clause: str | None
    severity: int
    source: Source
    screening_id: int | None
    evidence_id: int | None
    decision_id: int | None
    interim_decision_id: int | None
    added_at: datetime
    settled_at: datetime | None
    settled_as: Settled | None


LIST_NAMED_SUBJECTS = """
    SELECT s.id, s.case_id, s.subject_type, s.subject_id, s.revision, s.clause, s.severity, s.source, s.screening_id,
        s.evidence_id, s.decision_id, s.interim_decision_id, s.added_at, s.settled_at, s.settled_as
    FROM unnest($2::text[], $3::bigint[]) AS named (type, id)
    JOIN case_subjects s ON s.case_id = $1 AND s.subject_type = named.type AND s.subject_id = named.id
"""


async def list_named_subjects(tx: Tx, case_id: int, named: Sequence[tuple[str, int]]) -> list[SubjectRow]:
    """Those of these (type, id) that a case has."""
    rows = await tx.fetch(LIST_NAMED_SUBJECTS, case_id, [one[0] for one in named], [one[1] for one in named])
    return [SubjectRow(*row) for row in rows]


# Of an account or a conversation something else is hidden; what also stands for another open subject stays.
LIST_STAND_INS = """
    SELECT DISTINCT s.interim_decision_id
    FROM unnest($2::text[], $3::bigint[]) AS named (type, id)
    JOIN case_subjects s ON s.case_id = $1 AND s.subject_type = named.type AND s.subject_id = named.id
    WHERE s.subject_type IN ('account', 'conversation') AND s.interim_decision_id IS NOT NULL
      AND NOT EXISTS (
        SELECT FROM case_subjects o
        WHERE o.case_id = $1 AND o.interim_decision_id = s.interim_decision_id AND o.settled_at IS NULL
          AND (o.subject_type, o.subject_id) NOT IN (SELECT * FROM unnest($2::text[], $3::bigint[])))
    ORDER BY 1
"""


async def list_stand_ins(tx: Tx, case_id: int, named: Sequence[tuple[str, int]]) -> list[int]:
    """Interim decisions that hid something in the place of these accounts and conversations, and of nothing else that
    waits."""
    rows = await tx.fetch(LIST_STAND_INS, case_id, [one[0] for one in named], [one[1] for one in named])
    return [row[0] for row in rows]


LIST_CASE_SUBJECTS = """
    SELECT id, case_id, subject_type, subject_id, revision, clause, severity, source, screening_id, evidence_id,
        decision_id, interim_decision_id, added_at, settled_at, settled_as
    FROM case_subjects WHERE case_id = $1 ORDER BY settled_at IS NOT NULL, severity, id LIMIT $2
"""


async def list_case_subjects(tx: Tx, case_id: int, limit: int) -> list[SubjectRow]:
    """Subjects of a case: those that wait first, the gravest first."""
    return [SubjectRow(*row) for row in await tx.fetch(LIST_CASE_SUBJECTS, case_id, limit)]


LIST_WAITING_SUBJECTS = """
    SELECT s.id, s.case_id, s.subject_type, s.subject_id, s.revision, s.clause, s.severity, s.source, s.screening_id,
        s.evidence_id, s.decision_id, s.interim_decision_id, s.added_at, s.settled_at, s.settled_as
    FROM case_subjects s WHERE s.subject_type = $1 AND s.subject_id = $2 AND s.settled_at IS NULL
"""


async def list_waiting_subjects(tx: Tx, subject_type: str, subject_id: int) -> list[SubjectRow]:
    """Where something waits to be decided: at most one row, for an account has one open case."""
    return [SubjectRow(*row) for row in await tx.fetch(LIST_WAITING_SUBJECTS, subject_type, subject_id)]


LIST_FOUND_SUBJECTS = """
    SELECT id, case_id, subject_type, subject_id, revision, clause, severity, source, screening_id, evidence_id,
        decision_id, interim_decision_id, added_at, settled_at, settled_as
    FROM case_subjects WHERE settled_at IS NULL AND source = 'automated' AND id > $1 ORDER BY id LIMIT $2
"""


async def list_found_subjects(tx: Tx, above: int, limit: int) -> list[SubjectRow]:
    """A page of what waits because the program found it, by id."""
    return [SubjectRow(*row) for row in await tx.fetch(LIST_FOUND_SUBJECTS, above, limit)]


INSERT_SUBJECTS = """
    INSERT INTO case_subjects (case_id, subject_type, subject_id, revision, clause, severity, source, screening_id,
        evidence_id, added_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    RETURNING id
"""


async def insert_subject(
    tx: Tx,
    case_id: int,
    subject: tuple[str, int, int | None],
    gravity: tuple[Source, str | None, int],
    found: tuple[int | None, int | None],
    moment: datetime,
) -> int:
    """Add a subject (type, id, revision); `gravity` is source, clause, severity; `found` is screening and evidence."""
    source, clause, severity = gravity
    values = (case_id, *subject, clause, severity, source, *found, moment)
    return int(await tx.fetchval(INSERT_SUBJECTS, *values))


UPDATE_SUBJECT = """
    UPDATE case_subjects
    SET revision = $2, source = $3, clause = $4, severity = $5, screening_id = $6, evidence_id = $7,
        settled_at = NULL, settled_as = NULL, decision_id = NULL
    WHERE id = $1
"""


async def update_subject(
    tx: Tx,
    case_subject_id: int,
    revision: int | None,
    gravity: tuple[Source, str | None, int],
    found: tuple[int | None, int | None],
) -> None:
    """What is known of a subject now; it waits (again)."""
    await tx.execute(UPDATE_SUBJECT, case_subject_id, revision, *gravity, *found)


UPDATE_SETTLED = """
    UPDATE case_subjects SET settled_at = $2, settled_as = $3, decision_id = coalesce($4, decision_id)
    WHERE id = ANY($1::bigint[])
"""


async def update_settled(
    tx: Tx, case_subject_ids: Sequence[int], moment: datetime, settled_as: Settled, decision_id: int | None
) -> None:
    """These wait no more."""
    await tx.execute(UPDATE_SETTLED, list(case_subject_ids), moment, settled_as, decision_id)


UPDATE_UNSETTLED = """
    UPDATE case_subjects SET settled_at = NULL, settled_as = NULL, decision_id = NULL
    WHERE case_id = $1 AND ($2::bigint IS NULL OR decision_id = $2) AND settled_as = 'decided'
    RETURNING id
"""


async def update_unsettled(tx: Tx, case_id: int, decision_id: int | None) -> list[int]:
    """What was decided (by one decision, or by any) waits again; returns which."""
    return [row[0] for row in await tx.fetch(UPDATE_UNSETTLED, case_id, decision_id)]


UPDATE_INTERIM = """
    UPDATE case_subjects SET interim_decision_id = $2 WHERE id = ANY($1::bigint[])
"""


async def update_interim(tx: Tx, case_subject_ids: Sequence[int], decision_id: int | None) -> None:
    """Hidden by that decision until somebody decides; None: no longer."""
    await tx.execute(UPDATE_INTERIM, list(case_subject_ids), decision_id)


COUNT_WAITING = """SELECT count(*) FROM case_subjects WHERE case_id = $1 AND settled_at IS NULL"""


async def count_waiting(tx: Tx, case_id: int) -> int:
    """How many subjects of a case are left to decide."""
    return int(await tx.fetchval(COUNT_WAITING, case_id))


COUNT_SUBJECTS = """SELECT count(*) FROM case_subjects WHERE case_id = $1"""


async def count_subjects(tx: Tx, case_id: int) -> int:
    """How many subjects a case has."""
    return int(await tx.fetchval(COUNT_SUBJECTS, case_id))


LIST_KNOWN_SCREENINGS = """
    SELECT screening_id FROM case_subjects WHERE screening_id = ANY($1::bigint[])
"""


async def list_known_screenings(tx: Tx, screening_ids: Sequence[int]) -> set[int]:
    """Those of these results that brought something into a case already."""
    return {row[0] for row in await tx.fetch(LIST_KNOWN_SCREENINGS, list(screening_ids))}


# What a decision did is read here because reports close with their outcome in its transaction.
LIST_ACTED = """
    SELECT subject_type, subject_id FROM decision_actions
    WHERE decision_id = $1 AND kind NOT IN ('no_action', 'publish')
"""


async def list_acted(tx: Tx, decision_id: int) -> set[tuple[str, int]]:
    """What a decision did something about."""
    return {(row[0], row[1]) for row in await tx.fetch(LIST_ACTED, decision_id)}
