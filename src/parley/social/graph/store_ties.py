"""How one reader stands to many authors, in one query: it decides whether a status may be shown. SQL only."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import msgspec

from parley.kit.db import Tx
from parley.social.accounts.views import AccountHead


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
    return {other: tie_of("f" in found, "b" in found, "m" in found) for other, found in marks.items()}


# Plan: accounts and their counters by primary key; each tie is looked up by primary key or its reverse index.
LIST_HEADS_WITH_TIES = """
    SELECT id, version, updated_at, statuses_count, followers_count, following_count, last_status_at,
        following, blocked, muting
    FROM accounts_as_seen($1, $2::bigint[])
"""


async def list_heads_with_ties(tx: Tx, account_id: int, other_ids: Sequence[int]) -> list[tuple[AccountHead, Tie]]:
    """The heads of the others, each with what ties the account to it."""
    rows = await tx.fetch(LIST_HEADS_WITH_TIES, account_id, other_ids)
    return [(AccountHead(*row[:7]), tie_of(row[7], row[8], row[9])) for row in rows]


def tie_of(following: bool, blocked: bool, muting: bool) -> Tie:
    """The one object for this combination."""
    return _TIES[following, blocked, muting]


_TIES = {tie: STRANGER if tie == (False, False, False) else Tie(*tie) for tie in product((False, True), repeat=3)}
