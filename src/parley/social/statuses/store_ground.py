"""What posting and editing start from, in one round trip: fresh ids, the author's defaults, facts for the judge.

Other rooms tell what they know by the functions of migration 0013. No rule lives here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.kit.db import Tx


class Ground(msgspec.Struct, frozen=True):
    """What a write starts from."""

    status_id: int
    poll_id: int
    visibility: str | None
    """The author's defaults: None for authors of elsewhere."""
    sensitive: bool | None
    language: str | None
    quote_policy: str | None
    created_at: datetime
    domain: str | None
    role: str
    statuses_count: int
    followers_count: int
    following_count: int
    posts_last_hour: int
    """At most 500 are counted."""
    strangers: int
    """How many of those who are addressed have never addressed the author."""


GET_GROUND = """
    SELECT parley_id(), parley_id(), p.visibility, p.sensitive, p.language, p.quote_policy,
        f.created_at, f.domain, f.role, f.statuses_count, f.followers_count, f.following_count,
        (SELECT count(*) FROM (
            SELECT FROM statuses WHERE account_id = $1 AND id > $3 AND reblog_of_id IS NULL LIMIT 500) AS recent),
        (SELECT count(*) FROM unnest($2::bigint[]) AS addressed (id) WHERE NOT EXISTS (
            SELECT FROM status_mentions m WHERE m.account_id = $1 AND m.author_id = addressed.id))
    FROM author_facts($1) f LEFT JOIN posting_preferences($1) p ON true
"""


async def get_ground(tx: Tx, author_id: int, addressed_ids: Sequence[int], hour_ago_id: int) -> Ground | None:
    """Two fresh ids (for a status and a poll), the author's defaults and facts; None when there is no such author."""
    row = await tx.fetchrow(GET_GROUND, author_id, addressed_ids, hour_ago_id)
    return Ground(*row) if row else None
