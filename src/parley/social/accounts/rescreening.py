"""What a second screening does to a profile that was first judged while the judge was not well."""

from __future__ import annotations

from typing import Any

from parley.kit.instance import Instance
from parley.screening import Outcome
from parley.social.accounts.judged import apply_profile_verdict
from parley.social.events.actions import record
from parley.social.events.facts import RevisionWithdrawn
from parley.social.verdicts.reads import get_sentence


async def apply_profile_rescreening(instance: Instance, payload: dict[str, Any]) -> None:
    """Job, on RevisionRescreened: publish a profile that was held only for caution, and take back one that should not
    have been let through: an empty one is shown until people decide. What they decided before stays."""
    if payload["subject_type"] != "profile":
        return
    account_id, revision = int(payload["subject_id"]), int(payload["revision"])
    screening_id, outcome = int(payload["screening_id"]), Outcome(payload["outcome"])
    async with instance.db.write() as tx:
        sentence = await get_sentence(tx, screening_id)
        done = await apply_profile_verdict(tx, account_id, revision, outcome, screening_id, sentence, release=True)
        if done is not None and not outcome.published:
            await record(
                tx, RevisionWithdrawn(account_id=account_id, subject_type="profile", screening_id=screening_id)
            )
