"""A stricter verdict that comes later, from somebody slower than the judge. Never a milder one."""

from __future__ import annotations

from typing import Any

from parley.kit.db import Tx
from parley.screening import Outcome, Verdict
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRescreened
from parley.social.verdicts import store_newest
from parley.social.verdicts.actions import keep_second_verdict
from parley.social.verdicts.store_history import PastRow


async def get_newest_past(tx: Tx, types: tuple[str, ...], subject_id: int) -> PastRow | None:
    """The newest result of a subject with what it was judged from. For judging again alone."""
    return await store_newest.get_newest_past(tx, types, subject_id)


async def raise_verdict(tx: Tx, result_id: int, verdict: Verdict, why: dict[str, Any]) -> bool:
    """Store a stricter verdict for the revision of a result, and record RevisionRescreened, which acts on it.

    False, and nothing is done, when the result is not the newest any more or the verdict is no stricter.
    """
    earlier = await store_newest.get_locked_newest(tx, result_id)
    if earlier is None or verdict.outcome.rank <= Outcome(earlier.outcome).rank:
        return False
    second_id = await keep_second_verdict(tx, earlier, verdict, why)
    fact = RevisionRescreened(
        account_id=earlier.account_id,
        subject_type=earlier.subject_type,
        subject_id=earlier.subject_id,
        revision=earlier.revision,
        screening_id=second_id,
        outcome=verdict.outcome.value,
    )
    await record(tx, fact)
    return True
