"""What a sweep does about one revision, and taking it back. Each change comes with evidence, a result and a fact.

What people decided stands: a post that a moderator let through is put before them again, not taken away by a machine.
"""

from __future__ import annotations

from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.cases.reports import insert_found_report, withdraw_found_report
from parley.safety.decisions.reversing import reverse_decision
from parley.safety.decisions.stating import is_in_force
from parley.safety.evidence.content import take_evidence
from parley.safety.history import STATUS_TYPES, Past
from parley.safety.judging import Answer
from parley.safety.log.views import system
from parley.safety.sweeps.effects import Effect, effect_of
from parley.safety.sweeps.store import ChangeRow, NewChange, SweepRow
from parley.safety.sweeps.store_files import FoundRow
from parley.screening import Outcome, Verdict
from parley.screening.content import MediaMatch
from parley.social.accounts.judged import (
    apply_profile_verdict,
    list_known_pictures,
    restore_picture_matches,
    restore_profile_verdict,
)
from parley.social.accounts.reads import get_account_views
from parley.social.events.actions import record
from parley.social.events.facts import RevisionRestored, RevisionSwept, RevisionWithdrawn
from parley.social.media.actions import hide_files
from parley.social.media.judged import apply_media_verdict, restore_media_verdict
from parley.social.media.judging import FILE_REVISION
from parley.social.media.matching_past import (
    apply_file_verdict,
    list_places,
    restore_file_verdict,
    restore_matches,
)
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
) -> NewChange | None:
    """Let a new verdict take effect; returns what was done, for the caller to note, None for nothing.

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


async def _apply(
    tx: Tx, sweep: SweepRow, past: Past, effect: Effect, verdict: Verdict, earlier: ResultRow
) -> NewChange:
    # Before anything is changed: what is hidden can no longer be seen as it was.
    evidence = await _take_evidence(tx, past) if effect in ("hide", "flag") else None
    matches = past.content.media_matches if sweep.scope == "files" else None
    result_id = await keep_second_verdict(tx, earlier, verdict, {"sweep": sweep.id}, matches=matches)
    if effect == "flag":
        kind, before = await _flag(tx, past, result_id)
    else:
        kind, before = await _change(tx, past, verdict, result_id, release=effect == "release")
    report_id = await _file_report(tx, past, verdict, evidence) if evidence is not None else None
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
    return NewChange(
        subject_type=past.subject_type,
        subject_id=past.subject_id,
        revision=past.revision,
        account_id=past.account_id,
        kind=kind,
        clause=verdict.clause,
        result_before=past.id,
        result_after=result_id,
        before=before,
        report_id=report_id,
        sentence=verdict.sentence,
    )


async def _change(tx: Tx, past: Past, verdict: Verdict, result_id: int, *, release: bool) -> tuple[str, dict[str, Any]]:
    outcome, sentence = verdict.outcome, verdict.sentence
    before: dict[str, Any] | None
    if past.subject_type in STATUS_TYPES:
        before = await apply_status_verdict(tx, past.subject_id, past.revision, outcome, result_id, release=release)
        if before is not None:
            return before["kind"], before
    elif _is_file(past):
        before = await apply_file_verdict(tx, past.subject_id, outcome, result_id, verdict.clause)
        if before is not None:
            return "file_hidden", before
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
            return "withdrawn", await _hide_pictures(tx, past, before)
    raise _NothingDone


def _is_file(past: Past) -> bool:
    """Whether it is a file itself, without the words that describe it."""
    return past.subject_type == "media" and past.revision == FILE_REVISION


async def _hide_pictures(tx: Tx, past: Past, before: dict[str, Any]) -> dict[str, Any]:
    """Serve pictures of a profile to nobody that are known as what would be refused."""
    if past.subject_type != "profile":
        return before
    pictures = await list_known_pictures(tx, past.subject_id, past.revision, ("quarantine", "reject"))
    await hide_files(tx, pictures, hidden=True)
    return {**before, "pictures": pictures}


async def _flag(tx: Tx, past: Past, result_id: int) -> tuple[str, dict[str, Any]]:
    if past.subject_type in STATUS_TYPES:
        earlier = await update_status_result(tx, past.subject_id, past.revision, result_id)
        if earlier is None:
            raise _NothingDone
        return "flagged", {"screening_id": earlier}
    return "flagged", {}


async def _take_evidence(tx: Tx, past: Past) -> dict[str, Any] | None:
    if _is_file(past):
        place = (await list_places(tx, [past.subject_id])).get(past.subject_id)
        if place is None or place.attached:
            return None  # what carries it comes before the moderators, with it
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


async def take_back(tx: Tx, settings: Settings, sweep_id: int, change: ChangeRow) -> bool:
    """Restore what was before a change; False, and nothing done, when something else has happened since."""
    if change.decision_id is not None and not await is_in_force(tx, change.decision_id):
        return False  # people decided about it since, or overturned it
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
        if change.decision_id is not None:
            await reverse_decision(tx, settings, system("sweeps"), change.decision_id, kind="undo")
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
        state = change.decision_id is None  # otherwise reversing the decision restores it
        return await restore_status_verdict(
            tx, change.subject_id, change.revision, change.before, change.result_after, with_state=state
        )
    if change.kind == "file_hidden":
        return await restore_file_verdict(tx, change.subject_id, change.before, change.result_after)
    if change.subject_type == "media":
        return await restore_media_verdict(tx, change.subject_id, change.revision, change.before, change.result_after)
    restored = await restore_profile_verdict(tx, change.subject_id, change.before, change.result_after)
    if restored:
        await hide_files(tx, change.before.get("pictures", []), hidden=False)
    return restored


async def take_back_matches(tx: Tx, file: FoundRow) -> None:
    """Let the judge know of a file what it knew before a sweep, unless it has learned something else since."""
    before, after = (msgspec.convert(one, tuple[MediaMatch, ...]) for one in (file.before, file.after))
    if file.media_id is not None:
        await restore_matches(tx, file.media_id, before, after)
    elif file.account_id is not None:
        await restore_picture_matches(tx, file.account_id, file.file, before, after)
    else:
        await hide_files(tx, file.hidden, hidden=False)


def is_interesting(past: Past, answer: Answer, sweep: SweepRow) -> bool:
    """Whether a new verdict may lead to anything at all."""
    effect = effect_of(past, answer)
    return effect is not None and (effect != "release" or sweep.release) and Outcome(past.outcome) != answer.outcome
