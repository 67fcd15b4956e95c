"""Clocks: starting, pausing, meeting them. What follows when one is not kept stands in safety/clocks.

Whoever calls these has written to the log what happened: a clock is part of that, not an event of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.cases import store, store_clocks
from parley.safety.cases.clock_states import check_clock, due_after_pause, end_of
from parley.safety.cases.sla import ClockKind, Promise, hours_of
from parley.safety.cases.store_clocks import ClockRow
from parley.safety.cases.views import Source
from parley.safety.log.actions import append_event, keep_cause
from parley.safety.log.views import Actor, system
from parley.screening import live_ruleset
from parley.social.events.actions import record
from parley.social.events.facts import ClockBreached


async def start_clock(
    tx: Tx,
    kind: ClockKind,
    *,
    source: Source,
    severity: int,
    case_id: int | None = None,
    notice_id: int | None = None,
    appeal_id: int | None = None,
    started_at: datetime | None = None,
    clause: str | None = None,
    hours: float | None = None,
    case_subject_id: int | None = None,
) -> int:
    """Start a clock of the policy's length (or of `hours`); returns its id. The caller has appended an event."""
    if hours is None:
        hours = hours_of(live_ruleset(), kind, source, severity, clause)
    started = started_at or now()
    about = (case_id, case_subject_id, notice_id, appeal_id)
    return await store_clocks.insert_clock(tx, kind, source, severity, about, started, started + timedelta(hours=hours))


async def start_subject_clocks(
    tx: Tx,
    case_id: int,
    wanted: Iterable[tuple[int, Source, int, Sequence[Promise]]],
    started_at: datetime,
) -> None:
    """Start the clocks of subjects (id, source, severity, promises), unless one of the kind runs that ends earlier."""
    wanted = list(wanted)
    running: dict[tuple[int, str], datetime] = {}
    for clock in await store_clocks.list_subject_clocks(tx, [one[0] for one in wanted]) if wanted else ():
        assert clock.case_subject_id is not None
        if clock.state == "paused":
            continue  # what was promised to somebody else waits for nobody's answer
        key = (clock.case_subject_id, clock.kind)
        running[key] = min(clock.due_at, running.get(key, clock.due_at))
    for case_subject_id, source, severity, promises in wanted:
        for promise in promises:
            due = started_at + timedelta(hours=promise.hours)
            earlier = running.get((case_subject_id, promise.kind))
            if earlier is None or due < earlier:
                await start_clock(
                    tx,
                    promise.kind,
                    source=source,
                    severity=severity,
                    case_id=case_id,
                    case_subject_id=case_subject_id,
                    started_at=started_at,
                    hours=promise.hours,
                )


async def meet_clocks(
    tx: Tx,
    *,
    case_id: int | None = None,
    notice_id: int | None = None,
    appeal_id: int | None = None,
    kinds: Sequence[ClockKind] | None = None,
) -> int:
    """End the clocks of a case, a notice or an appeal (of these kinds, or all): what was promised is done.

    One whose time was over, and that nobody had looked at yet, is breached all the same. Returns how many ended.
    """
    live = await store_clocks.list_live_clocks(tx, case_id=case_id, notice_id=notice_id, appeal_id=appeal_id)
    ended = await _end(tx, [clock for clock in live if kinds is None or clock.kind in kinds])
    if case_id is not None:
        await store.update_case_due(tx, case_id)
    return ended


async def meet_subject_clocks(
    tx: Tx, case_id: int, case_subject_ids: Sequence[int], *, kinds: Sequence[ClockKind] | None = None
) -> None:
    """End the clocks of some subjects of a locked case."""
    live = await store_clocks.list_subject_clocks(tx, case_subject_ids)
    await _end(tx, [clock for clock in live if kinds is None or clock.kind in kinds])
    await store.update_case_due(tx, case_id)


async def _end(tx: Tx, clocks: Sequence[ClockRow]) -> int:
    moment = now()
    ends: dict[str, list[int]] = {"met": [], "breached": []}
    for clock in clocks:
        end = "met" if clock.state == "paused" else end_of(clock.due_at, moment)
        check_clock(clock.state, "met" if end == "met" else "breached")
        ends[end].append(clock.id)
    if ends["met"]:
        await store_clocks.update_clocks_ended(tx, ends["met"], "met", moment)
    late = [clock for clock in clocks if clock.id in set(ends["breached"])]
    if late:
        async with keep_cause(tx):
            await note_breaches(tx, late, moment)
    return len(clocks)


async def note_breaches(tx: Tx, clocks: Sequence[ClockRow], moment: datetime) -> None:
    """These running clocks were not met in time: entries in the log, and facts; `mail_breaches` tells the staff."""
    for clock in clocks:
        check_clock(clock.state, "breached")
        await append_event(
            tx,
            system("clocks"),
            "clock_breached",
            case_id=clock.case_id,
            clock_id=str(clock.id),
            kind=clock.kind,
            source=clock.source,
            severity=clock.severity,
            due_at=clock.due_at,
            notice_id=str(clock.notice_id) if clock.notice_id is not None else None,
            appeal_id=str(clock.appeal_id) if clock.appeal_id is not None else None,
        )
        await store_clocks.update_clocks_ended(tx, [clock.id], "breached", moment)
        about = {"case_id": clock.case_id, "notice_id": clock.notice_id, "appeal_id": clock.appeal_id}
        await record(tx, ClockBreached(account_id=0, clock_id=clock.id, kind=clock.kind, **_one_of(about)))


def _one_of(about: dict[str, int | None]) -> dict[str, int | None]:
    """The first of case, notice and appeal that is there: a fact names exactly one."""
    name = next(name for name in ("case_id", "notice_id", "appeal_id") if about[name] is not None)
    return {name: about[name]}


async def pause_clock(tx: Tx, actor: Actor, clock_id: int) -> None:
    """Let a clock stand still, because others must act first. Raises NotFound, and Invalid when it has ended."""
    clock = await _locked(tx, clock_id)
    check_clock(clock.state, "paused")
    await append_event(tx, actor, "clock_paused", case_id=clock.case_id, clock_id=str(clock_id))
    await store_clocks.update_clock_paused(tx, clock_id, now())
    if clock.case_id is not None:
        await store.update_case_due(tx, clock.case_id)


async def resume_clock(tx: Tx, actor: Actor, clock_id: int) -> datetime:
    """Let it go on, with as much time as was left; returns when it is due. Raises NotFound, and Invalid when it did not
    stand still."""
    clock = await _locked(tx, clock_id)
    if clock.state != "paused":
        check_clock(clock.state, "running")
    assert clock.paused_at is not None
    await append_event(tx, actor, "clock_resumed", case_id=clock.case_id, clock_id=str(clock_id))
    due_at = due_after_pause(clock.due_at, clock.paused_at, now())
    await store_clocks.update_clock_resumed(tx, clock_id, due_at)
    if clock.case_id is not None:
        await store.update_case_due(tx, clock.case_id)
    return due_at


async def _locked(tx: Tx, clock_id: int) -> ClockRow:
    clock = await store_clocks.get_locked_clock(tx, clock_id)
    if clock is None:
        raise NotFound
    return clock
