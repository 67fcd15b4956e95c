"""What another verdict, given later, changes of a status that is there already; and taking that back.

It never deletes, and never touches what people decided or what its author deleted.
"""

from __future__ import annotations

from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.live import Message, publish
from parley.screening import Outcome
from parley.social.events.actions import record
from parley.social.events.facts import StatusHeld
from parley.social.statuses import store_judged, store_writes
from parley.social.statuses.publishing import count_status, set_status_state, settle_media, show_revision
from parley.social.statuses.store_writes import LockedRow

OPEN = ("published", "limited")


async def apply_status_verdict(
    tx: Tx, status_id: int, revision: int, outcome: Outcome, screening_id: int, *, release: bool
) -> dict[str, Any] | None:
    """Let a later verdict take effect on one revision; returns what was before, None for nothing done.

    What would now be held is hidden (an older revision: from the history), what would now be limited is limited. The
    caller asks for that only where the last verdict lets the revision be seen; one that is not shown yet waits on.
    Whoever calls tells its author why. With `release`, what waits and would now be published is. Only ever one of
    these; `kind` in the answer says which.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.state not in (*OPEN, "held"):
        return None
    before = {
        "state": row.state,
        "revision": row.revision,
        "held_revision": row.held_revision,
        "screening_id": await store_judged.get_screening_id(tx, status_id, revision),
    }
    kind = await _apply(tx, row, revision, outcome, screening_id, release=release)
    return {**before, "kind": kind} if kind else None


async def _apply(
    tx: Tx, row: LockedRow, revision: int, outcome: Outcome, screening_id: int, *, release: bool
) -> str | None:
    waits = row.held_revision == revision or (row.state == "held" and row.revision == revision)
    if waits and not outcome.published:
        # Its last verdict would let it be seen, and a job is about to: that finds the new one.
        await store_writes.update_screening(tx, row.id, revision, screening_id)
        await record(tx, StatusHeld(account_id=row.account_id, status_id=row.id, revision=revision))
        return "hidden"
    if waits:
        if not release:
            return None
        await store_writes.update_screening(tx, row.id, revision, screening_id)
        await show_revision(tx, row, revision, now(), limited=outcome is Outcome.LIMIT)
        return "released"
    if row.state not in OPEN:
        return None
    if row.revision != revision:
        if outcome.published or not await store_writes.update_revision_hidden(tx, row.id, revision):
            return None
        await store_writes.update_screening(tx, row.id, revision, screening_id)
        await settle_media(tx, row.id)
        return "revision_hidden"
    if not outcome.published:
        await store_writes.update_screening(tx, row.id, revision, screening_id)
        await set_status_state(tx, row.id, "hidden_interim")
        await publish(tx, Message("delete", ids=(row.id,), account_ids=(row.account_id,)))
        await record(tx, StatusHeld(account_id=row.account_id, status_id=row.id, revision=revision, told=True))
        return "hidden"
    if outcome is Outcome.LIMIT and row.state == "published":
        await store_writes.update_screening(tx, row.id, revision, screening_id)
        await set_status_state(tx, row.id, "limited")
        return "limited"
    return None


async def restore_status_verdict(
    tx: Tx, status_id: int, revision: int, before: dict[str, Any], screening_id: int, *, with_state: bool = True
) -> bool:
    """Take back what `apply_status_verdict` did; False when something else has happened to the status since.

    Without `with_state` the caller moves what was hidden or limited back, by reversing the decision about it.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or await store_judged.get_screening_id(tx, status_id, revision) != screening_id:
        return False
    kind = before["kind"]
    if kind == "revision_hidden":
        await store_judged.update_revision_state(tx, status_id, revision, "published")
        await settle_media(tx, status_id)
    elif kind == "released":
        if row.state not in OPEN or row.revision != revision:
            return False
        await hold_again(tx, row, revision, state=before["state"], shown=before["revision"])
    else:
        if row.state != {"hidden": "hidden_interim", "limited": "limited"}[kind] or row.revision != revision:
            return False
        if with_state:
            await set_status_state(tx, row.id, before["state"])
    await store_writes.update_screening(tx, status_id, revision, before["screening_id"])
    return True


async def hold_again(tx: Tx, row: LockedRow, revision: int, *, state: str, shown: int) -> None:
    """Put back what was published: a first revision is nobody's to see, an edit gives way to what was `shown`.

    `state` is what the locked status `row` was in before.
    """
    if state == "held":
        quoted = row.quote_of_id if row.quote_state == "accepted" else None
        await count_status(
            tx, row.account_id, row.in_reply_to_id, quoted, -1, visibility=row.visibility, imported=row.imported
        )
        await store_judged.update_revision_state(tx, row.id, revision, "held")
        await set_status_state(tx, row.id, "held")
        await publish(tx, Message("delete", ids=(row.id,), account_ids=(row.account_id,)))
    else:
        await show_revision(tx, row, shown, now())
        await store_judged.update_revision_state(tx, row.id, revision, "held")
        await store_writes.update_held_revision(tx, row.id, revision)
        await settle_media(tx, row.id)


async def update_status_result(
    tx: Tx, status_id: int, revision: int, screening_id: int, *, instead_of: int | None = None
) -> int | None:
    """Give a revision that others may read another result; returns the one before.

    None, and nothing done, when nobody may read it any more, or when `instead_of` is no longer its result.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.state not in OPEN or row.held_revision == revision:
        return None
    before = await store_judged.get_screening_id(tx, status_id, revision)
    if before is None or instead_of not in (None, before):
        return None
    await store_writes.update_screening(tx, status_id, revision, screening_id)
    return before
