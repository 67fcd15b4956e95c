"""The tables of decisions and their actions. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class DecisionRow(msgspec.Struct, frozen=True):
    """A decision as it is stored."""

    id: int
    case_id: int | None
    account_id: int
    kind: str
    decided_by: int | None
    approved_by: int | None
    automated_detection: bool
    automated_decision: bool
    source: str
    clause: str | None
    clause_title: str
    clause_text: str
    severity: int | None
    policy_sha256: str
    ruleset: str
    facts: str
    reasons: str
    language: str
    reverses_id: int | None
    reversed_by_id: int | None
    appeal_until: datetime
    request_key: str | None
    created_at: datetime


INSERT_DECISION = """
    INSERT INTO decisions (id, case_id, account_id, kind, decided_by, approved_by, automated_detection,
        automated_decision, source, clause, clause_title, clause_text, severity, policy_sha256, ruleset, facts,
        reasons, language, reverses_id, reversed_by_id, appeal_until, request_key, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)
"""


async def insert_decision(tx: Tx, row: DecisionRow) -> None:
    """A decision; its actions follow."""
    await tx.execute(INSERT_DECISION, *msgspec.structs.astuple(row))


async def insert_decisions(tx: Tx, rows: Sequence[DecisionRow]) -> None:
    """Many decisions; their actions follow."""
    await tx.executemany(INSERT_DECISION, [msgspec.structs.astuple(row) for row in rows])


LIST_NEW_IDS = """SELECT parley_id() FROM generate_series(1, $1::integer)"""


async def list_new_ids(tx: Tx, count: int) -> list[int]:
    """Fresh ids, for rows that must know theirs before they are inserted; ascending."""
    return sorted(int(row[0]) for row in await tx.fetch(LIST_NEW_IDS, count))


LIST_DECISIONS = """
    SELECT id, case_id, account_id, kind, decided_by, approved_by, automated_detection, automated_decision, source,
        clause, clause_title, clause_text, severity, policy_sha256, ruleset, facts, reasons, language, reverses_id,
        reversed_by_id, appeal_until, request_key, created_at
    FROM decisions WHERE id = ANY($1::bigint[]) ORDER BY id DESC
"""


async def list_decisions(tx: Tx, ids: Sequence[int]) -> list[DecisionRow]:
    """Decisions by id, the newest first; missing ones are left out."""
    return [DecisionRow(*row) for row in await tx.fetch(LIST_DECISIONS, list(ids))]


LOCK_DECISION = """SELECT id FROM decisions WHERE id = $1 FOR NO KEY UPDATE"""


async def lock_decision(tx: Tx, decision_id: int) -> bool:
    """Lock a decision until the transaction ends; False when there is none."""
    return await tx.fetchval(LOCK_DECISION, decision_id) is not None


GET_BY_KEY = """SELECT id FROM decisions WHERE decided_by = $1 AND request_key = $2"""


async def get_by_key(tx: Tx, decided_by: int, key: str) -> int | None:
    """The decision that a request with this key has made before."""
    found = await tx.fetchval(GET_BY_KEY, decided_by, key)
    return None if found is None else int(found)


LOCK_KEY = """SELECT pg_advisory_xact_lock(hashtextextended($1, 20))"""


async def lock_key(tx: Tx, key: str) -> None:
    """Let requests with the same key go one after the other."""
    await tx.execute(LOCK_KEY, key)


LIST_ABOUT = """SELECT id FROM decisions WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"""
LIST_OF_CASE = """SELECT id FROM decisions WHERE case_id = $1 ORDER BY id DESC LIMIT $2"""


async def list_about(tx: Tx, account_id: int, before_id: int, limit: int) -> list[int]:
    """Ids of decisions about an account, the newest first."""
    return [row[0] for row in await tx.fetch(LIST_ABOUT, account_id, before_id, limit)]


async def list_of_case(tx: Tx, case_id: int, limit: int) -> list[int]:
    """Ids of decisions in a case, the newest first."""
    return [row[0] for row in await tx.fetch(LIST_OF_CASE, case_id, limit)]


LIST_TOGETHER = """SELECT id FROM decisions WHERE account_id = $1 AND kind = $2 AND created_at = $3 ORDER BY id"""


async def list_together(tx: Tx, row: DecisionRow) -> list[int]:
    """Ids of the decisions about the same account that were made in one go with this one, itself among them."""
    return [found[0] for found in await tx.fetch(LIST_TOGETHER, row.account_id, row.kind, row.created_at)]


HAS_RECENT = """
    SELECT EXISTS (
        SELECT FROM decisions WHERE account_id = $1 AND kind = $2 AND id < $3 AND created_at > $4)
"""


async def has_recent(tx: Tx, row: DecisionRow, since: datetime) -> bool:
    """Whether a decision of the same kind about the same account was made before this one, after `since`."""
    return bool(await tx.fetchval(HAS_RECENT, row.account_id, row.kind, row.id, since))


UPDATE_REVERSED = """UPDATE decisions SET reversed_by_id = $2 WHERE id = $1 AND reversed_by_id IS NULL RETURNING id"""


async def update_reversed(tx: Tx, decision_id: int, by_id: int) -> bool:
    """Note that a decision was taken back by another; False when it was before."""
    return await tx.fetchval(UPDATE_REVERSED, decision_id, by_id) is not None


UPDATE_NOT_REVERSED = """UPDATE decisions SET reversed_by_id = NULL WHERE reversed_by_id = $1"""


async def update_not_reversed(tx: Tx, by_id: int) -> None:
    """What a decision had taken back stands again, for that decision was undone."""
    await tx.execute(UPDATE_NOT_REVERSED, by_id)


class ActionRow(msgspec.Struct, frozen=True):
    """One action of a decision. `decision_kind` is that of the decision."""

    id: int
    decision_id: int
    account_id: int
    kind: str
    subject_type: str
    subject_id: int
    revision: int | None
    label: str
    ends_at: datetime | None
    before: dict[str, Any]
    applied_at: datetime
    reversed_at: datetime | None
    reversed_by_id: int | None
    decision_kind: str


INSERT_ACTION = """
    INSERT INTO decision_actions (id, decision_id, account_id, kind, subject_type, subject_id, revision, label, ends_at,
        before, applied_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""


async def insert_action(tx: Tx, action_id: int, decision_id: int, account_id: int, *values: Any) -> None:
    """An action; `values` are the columns of INSERT_ACTION after the account, in order."""
    await tx.execute(INSERT_ACTION, action_id, decision_id, account_id, *values)


async def insert_actions(tx: Tx, rows: Sequence[ActionRow]) -> None:
    """The actions of many decisions."""
    await tx.executemany(
        INSERT_ACTION,
        [
            (row.id, row.decision_id, row.account_id, row.kind, row.subject_type, row.subject_id, row.revision,
             row.label, row.ends_at, row.before, row.applied_at)
            for row in rows
        ],
    )  # fmt: skip


LIST_ACTIONS = """
    SELECT a.id, a.decision_id, a.account_id, a.kind, a.subject_type, a.subject_id, a.revision, a.label, a.ends_at,
        a.before, a.applied_at, a.reversed_at, a.reversed_by_id, d.kind
    FROM decision_actions a JOIN decisions d ON d.id = a.decision_id
    WHERE a.decision_id = ANY($1::bigint[]) ORDER BY a.id
"""


async def list_actions(tx: Tx, decision_ids: Sequence[int]) -> list[ActionRow]:
    """The actions of decisions, in the order in which they were done."""
    return [ActionRow(*row) for row in await tx.fetch(LIST_ACTIONS, list(decision_ids))]


LIST_IN_FORCE = """
    SELECT a.id, a.decision_id, a.account_id, a.kind, a.subject_type, a.subject_id, a.revision, a.label, a.ends_at,
        a.before, a.applied_at, a.reversed_at, a.reversed_by_id, d.kind
    FROM decision_actions a JOIN decisions d ON d.id = a.decision_id
    WHERE a.subject_type = $1 AND a.subject_id = $2 AND a.reversed_at IS NULL
    ORDER BY a.id
"""


async def list_in_force(tx: Tx, subject_type: str, subject_id: int) -> list[ActionRow]:
    """What is in force about a subject, the oldest first."""
    return [ActionRow(*row) for row in await tx.fetch(LIST_IN_FORCE, subject_type, subject_id)]


LIST_AUTOMATIC = """
    SELECT a.id, a.decision_id, a.account_id, a.kind, a.subject_type, a.subject_id, a.revision, a.label, a.ends_at,
        a.before, a.applied_at, a.reversed_at, a.reversed_by_id, d.kind
    FROM unnest($1::text[], $2::bigint[]) AS named (subject_type, subject_id)
    JOIN decision_actions a ON a.subject_type = named.subject_type AND a.subject_id = named.subject_id
    JOIN decisions d ON d.id = a.decision_id
    WHERE a.reversed_at IS NULL AND d.automated_decision
    ORDER BY a.id DESC
"""


async def list_automatic(tx: Tx, subjects: Sequence[tuple[str, int]]) -> list[ActionRow]:
    """What machines did about these subjects that is in force, the newest first."""
    rows = await tx.fetch(LIST_AUTOMATIC, [kind for kind, _ in subjects], [id_ for _, id_ in subjects])
    return [ActionRow(*row) for row in rows]


LIST_LASTING = """
    SELECT a.subject_type, a.subject_id, a.kind
    FROM unnest($1::text[], $2::bigint[]) AS named (subject_type, subject_id)
    JOIN decision_actions a ON a.subject_type = named.subject_type AND a.subject_id = named.subject_id
    JOIN decisions d ON d.id = a.decision_id
    WHERE a.reversed_at IS NULL AND a.ends_at IS NULL AND NOT d.automated_decision
"""


async def list_lasting(tx: Tx, subjects: Sequence[tuple[str, int]]) -> set[tuple[str, int, str]]:
    """What people did about these subjects, without an end, that is in force: subject and kind."""
    rows = await tx.fetch(LIST_LASTING, [kind for kind, _ in subjects], [id_ for _, id_ in subjects])
    return {(row[0], row[1], row[2]) for row in rows}


LIST_REVERSED_BY = """
    SELECT a.id, a.decision_id, a.account_id, a.kind, a.subject_type, a.subject_id, a.revision, a.label, a.ends_at,
        a.before, a.applied_at, a.reversed_at, a.reversed_by_id, d.kind
    FROM decision_actions a JOIN decisions d ON d.id = a.decision_id
    WHERE a.reversed_by_id = $1 ORDER BY a.id
"""


async def list_reversed_by(tx: Tx, decision_id: int) -> list[ActionRow]:
    """What a decision took back, the oldest first."""
    return [ActionRow(*row) for row in await tx.fetch(LIST_REVERSED_BY, decision_id)]


UPDATE_ACTION_REVERSED = """
    UPDATE decision_actions SET reversed_at = $2, reversed_by_id = $3 WHERE id = $1 AND reversed_at IS NULL
"""


async def update_action_reversed(tx: Tx, action_id: int, moment: datetime, by_id: int) -> None:
    """Note that an action is not in force any more."""
    await tx.execute(UPDATE_ACTION_REVERSED, action_id, moment, by_id)


UPDATE_ACTION_IN_FORCE = """UPDATE decision_actions SET reversed_at = NULL, reversed_by_id = NULL WHERE id = $1"""


async def update_action_in_force(tx: Tx, action_id: int) -> None:
    """An action counts again, for what had ended it was undone."""
    await tx.execute(UPDATE_ACTION_IN_FORCE, action_id)


UPDATE_ACTION_BEFORE = """UPDATE decision_actions SET before = $2 WHERE id = $1"""


async def update_action_before(tx: Tx, action_id: int, before: dict[str, Any]) -> None:
    """What has to be put back if the action is reversed, when that has changed."""
    await tx.execute(UPDATE_ACTION_BEFORE, action_id, before)


LIST_DUE = """
    SELECT decision_id, array_agg(id ORDER BY id) FROM decision_actions
    WHERE ends_at <= $1 AND ends_at IS NOT NULL AND reversed_at IS NULL
    GROUP BY decision_id ORDER BY min(ends_at) LIMIT $2
"""


async def list_due(tx: Tx, moment: datetime, limit: int) -> list[tuple[int, list[int]]]:
    """Decisions of which actions should have ended, with those actions."""
    return [(row[0], list(row[1])) for row in await tx.fetch(LIST_DUE, moment, limit)]


class StrikeRow(msgspec.Struct, frozen=True):
    """A strike."""

    id: int
    account_id: int
    decision_id: int
    clause: str
    weight: int
    created_at: datetime
    expires_at: datetime
    refunded_at: datetime | None


INSERT_STRIKE = """
    INSERT INTO strikes (account_id, decision_id, clause, weight, expires_at, created_at)
    VALUES ($1, $2, $3, $4, $5, $6)
"""


async def insert_strike(
    tx: Tx, account_id: int, decision_id: int, clause: str, weight: int, expires_at: datetime, moment: datetime
) -> None:
    """Give a strike."""
    await tx.execute(INSERT_STRIKE, account_id, decision_id, clause, weight, expires_at, moment)


LIST_STRIKES = """
    SELECT id, account_id, decision_id, clause, weight, created_at, expires_at, refunded_at
    FROM strikes WHERE account_id = $1 ORDER BY id DESC LIMIT $2
"""


async def list_strikes(tx: Tx, account_id: int, limit: int) -> list[StrikeRow]:
    """Strikes of an account, the newest first, expired and refunded ones too."""
    return [StrikeRow(*row) for row in await tx.fetch(LIST_STRIKES, account_id, limit)]


COUNT_STRIKES = """
    SELECT count(*), coalesce(sum(weight), 0) FROM strikes
    WHERE account_id = $1 AND refunded_at IS NULL AND expires_at > $2
"""


async def count_strikes(tx: Tx, account_id: int, moment: datetime) -> tuple[int, int]:
    """How many strikes count at a moment, and their weight."""
    row = await tx.fetchrow(COUNT_STRIKES, account_id, moment)
    assert row is not None
    return int(row[0]), int(row[1])


LIST_WEIGHTS = """
    SELECT decision_id, sum(weight) FROM strikes
    WHERE decision_id = ANY($1::bigint[]) AND refunded_at IS NULL GROUP BY decision_id
"""


async def list_weights(tx: Tx, decision_ids: Sequence[int]) -> dict[int, int]:
    """Weight of the strikes that decisions gave and that were not refunded, by decision."""
    return {row[0]: int(row[1]) for row in await tx.fetch(LIST_WEIGHTS, list(decision_ids))}


UPDATE_REFUNDED = """
    UPDATE strikes SET refunded_at = $2 WHERE decision_id = $1 AND refunded_at IS NULL RETURNING id
"""


async def update_refunded(tx: Tx, decision_id: int, moment: datetime) -> int:
    """Take back the strikes of a decision; returns how many."""
    return len(await tx.fetch(UPDATE_REFUNDED, decision_id, moment))


LIST_EXPIRED = """
    SELECT DISTINCT account_id FROM strikes
    WHERE refunded_at IS NULL AND expires_at > $1 AND expires_at <= $2
"""


async def list_expired(tx: Tx, after: datetime, until: datetime) -> list[int]:
    """Accounts of which a strike expired in this time."""
    return [row[0] for row in await tx.fetch(LIST_EXPIRED, after, until)]
