"""What a second screening does to a status that was first judged while the judge was not well."""

from __future__ import annotations

from typing import Any

from parley.kit.clock import now
from parley.kit.instance import Instance
from parley.kit.live import Message, publish
from parley.screening import Outcome
from parley.social.events.actions import record
from parley.social.events.facts import StatusHeld
from parley.social.statuses import store_writes
from parley.social.statuses.publishing import note_restriction, set_status_state, settle_media, show_revision
from parley.social.verdicts.reads import is_overruled

_OPEN = ("published", "limited")


async def apply_status_rescreening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RevisionRescreened: publish what was held only for caution, hide what should not have been let through.

    What people decided in the meantime stays as they decided it.
    """
    if payload["subject_type"] not in ("status", "poll", "message"):
        return
    outcome = Outcome(payload["outcome"])
    revision = int(payload["revision"])
    async with instance.db.write() as tx:
        row = await store_writes.get_locked(tx, int(payload["subject_id"]))
        if row is None or row.state == "author_deleted":
            return
        if await is_overruled(tx, int(payload["screening_id"])):
            return  # a sweep has stopped it since
        await store_writes.update_screening(tx, row.id, revision, int(payload["screening_id"]))
        if not outcome.published and row.revision != revision:
            # It was edited since: then others read it in the history alone, and it must leave that.
            await store_writes.update_revision_hidden(tx, row.id, revision)
            await settle_media(tx, row.id)
        waits = row.held_revision == revision or (row.state == "held" and row.revision == revision)
        if waits and outcome.published:
            await show_revision(tx, row, revision, now(), limited=outcome is Outcome.LIMIT)
        elif row.revision == revision and row.state in _OPEN and not outcome.published:
            await set_status_state(tx, row.id, "hidden_interim")
            await publish(tx, Message("delete", ids=(row.id,), account_ids=(row.account_id,)))
            await record(tx, StatusHeld(account_id=row.account_id, status_id=row.id, revision=revision, told=True))
            await note_restriction(tx, row.account_id, row.id, revision, "hidden_interim")
        elif waits and not outcome.published and payload.get("first"):
            await record(tx, StatusHeld(account_id=row.account_id, status_id=row.id, revision=revision))
        elif row.revision == revision and row.state == "published" and outcome is Outcome.LIMIT:
            await set_status_state(tx, row.id, "limited")
            await note_restriction(tx, row.account_id, row.id, revision, "limited")
