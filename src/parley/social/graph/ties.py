"""How one reader stands to many authors: what the rooms above ask before they show a status to a reader."""

from __future__ import annotations

from collections.abc import Collection

from parley.kit.db import Tx
from parley.social.accounts.reads import complete_heads, get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.graph import store_ties
from parley.social.graph.store_ties import STRANGER, Tie, tie_of

__all__ = ["STRANGER", "Tie", "get_accounts_with_ties", "get_ties", "tie_of"]


async def get_ties(tx: Tx, viewer: Viewer | None, account_ids: Collection[int]) -> dict[int, Tie]:
    """By account id, for those with a tie to the viewer; take `.get(id, STRANGER)`. One query, or none."""
    if viewer is None:
        return {}
    others = [account_id for account_id in account_ids if account_id != viewer.account_id]
    return await store_ties.list_ties(tx, viewer.account_id, others) if others else {}


async def get_accounts_with_ties(
    tx: Tx, viewer: Viewer | None, account_ids: Collection[int]
) -> tuple[dict[int, AccountView], dict[int, Tie]]:
    """Accounts by id, unchecked, and how the viewer stands to each (STRANGER to oneself, and when signed out).

    One query, and a second one when this process has not seen one of the accounts in its present version.
    """
    if viewer is None or not account_ids:
        return await get_account_views(tx, account_ids), {}
    pairs = await store_ties.list_heads_with_ties(tx, viewer.account_id, list(account_ids))
    return await complete_heads(tx, [head for head, _ in pairs]), {head.id: tie for head, tie in pairs}
