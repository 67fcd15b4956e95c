"""Rows of cases made into what the staff are shown: any number of them in a fixed number of queries.

Nobody's right to see is checked here: reads.py does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.cases import store_clocks, store_lists
from parley.safety.cases.store_lists import GistRow, ListedRow
from parley.safety.cases.store_subjects import SubjectRow
from parley.safety.cases.views import CaseReport, CaseRow, ClockView, SignalsView, SubjectView
from parley.safety.log.views import Actor, EventView, Subject
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.media.reads import get_media_views
from parley.social.statuses.judged import list_judged_texts
from parley.social.statuses.reads import list_for_evidence
from parley.social.statuses.views import StatusView
from parley.social.verdicts.reads import ResultRow, get_results

EXCERPT = 140
UNKNOWN = 0.5
"""The reliability of whom nothing is known."""


async def present_rows(
    tx: Tx, viewer: Viewer, rows: Sequence[ListedRow], accounts: Mapping[int, AccountView] | None = None
) -> list[CaseRow]:
    """Three queries, or two when the accounts are known."""
    if not rows:
        return []
    gists = await store_lists.list_gists(tx, [row.id for row in rows])
    named = [(one.status_id, one.revision or 1) for one in gists.values() if one.status_id is not None]
    texts = await list_judged_texts(tx, named)
    if accounts is None:
        people = {row.account_id for row in rows} | {row.assigned_to for row in rows if row.assigned_to}
        accounts = await get_account_views(tx, people)
    moment = now()
    return [
        _present_row(row, gists[row.id], texts, accounts, viewer, moment) for row in rows if row.account_id in accounts
    ]


def _present_row(
    row: ListedRow,
    gist: GistRow,
    texts: Mapping[tuple[int, int], tuple[dict[str, str], str]],
    accounts: Mapping[int, AccountView],
    viewer: Viewer,
    moment: datetime,
) -> CaseRow:
    leased = row.leased_until is not None and row.leased_until > moment
    said = texts.get((gist.status_id, gist.revision or 1)) if gist.status_id is not None else None
    words = " ".join(" ".join(said[0].values()).split()) if said else ""
    return CaseRow(
        id=row.id,
        account=accounts[row.account_id],
        state=row.state,
        queue=row.queue,
        source=row.source,
        clause=row.clause,
        severity=row.severity,
        incident_id=row.incident_id,
        assigned_to=accounts.get(row.assigned_to) if row.assigned_to and leased else None,
        leased_until=row.leased_until if leased else None,
        escalated_to=row.escalated_to,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
        due_at=row.due_at,
        overdue=row.due_at is not None and row.due_at < moment,
        reports_count=row.reports_count,
        reporters_count=row.reporters_count,
        subjects_count=gist.subjects,
        open_subjects=gist.waiting,
        reach=row.reach,
        reach_per_hour=row.reach_per_hour,
        confidence=row.confidence,
        priority=row.priority,
        excerpt=words if len(words) <= EXCERPT else f"{words[:EXCERPT]}...",
        mine=leased and row.assigned_to == viewer.account_id,
    )


async def present_subjects(
    tx: Tx,
    case_id: int,
    rows: Sequence[SubjectRow],
    clocks: Sequence[ClockView],
    accounts: Mapping[int, AccountView],
) -> tuple[SubjectView, ...]:
    """Each as it was and as it is. A fixed number of queries, however many there are."""
    seen = await store_lists.list_seen(tx, [row.evidence_id for row in rows if row.evidence_id])
    counts = await store_lists.count_subject_reports(tx, case_id)
    statuses = {
        status.id: status
        for status in await list_for_evidence(tx, [row.subject_id for row in rows if row.subject_type == "status"])
    }
    media = await get_media_views(tx, [row.subject_id for row in rows if row.subject_type == "media"])
    results = await get_results(tx, [row.screening_id for row in rows if row.screening_id])
    due: dict[int, datetime] = {}
    for clock in clocks:
        if clock.state in ("running", "breached") and clock.case_subject_id is not None:
            due[clock.case_subject_id] = min(clock.due_at, due.get(clock.case_subject_id, clock.due_at))
    moment = now()
    views = []
    for row in rows:
        status = statuses.get(row.subject_id) if row.subject_type == "status" else None
        revision_now, state_now = _as_it_is(row, status, accounts, set(media))
        due_at = due.get(row.id) if row.settled_at is None else None
        views.append(
            SubjectView(
                case_subject_id=row.id,
                type=row.subject_type,
                id=row.subject_id,
                revision=row.revision,
                clause=row.clause,
                severity=row.severity,
                source=row.source,
                added_at=row.added_at,
                settled_at=row.settled_at,
                settled_as=row.settled_as,
                decision_id=row.decision_id,
                interim_decision_id=row.interim_decision_id,
                evidence_id=row.evidence_id,
                due_at=due_at,
                overdue=due_at is not None and due_at < moment,
                reports_count=counts.get(row.id, 0),
                seen=msgspec.json.decode(seen[row.evidence_id]) if row.evidence_id in seen else None,
                status=status,
                state_now=state_now,
                changed=None not in (row.revision, revision_now) and row.revision != revision_now,
                signals=_signals_view(results.get(row.screening_id)) if row.screening_id else None,
            )
        )
    return tuple(views)


def _as_it_is(
    row: SubjectRow, status: StatusView | None, accounts: Mapping[int, AccountView], media: set[int]
) -> tuple[int | None, str]:
    """The revision that is shown now, and the state."""
    if row.subject_type == "status":
        return (status.revision, status.state) if status else (None, "gone")
    if row.subject_type == "media":
        return None, "shown" if row.subject_id in media else "gone"
    if row.subject_type in ("account", "profile"):
        account = accounts.get(row.subject_id)
        if account is None:
            return None, "gone"
        waits = row.subject_type == "profile" and account.held_revision is not None
        return None, "held" if waits else account.state
    return None, "shown"


def _signals_view(result: ResultRow | None) -> SignalsView | None:
    if result is None:
        return None
    detail = result.detail
    return SignalsView(
        id=result.id,
        outcome=result.outcome,
        clause=result.clause,
        sentence=result.sentence,
        because=tuple(detail.get("because") or ()),
        matches=tuple(detail.get("matches") or ()),
        signals=dict(detail.get("signals") or {}),
        rules=tuple(str(rule.get("rule")) for rule in detail.get("rules") or ()),
        labels=tuple(detail.get("labels") or ()),
        degraded=result.degraded,
    )


def present_case_report(
    row: store_lists.CaseReportRow, accounts: Mapping[int, AccountView], case: ListedRow
) -> CaseReport:
    """A report as the staff see it."""
    return CaseReport(
        id=row.id,
        source=row.source,
        reporter=accounts.get(row.account_id) if row.account_id else None,
        reliability=row.reliability if row.reliability is not None else UNKNOWN,
        trusted=row.trusted,
        notice_id=row.notice_id,
        category=row.category,
        clause=row.clause,
        rule_ids=tuple(row.rule_ids),
        comment=row.comment,
        case_subject_ids=tuple(row.subject_ids),
        state="closed" if row.state == "closed" else case.state,
        outcome=row.outcome,
        times=row.times,
        created_at=row.created_at,
    )


def clock_view(row: store_clocks.ClockRow) -> ClockView:
    """A clock as the staff see it."""
    return ClockView(
        id=row.id,
        kind=row.kind,
        source=row.source,
        severity=row.severity,
        state=row.state,
        case_id=row.case_id,
        case_subject_id=row.case_subject_id,
        notice_id=row.notice_id,
        appeal_id=row.appeal_id,
        started_at=row.started_at,
        due_at=row.due_at,
        ended_at=row.ended_at,
    )


def event_view(event_id: int, seq: int, body: dict[str, Any]) -> EventView:
    """An entry of the log, from its stored body."""
    actor, subject = body["actor"], body.get("subject")
    return EventView(
        id=event_id,
        seq=seq,
        type=body["type"],
        at=datetime.fromisoformat(body["at"]),
        actor=msgspec.convert(actor, Actor),
        case_id=int(body["case_id"]) if body.get("case_id") else None,
        subject=Subject(subject["type"], int(subject["id"]), subject.get("revision")) if subject else None,
        payload=body.get("payload") or {},
    )
