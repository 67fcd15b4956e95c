"""Echoes with comment, from the side of the quoted: who may quote, and taking one's post out of a quote."""

from __future__ import annotations

from parley.kit.db import Tx
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.social.accounts.views import Viewer
from parley.social.events.actions import record
from parley.social.events.facts import QuoteRevoked
from parley.social.statuses import rules, store_writes
from parley.social.statuses.hydrate import get_status, get_visible_body
from parley.social.statuses.views import StatusView
from parley.social.statuses.visibility import BOOSTABLE, OPEN_STATES


async def revoke_quote(tx: Tx, viewer: Viewer, status_id: int, quoting_id: int) -> StatusView:
    """Take the viewer's status out of the one that quotes it; returns that one. Raises NotFound, Forbidden."""
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id:
        raise Forbidden
    quoting, _ = await get_visible_body(tx, viewer, quoting_id, original=False)
    row = await store_writes.get_locked(tx, quoting.id)
    if row is None or row.quote_of_id != body.id:
        raise NotFound
    if row.quote_state == "accepted":
        await store_writes.update_quote_state(tx, quoting.id, "revoked")
        if row.state in OPEN_STATES and row.visibility in BOOSTABLE:
            await store_writes.update_counts(tx, body.id, quotes=-1)
        await record(tx, QuoteRevoked(account_id=viewer.account_id, status_id=quoting.id))
    return await get_status(tx, viewer, quoting.id)


async def set_quote_policy(tx: Tx, viewer: Viewer, status_id: int, policy: str) -> StatusView:
    """Who may quote an own status from now on; quotes that exist stay. Raises NotFound, Forbidden, Invalid."""
    rules.check_choice("Quote approval policy", policy, rules.QUOTE_POLICIES)
    body, _ = await get_visible_body(tx, viewer, status_id, original=False)
    if body.account_id != viewer.account_id:
        raise Forbidden
    if body.reblog_of_id is not None:
        raise Invalid("Validation failed: A boost cannot be quoted.")
    if body.visibility in ("public", "unlisted") and policy != body.quote_policy:
        await store_writes.update_quote_policy(tx, body.id, policy)
    return await get_status(tx, viewer, body.id)
