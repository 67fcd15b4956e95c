"""How one reader stands to many authors, in one query: it decides whether a status may be shown. SQL only."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from parley.kit.db import Tx


class Tie(msgspec.Struct, frozen=True):
    """What the graph says about a reader and an author, from the reader's side."""

    following: bool = False
    blocked: bool = False
    """Either of the two blocks the other."""
    muting: bool = False


STRANGER = Tie()

LIST_TIES = """
    SELECT target_id, 'f' FROM follows WHERE account_id = $1 AND target_id = ANY($2::bigint[])
    UNION ALL
    SELECT target_id, 'b' FROM blocks WHERE account_id = $1 AND target_id = ANY($2::bigint[])
    UNION ALL
    SELECT account_id, 'b' FROM blocks WHERE target_id = $1 AND account_id = ANY($2::bigint[])
    UNION ALL
    SELECT target_id, 'm' FROM mutes
    WHERE account_id = $1 AND target_id = ANY($2::bigint[]) AND (expires_at IS NULL OR expires_at > now())
"""


async def list_ties(tx: Tx, account_id: int, other_ids: Sequence[int]) -> dict[int, Tie]:
    """By the other's id; who has no tie at all is left out."""
    marks: dict[int, str] = {}
    for other_id, mark in await tx.fetch(LIST_TIES, account_id, other_ids):
        marks[other_id] = marks.get(other_id, "") + mark
    return {other_id: _TIES[frozenset(found)] for other_id, found in marks.items()}


_TIES = {
    frozenset(found): Tie(following="f" in found, blocked="b" in found, muting="m" in found)
    for found in ("f", "b", "m", "fb", "fm", "bm", "fbm")
}
