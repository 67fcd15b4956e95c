"""Orders of authorities that come in as notices: on the register, and what is to be preserved under a hold, at once.

Nobody of the staff has to be awake: keeping harms nobody, and ends when the policy says. Nothing is handed out here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.jobs import enqueue
from parley.safety.evidence import store_law, store_orders
from parley.safety.evidence.holding import usual_end
from parley.safety.evidence.law_views import Held, NewHold, NewRequest
from parley.safety.evidence.states import REQUEST_FOLLOWS, check_transition
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor

MOST_HELD = 1000


async def register_order(
    tx: Tx, actor: Actor, new: NewRequest, *, received_at: datetime, due_at: datetime, by: int | None = None
) -> int:
    """Put an order on the register; `by` is who of the staff took it in. Returns the request's id."""
    await append_event(tx, actor, "legal_request_registered", case_id=new.case_id, kind=new.kind)
    return await store_law.insert_request(tx, new, by, received_at, due_at)


async def preserve_ordered(
    tx: Tx, actor: Actor, request_id: int, subjects: Sequence[Held], *, reason: str, reference: str, active: bool
) -> datetime | None:
    """Keep all of these accounts from now on; returns until when. `active` False: who runs the instance looks."""
    moment = now()
    ends_at = usual_end("preservation", moment)
    new = NewHold(
        subjects=list(dict.fromkeys(subjects))[:MOST_HELD],
        kind="preservation",
        reason=reason,
        reference=reference,
        request_id=request_id,
        ends_at=ends_at,
    )
    state = "active" if active else "requested"
    await store_law.lock_purging(tx)
    await append_event(tx, actor, f"legal_hold_{state}", kind=new.kind, subjects=len(new.subjects))
    hold_id = await store_law.insert_hold(tx, new, state, (None, None), moment, ends_at)
    await enqueue(tx, "capture_held", {"hold_id": hold_id})
    return ends_at


async def end_order(tx: Tx, actor: Actor, notice_id: int, *, answer: str) -> None:
    """Note on the register that the order of a notice was answered. One that has ended stays as it is."""
    found = await store_orders.lock_request_of_notice(tx, notice_id)
    if found is None or found.state != "received":
        return
    check_transition(REQUEST_FOLLOWS, found.state, "answered")
    await append_event(tx, actor, "legal_request_answered", request=str(found.id))
    await store_law.update_request_ended(tx, found.id, "answered", answer, now())
