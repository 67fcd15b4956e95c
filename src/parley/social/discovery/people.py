"""Finding people: by address or name, and in the directory of those who want to be found."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.social.accounts.reads import list_directory, search_accounts
from parley.social.accounts.views import AccountView, Viewer
from parley.social.graph.reads import list_followed_ids
from parley.social.graph.ties import STRANGER, get_ties

MOST_FRIENDS = 10_000
"""How many followed accounts a search among them looks at."""


async def find_accounts(
    tx: Tx,
    viewer: Viewer | None,
    text: str,
    settings: Settings,
    *,
    limit: int = 40,
    offset: int = 0,
    following: bool = False,
) -> list[AccountView]:
    """Accounts whose address begins with `text` or whose name holds its words: exact first, then followed ones.

    `following` looks among those whom the viewer follows alone. Blocked accounts are left out, either way round.
    """
    friends: list[int] = []
    if following:
        if viewer is None:
            return []
        friends = await list_followed_ids(tx, viewer.account_id, 0, MOST_FRIENDS)
    found = await search_accounts(
        tx, viewer, text, settings, limit=limit, offset=offset, friends=friends, friends_only=following
    )
    ties = await get_ties(tx, viewer, [view.id for view in found])
    name = text.strip().removeprefix("@").partition("@")[0].lower()
    seen = [view for view in found if not ties.get(view.id, STRANGER).blocked]
    return sorted(seen, key=lambda view: (view.username.lower() != name, not ties.get(view.id, STRANGER).following))


async def browse_directory(
    tx: Tx, viewer: Viewer | None, *, newest: bool = False, local: bool = False, limit: int = 40, offset: int = 0
) -> list[AccountView]:
    """Who wants to be found: who posted last first, or with `newest` who joined last; none that the viewer blocks
    or mutes or who blocks the viewer."""
    found = await list_directory(tx, viewer, newest=newest, local=local, limit=limit, offset=offset)
    ties = await get_ties(tx, viewer, [view.id for view in found])
    return [view for view in found if not (ties.get(view.id, STRANGER).blocked or ties.get(view.id, STRANGER).muting)]
