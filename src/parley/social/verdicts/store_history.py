"""History: stored results in pages by id, in both directions, each revision once, under its newest result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class PastRow(msgspec.Struct, frozen=True):
    """One result of the past with what it was judged from; the words may stand in the revision's own tables."""

    id: int
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    outcome: str
    clause: str | None
    ruleset: str
    degraded: bool
    created_at: datetime
    detail: dict[str, Any]
    """`facts`, `content`, `order`, `texts`, `again` and `trust`, as far as they are there."""


# A revision that was judged again counts under its newest result alone, up to the end of the range: what comes later
# was judged by whoever is live, or by the very sweep that reads this.
LIST_AFTER = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at,
        jsonb_strip_nulls(jsonb_build_object('facts', r.detail -> 'facts', 'content', r.detail -> 'content',
            'order', r.detail -> 'order', 'texts', r.detail -> 'texts', 'again', r.detail -> 'again',
            'trust', r.detail -> 'trust'))
    FROM screening_results r
    WHERE r.id > $1 AND r.id <= $2 AND NOT EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id
          AND later.revision = r.revision AND later.id > r.id AND later.id <= $2)
    ORDER BY r.id LIMIT $3
"""
LIST_BEFORE = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at,
        jsonb_strip_nulls(jsonb_build_object('facts', r.detail -> 'facts', 'content', r.detail -> 'content',
            'order', r.detail -> 'order', 'texts', r.detail -> 'texts', 'again', r.detail -> 'again',
            'trust', r.detail -> 'trust'))
    FROM screening_results r
    WHERE r.id < $1 AND r.id > $2 AND NOT EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id
          AND later.revision = r.revision AND later.id > r.id)
    ORDER BY r.id DESC LIMIT $3
"""


async def list_after(tx: Tx, after_id: int, until_id: int, limit: int) -> list[PastRow]:
    """Results with after_id < id <= until_id, oldest first."""
    return [PastRow(*row) for row in await tx.fetch(LIST_AFTER, after_id, until_id, limit)]


async def list_before(tx: Tx, before_id: int, after_id: int, limit: int) -> list[PastRow]:
    """Results with after_id < id < before_id, newest first."""
    return [PastRow(*row) for row in await tx.fetch(LIST_BEFORE, before_id, after_id, limit)]


# Chosen by a hash of the id: the same seed gives the same sample, whatever is added at the end.
LIST_SAMPLE = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at,
        jsonb_strip_nulls(jsonb_build_object('facts', r.detail -> 'facts', 'content', r.detail -> 'content',
            'order', r.detail -> 'order', 'texts', r.detail -> 'texts', 'again', r.detail -> 'again',
            'trust', r.detail -> 'trust'))
    FROM screening_results r
    WHERE r.id > $1 AND r.id <= $2
      AND ('x' || substr(md5($4::text || r.id::text), 1, 8))::bit(32)::bigint < $3::double precision * 4294967296
      AND NOT EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id
          AND later.revision = r.revision AND later.id > r.id AND later.id <= $2)
    ORDER BY r.id LIMIT $5
"""


async def list_sample(tx: Tx, after_id: int, until_id: int, share: float, seed: str, limit: int) -> list[PastRow]:
    """About `share` (0 to 1) of the results between two ids, oldest first: the same ones for the same seed."""
    return [PastRow(*row) for row in await tx.fetch(LIST_SAMPLE, after_id, until_id, share, seed, limit)]


LIST_NAMED = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at,
        jsonb_strip_nulls(jsonb_build_object('facts', r.detail -> 'facts', 'content', r.detail -> 'content',
            'order', r.detail -> 'order', 'texts', r.detail -> 'texts', 'again', r.detail -> 'again',
            'trust', r.detail -> 'trust'))
    FROM screening_results r WHERE r.id = ANY($1) ORDER BY r.id
"""


async def list_named(tx: Tx, ids: Sequence[int]) -> list[PastRow]:
    """These results, oldest first."""
    return [PastRow(*row) for row in await tx.fetch(LIST_NAMED, ids)]


LIST_NEWEST = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.ruleset,
        r.degraded, r.created_at,
        jsonb_strip_nulls(jsonb_build_object('facts', r.detail -> 'facts', 'content', r.detail -> 'content',
            'order', r.detail -> 'order', 'texts', r.detail -> 'texts', 'again', r.detail -> 'again',
            'trust', r.detail -> 'trust'))
    FROM unnest($1::text[], $2::bigint[], $3::integer[]) AS named (subject_type, subject_id, revision)
    CROSS JOIN LATERAL (
        SELECT * FROM screening_results s
        WHERE s.subject_type = named.subject_type AND s.subject_id = named.subject_id AND s.revision = named.revision
        ORDER BY s.id DESC LIMIT 1
    ) r
"""


async def list_newest(tx: Tx, named: Sequence[tuple[str, int, int]]) -> list[PastRow]:
    """The newest result of each of these revisions (type, id, revision), in no order; missing ones are left out."""
    columns = [list(column) for column in zip(*named, strict=True)]
    return [PastRow(*row) for row in await tx.fetch(LIST_NEWEST, *columns)]


COUNT_HISTORY = """
    SELECT count(*), coalesce(min(id), 0), coalesce(max(id), 0) FROM screening_results WHERE id > $1 AND id <= $2
"""


async def count_history(tx: Tx, after_id: int, until_id: int) -> tuple[int, int, int]:
    """How many results there are between two ids (revisions that were judged again count each time); first and last."""
    row = await tx.fetchrow(COUNT_HISTORY, after_id, until_id)
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


LIST_OUTDATED = """
    SELECT r.id FROM screening_results r
    WHERE r.id = ANY($1) AND EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id
          AND later.revision = r.revision AND later.id > r.id)
"""


async def list_outdated(tx: Tx, ids: Sequence[int]) -> set[int]:
    """Those of these results that a later one of the same revision has replaced."""
    return {row[0] for row in await tx.fetch(LIST_OUTDATED, ids)}


HAS_STOPPING = """
    SELECT EXISTS (
        SELECT FROM screening_results r JOIN screening_results later
            ON later.subject_type = r.subject_type AND later.subject_id = r.subject_id
                AND later.revision = r.revision AND later.id > r.id
        WHERE r.id = $1 AND later.outcome IN ('hold', 'reject', 'quarantine') AND later.detail ? 'sweep')
"""


async def has_stopping(tx: Tx, result_id: int) -> bool:
    """Whether a sweep gave the revision of this result a later one by which nobody may see it."""
    return bool(await tx.fetchval(HAS_STOPPING, result_id))


LIST_SCORES = """
    SELECT s.key, array_agg(round(s.value::numeric, 5)::float8)
    FROM screening_results r CROSS JOIN LATERAL jsonb_each_text(r.detail -> 'signals') AS s
    WHERE r.id > $1 AND s.key LIKE 'text.%.score' AND s.value::float8 >= 0.005
    GROUP BY 1
"""
COUNT_SCORED = """
    SELECT count(*), coalesce(extract(epoch FROM max(created_at) - min(created_at)) / 86400, 0)::float8
    FROM screening_results WHERE id > $1
"""


async def list_scores(tx: Tx, after_id: int) -> dict[str, list[float]]:
    """Every score of the text model that is worth speaking of, by its name, since an id."""
    return {row[0]: row[1] for row in await tx.fetch(LIST_SCORES, after_id)}


async def count_scored(tx: Tx, after_id: int) -> tuple[int, float]:
    """How many results there are since an id, and over how many days."""
    row = await tx.fetchrow(COUNT_SCORED, after_id)
    assert row is not None
    return int(row[0]), float(row[1])
