"""How one reader stands to many authors: what the rooms above ask before they show a status to a reader."""

from __future__ import annotations

from collections.abc import Collection

from parley.kit.db import Tx
from parley.social.accounts.views import Viewer
from parley.social.graph import store_ties
from parley.social.graph.store_ties import STRANGER, Tie

__all__ = ["STRANGER", "Tie", "get_ties"]


async def get_ties(tx: Tx, viewer: Viewer | None, account_ids: Collection[int]) -> dict[int, Tie]:
    """By account id, for those with a tie to the viewer; take `.get(id, STRANGER)`. One query, or none."""
    if viewer is None:
        return {}
    others = [account_id for account_id in account_ids if account_id != viewer.account_id]
    return await store_ties.list_ties(tx, viewer.account_id, others) if others else {}
