"""What became of a subject, of a URL and of a notice: worked out from decisions, in one place. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from parley.safety.log.views import Subject, SubjectType
from parley.safety.notices.store_ledger import ActionRow, DecisionRow, SubjectRow
from parley.safety.notices.views import Found, LedgerSubject, Outcome, Progress

EFFECTS: dict[str, Outcome] = {
    "remove": "removed",
    "quarantine": "removed",
    "remove_media": "removed",
    "hide": "removed",
    "require_change": "removed",
    "limit": "limited",
    "label": "labelled",
    "sensitive": "labelled",
}
"""What readers notice of an action on a subject. What an interim measure hides is `hidden` instead."""

STOPS = frozenset({"suspend", "terminate", "freeze", "restrict_posting", "limit_account"})
"""Actions upon an account."""

GONE = frozenset({"gone", "author_deleted", "deleted"})
"""States of statuses and accounts that their owners ended."""

HIDES = frozenset({"suspend", "terminate"})
"""Of those: what takes everything of the account out of sight."""

_RANK: tuple[Outcome, ...] = (
    "waiting",
    "hidden",
    "restored",
    "kept",
    "labelled",
    "limited",
    "account",
    "removed",
    "gone",
    "preserved",
    "unknown",
    "not_ours",
)
"""Of the subjects of one URL, the first in this order stands for the URL: what still waits, then what is still seen."""

ACTED: frozenset[Outcome] = frozenset({"removed", "hidden", "limited", "labelled", "account"})
NOTHING_TO_DO: frozenset[Found] = frozenset({"unknown", "not_ours"})


def subject_of(
    row: SubjectRow, actions: Sequence[ActionRow], decision: DecisionRow | None, moment: datetime
) -> LedgerSubject:
    """What became of a subject. `actions`: on it, and of `decision` (which settled it in its case), oldest first."""
    own = [one for one in actions if (one.subject_type, one.subject_id) == (row.type, row.id)]
    stops = [
        one for one in actions if one.kind in STOPS and one.account_id == row.account_id and _in_force(one, moment)
    ]
    standing = [one for one in own if one.kind in EFFECTS and _in_force(one, moment)]
    final = [one for one in standing if one.decision_kind != "interim"]
    outcome = _outcome(row, own, standing, final, stops, decision)
    by = _decided_by(outcome, own, final, stops, decision)
    acts = [one.applied_at for one in own if one.kind in EFFECTS] + [one.applied_at for one in stops]
    if outcome == "hidden" and row.held_since is not None:
        acts.append(row.held_since)
    decided_at = by.decided_at if by is not None and by.kind != "interim" else None
    first = min(acts, default=decided_at)
    settled = (
        row.settled_at is not None or outcome in ("removed", "gone") or (row.case_id is None and bool(final or stops))
    )
    return LedgerSubject(
        subject=Subject(_subject_type(row.type), row.id, row.revision),
        account_id=row.account_id,
        case_id=row.case_id,
        outcome=outcome,
        decision_id=by.id if by is not None else None,
        clause=by.clause if by is not None else None,
        clause_title=by.clause_title if by is not None else "",
        reasons=by.reasons if by is not None and by.kind != "interim" else "",
        automated=by.automated if by is not None else False,
        first_action_at=first,
        decided_at=decided_at or (row.settled_at if settled else None),
        settled=settled,
        copies_found=0,
        copies_acted=0,
    )


def _outcome(
    row: SubjectRow,
    own: Sequence[ActionRow],
    standing: Sequence[ActionRow],
    final: Sequence[ActionRow],
    stops: Sequence[ActionRow],
    decision: DecisionRow | None,
) -> Outcome:
    if final:
        return max((EFFECTS[one.kind] for one in final), key=_RANK.index)
    if any(one.kind in HIDES for one in stops):
        return "account"
    if row.state in GONE:
        return "gone"
    if row.state == "removed":
        return "removed"
    if standing or row.state in ("held", "hidden_interim"):
        return "hidden"
    if stops:
        return "account"
    if row.settled_at is None and row.case_id is not None:
        return "waiting"
    taken_back = [one for one in own if one.kind in EFFECTS and one.decision_kind != "interim"]
    if taken_back:
        return "restored"
    judged = [one for one in own if one.decision_kind != "interim"]
    if judged or decision is not None or row.settled_as == "released":
        return "kept"
    return "gone" if row.settled_as in ("withdrawn", "deleted") else "waiting"


def _in_force(action: ActionRow, moment: datetime) -> bool:
    return action.reversed_at is None and (action.ends_at is None or action.ends_at > moment)


def _decided_by(
    outcome: Outcome,
    own: Sequence[ActionRow],
    final: Sequence[ActionRow],
    stops: Sequence[ActionRow],
    decision: DecisionRow | None,
) -> DecisionRow | None:
    """The decision that the outcome goes back to: the newest one that fits."""
    if outcome == "waiting" or (outcome == "gone" and not own):
        return decision
    fitting: Sequence[ActionRow] = final or (stops if outcome == "account" else own)
    if not fitting:
        return decision
    newest = fitting[-1]
    if decision is not None and decision.decided_at > newest.decided_at and not final:
        return decision
    return DecisionRow(
        newest.decision_id,
        newest.decision_kind,
        newest.clause,
        newest.clause_title,
        newest.reasons,
        newest.automated,
        newest.decided_at,
    )


def _subject_type(name: str) -> SubjectType:
    type: SubjectType = msgspec.convert(name, SubjectType)
    return type


def preserved(one: LedgerSubject, moment: datetime) -> LedgerSubject:
    """A subject that an authority wants kept: the hold stands since `moment`, whatever is decided about the content."""
    return msgspec.structs.replace(
        one, outcome="preserved", first_action_at=moment, decided_at=moment, decision_id=None, settled=True
    )


def outcome_of_url(found: Found, subjects: Sequence[LedgerSubject]) -> Outcome:
    """The outcome that stands for all subjects of a URL."""
    if found == "not_ours":
        return "not_ours"
    if not subjects:
        return "gone" if found == "gone" else "unknown"
    return min((one.outcome for one in subjects), key=_RANK.index)


def progress_of(outcomes: Sequence[Outcome], *, answered: bool, asked: bool = False) -> tuple[Progress, str]:
    """Where a notice stands, and the code that says why (docs/hosts/README.md lists them). `asked`: its sender has not
    answered a question yet."""
    if answered:
        return "COMPLETED", reason_of(outcomes)
    if asked:
        return "PROCESSING", "information_requested"
    begun = any(one not in ("waiting", "unknown", "not_ours", "gone") for one in outcomes)
    if begun:
        return "PROCESSING", "interim_measures" if "hidden" in outcomes else "under_review"
    return "QUEUED", "awaiting_review"


def reason_of(outcomes: Sequence[Outcome]) -> str:
    """The code of an answered notice."""
    about_us = [one for one in outcomes if one not in ("not_ours", "unknown")]
    if not about_us:
        return "no_content_found"
    if "preserved" in about_us:
        return "preserved"
    acted = sum(one in ACTED for one in about_us)
    if acted == len(about_us):
        return "action_taken"
    if acted:
        return "action_taken_partly"
    return "content_gone" if all(one == "gone" for one in about_us) else "no_violation_found"
