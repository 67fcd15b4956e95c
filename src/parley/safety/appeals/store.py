"""The table of appeals, and what is asked of decisions, reports and staff before one is taken. SQL only."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.safety.appeals.states import State
from parley.safety.appeals.views import Role, WaitsFor


class GroundRow(msgspec.Struct, frozen=True):
    """The decision that is appealed, and how the appellant stands to it."""

    id: int
    case_id: int | None
    account_id: int
    kind: str
    source: str
    clause: str | None
    severity: int | None
    automated: bool
    created_at: datetime
    appeal_until: datetime
    reversed_by_id: int | None
    reported: bool
    """Whether the report, the notice or the account that was named reported what it is about."""


# Read across rooms, because an appeal is a relation between them: who reported stands with the case of the decision.
GET_GROUND = """
    SELECT d.id, d.case_id, d.account_id, d.kind, d.source, d.clause, coalesce(d.severity, c.severity),
           d.automated_decision, d.created_at, d.appeal_until, d.reversed_by_id,
           EXISTS (
               SELECT FROM reports r
               WHERE r.case_id = d.case_id AND r.created_at <= d.created_at
                 AND (r.subject_ids = '{}' OR EXISTS (
                     SELECT FROM case_subjects u LEFT JOIN decision_actions x ON x.decision_id = d.id
                         AND x.subject_type = u.subject_type AND x.subject_id = u.subject_id
                     WHERE u.id = ANY (r.subject_ids) AND (u.decision_id = d.id OR x.id IS NOT NULL)))
                 AND ($2::bigint IS NOT NULL AND r.account_id = $2
                      OR $2 IS NULL AND r.account_id IS NULL
                         AND (r.id = $3 AND ($4::bigint IS NULL OR r.notice_id = $4)
                              OR $3::bigint IS NULL AND r.notice_id = $4)))
    FROM decisions d LEFT JOIN cases c ON c.id = d.case_id WHERE d.id = $1
"""


async def get_ground(
    tx: Tx, decision_id: int, account_id: int | None, report_id: int | None, notice_id: int | None
) -> GroundRow | None:
    """The decision, and whether the one who asks reported it."""
    row = await tx.fetchrow(GET_GROUND, decision_id, account_id, report_id, notice_id)
    return GroundRow(*row) if row else None


# Of the staff, whoever had no hand in the decision and is no party of it.
LIST_REVIEWERS = """
    SELECT a.id FROM accounts a JOIN users u ON u.account_id = a.id
    WHERE a.role <> 'member' AND a.domain IS NULL AND a.state IN ('active', 'limited') AND u.disabled_at IS NULL
      AND a.id NOT IN (SELECT list_deciders($1))
      AND a.id <> (SELECT account_id FROM decisions WHERE id = $1)
      AND a.id IS DISTINCT FROM $2
      AND NOT EXISTS (SELECT FROM decisions d JOIN reports r ON r.case_id = d.case_id
                      WHERE d.id = $1 AND r.account_id = a.id)
    ORDER BY a.id
"""


async def list_reviewers(tx: Tx, decision_id: int, appellant_id: int | None) -> list[int]:
    """Who of the staff may review an appeal against the decision."""
    return [row[0] for row in await tx.fetch(LIST_REVIEWERS, decision_id, appellant_id)]


LIST_ABLE = """
    SELECT a.id FROM appeals a JOIN decisions d ON d.id = a.decision_id
    WHERE a.id = ANY($1::bigint[]) AND d.account_id <> $2 AND a.account_id IS DISTINCT FROM $2
      AND $2 NOT IN (SELECT list_deciders(d.id))
      AND NOT EXISTS (SELECT FROM reports r WHERE r.case_id = d.case_id AND r.account_id = $2)
"""


async def list_able(tx: Tx, appeal_ids: list[int], account_id: int) -> set[int]:
    """Which of these appeals one member of the staff may review."""
    return {row[0] for row in await tx.fetch(LIST_ABLE, appeal_ids, account_id)}


INSERT_APPEAL = """
    INSERT INTO appeals (id, decision_id, case_id, role, account_id, report_id, notice_id, waits_for, text)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT DO NOTHING RETURNING id
"""


async def insert_appeal(
    tx: Tx,
    appeal_id: int,
    ground: GroundRow,
    role: Role,
    who: tuple[int | None, int | None, int | None],
    waits_for: WaitsFor,
    text: str,
) -> bool:
    """Store an appeal; `who` are account, report and notice. False when there was one already."""
    row = await tx.fetchval(INSERT_APPEAL, appeal_id, ground.id, ground.case_id, role, *who, waits_for, text)
    return row is not None


UPDATE_STATE = """
    UPDATE appeals SET state = $2, waits_for = $3, reviewer_id = $4, leased_until = $5 WHERE id = $1
"""


async def update_state(
    tx: Tx, appeal_id: int, state: State, waits_for: WaitsFor, reviewer_id: int | None, leased_until: datetime | None
) -> None:
    """Put an appeal into another state that does not end it."""
    await tx.execute(UPDATE_STATE, appeal_id, state, waits_for, reviewer_id, leased_until)


UPDATE_ENDED = """
    UPDATE appeals SET state = $2, answer = $3, appeal_decision_id = $4, ended_at = now(), leased_until = NULL
    WHERE id = $1
"""


async def update_ended(tx: Tx, appeal_id: int, state: State, answer: str, appeal_decision_id: int | None) -> None:
    """End an appeal with its answer."""
    await tx.execute(UPDATE_ENDED, appeal_id, state, answer, appeal_decision_id)


class AppealRow(msgspec.Struct, frozen=True):
    """An appeal with what must be known of its decision."""

    id: int
    decision_id: int
    case_id: int | None
    account_id: int
    role: Role
    appellant_id: int | None
    report_id: int | None
    notice_id: int | None
    state: State
    waits_for: WaitsFor
    text: str
    answer: str
    reviewer_id: int | None
    leased_until: datetime | None
    appeal_decision_id: int | None
    clause: str | None
    severity: int | None
    source: str
    automated: bool
    decided_at: datetime
    reversed_by_id: int | None
    created_at: datetime
    due_at: datetime | None
    ended_at: datetime | None
    deciders: list[int]


_APPEAL = """
    SELECT a.id, a.decision_id, a.case_id, d.account_id, a.role, a.account_id, a.report_id, a.notice_id, a.state,
           a.waits_for, a.text, a.answer, a.reviewer_id, a.leased_until, a.appeal_decision_id, d.clause,
           coalesce(d.severity, c.severity), d.source, d.automated_decision, d.created_at, d.reversed_by_id,
           a.created_at,
           (SELECT min(k.due_at) FROM sla_clocks k WHERE k.appeal_id = a.id),
           a.ended_at, ARRAY(SELECT list_deciders(d.id))
    FROM appeals a JOIN decisions d ON d.id = a.decision_id LEFT JOIN cases c ON c.id = d.case_id
"""
GET_APPEAL = (
    _APPEAL
    + """
    WHERE a.id = $1
"""
)
LOCK_APPEAL = """SELECT id FROM appeals WHERE id = $1 FOR UPDATE"""


async def get_appeal(tx: Tx, appeal_id: int) -> AppealRow | None:
    """One appeal."""
    row = await tx.fetchrow(GET_APPEAL, appeal_id)
    return AppealRow(*row) if row else None


async def lock_appeal(tx: Tx, appeal_id: int) -> AppealRow | None:
    """One appeal, that nobody else changes until `tx` ends."""
    return await get_appeal(tx, appeal_id) if await tx.fetchval(LOCK_APPEAL, appeal_id) else None


LIST_OPEN = (
    _APPEAL
    + """
    WHERE a.ended_at IS NULL AND a.id > $1 AND ($2::bigint IS NULL OR a.reviewer_id = $2)
    ORDER BY a.id LIMIT $3
"""
)


async def list_open(tx: Tx, after: int, limit: int, *, reviewer_id: int | None = None) -> list[AppealRow]:
    """Appeals that wait or are under review, the oldest first."""
    return [AppealRow(*row) for row in await tx.fetch(LIST_OPEN, after, reviewer_id, limit)]


LIST_ENDED = (
    _APPEAL
    + """
    WHERE a.ended_at IS NOT NULL AND a.id < $1 ORDER BY a.id DESC LIMIT $2
"""
)


async def list_ended(tx: Tx, before: int, limit: int) -> list[AppealRow]:
    """Appeals that were decided, the newest first."""
    return [AppealRow(*row) for row in await tx.fetch(LIST_ENDED, before, limit)]


LIST_OF_ACCOUNT = (
    _APPEAL
    + """
    WHERE a.account_id = $1 ORDER BY a.id DESC LIMIT $2
"""
)


async def list_of_account(tx: Tx, account_id: int, limit: int) -> list[AppealRow]:
    """What an account filed, the newest first."""
    return [AppealRow(*row) for row in await tx.fetch(LIST_OF_ACCOUNT, account_id, limit)]


LIST_OF_DECISIONS = (
    _APPEAL
    + """
    WHERE a.decision_id = ANY($1::bigint[]) ORDER BY a.id
"""
)


async def list_of_decisions(tx: Tx, decision_ids: list[int]) -> list[AppealRow]:
    """Every appeal against these decisions."""
    return [AppealRow(*row) for row in await tx.fetch(LIST_OF_DECISIONS, decision_ids)]


# Appeals against what a program had done until this decision of people came; by what it took back.
LIST_REPLACED = """
    SELECT a.id FROM appeals a
    WHERE a.ended_at IS NULL AND a.decision_id IN (
        SELECT d.id FROM decision_actions x JOIN decisions d ON d.id = x.decision_id
        WHERE x.reversed_by_id = $1 AND d.reversed_by_id = $1)
    ORDER BY a.id
"""
# NULL: it was taken back, by a decision that does nothing else.
LIST_REPLACING_KINDS = """
    SELECT CASE WHEN n.reverses_id IS NULL THEN ARRAY(
        SELECT DISTINCT y.kind FROM decision_actions y
        WHERE y.decision_id = n.id AND EXISTS (
            SELECT FROM decision_actions x
            WHERE x.decision_id = $1 AND (x.subject_type, x.subject_id) = (y.subject_type, y.subject_id)))
    END
    FROM decisions n WHERE n.id = $2
"""


async def list_replaced(tx: Tx, decision_id: int) -> list[int]:
    """Open appeals against decisions of programs that this decision of people has replaced."""
    return [row[0] for row in await tx.fetch(LIST_REPLACED, decision_id)]


async def list_replacing_kinds(tx: Tx, decision_id: int, by_decision_id: int) -> list[str] | None:
    """What a decision did to the subjects of the one that it replaced; None when it merely took that back."""
    found: list[str] | None = await tx.fetchval(LIST_REPLACING_KINDS, decision_id, by_decision_id)
    return found


LIST_LAPSED = """SELECT id FROM appeals WHERE state = 'in_review' AND leased_until < $1 ORDER BY id LIMIT 500"""


async def list_lapsed(tx: Tx, moment: datetime) -> list[int]:
    """Appeals whose reviewer let the lease run out."""
    return [row[0] for row in await tx.fetch(LIST_LAPSED, moment)]


LIST_STUCK = """SELECT id FROM appeals WHERE ended_at IS NULL AND waits_for = 'nobody' ORDER BY id LIMIT 500"""


async def list_stuck(tx: Tx) -> list[int]:
    """Appeals that nobody here may review."""
    return [row[0] for row in await tx.fetch(LIST_STUCK)]


COUNT_OPEN = """
    SELECT count(*), count(*) FILTER (WHERE waits_for = 'nobody'), min(created_at) FROM appeals WHERE ended_at IS NULL
"""


async def count_open(tx: Tx) -> tuple[int, int, datetime | None]:
    """How many wait, how many of them for a person that is not there, and since when the oldest does."""
    row = await tx.fetchrow(COUNT_OPEN)
    return int(row[0]), int(row[1]), row[2]


LIST_OPERATORS = """
    SELECT a.id, a.username, u.email FROM accounts a JOIN users u ON u.account_id = a.id
    WHERE a.role IN ('admin', 'owner') AND a.domain IS NULL AND u.disabled_at IS NULL ORDER BY a.id
"""


async def list_operators(tx: Tx) -> list[tuple[int, str, str]]:
    """Account, name and address of everybody who runs the instance."""
    return [tuple(row) for row in await tx.fetch(LIST_OPERATORS)]


GET_ADDRESS = """
    SELECT a.username, u.email FROM accounts a JOIN users u ON u.account_id = a.id WHERE a.id = $1
"""


async def get_address(tx: Tx, account_id: int) -> tuple[str, str] | None:
    """Name and mail address of a member."""
    row = await tx.fetchrow(GET_ADDRESS, account_id)
    return (row[0], row[1]) if row else None


GET_OWN_REPORT = """
    SELECT coalesce(r.outcome,
                    CASE WHEN EXISTS (SELECT FROM decision_actions x
                                      WHERE x.decision_id = d.id AND x.kind NOT IN ('no_action', 'publish'))
                         THEN 'acted' ELSE 'not_acted' END), r.created_at
    FROM decisions d JOIN reports r ON r.case_id = d.case_id AND r.account_id = $2
    WHERE d.id = $1 ORDER BY r.id LIMIT 1
"""


async def get_own_report(tx: Tx, decision_id: int, account_id: int) -> tuple[str, datetime] | None:
    """The outcome of somebody's report in the case of a decision, and when they sent it."""
    row = await tx.fetchrow(GET_OWN_REPORT, decision_id, account_id)
    return (row[0], row[1]) if row else None


class OwnStrike(msgspec.Struct, frozen=True):
    """One strike, for whom it was given to."""

    decision_id: int
    clause: str
    weight: int
    created_at: datetime
    expires_at: datetime
    refunded_at: datetime | None


LIST_OWN_STRIKES = """
    SELECT decision_id, clause, weight, created_at, expires_at, refunded_at FROM strikes
    WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""


async def list_own_strikes(tx: Tx, account_id: int, limit: int) -> list[OwnStrike]:
    """Strikes of an account, the newest first; those that no longer count too."""
    return [OwnStrike(*row) for row in await tx.fetch(LIST_OWN_STRIKES, account_id, limit)]
