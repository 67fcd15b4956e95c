"""The table of decisions that wait for a second person. SQL only; no rule lives here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class ProposalRow(msgspec.Struct, frozen=True):
    """A proposal as it is stored; `decisions` are NewDecision as plain data."""

    id: int
    case_id: int | None
    account_id: int
    why: str
    state: str
    decisions: list[dict[str, Any]]
    proposed_by: int
    answered_by: int | None
    answer: str
    decision_ids: list[int]
    created_at: datetime
    ended_at: datetime | None
    reverses_id: int | None
    copies_of_id: int | None


INSERT_PROPOSAL = """
    INSERT INTO decision_proposals (id, case_id, account_id, why, decisions, proposed_by, request_key, created_at,
        reverses_id, copies_of_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


async def insert_proposal(tx: Tx, *values: Any) -> None:
    """A proposal; `values` are the columns of INSERT_PROPOSAL in order."""
    await tx.execute(INSERT_PROPOSAL, *values)


LIST_PROPOSALS = """
    SELECT id, case_id, account_id, why, state, decisions, proposed_by, answered_by, answer, decision_ids, created_at,
        ended_at, reverses_id, copies_of_id
    FROM decision_proposals WHERE id = ANY($1::bigint[]) ORDER BY id
"""
LIST_WAITING = """SELECT id FROM decision_proposals WHERE state = 'waiting' ORDER BY id LIMIT $1"""
LIST_WAITING_FOR = """
    SELECT id FROM decision_proposals
    WHERE state = 'waiting' AND (($1::bigint IS NULL AND $2::bigint IS NULL) OR case_id = $1 OR reverses_id = $2
        OR copies_of_id = $2)
    ORDER BY id
"""
LIST_OF_CASE = """SELECT id FROM decision_proposals WHERE case_id = $1 AND state = 'waiting' ORDER BY id"""


async def list_proposals(tx: Tx, ids: Sequence[int]) -> list[ProposalRow]:
    """Proposals by id, the oldest first; missing ones are left out."""
    return [ProposalRow(*row) for row in await tx.fetch(LIST_PROPOSALS, list(ids))]


async def list_waiting(tx: Tx, limit: int) -> list[int]:
    """Ids of those that wait, the oldest first."""
    return [row[0] for row in await tx.fetch(LIST_WAITING, limit)]


async def list_waiting_for(tx: Tx, case_id: int | None, decision_id: int | None) -> list[int]:
    """Ids of those that wait in a case, or to undo or repeat a decision; all of them when neither is named."""
    return [row[0] for row in await tx.fetch(LIST_WAITING_FOR, case_id, decision_id)]


async def list_waiting_in(tx: Tx, case_id: int) -> list[int]:
    """Ids of those that wait in a case, the oldest first."""
    return [row[0] for row in await tx.fetch(LIST_OF_CASE, case_id)]


LOCK_PROPOSAL = """SELECT id FROM decision_proposals WHERE id = $1 FOR UPDATE"""


async def lock_proposal(tx: Tx, proposal_id: int) -> bool:
    """Lock a proposal until the transaction ends; False when there is none."""
    return await tx.fetchval(LOCK_PROPOSAL, proposal_id) is not None


GET_BY_KEY = """SELECT id FROM decision_proposals WHERE proposed_by = $1 AND request_key = $2"""


async def get_by_key(tx: Tx, proposed_by: int, key: str) -> int | None:
    """The proposal that a request with this key has made before."""
    found = await tx.fetchval(GET_BY_KEY, proposed_by, key)
    return None if found is None else int(found)


UPDATE_ENDED = """
    UPDATE decision_proposals SET state = $2, answered_by = $3, answer = $4, decision_ids = $5, ended_at = $6
    WHERE id = $1
"""


async def update_ended(
    tx: Tx,
    proposal_id: int,
    state: str,
    answered_by: int | None,
    answer: str,
    decision_ids: Sequence[int],
    moment: datetime,
) -> None:
    """How it came to its end."""
    await tx.execute(UPDATE_ENDED, proposal_id, state, answered_by, answer, list(decision_ids), moment)


LIST_STAFF = """
    SELECT id FROM accounts WHERE role <> 'member' AND domain IS NULL AND state = 'active' ORDER BY id
"""


async def list_staff(tx: Tx) -> list[int]:
    """Who may agree to a proposal."""
    return [row[0] for row in await tx.fetch(LIST_STAFF)]
