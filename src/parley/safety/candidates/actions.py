"""A candidate: added, compared with the live model, and promoted or stopped. It never decides anything meanwhile."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime
from pathlib import Path

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx, UniqueViolation
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.safety.candidates import store
from parley.safety.candidates.store import CandidateRow, ComparedRow
from parley.safety.candidates.views import CandidateView, Comparison, Disagreement
from parley.safety.history import list_past_named
from parley.safety.sweeps.effects import LONGEST_SAMPLE
from parley.screening import Outcome, Ruleset, live_ruleset
from parley.social.policies.actions import is_much
from parley.social.policies.models import keep_model, promote_model
from parley.social.policies.views import Staff
from parley.social.verdicts.labels import Label, Revision, list_labels

LEAST_COMPARED = 200
MOST_SAMPLES = 20
PAGE = 2000


async def add_candidate(
    tx: Tx, staff: Staff, ruleset: Ruleset, folder: Path, *, since: datetime | None = None
) -> CandidateView:
    """Let the model in a folder judge beside the live one from now on, or what came since a moment as well.

    Raises Forbidden, Invalid for a model that cannot be used, Conflict when another one judges already.
    """
    if not staff.is_admin:
        raise Forbidden("Only admins and owners add a candidate.")
    sha256, _ = await keep_model(tx, folder)
    try:
        async with tx.transaction():
            await store.insert_candidate(tx, sha256, ruleset.sha256, staff.account_id, id_at(since or now()))
    except UniqueViolation as error:
        raise Conflict("Another candidate judges already: promote it or `parley model stop` it first.") from error
    return _view(await _need(tx))


async def get_candidate(tx: Tx) -> CandidateView:
    """The candidate that judges. Raises NotFound."""
    return _view(await _need(tx))


async def _need(tx: Tx) -> CandidateRow:
    row = await store.get_candidate(tx)
    if row is None:
        raise NotFound("There is no candidate: add one with `parley model candidate FOLDER`.")
    return row


def _view(row: CandidateRow) -> CandidateView:
    return CandidateView(
        id=row.id,
        sha256=row.sha256,
        version=row.version,
        state=row.state,
        created_at=row.created_at,
        comparison=msgspec.convert(row.compared, Comparison) if row.compared else None,
        compared_at=row.compared_at,
    )


async def compare_candidate(tx: Tx, staff: Staff) -> CandidateView:
    """Compare what the candidate said so far with what the live model did, and keep that."""
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners compare models.")
    row = await _need(tx)
    comparing = _Comparing()
    rows = await store.list_compared(tx, row.id, 0, PAGE)
    while rows:
        labels = await list_labels(tx, [(one.subject_type, one.subject_id, one.revision) for one in rows])
        for one in rows:
            comparing.add(one, labels.get((one.subject_type, one.subject_id, one.revision)))
        rows = await store.list_compared(tx, row.id, rows[-1].result_id, PAGE)
    words: dict[Revision, str] = {}
    for past in await list_past_named(tx, [one.result_id for one in comparing.samples]):
        text = "" if past.private else " / ".join(past.content.texts.values())[:LONGEST_SAMPLE]
        words[past.subject_type, past.subject_id, past.revision] = text
    await store.update_compared(tx, row.id, comparing.result(words))
    return _view(await _need(tx))


class _Comparing:
    def __init__(self) -> None:
        self.judged = self.same = self.stopped = self.released = 0
        self.labels = self.live_agreed = self.candidate_agreed = 0
        self.changes: Counter[str] = Counter()
        self.distance: defaultdict[str, float] = defaultdict(float)
        self.samples: list[ComparedRow] = []

    def add(self, row: ComparedRow, label: Label | None) -> None:
        live, candidate = Outcome(row.live_outcome), Outcome(row.outcome)
        self.judged += 1
        self.same += live is candidate
        for head in {*row.scores, *row.live_scores}:
            self.distance[head] += abs(row.scores.get(head, 0.0) - row.live_scores.get(head, 0.0))
        if label is not None:
            self.labels += 1
            self.live_agreed += live.published == label.outcome.published
            self.candidate_agreed += candidate.published == label.outcome.published
        if live is candidate:
            return
        self.stopped += live.published and not candidate.published
        self.released += candidate.published and not live.published
        change = f"{live.value} > {candidate.value}"
        self.changes[change] += 1
        if self.changes[change] <= MOST_SAMPLES // 4 and len(self.samples) < MOST_SAMPLES:
            self.samples.append(row)

    def result(self, words: dict[Revision, str]) -> Comparison:
        return Comparison(
            judged=self.judged,
            same=self.same,
            changes=dict(self.changes),
            stopped=self.stopped,
            released=self.released,
            difference={head: total / self.judged for head, total in sorted(self.distance.items())},
            labels=self.labels,
            live_agreed=self.live_agreed,
            candidate_agreed=self.candidate_agreed,
            samples=[
                Disagreement(
                    row.subject_type,
                    row.subject_id,
                    row.revision,
                    row.live_outcome,
                    row.outcome,
                    words.get((row.subject_type, row.subject_id, row.revision), ""),
                )
                for row in self.samples
            ],
        )


async def promote_candidate(
    tx: Tx, staff: Staff, settings: Settings, *, least: int = LEAST_COMPARED, note: str = ""
) -> str:
    """Let the candidate take the live model's place; returns the hash of the one before.

    Where the comparison says that more would be stopped or let through than the live policy's `activation:` leaves to
    one person, or where it is over fewer than LEAST_COMPARED revisions, whoever brought the candidate in cannot promote
    it alone. Raises Invalid unless it was compared over at least `least` revisions, Forbidden and Conflict.
    """
    row = await _need(tx)
    found = msgspec.convert(row.compared, Comparison) if row.compared else None
    judged = found.judged if found else 0
    if found is None or judged < max(least, 1):
        raise Invalid(
            f"The candidate was compared over {judged} revisions; {least} are needed. Let it judge for a while, then "
            "run `parley model compare`."
        )
    limits = live_ruleset().head.activation
    much = is_much(found.stopped, judged, limits) or is_much(found.released, judged, limits)
    alone = (much or judged < LEAST_COMPARED) and row.added_by == staff.account_id
    if alone and settings.four_eyes and staff.is_admin:
        raise Conflict(
            f"Of {judged} revisions it would stop {found.stopped} more and let {found.released} more through: that is "
            "not for one person to decide. Another admin or owner runs `parley model promote --by NAME`."
        )
    if alone:
        note = "; ".join(filter(None, [note, "WITHOUT FOUR EYES: the setting four_eyes is off"]))
    previous = await promote_model(tx, staff, row.sha256, candidate_id=row.id, note=note)
    await store.update_state(tx, row.id, "promoted")
    return previous


async def stop_candidate(tx: Tx, staff: Staff) -> None:
    """The candidate judges no longer; what it said is kept. Raises Forbidden and NotFound."""
    if not staff.is_admin:
        raise Forbidden("Only admins and owners stop a candidate.")
    await store.update_state(tx, (await _need(tx)).id, "stopped")
