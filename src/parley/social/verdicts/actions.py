"""The seam of screening: judge one revision and store the result, inside the transaction of the write.

Every revision of everything passes through `screen`. It does no network call and takes well under a millisecond.
A failing judge never lets a write through unseen: the policy's fail mode decides, and a job screens again later.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import msgspec

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import RejectedByPolicy
from parley.screening import Content, Facts, Outcome, Verdict
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRescreened, StatusRejected
from parley.social.verdicts import store
from parley.social.verdicts.store import ResultRow

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 60
"""How often a revision is judged again while signals fail; after that its fail mode stands, for people to look at."""


class Subject(msgspec.Struct, frozen=True):
    """What is screened: `type` is status, poll, media, profile or message."""

    type: str
    id: int
    revision: int
    account_id: int


class Screened(msgspec.Struct, frozen=True):
    """The id of the stored result, and the verdict."""

    id: int
    verdict: Verdict

    @property
    def held(self) -> bool:
        """Whether the revision must stay invisible to all but its author."""
        return not self.verdict.outcome.published


class Rejection(RejectedByPolicy):
    """Screening rejected the revision. Raised through the transaction, which rolls back; the door then calls
    `keep_rejection`, so that the refusal itself is on record."""

    def __init__(self, subject: Subject, content: Content, verdict: Verdict) -> None:
        super().__init__(verdict.sentence, detail=f"{subject.type} {subject.id}: {verdict.because}")
        self.subject = subject
        self.content = content
        self.verdict = verdict


def judge_safely(content: Content, facts: Facts) -> Verdict:
    """The verdict of the live ruleset; when the judge itself breaks, the declared fail mode, marked degraded."""
    started = time.perf_counter()
    try:
        return screening.judge(content, facts)
    except Exception as error:
        log.exception("the judge failed; the fail mode applies")
        verdict = screening.screen_failed(facts, error)
        log.info("fail mode gave %s after %.1f ms", verdict.outcome, (time.perf_counter() - started) * 1000)
        return verdict


async def screen(tx: Tx, subject: Subject, content: Content, facts: Facts) -> Screened:
    """Judge `content` and store the result with `subject`'s revision, in `tx`.

    Raises Rejection (422) when the verdict is reject. A quarantined revision is treated as held by the caller.
    """
    verdict = judge_safely(content, facts)
    if verdict.outcome is Outcome.REJECT:
        raise Rejection(subject, content, verdict)
    # What could not be judged completely is kept until it has been judged again.
    again = {"again": {"content": content, "facts": facts}} if verdict.degraded else {}
    result_id = await _insert(tx, subject, verdict, again)
    return Screened(result_id, verdict)


async def keep_rejection(db: Database, rejection: Rejection) -> int:
    """Store what was refused and why, in a transaction of its own. Returns the result's id."""
    async with db.write() as tx:
        result_id = await _insert(tx, rejection.subject, rejection.verdict, {"texts": rejection.content.texts})
        await record(tx, StatusRejected(account_id=rejection.subject.account_id, screening_id=result_id))
    return result_id


async def screen_again(tx: Tx, result: ResultRow) -> bool:
    """Judge what a degraded result is about once more; False when the judge still cannot do it completely.

    Stores a second result for the same revision and records RevisionRescreened, by which the room that holds the
    revision publishes or hides it.
    """
    kept = result.detail.get("again")
    if kept is None:
        await store.update_rescreened(tx, result.id)
        return True
    try:
        content = msgspec.convert(kept["content"], Content)
        facts = msgspec.structs.replace(msgspec.convert(kept["facts"], Facts), now=now())
    except msgspec.ValidationError as error:
        # Its fail mode stands, for people to look at: one that cannot be read must not keep the others waiting.
        log.error("result %s cannot be judged again: %s", result.id, error)
        await store.update_rescreened(tx, result.id)
        return True
    verdict = judge_safely(content, facts)
    if verdict.degraded:
        await store.update_attempted(tx, result.id)
        if result.detail.get("attempts", 0) < MOST_ATTEMPTS:
            return False
    subject = Subject(result.subject_type, result.subject_id, result.revision, result.account_id)
    result_id = await _insert(tx, subject, verdict, {"screened_again": result.id})
    await store.update_rescreened(tx, result.id)
    fact = RevisionRescreened(
        account_id=result.account_id,
        subject_type=result.subject_type,
        subject_id=result.subject_id,
        revision=result.revision,
        screening_id=result_id,
        outcome=verdict.outcome.value,
    )
    await record(tx, fact)
    return True


async def _insert(tx: Tx, subject: Subject, verdict: Verdict, extra: dict[str, Any]) -> int:
    detail = {
        "because": verdict.because,
        "matches": verdict.matches,
        "signals": verdict.signals,
        "rules": verdict.rules,
        "labels": verdict.labels,
        "trust": verdict.trust,
        "failed_signals": verdict.failed_signals,
        **extra,
    }
    return await store.insert_result(
        tx,
        (subject.type, subject.id, subject.revision, subject.account_id),
        (verdict.outcome.value, verdict.clause, verdict.sentence, verdict.ruleset),
        detail,
        degraded=verdict.degraded,
        latency_us=verdict.latency_us,
    )
