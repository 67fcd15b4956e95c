"""Accounts that may be the same person's, and those that come back after they were shut out.

A link is a hint that people look at, never a reason by itself.
"""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.kit.settings import Settings
from parley.safety.cases.opening import open_case
from parley.safety.cases.views import NewSubject
from parley.safety.decisions import store_links
from parley.safety.decisions.views import LinkedView
from parley.safety.log.views import system
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.standing import set_linked
from parley.social.accounts.views import Viewer
from parley.social.sessions.traces import list_links, note_traces, weight_of

ME = system("linking")
EVASION = "Evading measures"
"""Title of the clause in the policy that ships; a policy without it has the case opened without a clause."""
ENOUGH = 2
"""How much a newcomer must have in common with somebody who was shut out before people are asked to look."""
MOST_COUNTED = 50
"""Accounts that are counted anew when one that they are linked to is shut out."""


async def list_linked(tx: Tx, viewer: Viewer, account_id: int) -> list[LinkedView]:
    """Accounts that seem linked to this one, for the staff; raises NotFound. Four queries."""
    if not viewer.is_staff:
        raise NotFound
    links = await list_links(tx, account_id)
    banned = {row.account_id for row in await store_links.list_banned(tx, [link.account_id for link in links])}
    accounts = await get_account_views(tx, [link.account_id for link in links])
    return [
        LinkedView(account=accounts[link.account_id], traits=link.traits, banned=link.account_id in banned)
        for link in links
        if link.account_id in accounts and accounts[link.account_id].state != "deleted"
    ]


async def count_linked(tx: Tx, account_id: int) -> None:
    """Tell screening how many accounts that are shut out now this one has much in common with."""
    links = [link for link in await list_links(tx, account_id) if weight_of(link.traits) >= ENOUGH]
    banned = await store_links.list_banned(tx, [link.account_id for link in links]) if links else []
    await set_linked(tx, account_id, len(banned))


async def count_linked_to(tx: Tx, account_id: int) -> None:
    """The same for all that are linked to an account which was shut out, or is let in again."""
    for link in await list_links(tx, account_id, limit=MOST_COUNTED):
        await count_linked(tx, link.account_id)


async def find_evasion(tx: Tx, settings: Settings, account_id: int) -> int | None:
    """Keep the traces of a sign-in, and open a case when the account came after a linked one was shut out.

    Each pair is put before people once. Returns the case's id.
    """
    await note_traces(tx, settings, account_id)
    await count_linked(tx, account_id)
    links = {link.account_id: link for link in await list_links(tx, account_id)}
    banned = await store_links.list_banned(tx, list(links))
    before = [row for row in banned if row.decision_id < account_id]  # ids rise with time
    strong = [row.account_id for row in before if weight_of(links[row.account_id].traits) >= ENOUGH]
    fresh = await store_links.insert_flags(tx, account_id, strong) if strong else []
    if not fresh:
        return None
    clause = next((one.id for one in live_ruleset().clauses.values() if one.title == EVASION), None)
    subject = NewSubject(type="account", id=account_id, clause=clause)
    return await open_case(tx, settings, ME, account_id, [subject], source="automated")
