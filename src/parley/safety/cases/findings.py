"""What screening found becomes subjects of cases, and settles by itself when its reason is gone. Jobs alone call this.

What somebody reported, or what others have seen, never settles by itself: an author's deletion cannot defeat a report.
"""

from __future__ import annotations

from collections.abc import Sequence

from parley.kit.db import Tx
from parley.kit.settings import Settings
from parley.safety.cases import store, store_subjects
from parley.safety.cases.opening import open_case
from parley.safety.cases.priority import confidence_of, may_hide
from parley.safety.cases.settling import settle_rows
from parley.safety.cases.sla import severity_of
from parley.safety.cases.store_subjects import SubjectRow
from parley.safety.cases.views import NewSubject, Settled
from parley.safety.cases.weighing import finding_of
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, SubjectType, system
from parley.screening import live_ruleset
from parley.social.accounts.reads import get_account_views
from parley.social.media.judged import is_description_held
from parley.social.statuses.standings import StandingRow, list_standings
from parley.social.verdicts.findings import STATUS_TYPES, FindingRow, list_newest_of
from parley.social.verdicts.reads import get_results

ME = system("screening")
HELD = ("hold", "quarantine")
OPEN_STATES = ("published", "limited")


def kind_of(finding: FindingRow) -> SubjectType:
    """As what a case speaks of it."""
    if finding.subject_type in STATUS_TYPES:
        return "status"
    return "media" if finding.subject_type == "media" else "profile"


async def open_case_of_finding(tx: Tx, settings: Settings, finding: FindingRow) -> int | None:
    """Put what was held or flagged before people; returns the case, None where nobody needs to look."""
    policy = live_ruleset()
    severity = severity_of(policy, finding.clause)
    held = finding.outcome in HELD
    if finding.waits or (not held and severity > policy.head.routing.flags_up_to_severity):
        return None
    if held and not await _waits(tx, kind_of(finding), finding.subject_id, finding.revision):
        return None
    account = (await get_account_views(tx, [finding.account_id])).get(finding.account_id)
    if account is None or account.state == "pending":
        return None  # a newcomer whose profile is held waits to be let in, or is deleted: see sessions/members.py
    calm = held or not await _is_sure(tx, finding.id)
    await store.lock_account_cases(tx, finding.account_id)
    if await store_subjects.list_known_screenings(tx, [finding.id]):
        return None  # another job was quicker
    subject = NewSubject(
        type=kind_of(finding),
        id=finding.subject_id,
        revision=finding.revision if kind_of(finding) == "status" else None,
        clause=finding.clause,
        severity=severity,
        screening_id=finding.id,
    )
    return await open_case(tx, settings, ME, finding.account_id, [subject], source="automated", calm=calm)


async def _is_sure(tx: Tx, screening_id: int) -> bool:
    """Whether the judge was sure enough of what it only flagged for hiding it when nobody acts."""
    result = (await get_results(tx, [screening_id])).get(screening_id)
    return result is not None and may_hide("automated", confidence_of([], [], [finding_of(result)]))


async def _waits(tx: Tx, kind: str, subject_id: int, revision: int) -> bool:
    """Whether people can still let it through or not."""
    if kind == "status":
        standing = (await list_standings(tx, [(subject_id, revision)])).get(subject_id)
        return standing is not None and _is_waiting(standing, revision)
    if kind == "media":
        return await is_description_held(tx, subject_id, revision)
    account = (await get_account_views(tx, [subject_id])).get(subject_id)
    return account is not None and account.held_revision is not None


def _is_waiting(standing: StandingRow, revision: int) -> bool:
    if standing.held_revision == revision:
        return True
    return standing.revision == revision and standing.state in ("held", "hidden_interim")


async def settle_by_themselves(tx: Tx, rows: Sequence[SubjectRow]) -> int:
    """End those subjects of which nothing is left to decide; returns how many. Locks one case after another."""
    named = [(row.subject_id, row.revision or 1) for row in rows if row.subject_type == "status"]
    standings = await list_standings(tx, named)
    newest = await list_newest_of(tx, "status", named)
    ended = 0
    for row in sorted(rows, key=lambda one: one.case_id):
        finding = newest.get((row.subject_id, row.revision or 1))
        how = await _end_of(tx, row, standings.get(row.subject_id), finding)
        if how is None:
            continue
        case = await store.get_locked_case(tx, row.case_id)
        current = await store_subjects.list_named_subjects(tx, row.case_id, [(row.subject_type, row.subject_id)])
        if case is None or not current or current[0].settled_at is not None or current[0].source != "automated":
            continue  # somebody decided, or reported it, a moment ago
        about = Subject(row.subject_type, row.subject_id, row.revision)
        await append_event(tx, ME, "subject_settled", case_id=case.id, subject=about, how=how)
        await settle_rows(tx, ME, case, current, how)
        ended += 1
    return ended


async def _end_of(tx: Tx, row: SubjectRow, standing: StandingRow | None, finding: FindingRow | None) -> Settled | None:
    """How a subject that the program found came to its end; None: people must look at it."""
    if row.subject_type == "status":
        return end_of_status(row, standing, finding)
    if row.subject_type == "media":
        newest = (await list_newest_of(tx, "media", [(row.subject_id, row.revision or 1)])).get(
            (row.subject_id, row.revision or 1)
        )
        held = newest is not None and newest.outcome in HELD
        return "released" if held and not await is_description_held(tx, row.subject_id, row.revision or 1) else None
    if row.subject_type == "profile":
        account = (await get_account_views(tx, [row.subject_id])).get(row.subject_id)
        return "released" if account is not None and account.held_revision is None else None
    return None


def end_of_status(row: SubjectRow, standing: StandingRow | None, finding: FindingRow | None) -> Settled | None:
    """The same for a status. Pure. What nobody but its author ever saw ends with its deletion; what others saw does
    not."""
    if standing is None or finding is None:
        return None
    unseen = standing.revision_state == "held"
    if standing.state == "author_deleted":
        return "deleted" if unseen else None
    if finding.outcome == "allow":
        return "released"
    if finding.outcome not in HELD or _is_waiting(standing, row.revision or 1):
        # Flagged: it waits for people's eyes. What they let through though it would be held is no longer waiting.
        return None
    if not unseen:
        return "released" if standing.state in OPEN_STATES else None
    return "withdrawn"


async def note_deletion(tx: Tx, status_id: int) -> None:
    """Its author deleted something that is before the moderators: the case keeps the evidence, and says so."""
    rows = await store_subjects.list_waiting_subjects(tx, "status", status_id)
    for row in rows:
        about = Subject("status", status_id, row.revision)
        await append_event(tx, system("cases"), "subject_deleted_by_author", case_id=row.case_id, subject=about)
    await settle_by_themselves(tx, [row for row in rows if row.source == "automated"])


async def adopt_report(
    tx: Tx, settings: Settings, report_id: int, account_id: int, subjects: Sequence[NewSubject]
) -> int:
    """Bring a report that a sweep made into a case."""
    return await open_case(
        tx, settings, system("sweeps"), account_id, subjects, source="automated", report_id=report_id
    )
