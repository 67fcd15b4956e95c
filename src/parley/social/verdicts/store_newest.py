"""The newest result of one subject."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.social.verdicts.store import ResultRow
from parley.social.verdicts.store_history import PastRow

GET_NEWEST_PAST = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at, r.detail - '{because,matches,signals,rules,labels}'::text[]
    FROM screening_results r
    WHERE r.subject_type = ANY($1) AND r.subject_id = $2
    ORDER BY r.revision DESC, r.id DESC LIMIT 1
"""


async def get_newest_past(tx: Tx, types: tuple[str, ...], subject_id: int) -> PastRow | None:
    """The newest result of the newest revision of a subject, with what it was judged from."""
    row = await tx.fetchrow(GET_NEWEST_PAST, types, subject_id)
    return PastRow(*row) if row else None


GET_LOCKED_NEWEST = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.sentence,
        r.ruleset, r.degraded, r.detail
    FROM screening_results r
    WHERE r.id = $1 AND NOT EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id AND later.id > r.id)
    FOR UPDATE
"""


async def get_locked_newest(tx: Tx, result_id: int) -> ResultRow | None:
    """A result, locked; None when a later one of its subject has replaced it."""
    row = await tx.fetchrow(GET_LOCKED_NEWEST, result_id)
    return ResultRow(*row) if row else None
