"""Statuses as they are kept as evidence: any revision, whatever its state, with its thread and what the judge said.

For the desk alone: nothing of it may be shown to anybody who is not staff.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from parley.kit.db import Tx
from parley.social.statuses import store_evidence
from parley.social.statuses.hydrate import list_revisions_for_evidence
from parley.social.statuses.views import StatusView
from parley.social.verdicts.reads import ResultRow, get_results

MOST_PARENTS = 20
MOST_REPLIES = 8
MOST_RECENT = 20
MOST_OF_CONVERSATION = 200


class ContextEvidence(msgspec.Struct, frozen=True):
    """A status beside another: `relation` is parent (`depth` answers above), reply (`depth` counts them), quoted or
    boosted."""

    relation: str
    depth: int
    status: StatusView


class StatusEvidence(msgspec.Struct, frozen=True):
    """One revision of a status, what it stands in connection with, and what screening said of that revision."""

    status: StatusView
    context: tuple[ContextEvidence, ...]
    screening: ResultRow | None


async def list_status_evidence(
    tx: Tx, named: Sequence[tuple[int, int | None]]
) -> dict[tuple[int, int | None], StatusEvidence]:
    """Statuses by (id, revision) as they are asked for; revision None is the one that is shown, or waits to be.

    Missing ones are left out. A fixed number of queries, however many.
    """
    if not named:
        return {}
    contexts = await store_evidence.list_contexts(tx, list({pair[0] for pair in named}), MOST_PARENTS, MOST_REPLIES)
    ids = list(dict.fromkeys([pair[0] for pair in named] + [row.id for row in contexts]))
    exact = list(dict.fromkeys((pair[0], pair[1]) for pair in named if pair[1] is not None))
    current, revisions = await list_revisions_for_evidence(tx, ids, exact)
    found: dict[tuple[int, int | None], StatusView] = {}
    for status_id, revision in named:
        view = current.get(status_id) if revision is None else revisions.get((status_id, revision))
        if view is not None:
            found[status_id, revision] = view
    screened = await _list_results(tx, [(view.id, view.revision) for view in found.values()])
    beside: dict[int, list[ContextEvidence]] = {}
    for row in contexts:
        if (other := current.get(row.id)) is not None:
            beside.setdefault(row.subject_id, []).append(ContextEvidence(row.relation, row.depth, other))
    return {
        place: StatusEvidence(view, tuple(beside.get(view.id, ())), screened.get((view.id, view.revision)))
        for place, view in found.items()
    }


async def _list_results(tx: Tx, named: list[tuple[int, int]]) -> Mapping[tuple[int, int], ResultRow]:
    ids = await store_evidence.list_screening_ids(tx, named)
    results = await get_results(tx, list(set(ids.values())))
    return {place: results[number] for place, number in ids.items() if number in results}


async def list_recent_ids(tx: Tx, account_ids: Sequence[int]) -> dict[int, list[int]]:
    """The newest statuses of accounts by account, newest first, messages left out."""
    return await store_evidence.list_recent_ids(tx, account_ids, MOST_RECENT) if account_ids else {}


async def list_conversation_ids(tx: Tx, conversation_ids: Sequence[int]) -> dict[int, list[int]]:
    """The newest statuses of conversations by conversation, oldest first."""
    if not conversation_ids:
        return {}
    return await store_evidence.list_conversation_ids(tx, conversation_ids, MOST_OF_CONVERSATION)


async def has_part_in(tx: Tx, conversation_id: int, account_id: int) -> bool:
    """Whether the account wrote anything in a conversation, whatever became of it. For the desk alone."""
    return await store_evidence.has_part_in(tx, conversation_id, account_id)


async def list_written_ids(tx: Tx, account_id: int, *, after_id: int = 0, limit: int = 100) -> list[int]:
    """Everything that an account ever wrote here, in pages by id."""
    return await store_evidence.list_account_ids(tx, account_id, after_id, limit)
