"""Results that people must see: flagged, held, quarantined. SQL only; no rule lives here."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx


class FindingRow(msgspec.Struct, frozen=True):
    """What the judge found. `waits`: for files or links, so that it is judged again before anybody needs to look."""

    id: int
    subject_type: str
    subject_id: int
    revision: int
    account_id: int
    outcome: str
    clause: str | None
    waits: bool


# The condition on the outcome is that of the index screening_results_look. Only the newest result of a revision counts.
LIST_FINDINGS = """
    SELECT r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause,
        r.detail ? 'waiting'
    FROM screening_results r
    WHERE r.id > $1 AND r.id <= $2 AND r.outcome IN ('allow_flag', 'hold', 'quarantine')
      AND NOT EXISTS (
        SELECT FROM screening_results later
        WHERE later.subject_type = r.subject_type AND later.subject_id = r.subject_id
          AND later.revision = r.revision AND later.id > r.id)
    ORDER BY r.id LIMIT $3
"""


async def list_findings(tx: Tx, after_id: int, until_id: int, limit: int) -> list[FindingRow]:
    """Findings with after_id < id <= until_id, oldest first."""
    return [FindingRow(*row) for row in await tx.fetch(LIST_FINDINGS, after_id, until_id, limit)]


LIST_NEWEST_OF = """
    SELECT DISTINCT ON (named.subject_id, named.revision)
        r.id, r.subject_type, r.subject_id, r.revision, r.account_id, r.outcome::text, r.clause, r.detail ? 'waiting'
    FROM unnest($2::bigint[], $3::integer[]) AS named (subject_id, revision)
    JOIN screening_results r
        ON r.subject_type = ANY($1::text[]) AND r.subject_id = named.subject_id AND r.revision = named.revision
    ORDER BY named.subject_id, named.revision, r.id DESC
"""


async def list_newest_of(tx: Tx, types: list[str], named: list[tuple[int, int]]) -> list[FindingRow]:
    """The newest result of each of these revisions (id, revision), whatever it says; `types` are those of a subject."""
    rows = await tx.fetch(LIST_NEWEST_OF, types, [one[0] for one in named], [one[1] for one in named])
    return [FindingRow(*row) for row in rows]
