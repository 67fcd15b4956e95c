"""Orders of authorities: what is to be removed goes the way of every notice, what is to be kept is held at once."""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.evidence.law_views import Held, NewRequest
from parley.safety.evidence.orders import preserve_ordered, register_order
from parley.safety.log.views import Actor
from parley.safety.notices.resolving import Resolved
from parley.safety.notices.responses import give_answer
from parley.safety.notices.store_notices import StoredNotice

KEPT = "What is stored (posts, messages, files, profile, mail addresses, sign-ins and their devices)"
NOTHING = "Nothing of what this order names is known here. Please check the addresses, and send it again."


async def register_notice(tx: Tx, actor: Actor, row: StoredNotice) -> int:
    """Put the order of a notice on the register of what authorities asked for."""
    new = NewRequest(
        kind="preservation" if row.order_kind == "preservation" else "removal_order",
        authority=row.authority,
        reference=row.reference,
        basis=row.basis,
        statement=row.statement[:5000],
        notice_id=row.id,
    )
    return await register_order(tx, actor, new, received_at=row.received_at, due_at=row.due_at, by=row.filed_by)


async def preserve_notice(
    tx: Tx, settings: Settings, actor: Actor, row: StoredNotice, request_id: int, resolved: Sequence[Resolved]
) -> None:
    """Hold everything of the accounts that an order names, and answer it: it is done when this transaction commits."""
    accounts = sorted({named.account_id for one in resolved for named in one.named})
    if not accounts:
        await give_answer(tx, settings, actor, row.id, words=NOTHING)
        return
    until = await preserve_ordered(
        tx,
        actor,
        request_id,
        [Held("account", account_id) for account_id in accounts],
        reason=f"Order of {row.authority}",
        reference=row.reference,
        active=row.verified,
    )
    number = f"{len(accounts)} account{'' if len(accounts) == 1 else 's'}"
    end = f" until {until:%Y-%m-%d}" if until else ""
    await give_answer(tx, settings, actor, row.id, words=f"{KEPT} of {number} that this order names is kept{end}.")
