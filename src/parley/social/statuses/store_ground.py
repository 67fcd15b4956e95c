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
    linked_banned: int
    """Accounts that are shut out and have much in common with the author."""


# The function says what is asked of which index, and why it is one: migration 0013.
GET_GROUND = """
    SELECT parley_id(), parley_id(), g.visibility, g.sensitive, g.language, g.quote_policy, g.created_at, g.domain,
        g.role, g.statuses_count, g.followers_count, g.following_count, g.strikes, g.reporters, g.cluster_size,
        g.posts, g.people_hour, g.stopped, g.refused, g.strangers, g.unanswered, g.pressure, g.thread, g.depth,
        g.copies, g.removed, coalesce((SELECT t.linked_banned FROM account_standing t WHERE t.account_id = $1), 0)
    FROM status_ground($1, $2, $3, $4, $5, $6, $7, $8) g
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
