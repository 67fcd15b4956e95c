"""What the staff read of cases: lists, the backlog, a case as a whole, copies. Everybody else finds nothing.

Nor does anybody of the staff find the cases about themselves: those are for others, and so is who reported them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import BadRequest, NotFound
from parley.kit.ids import MAX_ID
from parley.safety.cases import store_clocks, store_lists, store_notes, store_reporters, store_reports, store_subjects
from parley.safety.cases.presenting import (
    UNKNOWN,
    clock_view,
    event_view,
    present_case_report,
    present_rows,
    present_subjects,
)
from parley.safety.cases.store_lists import ListedRow, Wanted
from parley.safety.cases.store_notes import NoteRow
from parley.safety.cases.store_reports import MyReportRow, ReportRow
from parley.safety.cases.views import (
    Backlog,
    CaseReport,
    CaseRow,
    CasesPage,
    CaseView,
    MyReport,
    NoteView,
    QueueCount,
    ReporterView,
    ReportState,
    ReportView,
)
from parley.safety.log import store as log_store
from parley.safety.log.views import EventView
from parley.social.accounts.reads import get_account_views
from parley.social.accounts.views import AccountView, Viewer
from parley.social.statuses.copies import CopyView, list_copies

MOST_CASES = 100
MOST_SUBJECTS = 60
MOST_REPORTS = 50
MOST_CLOCKS = 200
MOST_EVENTS = 50
MOST_NOTES = 20
MOST_EARLIER = 20


async def list_cases(
    tx: Tx,
    viewer: Viewer,
    *,
    queue: str | None = None,
    source: str | None = None,
    severity: int | None = None,
    mine: bool = False,
    escalated: bool = False,
    clause: str | None = None,
    overdue: bool = False,
    unassigned: bool = False,
    automated: bool | None = None,
    after: str | None = None,
    limit: int = 40,
) -> CasesPage:
    """Open cases, the most urgent first. `after` is what the page before gave. Raises NotFound unless of the staff.

    `unassigned`: nobody works on them now. `automated`: screening alone found them (True), or somebody said so (False).

    At most five queries, whatever is asked and however much waits.
    """
    _need_staff(viewer)
    wanted = Wanted(
        queue=queue,
        source=source,
        severity=severity,
        assigned_to=viewer.account_id if mine else None,
        escalated=escalated,
        clause=clause,
        overdue_at=now() if overdue else None,
        free_at=now() if unassigned else None,
        automated=automated,
    )
    if after:
        below, after_id = _parse_after(after)
        wanted = msgspec.structs.replace(wanted, below=below, after_id=after_id)
    limit = max(1, min(limit, MOST_CASES))
    rows = await store_lists.list_open_cases(tx, wanted, limit)
    last = rows[-1] if len(rows) == limit else None
    return CasesPage(
        await present_rows(tx, viewer, _of_others(viewer, rows)), f"{last.priority!r}_{last.id}" if last else None
    )


def _parse_after(after: str) -> tuple[float, int]:
    try:
        priority, _, case_id = after.rpartition("_")
        below, number = float(priority), int(case_id)
    except ValueError:
        raise BadRequest("This page cannot be continued like that. Go back to the first one.") from None
    if below != below or not 0 <= number <= MAX_ID:
        raise BadRequest("This page cannot be continued like that. Go back to the first one.")
    return below, number


async def list_closed(tx: Tx, viewer: Viewer, *, after: str | None = None, limit: int = 40) -> CasesPage:
    """Closed cases, the latest first. Raises NotFound unless of the staff."""
    _need_staff(viewer)
    before, before_id = now(), MAX_ID
    if after:
        try:
            stamp, _, number = after.rpartition("_")
            before, before_id = datetime.fromisoformat(stamp), int(number)
        except ValueError:
            raise BadRequest("This page cannot be continued like that. Go back to the first one.") from None
        if before.tzinfo is None or not 0 <= before_id <= MAX_ID:
            raise BadRequest("This page cannot be continued like that. Go back to the first one.")
    limit = max(1, min(limit, MOST_CASES))
    rows = await store_lists.list_closed_cases(tx, before, before_id, limit)
    last = rows[-1] if len(rows) == limit else None
    edge = f"{last.closed_at.isoformat()}_{last.id}" if last and last.closed_at else None
    return CasesPage(await present_rows(tx, viewer, _of_others(viewer, rows)), edge)


async def count_queues(tx: Tx, viewer: Viewer) -> Backlog:
    """All that waits, by queue and severity, how much of it is overdue, and since when. Two queries on indexes alone.

    Raises NotFound unless of the staff.
    """
    _need_staff(viewer)
    return await count_everything(tx, viewer.account_id)


async def count_everything(tx: Tx, account_id: int = 0) -> Backlog:
    """The same for the program itself, whose figures are published: it names nobody."""
    rows = await store_lists.count_backlog(tx, now(), account_id)
    queues = sorted((QueueCount(
        queue=row.queue,
        severity=row.severity,
        cases=row.cases,
        overdue=row.overdue,
        unassigned=row.unassigned,
        oldest=row.oldest,
        next_due=row.next_due,
    ) for row in rows), key=lambda one: (one.queue, one.severity))  # fmt: skip
    return Backlog(
        queues=tuple(queues),
        cases=sum(row.cases for row in rows),
        overdue=sum(row.overdue for row in rows),
        reports=await store_reports.count_open_reports(tx),
        oldest=min((row.oldest for row in rows if row.oldest), default=None),
        escalated=sum(row.escalated for row in rows),
        mine=sum(row.mine for row in rows),
    )


async def get_case(tx: Tx, viewer: Viewer, case_id: int) -> CaseView:
    """A case with everything that its page shows, in a fixed number of queries. Raises NotFound.

    Open subjects come first, the gravest first; what is left out for its number is counted.
    """
    row = await _get_row(tx, viewer, case_id)
    subjects = await store_subjects.list_case_subjects(tx, case_id, MOST_SUBJECTS)
    reports = await store_lists.list_case_reports(tx, case_id, MAX_ID, MOST_REPORTS)
    clocks = [clock_view(one) for one in await store_clocks.list_case_clocks(tx, case_id, MOST_CLOCKS)]
    notes = await store_notes.list_notes(tx, row.account_id, MOST_NOTES)
    people = {one.account_id for one in reports if one.account_id} | {note.written_by for note in notes}
    people |= {one for one in (row.account_id, row.assigned_to) if one is not None}
    accounts = await get_account_views(tx, people)
    presented = await present_rows(tx, viewer, [row], accounts)
    if not presented:
        raise NotFound
    return CaseView(
        case=presented[0],
        subjects=await present_subjects(tx, case_id, subjects, clocks, accounts),
        more_subjects=presented[0].subjects_count - len(subjects),
        reports=tuple(present_case_report(one, accounts, row) for one in reports),
        more_reports=max(row.reports_count - len(reports), 0),
        clocks=tuple(clocks),
        events=tuple(await _list_events(tx, case_id, MAX_ID, MOST_EVENTS)),
        notes=_present_notes(notes, accounts),
        earlier_cases=tuple(await store_lists.list_account_cases(tx, row.account_id, case_id, MOST_EARLIER)),
    )


def _present_notes(notes: Sequence[NoteRow], accounts: Mapping[int, AccountView]) -> tuple[NoteView, ...]:
    return tuple(
        NoteView(
            id=note.id,
            case_id=note.case_id,
            account_id=note.account_id,
            written_by=accounts.get(note.written_by),
            text=note.text,
            created_at=note.created_at,
        )
        for note in notes
    )


async def list_account_notes(tx: Tx, viewer: Viewer, account_id: int) -> tuple[NoteView, ...]:
    """What the staff wrote down about an account and its cases, newest first. Raises NotFound unless of the staff."""
    _need_staff(viewer, about=account_id)
    notes = await store_notes.list_notes(tx, account_id, MOST_NOTES)
    return _present_notes(notes, await get_account_views(tx, {note.written_by for note in notes}))


async def list_account_cases(tx: Tx, viewer: Viewer, account_id: int) -> list[CaseRow]:
    """Cases of an account, open and closed, newest first. Raises NotFound unless of the staff."""
    _need_staff(viewer, about=account_id)
    return await present_rows(tx, viewer, await store_lists.list_cases_about(tx, account_id, MOST_CASES))


async def check_may_see_case(tx: Tx, viewer: Viewer, case_id: int) -> None:
    """Raises NotFound when the viewer may not see the case, or there is none."""
    await _get_row(tx, viewer, case_id)


async def list_more_reports(tx: Tx, viewer: Viewer, case_id: int, below: int) -> list[CaseReport]:
    """More reports of a case, the newest first, below an id. Raises NotFound."""
    row = await _get_row(tx, viewer, case_id)
    reports = await store_lists.list_case_reports(tx, case_id, below, MOST_REPORTS)
    accounts = await get_account_views(tx, {one.account_id for one in reports if one.account_id})
    return [present_case_report(one, accounts, row) for one in reports]


async def list_case_events(
    tx: Tx, viewer: Viewer, case_id: int, *, before_id: int = MAX_ID, limit: int = MOST_EVENTS
) -> list[EventView]:
    """What happened with a case, newest first. Raises NotFound."""
    await _get_row(tx, viewer, case_id)
    return await _list_events(tx, case_id, before_id, limit)


async def _list_events(tx: Tx, case_id: int, before_id: int, limit: int) -> list[EventView]:
    return [
        event_view(row.id, row.seq, msgspec.json.decode(row.body))
        for row in await log_store.list_case_events(tx, case_id, before_id, limit)
    ]


async def list_similar(tx: Tx, viewer: Viewer, case_id: int, status_id: int, *, limit: int = 200) -> list[CopyView]:
    """Other statuses that say what a status of this case says, by whomever and whatever their state. Raises NotFound.

    To act on all of them, decide about each account's in a decision of its own.
    """
    await _get_row(tx, viewer, case_id)
    if not await store_subjects.list_named_subjects(tx, case_id, [("status", status_id)]):
        raise NotFound
    return await list_copies(tx, viewer, status_id, limit=limit)


async def list_my_reports(tx: Tx, viewer: Viewer, *, below: int = MAX_ID, limit: int = 20) -> list[MyReport]:
    """What the viewer reported, and where each stands, the newest first. Two queries.

    Nobody learns from it that they are not listened to, nor who works on anything.
    """
    rows = await store_reports.list_own_reports(tx, viewer.account_id, below, min(limit, MOST_REPORTS))
    targets = await get_account_views(tx, {row.target_account_id for row in rows})
    return [
        MyReport(
            id=row.id,
            target=targets[row.target_account_id],
            status_ids=tuple(row.status_ids),
            category=row.category,
            comment=row.comment,
            state=_state_of(row),
            created_at=row.created_at,
            closed_at=None if row.muted else row.closed_at,
        )
        for row in rows
        if row.target_account_id in targets
    ]


def _state_of(row: MyReportRow) -> ReportState:
    if row.muted:
        return "received"
    if row.state == "closed":
        return "acted" if row.outcome == "acted" else "not_acted" if row.outcome == "not_acted" else "settled"
    return "looked_at" if row.case_state in ("assigned", "escalated") else "received"


async def list_told_reports(
    tx: Tx, viewer: Viewer, details: Iterable[Mapping[str, Any] | None]
) -> dict[int, ReportView]:
    """The reports that details of notifications name (`report_id`), by id; none for whoever is not staff.

    No query when none is named, two otherwise.
    """
    ids = list({int(detail["report_id"]) for detail in details if detail and detail.get("report_id")})
    if not ids or not viewer.is_staff:
        return {}
    rows = await store_reports.list_reports(tx, ids)
    targets = await get_account_views(tx, list({row.target_account_id for row in rows}))
    return {
        row.id: present_report(row, targets[row.target_account_id]) for row in rows if row.target_account_id in targets
    }


def present_report(row: ReportRow, target: AccountView) -> ReportView:
    """A stored report without its evidence."""
    return ReportView(
        id=row.id,
        target=target,
        status_ids=tuple(row.status_ids),
        comment=row.comment,
        category=row.category,
        rule_ids=tuple(row.rule_ids),
        forward=row.forward,
        state=row.state,
        action_taken_at=row.action_taken_at,
        created_at=row.created_at,
    )


async def list_marked(tx: Tx, viewer: Viewer, *, above: int = 0, limit: int = 100) -> list[ReporterView]:
    """Muted reporters and trusted flaggers, by account. Raises NotFound unless of the staff."""
    _need_staff(viewer)
    rows = await store_reporters.list_marked_reporters(tx, above, limit)
    return await _present_reporters(tx, rows)


async def get_reporter(tx: Tx, viewer: Viewer, account_id: int) -> ReporterView:
    """How often an account's reports were right. Raises NotFound."""
    _need_staff(viewer)
    row = await store_reporters.get_reporter(tx, account_id)
    if row is None:
        row = store_reporters.ReporterRow(account_id, None, None, None, "", 0, 0.0, 0.0, UNKNOWN)
    views = await _present_reporters(tx, [row])
    if not views:
        raise NotFound
    return views[0]


async def _present_reporters(tx: Tx, rows: Sequence[store_reporters.ReporterRow]) -> list[ReporterView]:
    accounts = await get_account_views(tx, [row.account_id for row in rows])
    return [
        ReporterView(
            account=accounts[row.account_id],
            reports=row.reports,
            acted=row.acted,
            not_acted=row.not_acted,
            reliability=row.reliability,
            muted_at=row.muted_at,
            flagger_since=row.flagger_since,
            flagger_note=row.flagger_note,
        )
        for row in rows
        if row.account_id in accounts
    ]


async def _get_row(tx: Tx, viewer: Viewer, case_id: int) -> ListedRow:
    """A case that the viewer may read, or NotFound."""
    _need_staff(viewer)
    row = await store_lists.get_listed_case(tx, case_id)
    if row is None:
        raise NotFound
    _need_staff(viewer, about=row.account_id)
    return row


def _of_others(viewer: Viewer, rows: Sequence[ListedRow]) -> list[ListedRow]:
    return [row for row in rows if row.account_id != viewer.account_id]


def _need_staff(viewer: Viewer, *, about: int | None = None) -> None:
    if not viewer.is_staff or about == viewer.account_id:
        raise NotFound
