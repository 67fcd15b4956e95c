"""Who of the staff may decide: nobody about themselves, nor about people of their own rank or above; and of what was
escalated to some, those alone."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import Forbidden, NotFound
from parley.safety.cases.actions import OWNERS, addressed_to
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import Viewer

RANKS = ("member", "moderator", "admin", "owner")


async def check_rank(tx: Tx, viewer: Viewer, account_id: int) -> None:
    """Raise Forbidden unless the viewer stands above whom it is about: nobody decides about the own account, and
    members of the staff are for those above them. Raises NotFound."""
    target = (await get_account_views(tx, [account_id])).get(account_id)
    if target is None:
        raise NotFound
    if viewer.account_id == account_id:
        raise Forbidden("This is about you: somebody else has to decide.")
    if target.role != "member" and RANKS.index(target.role) >= RANKS.index(viewer.role):
        raise Forbidden("This is about a member of the staff of your rank or above: somebody above them has to decide.")


def check_asked(viewer: Viewer, escalated_to: str | None) -> None:
    """Raise Forbidden for a case that was escalated to others. Those who run the instance decide what was escalated to
    anybody but the owner."""
    if escalated_to is None or escalated_to in addressed_to(viewer):
        return
    if escalated_to != OWNERS and viewer.runs_instance:
        return
    raise Forbidden(f"This case was escalated to {escalated_to}, who alone decides it.")
