"""Where statuses stand, whatever their state, and how far they went. For the desk: nobody's right to see is checked."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.ids import id_at
from parley.social.statuses import store_standings
from parley.social.statuses.store_standings import ReachRow as ReachRow
from parley.social.statuses.store_standings import StandingRow as StandingRow

PER_REACTION = 10
"""How many people have seen something for each who reacted to it: views are not counted, for nobody is watched."""
_RECENT = timedelta(hours=1)
_SHORTEST = 0.1


class Reach(msgspec.Struct, frozen=True):
    """How many people may have seen a status, and how many more in an hour."""

    audience: int
    """Followers of its author, or who a message is addressed to."""
    passed_on: int
    """Who saw it because others boosted it or reacted to it."""
    per_hour: float


NOBODY = Reach(0, 0, 0.0)


async def list_standings(tx: Tx, named: Sequence[tuple[int, int]]) -> dict[int, StandingRow]:
    """Where these statuses (id, revision) stand, by id; what is not there any more is left out. One query."""
    return {row.id: row for row in await store_standings.list_standings(tx, named)} if named else {}


async def list_reach(tx: Tx, ids: Sequence[int]) -> dict[int, Reach]:
    """How far these statuses went, by id. One query. What is held was seen by nobody."""
    if not ids:
        return {}
    moment = now()
    rows = await store_standings.list_reach(tx, ids, id_at(moment - _RECENT))
    return {row.id: _reach_of(row, (moment - row.created_at) / _RECENT) for row in rows}


def _reach_of(row: ReachRow, hours: float) -> Reach:
    if row.state == "held":
        return NOBODY
    passed_on = row.boosters + PER_REACTION * row.reactions
    if hours < 1:
        return Reach(row.audience, passed_on, passed_on / max(hours, _SHORTEST))
    return Reach(row.audience, passed_on, float(row.recent_boosters + PER_REACTION * row.recent_reactions))
