"""What a decision of the desk does to a status, and taking it back. Nothing here decides: the caller has.

A status is locked before it is looked at, so that its author's edit and a decision cannot lose each other. What its
author deleted stays deleted, whatever is decided or taken back.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.live import Message, publish
from parley.social.statuses import store, store_required, store_writes
from parley.social.statuses.later_verdicts import hold_again
from parley.social.statuses.publishing import count_status, settle_media, show_revision
from parley.social.statuses.store_writes import LockedRow

OPEN = frozenset({"published", "limited"})
COUNTED = frozenset({"published", "limited", "hidden_interim"})
"""States in which a status counts among its author's, and among the answers of what it answers."""


class Enforced(msgspec.Struct, frozen=True):
    """A status as decisions see it, locked."""

    id: int
    account_id: int
    state: str
    revision: int
    held_revision: int | None
    is_boost: bool
    edited_at: datetime | None

    @property
    def waiting(self) -> int | None:
        """The revision that waits for a decision, None for none."""
        if self.held_revision is not None:
            return self.held_revision
        return self.revision if self.state == "held" else None


async def lock_status(tx: Tx, status_id: int) -> Enforced | None:
    """Lock a status, whatever its state; None when there is none."""
    row = await store_writes.get_locked(tx, status_id)
    if row is None:
        return None
    return Enforced(
        row.id,
        row.account_id,
        row.state,
        row.revision,
        row.held_revision,
        row.reblog_of_id is not None,
        await store_required.get_edited_at(tx, status_id),
    )


async def move_status(tx: Tx, status_id: int, state: str) -> None:
    """Put a status into a state, with its counts, its files and whoever has it on the screen.

    One that was never public and may now be is published for the first time.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.state in (state, "author_deleted"):
        return
    if state in OPEN and not await _was_public(tx, row):
        await store_writes.update_state(tx, row.id, "held")
        unseen = msgspec.structs.replace(row, state="held")
        await show_revision(tx, unseen, row.revision, now(), limited=state == "limited")
        return
    await store_writes.update_state(tx, row.id, state)
    await settle_media(tx, row.id)
    counted = (state in COUNTED) - (row.state in COUNTED)
    if counted and row.reblog_of_id is None:
        quoted = row.quote_of_id if row.quote_state == "accepted" else None
        await count_status(
            tx,
            row.account_id,
            row.in_reply_to_id,
            quoted,
            counted,
            visibility=row.visibility,
            imported=row.imported,
        )
    if row.state in OPEN and state not in OPEN:
        await publish(tx, Message("delete", ids=(row.id,), account_ids=(row.account_id,)))


async def _was_public(tx: Tx, row: LockedRow) -> bool:
    revisions = await store.list_revisions(tx, row.id)
    return row.reblog_of_id is not None or any(revision.state == "published" for revision in revisions)


async def hold_published(
    tx: Tx, status_id: int, revision: int, *, state: str, shown: int, edited_at: datetime | None
) -> bool:
    """Take back that `revision` was published: it waits again, and what was shown before (`shown`, in `state`) is.

    False when something else has happened to the status since.
    """
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.revision != revision or row.state == "author_deleted":
        return False
    await hold_again(tx, row, revision, state=state, shown=shown)
    await store_required.update_edited_at(tx, status_id, edited_at)
    return True


async def hold_edit_again(tx: Tx, status_id: int, revision: int, *, show: bool = False) -> bool:
    """Take back that an edit was dropped: it waits again, or is shown now. False when there is a newer one."""
    row = await store_writes.get_locked(tx, status_id)
    revisions = await store.list_revisions(tx, status_id)
    if row is None or row.state == "author_deleted" or row.held_revision is not None:
        return False
    if not revisions or revisions[-1].revision != revision:
        return False
    if show:
        await show_revision(tx, row, revision, now())
    else:
        await store_writes.update_held_revision(tx, status_id, revision)
        await settle_media(tx, status_id)
    return True


async def mark_status(tx: Tx, status_id: int, *, label: str, sensitive: bool) -> None:
    """Say what moderators tell readers of a status (empty: nothing), and whether they marked it as sensitive."""
    await store_required.update_marks(tx, status_id, label, sensitive)


async def require_change(tx: Tx, status_id: int, revision: int) -> None:
    """Let the author's next edit, if the judge finds nothing in it, be answered by `RequiredChangeMade`."""
    await store_required.upsert_required(tx, status_id, revision)


async def end_required_change(tx: Tx, status_id: int, *, made: bool) -> list[int]:
    """Ask for no change any more. With `made`, what had to be changed leaves the history; returns those revisions."""
    revision = await store_required.get_required(tx, status_id)
    if revision is None:
        return []
    await store_required.delete_required(tx, status_id)
    if not made:
        return []
    row = await store_writes.get_locked(tx, status_id)
    if row is None or row.revision <= revision:
        return []
    old = list(range(1, revision + 1))
    hidden = await store_required.update_revisions_state(tx, status_id, old, "published", "held")
    await settle_media(tx, status_id)
    return hidden


async def restore_history(tx: Tx, status_id: int, revisions: list[int]) -> None:
    """Let others read these revisions again in the history."""
    if revisions:
        await store_required.update_revisions_state(tx, status_id, revisions, "held", "published")
        await settle_media(tx, status_id)
