"""After a decision: what the next page says of it, and the way to take it back. No rule of the product stands here."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.decisions.reads import get_decision
from parley.social.accounts.views import Viewer
from parley.web.desk_words import sum_up


class Done(msgspec.Struct, frozen=True):
    """A line about what was just done. `undo` is the address that takes it back; empty where that is not possible."""

    title: str
    text: str
    href: str = ""
    undo: str = ""


async def read_done(tx: Tx, viewer: Viewer, asked: str | None) -> Done | None:
    """What `?done=` of a page's address speaks of: the decision that the viewer has just made."""
    if not asked or not (asked.isascii() and asked.isdigit()) or len(asked) > 18:
        return None
    try:
        decision = await get_decision(tx, viewer, int(asked))
    except NotFound:
        return None
    own = decision.decided_by is not None and decision.decided_by.id == viewer.account_id
    if not own or decision.kind != "decision":
        return None
    if decision.reversed_by_id is not None:
        return Done("Undone.", f"Everything about @{decision.account.acct} is as it was.")
    href = f"/desk/decisions/{decision.id}"
    return Done("Decided:", f"{sum_up(decision)}.", href, f"{href}/undo")
