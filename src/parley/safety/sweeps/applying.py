"""What a sweep does about one revision, and taking it back. Each change comes with evidence, a result and a fact.

What people decided stands: a post that a moderator let through is put before them again, not taken away by a machine.
"""

from __future__ import annotations

from typing import Any

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.cases.reports import insert_found_report, withdraw_found_report
from parley.safety.evidence.content import take_evidence
from parley.safety.history import STATUS_TYPES, Past
from parley.safety.judging import Answer
from parley.safety.log.views import system
from parley.safety.sweeps import store
from parley.safety.sweeps.effects import Effect, effect_of
from parley.safety.sweeps.store import ChangeRow, SweepRow
from parley.screening import Outcome, Verdict
from parley.social.accounts.judged import apply_profile_verdict, restore_profile_verdict
from parley.social.accounts.reads import get_account_views
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRestored, RevisionSwept, RevisionWithdrawn
from parley.social.media.judged import apply_media_verdict, restore_media_verdict
from parley.social.statuses.later_verdicts import (
    apply_status_verdict,
    restore_status_verdict,
    update_status_result,
)
from parley.social.statuses.reads import list_for_evidence
from parley.social.verdicts.actions import keep_second_verdict, repeat_verdict
from parley.social.verdicts.labels import Label
from parley.social.verdicts.reads import ResultRow


class _NothingDone(Exception):
    """Takes back what was prepared for a change that turned out not to be needed."""


async def apply_answer(
    tx: Tx, sweep: SweepRow, past: Past, answer: Answer, earlier: ResultRow, label: Label | None
) -> str | None:
    """Let a new verdict take effect; returns what was done, None for nothing.

    `earlier` is the newest result of the revision, `label` what people last said of it.
    """
    effect = effect_of(past, answer)
    verdict = answer.verdict
    if effect is None or verdict is None or (effect == "release" and not sweep.release):
        return None
    if label is not None:
        if effect == "release":
            return None  # a person looks, or looked, at it
        if label.outcome.published and effect in ("hide", "limit"):
            effect = "flag"
    try:
        async with tx.transaction():
            return await _apply(tx, sweep, past, effect, verdict, earlier)
    except _NothingDone:
        return None


async def _apply(tx: Tx, sweep: SweepRow, past: Past, effect: Effect, verdict: Verdict, earlier: ResultRow) -> str:
    # Before anything is changed: what is hidden can no longer be seen as it was.
    evidence = await _take_evidence(tx, past) if effect in ("hide", "flag") else None
    result_id = await keep_second_verdict(tx, earlier, verdict, {"sweep": sweep.id})
    if effect == "flag":
        kind, before = await _flag(tx, past, result_id)
    else:
        kind, before = await _change(tx, past, verdict, result_id, release=effect == "release")
    report_id = await _file_report(tx, past, verdict, evidence) if evidence is not None else None
    subject = (past.subject_type, past.subject_id, past.revision, past.account_id)
    await store.insert_change(tx, sweep.id, subject, kind, verdict.clause, (past.id, result_id), before, report_id)
    fact = RevisionSwept(
        account_id=past.account_id,
        sweep_id=sweep.id,
        subject_type=past.subject_type,
        subject_id=past.subject_id,
        revision=past.revision,
        screening_id=result_id,
        kind=kind,
    )
    await record(tx, fact)
    return kind


async def _change(tx: Tx, past: Past, verdict: Verdict, result_id: int, *, release: bool) -> tuple[str, dict[str, Any]]:
    outcome, sentence = verdict.outcome, verdict.sentence
    before: dict[str, Any] | None
    if past.subject_type in STATUS_TYPES:
        before = await apply_status_verdict(tx, past.subject_id, past.revision, outcome, result_id, release=release)
        if before is not None:
            return before["kind"], before
    else:
        apply = apply_media_verdict if past.subject_type == "media" else apply_profile_verdict
        before = await apply(tx, past.subject_id, past.revision, outcome, result_id, sentence, release=release)
        if before is not None and outcome.published:
            return "released", before
        if before is not None:
            withdrawn = RevisionWithdrawn(
                account_id=past.account_id, subject_type=past.subject_type, screening_id=result_id
            )
            await record(tx, withdrawn)  # by which its author is told
            return "withdrawn", before
    raise _NothingDone


async def _flag(tx: Tx, past: Past, result_id: int) -> tuple[str, dict[str, Any]]:
    if past.subject_type in STATUS_TYPES:
        earlier = await update_status_result(tx, past.subject_id, past.revision, result_id)
        if earlier is None:
            raise _NothingDone
        return "flagged", {"screening_id": earlier}
    return "flagged", {}


async def _take_evidence(tx: Tx, past: Past) -> dict[str, Any]:
    account = (await get_account_views(tx, [past.account_id])).get(past.account_id)
    if account is None:
        raise _NothingDone
    statuses = await list_for_evidence(tx, [past.subject_id]) if past.subject_type in STATUS_TYPES else []
    return {
        **take_evidence(account, statuses, now()),
        "judged": {
            "subject_type": past.subject_type,
            "subject_id": str(past.subject_id),
            "revision": past.revision,
            "texts": past.content.texts,
        },
    }


async def _file_report(tx: Tx, past: Past, verdict: Verdict, evidence: dict[str, Any]) -> int:
    """Put it before the moderators, with the evidence."""
    return await insert_found_report(
        tx,
        system("sweeps"),
        past.account_id,
        [past.subject_id] if past.subject_type in STATUS_TYPES else [],
        " ".join(verdict.because),
        verdict.clause,
        evidence,
    )


async def take_back(tx: Tx, sweep_id: int, change: ChangeRow) -> bool:
    """Restore what was before a change; False, and nothing done, when something else has happened since."""
    restored = await _restore(tx, change)
    if restored:
        # The newest result must say what is in force again, or the next sweep would take this one's word for it.
        await repeat_verdict(tx, change.result_before, {"undo_of_sweep": sweep_id})
        fact = RevisionRestored(
            account_id=change.account_id,
            sweep_id=sweep_id,
            subject_type=change.subject_type,
            subject_id=change.subject_id,
            revision=change.revision,
        )
        await record(tx, fact)
        if change.report_id is not None:
            await withdraw_found_report(tx, system("sweeps"), change.report_id)
    return restored


async def _restore(tx: Tx, change: ChangeRow) -> bool:
    if change.kind == "flagged":
        if change.subject_type in STATUS_TYPES and change.before.get("screening_id"):
            await update_status_result(
                tx, change.subject_id, change.revision, change.before["screening_id"], instead_of=change.result_after
            )
        return True
    if change.subject_type in STATUS_TYPES:
        return await restore_status_verdict(tx, change.subject_id, change.revision, change.before, change.result_after)
    if change.subject_type == "media":
        return await restore_media_verdict(tx, change.subject_id, change.revision, change.before, change.result_after)
    return await restore_profile_verdict(tx, change.subject_id, change.before, change.result_after)


def is_interesting(past: Past, answer: Answer, sweep: SweepRow) -> bool:
    """Whether a new verdict may lead to anything at all."""
    effect = effect_of(past, answer)
    return effect is not None and (effect != "release" or sweep.release) and Outcome(past.outcome) != answer.outcome
