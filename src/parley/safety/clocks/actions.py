"""What follows when a promise is not kept: it is logged, escalated and mailed, and what could do harm is hidden.

Starting and meeting clocks is offered here too, for the rooms above; it stands in safety/cases, which needs it itself.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from itertools import groupby

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import ParleyError
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings
from parley.safety.cases import store, store_clocks
from parley.safety.cases.actions import STAFF, escalate_case, note_interim
from parley.safety.cases.clocks import meet_clocks as meet_clocks
from parley.safety.cases.clocks import note_breaches
from parley.safety.cases.clocks import start_clock as start_clock
from parley.safety.cases.priority import may_hide
from parley.safety.cases.store_clocks import ClockRow, MeasureRow
from parley.safety.cases.weighing import weigh_subjects
from parley.safety.decisions.actions import decide_automatically
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, system
from parley.social.statuses.for_evidence import list_conversation_ids
from parley.social.statuses.reads import list_authors
from parley.social.statuses.standings import list_standings

log = logging.getLogger(__name__)

ME = system("clocks")
LEAD = timedelta(minutes=3)
"""How long before a first action or an interim measure is due the program takes it, when nobody has acted."""
MOST_MEASURED = 200
INSTEAD = frozenset({"account", "conversation"})
"""Subjects that cannot be hidden themselves: something else is, in their place."""
SEEN = frozenset({"published", "limited"})


async def breach_clocks(tx: Tx, clocks: list[ClockRow]) -> None:
    """These running clocks are over; `tx` holds them and their cases. Each breach is logged, escalated and mailed."""
    moment = now()
    await note_breaches(tx, clocks, moment)
    cases = {clock.case_id for clock in clocks if clock.case_id is not None}
    for clock in clocks:
        if clock.notice_id is not None and clock.case_id is None and clock.kind not in ("acknowledge", "preserve"):
            cases |= set(await store_clocks.list_notice_cases(tx, clock.notice_id))
    for case_id in sorted(cases):
        await _escalate(tx, case_id, "clock_breached")
        await store.update_case_due(tx, case_id)
        await enqueue(tx, "hide_in_time", {"case_id": case_id}, dedupe_key=f"hide_in_time:{case_id}")


async def _escalate(tx: Tx, case_id: int, why: str) -> None:
    """To everybody of the staff, unless somebody asked for more; the mail goes out with those of the clocks."""
    case = await store.get_locked_case(tx, case_id)
    if case is not None and case.state not in ("escalated", "closed"):
        await escalate_case(tx, ME, case_id, to=STAFF, why=why)


async def measure_case(tx: Tx, settings: Settings, case_id: int) -> int:
    """Hide what must not stay visible while nobody acts: threats to life, and what hosts and authorities named.

    Taken back by whatever people decide. Returns how many subjects were hidden. May be done again at any time.
    """
    case = await store.get_locked_case(tx, case_id)
    if case is None or case.state == "closed":
        return 0
    moment = now()
    rows = await store_clocks.list_to_measure(tx, case_id, moment + LEAD, MOST_MEASURED)
    rows = await _sure(tx, case_id, await _visible(tx, rows))
    hidden = 0
    for (source, clause, _), group in groupby(sorted(rows, key=_kind), key=_kind):
        some = list(group)
        actions = tuple([NewAction("hide", one) for row in some for one in await _hidden_for(tx, case.account_id, row)])
        if not actions:
            continue
        new = NewDecision(
            account_id=case.account_id,
            actions=actions,
            case_id=case_id,
            clause=clause or None,
            source=source,
            automated_detection=source == "automated",
        )
        try:
            async with tx.transaction():
                await append_event(tx, ME, "interim_due", case_id=case_id, subjects=len(some))
                await store_clocks.update_measuring(tx, [row.id for row in some], moment)
                decision_id = await decide_automatically(tx, settings, ME, new, kind="interim")
                if some[0].subject_type in INSTEAD:
                    await note_interim(tx, case_id, [_subject_of(some[0])], decision_id)
            hidden += len(some)
        except ParleyError as error:
            # The clock goes on, is breached, and so comes before people; it must not keep the others from being hidden.
            log.error("case %s: what is due could not be hidden: %s %s", case_id, error.text, error.detail)
            await append_event(tx, ME, "interim_failed", case_id=case_id, subjects=len(some), why=error.code)
    if hidden:
        await _escalate(tx, case_id, "hidden_in_time")
    return hidden


def _kind(row: MeasureRow) -> tuple[str, str, int]:
    """What is decided together; each account and conversation by itself, so that a word about it ends just that."""
    return row.source, row.clause or "", row.id if row.subject_type in INSTEAD else 0


def _subject_of(row: MeasureRow) -> Subject:
    return Subject(row.subject_type, row.subject_id)  # type: ignore[arg-type]


async def _hidden_for(tx: Tx, account_id: int, row: MeasureRow) -> list[Subject]:
    """What is hidden for a subject: of an account its profile, of a conversation what the account wrote in it and
    others can still read (the newest of it)."""
    if row.subject_type == "account":
        return [Subject("profile", row.subject_id)]
    if row.subject_type != "conversation":
        return [_subject_of(row)]
    ids = (await list_conversation_ids(tx, [row.subject_id])).get(row.subject_id, [])
    authors = await list_authors(tx, ids)
    standings = await list_standings(tx, [(status_id, 1) for status_id in ids])
    return [
        Subject("status", status_id)
        for status_id in ids
        if authors.get(status_id) == account_id and status_id in standings and standings[status_id].state in SEEN
    ]


async def _visible(tx: Tx, rows: list[MeasureRow]) -> list[MeasureRow]:
    """Without statuses that nobody can see anyway: held, removed, or deleted by their authors."""
    named = [(row.subject_id, row.revision or 1) for row in rows if row.subject_type == "status"]
    standings = await list_standings(tx, named)
    return [
        row
        for row in rows
        if row.subject_type != "status" or (row.subject_id in standings and standings[row.subject_id].state in SEEN)
    ]


async def _sure(tx: Tx, case_id: int, rows: list[MeasureRow]) -> list[MeasureRow]:
    """Without what is only said by whom nobody would believe alone; people are called by the breach instead."""
    sure = await weigh_subjects(tx, case_id, [(row.id, row.source, row.screening_id) for row in rows])
    return [row for row in rows if may_hide(row.source, sure[row.id])]


async def list_due(tx: Tx, moment: datetime, limit: int) -> list[ClockRow]:
    """Running clocks whose time is over, locked with their cases: first those of cases, then the others."""
    found = await store_clocks.list_due_clocks(tx, moment, limit, of_cases=True)
    return found or await store_clocks.list_due_clocks(tx, moment, limit, of_cases=False)
