"""What a second screening does to a description that was first judged while the judge was not well."""

from __future__ import annotations

from typing import Any

from parley.kit.instance import Instance
from parley.screening import Outcome
from parley.social.events.actions import record
from parley.social.events.facts import RevisionWithdrawn
from parley.social.media.judged import apply_media_verdict
from parley.social.verdicts.reads import get_sentence


async def apply_media_rescreening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RevisionRescreened: show a description that was held only for caution, and take back one that should not
    have been let through: readers see the newest one that may be read, or none.

    A post that carries it is judged with its words as a whole, and is dealt with by the statuses room.
    """
    if payload["subject_type"] != "media":
        return
    account_id, screening_id = int(payload["account_id"]), int(payload["screening_id"])
    media_id, revision, outcome = int(payload["subject_id"]), int(payload["revision"]), Outcome(payload["outcome"])
    async with instance.db.write() as tx:
        sentence = await get_sentence(tx, screening_id)
        done = await apply_media_verdict(tx, media_id, revision, outcome, screening_id, sentence, release=True)
        if done is not None and not outcome.published:
            await record(tx, RevisionWithdrawn(account_id=account_id, subject_type="media", screening_id=screening_id))
