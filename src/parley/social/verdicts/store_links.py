"""The table of where shortened links lead, and results that wait for it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.db import Tx
from parley.social.verdicts.store import ResultRow


class ResolvedRow(msgspec.Struct, frozen=True):
    """Where one link led when it was followed."""

    url: str
    hops: list[str]
    final_url: str | None
    problem: str


LIST_RESOLVED = """
    SELECT url, hops, final_url, problem FROM resolved_links
    WHERE url_sha256 = ANY(SELECT sha256(convert_to(one, 'UTF8')) FROM unnest($1::text[]) AS one)
      AND resolved_at > CASE WHEN problem = '' THEN $2::timestamptz ELSE $3::timestamptz END
"""


async def list_resolved(tx: Tx, urls: list[str], since: datetime, failed_since: datetime) -> list[ResolvedRow]:
    """What is known of these links; what could not be found out is known for a shorter time."""
    return [ResolvedRow(*row) for row in await tx.fetch(LIST_RESOLVED, urls, since, failed_since)]


UPSERT_RESOLVED = """
    INSERT INTO resolved_links (url_sha256, url, hops, final_url, problem, resolved_at)
    VALUES (sha256(convert_to($1, 'UTF8')), $1, $2, $3, $4, $5)
    ON CONFLICT (url_sha256) DO UPDATE
    SET hops = EXCLUDED.hops, final_url = EXCLUDED.final_url, problem = EXCLUDED.problem,
        resolved_at = EXCLUDED.resolved_at
"""


async def upsert_resolved(tx: Tx, row: ResolvedRow, moment: datetime) -> None:
    """Keep where a link led."""
    await tx.execute(UPSERT_RESOLVED, row.url, row.hops, row.final_url, row.problem, moment)


DELETE_OLD_RESOLVED = """DELETE FROM resolved_links WHERE resolved_at < $1"""


async def delete_old_resolved(tx: Tx, before: datetime) -> None:
    """Forget links that were followed long ago."""
    await tx.execute(DELETE_OLD_RESOLVED, before)


GET_WAITING = """
    SELECT id, subject_type, subject_id, revision, account_id, outcome::text, clause, sentence, ruleset, degraded,
           detail
    FROM screening_results WHERE id = $1 AND detail ? 'links_wait'
    FOR UPDATE
"""


async def get_waiting(tx: Tx, result_id: int) -> ResultRow | None:
    """A result whose shortened links were not followed yet; locked."""
    row = await tx.fetchrow(GET_WAITING, result_id)
    return ResultRow(*row) if row else None


UPDATE_WAITED = """UPDATE screening_results SET detail = detail - 'links_wait' WHERE id = $1"""


async def update_waited(tx: Tx, result_id: int) -> None:
    """Note that the links of this result were followed."""
    await tx.execute(UPDATE_WAITED, result_id)
