"""What posting and editing start from, in one round trip: fresh ids, the author's defaults, facts for the judge.

Other rooms tell what they know by the functions of migration 0013. No rule lives here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.db import Tx


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the ground of a write is asked about. Times are ids: the smallest of the last hour and so on."""

    author_id: int
    target_ids: Sequence[int]
    """Whom it addresses, answers and quotes, the author left out."""
    ten_minutes_id: int
    hour_id: int
    month_id: int
    parent_id: int | None
    conversation_id: int | None
    bands: Sequence[int] | None
    """The fingerprint of what is written, if it says anything."""


class Ground(msgspec.Struct, frozen=True):
    """What a write starts from. Every count stops at a limit."""

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
    strikes: int
    reporters: int
    cluster_size: int
    posts: list[int]
    """In a month, an hour, ten minutes; 200 at most."""
    people_hour: int
    stopped: list[int]
    """In a month: those that wait, those that were taken down."""
    refused: list[int]
    """In a month, in an hour."""
    strangers: list[int]
    """Who of the targets neither follows the author nor has ever written to them."""
    unanswered: int
    """How often the author wrote to one of them before."""
    pressure: int
    """How many others who are strangers to one of the targets wrote to it within the hour."""
    thread: list[int]
    """In ten minutes: posts, people."""
    depth: int
    copies: list[int]
    """In an hour: other accounts that said the same, posts of the author's own."""
    removed: list[list[Any]] | None
    """Texts like it that were taken down: clause, letters."""


# Plan: every part is a look-up or a bounded range in an index, most of them empty. Posts of the author and of the
# thread: statuses_account, statuses_conversation; what was stopped: statuses_stopped; strangers: primary keys of
# status_mentions and follows; a target's hour: primary key of stranger_mentions; copies: status_fingerprints_b1 to b8;
# what was taken down: removed_texts_bands.
GET_GROUND = """
    WITH recent AS MATERIALIZED (
        SELECT id, mentioned_ids FROM statuses
        WHERE account_id = $1 AND id > $5 AND reblog_of_id IS NULL ORDER BY id DESC LIMIT 200
    ), strangers AS MATERIALIZED (
        SELECT t.id FROM unnest($2::bigint[]) AS t (id)
        WHERE NOT EXISTS (SELECT FROM status_mentions m WHERE m.account_id = $1 AND m.author_id = t.id)
        EXCEPT SELECT f.id FROM followers_among($1, $2::bigint[]) AS f
    )
    SELECT parley_id(), parley_id(), p.visibility, p.sensitive, p.language, p.quote_policy,
        f.created_at, f.domain, f.role, f.statuses_count, f.followers_count, f.following_count,
        f.strikes, f.reporters, f.cluster_size,
        (SELECT ARRAY[count(*), count(*) FILTER (WHERE id > $4), count(*) FILTER (WHERE id > $3)] FROM recent),
        (SELECT count(DISTINCT m) FROM recent, unnest(mentioned_ids) AS m WHERE id > $4 AND m <> $1),
        (SELECT ARRAY[count(*) FILTER (WHERE state = 'held'), count(*) FILTER (WHERE state <> 'held')] FROM (
            SELECT state FROM statuses
            WHERE account_id = $1 AND id > $5 AND state IN ('held', 'hidden_interim', 'removed') LIMIT 100) AS s),
        ARRAY[count_refusals($1, $5), count_refusals($1, $4)],
        ARRAY(SELECT id FROM strangers),
        coalesce((SELECT max(n) FROM strangers CROSS JOIN LATERAL (
            SELECT count(*) AS n FROM (
                SELECT FROM status_mentions
                WHERE account_id = strangers.id AND author_id = $1 LIMIT 50) AS m) AS s), 0),
        coalesce((SELECT max(n) FROM unnest($2::bigint[]) AS t (id) CROSS JOIN LATERAL (
            SELECT count(DISTINCT m.author_id) AS n FROM (
                SELECT author_id FROM stranger_mentions
                WHERE account_id = t.id AND status_id > $4 AND author_id <> $1 LIMIT 300) AS m) AS s), 0),
        (SELECT ARRAY[count(*), count(DISTINCT account_id)] FROM (
            SELECT account_id FROM statuses WHERE conversation_id = $7 AND id > $3 LIMIT 200) AS s),
        coalesce((SELECT least(reply_depth, 999) + 1 FROM statuses WHERE id = $6), 0),
        (SELECT ARRAY[count(DISTINCT account_id) FILTER (WHERE account_id <> $1),
            count(*) FILTER (WHERE account_id = $1)] FROM statuses_like($8, $4, 200) WHERE same > 1),
        (SELECT jsonb_agg(jsonb_build_array(clause, letters)) FROM (
            SELECT clause, letters FROM removed_texts WHERE bands && $8::integer[]
            ORDER BY removed_at DESC LIMIT 20) AS r)
    FROM author_facts($1) f LEFT JOIN posting_preferences($1) p ON true
"""


async def get_ground(tx: Tx, setting: Setting) -> Ground | None:
    """Two fresh ids (for a status and a poll), the author's defaults and facts; None when there is no such author."""
    row = await tx.fetchrow(
        GET_GROUND,
        setting.author_id,
        setting.target_ids,
        setting.ten_minutes_id,
        setting.hour_id,
        setting.month_id,
        setting.parent_id,
        setting.conversation_id,
        setting.bands,
    )
    return Ground(*row) if row else None
