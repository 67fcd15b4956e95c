"""A second opinion: claimed, given, kept. It changes no decision; what is seen otherwise is shown for another look."""

from __future__ import annotations

from datetime import timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import Conflict, Invalid, NotFound
from parley.safety.golden.reads import list_questions, without_names
from parley.safety.history import list_past_named
from parley.safety.log.actions import append_event
from parley.safety.log.views import human
from parley.safety.quality import store
from parley.safety.quality.store import CheckRow
from parley.safety.quality.strata import severity_of
from parley.safety.quality.views import CheckView
from parley.safety.wellness.reads import wellness_of
from parley.safety.wellness.views import SEVERE
from parley.screening import Outcome, live_ruleset
from parley.social.accounts.views import Viewer
from parley.social.verdicts.labels import record_label

LEASE = timedelta(minutes=20)
ANSWERS = ("breaks", "fine", "unsure")
MOST_TRIES = 20


async def claim_next_check(tx: Tx, viewer: Viewer) -> CheckView | None:
    """The next thing to judge again, for `LEASE`; None when nothing waits that this viewer may judge.

    Never their own decision; nothing severe for who asked for none. Raises NotFound for who is not of the staff.
    """
    if not viewer.is_staff:
        raise NotFound
    least = (await wellness_of(tx, viewer)).least_severity
    for _ in range(MOST_TRIES):
        row = await store.get_next(tx, viewer.account_id, now(), least)
        if row is None:
            return None
        words = await _words(tx, row)
        await append_event(tx, human(viewer), "check_claimed" if words else "check_dropped", check_id=str(row.id))
        if words:
            until = now() + LEASE
            await store.update_claimed(tx, row.id, viewer.account_id, until)
            return CheckView(id=row.id, words=words, severe=severity_of(row.stratum) <= SEVERE, leased_until=until)
        await store.update_dropped(tx, row.id)
    return None


async def _words(tx: Tx, row: CheckRow) -> tuple[tuple[str, str], ...]:
    """What is to be judged, without names; empty when it is gone."""
    if row.screening_id is None:
        place = (row.subject_id, row.revision or 1)
        question = (await list_questions(tx, [place])).get(place)
        return question.words if question else ()
    pasts = await list_past_named(tx, [row.screening_id])
    if not pasts or pasts[0].private:
        return ()
    return tuple((name.replace("_", " "), without_names(text)) for name, text in pasts[0].content.texts.items() if text)


async def answer_check(tx: Tx, viewer: Viewer, check_id: int, answer: str, *, clause: str | None = None) -> bool | None:
    """Keep the second opinion: `breaks` (which clause, if they can say), `fine` or `unsure`.

    Returns whether it agrees with what was decided; None for unsure. About what screening stopped by itself, it is
    also a label by which the judge is measured. Raises NotFound, Invalid, and Conflict when the lease is over.
    """
    row = await store.lock_check(tx, check_id) if viewer.is_staff else None
    if row is None or row.reviewer_id != viewer.account_id:
        raise NotFound
    if row.state != "claimed" or row.leased_until is None or row.leased_until < now():
        raise Conflict("Your time for this question is over. Take the next one.")
    if answer not in ANSWERS:
        raise Invalid("Choose one: it breaks a rule, it is fine, or you cannot say.")
    if clause is not None and clause not in live_ruleset().clauses:
        raise Invalid("There is no such rule.")
    said = clause if answer == "breaks" else None
    await append_event(tx, human(viewer), "check_answered", check_id=str(row.id), answer=answer, clause=said)
    await store.update_answered(tx, row.id, answer, said)
    if row.screening_id is not None and answer != "unsure":
        about = (row.subject_type, row.subject_id, row.revision or 1)
        outcome = Outcome.ALLOW if answer == "fine" else Outcome.HOLD
        named = (said or row.expected_clause) if answer == "breaks" else None
        await record_label(tx, about, outcome, clause=named, source="quality_check", by=viewer.account_id)
    return None if answer == "unsure" else answer == row.expected
