"""What became of the subjects of notices, from decisions and cases: the ledger is always read, never kept. SQL only.

Reads tables of other rooms of the desk, whatever was decided in them: there is no second truth to fall out of step.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class SubjectRow(msgspec.Struct, frozen=True):
    """A subject of a URL, with its place in the case."""

    url_id: int
    type: str
    id: int
    revision: int | None
    account_id: int
    case_id: int | None
    settled_at: datetime | None
    settled_as: str | None
    decision_id: int | None
    interim_decision_id: int | None
    state: str
    """Of a status its own, of an account its own; `gone` where there is nothing any more."""
    held_since: datetime | None
    """Since when screening keeps a status from everybody."""


# Plan: notice_subjects_notice, then case_subjects_one and primary keys for each.
LIST_SUBJECTS = """
    SELECT n.url_id, n.subject_type, n.subject_id, n.revision, n.account_id, n.case_id, s.settled_at, s.settled_as,
           s.decision_id, s.interim_decision_id,
           coalesce(t.state::text, a.state::text, m.state::text, 'gone'),
           CASE WHEN t.state = 'held' THEN t.created_at END
    FROM notice_subjects n
    LEFT JOIN statuses t ON n.subject_type = 'status' AND t.id = n.subject_id
    LEFT JOIN media m ON n.subject_type = 'media' AND m.id = n.subject_id
    LEFT JOIN accounts a ON n.subject_type IN ('account', 'profile') AND a.id = n.subject_id
    LEFT JOIN case_subjects s
        ON s.case_id = n.case_id AND s.subject_type = n.subject_type AND s.subject_id = n.subject_id
    WHERE n.notice_id = ANY($1::bigint[])
    ORDER BY n.id
"""


async def list_subjects(tx: Tx, notice_ids: Sequence[int]) -> list[SubjectRow]:
    """What the URLs of these notices are about, in order."""
    return [SubjectRow(*row) for row in await tx.fetch(LIST_SUBJECTS, notice_ids)]


class ActionRow(msgspec.Struct, frozen=True):
    """An action of a decision, with what the decision says."""

    id: int
    decision_id: int
    kind: str
    subject_type: str
    subject_id: int
    account_id: int
    applied_at: datetime
    ends_at: datetime | None
    reversed_at: datetime | None
    decision_kind: str
    clause: str | None
    clause_title: str
    reasons: str
    automated: bool
    decided_at: datetime


# Plan: decision_actions_subject for what was done to the subjects, decision_actions_decision for what else was done by
# the decisions that settled them.
LIST_ACTIONS = """
    WITH wanted AS (
        SELECT a.id FROM unnest($1::text[], $2::bigint[]) AS named (type, id)
        JOIN decision_actions a ON a.subject_type = named.type AND a.subject_id = named.id
        UNION
        SELECT a.id FROM decision_actions a WHERE a.decision_id = ANY($3::bigint[])
    )
    SELECT a.id, a.decision_id, a.kind, a.subject_type, a.subject_id, a.account_id, a.applied_at, a.ends_at,
           a.reversed_at, d.kind, d.clause, d.clause_title, d.reasons, d.automated_decision, d.created_at
    FROM wanted w JOIN decision_actions a ON a.id = w.id JOIN decisions d ON d.id = a.decision_id
    ORDER BY a.id
"""


async def list_actions(tx: Tx, subjects: Sequence[tuple[str, int]], decision_ids: Sequence[int]) -> list[ActionRow]:
    """What was done to these subjects ever, and all that these decisions did; the oldest first."""
    types, ids = [one[0] for one in subjects], [one[1] for one in subjects]
    return [ActionRow(*row) for row in await tx.fetch(LIST_ACTIONS, types, ids, decision_ids)]


# Plan: notice_subjects_notice, and reports_notice: what a stranger must not learn of stands with the reports alone.
LIST_ABOUT_ACCOUNT = """
    SELECT notice_id FROM notice_subjects WHERE notice_id = ANY($1::bigint[]) AND account_id = $2
    UNION
    SELECT notice_id FROM reports WHERE notice_id = ANY($1::bigint[]) AND target_account_id = $2
"""


async def list_about_account(tx: Tx, notice_ids: Sequence[int], account_id: int) -> set[int]:
    """Which of these notices name something of an account."""
    return {row[0] for row in await tx.fetch(LIST_ABOUT_ACCOUNT, list(notice_ids), account_id)}


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision that settled something."""

    id: int
    kind: str
    clause: str | None
    clause_title: str
    reasons: str
    automated: bool
    decided_at: datetime


LIST_DECISIONS = """
    SELECT id, kind, clause, clause_title, reasons, automated_decision, created_at FROM decisions
    WHERE id = ANY($1::bigint[])
"""


async def list_decisions(tx: Tx, ids: Sequence[int]) -> dict[int, DecisionRow]:
    """Decisions by id."""
    return {row[0]: DecisionRow(*row) for row in await tx.fetch(LIST_DECISIONS, ids)}
