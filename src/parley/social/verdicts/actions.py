"""The seam of screening: judge one revision and store the result, inside the transaction of the write.

Every revision of everything passes through `screen`. It does no network call and takes well under a millisecond.
A failing judge never lets a write through unseen: the policy's fail mode decides, and a job screens again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from parley import screening
from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import RejectedByPolicy
from parley.kit.jobs import enqueue
from parley.kit.metrics import note_signals
from parley.screening import Content, Facts, Outcome, Verdict
from parley.screening.content import MediaMatch
from parley.screening.media_signals import is_waiting, wait_for_media
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRescreened, StatusRejected
from parley.social.policies.caps import count_verdict, with_caps
from parley.social.verdicts import store, store_links
from parley.social.verdicts.keeping import keep_all, keep_input
from parley.social.verdicts.links import with_known_links
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
    waits: bool = False
    """It is held for this alone that files which it carries have not been judged yet."""
    waiting_for_files: bool = False
    """Files that it carries have not been judged yet, whatever else it is held for."""

    @property
    def held(self) -> bool:
        """Whether the revision must stay invisible to all but its author."""
        return not self.verdict.outcome.published

    @property
    def sensitive(self) -> bool:
        """Whether a rule labelled it so that it is shown behind a warning, as if its author had marked it."""
        return "sensitive" in self.verdict.labels


Completion = Callable[[Content, Sequence[int]], Awaitable[Content | None]]


class Rejection(RejectedByPolicy):
    """Screening rejected the revision. Raised through the transaction, which rolls back; the door then calls
    `keep_rejection`, so that the refusal itself is on record."""

    def __init__(self, subject: Subject, content: Content, facts: Facts, verdict: Verdict) -> None:
        super().__init__(verdict.sentence, detail=f"{subject.type} {subject.id}: {verdict.because}")
        self.subject = subject
        self.content = content
        self.facts = facts
        self.verdict = verdict


def judge_safely(content: Content, facts: Facts) -> Verdict:
    """The verdict of the live ruleset; when the judge itself breaks, the declared fail mode, marked degraded.

    Whatever carries a file that was not judged yet is held.
    """
    started = time.perf_counter()
    try:
        verdict = screening.judge(content, facts)
        note_signals(verdict.costs_us)
        return wait_for_media(verdict, content)
    except Exception as error:
        log.exception("the judge failed; the fail mode applies")
        verdict = screening.screen_failed(facts, error)
        log.info("fail mode gave %s after %.1f ms", verdict.outcome, (time.perf_counter() - started) * 1000)
        return wait_for_media(verdict, content)


async def screen(tx: Tx, subject: Subject, content: Content, facts: Facts) -> Screened:
    """Judge `content` and store the result with `subject`'s revision, in `tx`.

    Raises Rejection (422) when the verdict is reject. A quarantined revision is treated as held by the caller.
    """
    facts = with_caps(facts)
    content, unknown = await with_known_links(tx, content)
    return await _keep_verdict(tx, subject, content, facts, judge_safely(content, facts), unknown)


async def judge_and_keep(tx: Tx, subject: Subject, content: Content, facts: Facts) -> Screened:
    """The same for what the server itself writes, and which is therefore never refused."""
    facts = with_caps(facts)
    content, unknown = await with_known_links(tx, content)
    return await _keep_verdict(tx, subject, content, facts, judge_safely(content, facts), unknown, refuse=False)


async def keep_second_verdict(
    tx: Tx,
    earlier: ResultRow,
    verdict: Verdict,
    why: dict[str, Any],
    *,
    matches: Sequence[MediaMatch] | None = None,
) -> int:
    """Store another result for the revision of `earlier`, with what it was judged from. Returns its id.

    `why` says what led to it, such as `{"sweep": 4711}`; `matches` is what was known of its files this time, where that
    is more than then.
    """
    subject = Subject(earlier.subject_type, earlier.subject_id, earlier.revision, earlier.account_id)
    kept: dict[str, Any] = {
        name: earlier.detail[name] for name in ("facts", "content", "order", "texts") if name in earlier.detail
    }
    if matches is not None:
        kept["content"] = {**kept.get("content", {"kind": earlier.subject_type}), "media_matches": list(matches)}
    return await _insert(tx, subject, verdict, {**kept, **why})


async def repeat_verdict(tx: Tx, result_id: int, why: dict[str, Any]) -> int:
    """Make an earlier result the newest one of its revision again, by a copy of it. Returns the copy's id."""
    return await store.insert_repeated(tx, result_id, why)


async def _keep_verdict(
    tx: Tx,
    subject: Subject,
    content: Content,
    facts: Facts,
    verdict: Verdict,
    unknown_links: list[str],
    *,
    refuse: bool = True,
) -> Screened:
    count_verdict(verdict, facts.now)
    if refuse and verdict.outcome is Outcome.REJECT:
        raise Rejection(subject, content, facts, verdict)
    # What could not be judged completely is kept until it has been judged again.
    again: dict[str, Any] = {"again": {"content": content, "facts": facts}} if verdict.degraded else {}
    waits = is_waiting(verdict)
    if content.media_waiting:
        again = {"waiting": {"content": content, "facts": facts, "told": not waits}}
    if unknown_links:
        again["links_wait"] = {"content": content, "facts": facts}
    result_id = await _insert(tx, subject, verdict, {**keep_input(content, facts), **again})
    if unknown_links:
        await enqueue(tx, "resolve_links", {"result_id": result_id, "urls": unknown_links})
    return Screened(result_id, verdict, waits, content.media_waiting > 0)


async def keep_rejection(db: Database, rejection: Rejection) -> int:
    """Store what was refused and why, in a transaction of its own. Returns the result's id."""
    async with db.write() as tx:
        kept = keep_all(rejection.content, rejection.facts)
        result_id = await _insert(tx, rejection.subject, rejection.verdict, kept)
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
    content, _ = await with_known_links(tx, content)
    verdict = judge_safely(content, facts)
    if verdict.degraded:
        await store.update_attempted(tx, result.id)
        if result.detail.get("attempts", 0) < MOST_ATTEMPTS:
            return False
    subject = Subject(result.subject_type, result.subject_id, result.revision, result.account_id)
    kept = {name: result.detail[name] for name in ("content", "order") if name in result.detail}
    result_id = await _insert(tx, subject, verdict, {**kept, "facts": facts, "screened_again": result.id})
    await store.update_rescreened(tx, result.id)
    await _record_rescreened(tx, result, result_id, verdict)
    return True


async def judge_followed(tx: Tx, result_id: int) -> None:
    """Judge a revision once more, now that it is known where its shortened links lead.

    Only what is worse than before changes anything: then a second result is stored and RevisionRescreened recorded.
    """
    result = await store_links.get_waiting(tx, result_id)
    if result is None:
        return
    await store_links.update_waited(tx, result_id)
    kept = result.detail["links_wait"]
    if "waiting" in result.detail or "again" in result.detail:
        return  # it is judged again anyway, and then with these links
    content, _ = await with_known_links(tx, msgspec.convert(kept["content"], Content))
    facts = msgspec.convert(kept["facts"], Facts)
    verdict = judge_safely(content, facts)
    if not content.resolved_links or verdict.outcome.rank <= Outcome(result.outcome).rank:
        return
    subject = Subject(result.subject_type, result.subject_id, result.revision, result.account_id)
    detail = {**keep_input(content, facts), "screened_again": result.id}
    second_id = await _insert(tx, subject, verdict, detail)
    await _record_rescreened(tx, result, second_id, verdict)


async def _record_rescreened(tx: Tx, result: ResultRow, second_id: int, verdict: Verdict) -> None:
    fact = RevisionRescreened(
        account_id=result.account_id,
        subject_type=result.subject_type,
        subject_id=result.subject_id,
        revision=result.revision,
        screening_id=second_id,
        outcome=verdict.outcome.value,
    )
    await record(tx, fact)


async def finish_waiting(tx: Tx, result_id: int, complete: Completion) -> None:
    """Judge a revision that waited for its files once more, with what was found in them.

    `complete` makes the content of then the content of now; None says that it must wait on. Records
    RevisionRescreened, by which the room that holds the revision publishes it or tells its author.
    """
    result = await store.get_locked_result(tx, result_id)
    kept = result.detail.get("waiting") if result else None
    if result is None or kept is None:
        return
    try:
        before, facts = msgspec.convert(kept["content"], Content), msgspec.convert(kept["facts"], Facts)
    except msgspec.ValidationError as error:
        # It stays held, for people to look at: a revision that cannot be read must not keep its files from being used.
        log.error("result %s waits for files and cannot be judged with them: %s", result.id, error)
        return
    content = await complete(before, kept.get("files", []))
    if content is None:
        return
    facts = msgspec.structs.replace(facts, now=now())
    content, _ = await with_known_links(tx, content)
    verdict = judge_safely(content, facts)
    subject = Subject(result.subject_type, result.subject_id, result.revision, result.account_id)
    again = {"again": {"content": content, "facts": facts}} if verdict.degraded else {}
    new_id = await _insert(tx, subject, verdict, {**keep_input(content, facts), **again, "waited": result.id})
    await store.update_waited(tx, result.id)
    fact = RevisionRescreened(
        account_id=result.account_id,
        subject_type=result.subject_type,
        subject_id=result.subject_id,
        revision=result.revision,
        screening_id=new_id,
        outcome=verdict.outcome.value,
        first=not kept["told"],
    )
    await record(tx, fact)


async def note_files(tx: Tx, result_id: int, media_ids: Sequence[int]) -> None:
    """Keep with a result which files it waits for, in the order in which the revision carries them."""
    await store.update_files(tx, result_id, list(media_ids))


async def _insert(tx: Tx, subject: Subject, verdict: Verdict, extra: dict[str, Any]) -> int:
    detail = {
        "because": verdict.because,
        "matches": verdict.matches,
        # What is at rest says nothing and would make rows four times as large; the text's own values feed statistics.
        "signals": {name: value for name, value in verdict.signals.items() if value or name.startswith("text.")},
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
