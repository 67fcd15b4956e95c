"""Running a sweep, and undoing one: in small transactions that each also note how far it is.

A process that is killed at any moment leaves whole transactions behind; whoever goes on begins after the last one. Two
that run the same sweep cannot both do a part of it: the second finds that the cursor has moved, and stops.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from parley.kit.clock import now
from parley.kit.db import Database, Tx
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.safety.history import Past
from parley.safety.judging import Answer, Judges, ask
from parley.safety.log.actions import append_event
from parley.safety.progress import Progress, quiet
from parley.safety.sweeps import store, store_files
from parley.safety.sweeps.actions import ME, actor_of, get_open_sweep
from parley.safety.sweeps.applying import apply_answer, is_interesting, take_back, take_back_matches
from parley.safety.sweeps.deciding import decide_changes
from parley.safety.sweeps.listed import list_page
from parley.safety.sweeps.states import UNDOABLE, check_transition
from parley.safety.sweeps.store import SweepRow
from parley.screening import Ruleset
from parley.social.events.actions import record
from parley.social.events.facts import SweepCompleted, SweepStarted, SweepUndone
from parley.social.policies.views import Staff
from parley.social.verdicts.labels import list_labels
from parley.social.verdicts.reads import get_results, list_outdated

PAGE = 1000
"""How many revisions are read and judged at once."""
MOST_CHANGES = 25
"""How many revisions are changed in one transaction: as long as it runs, their authors wait."""


async def run_sweep(
    db: Database,
    settings: Settings,
    sweep_id: int,
    judges: Judges,
    ruleset: Ruleset,
    *,
    seconds: float | None = None,
    page: int = PAGE,
    progress: Progress = quiet,
) -> SweepRow:
    """Start an approved sweep, or go on with one that runs, to its end or for `seconds`. Returns how it then stands.

    Raises Conflict when another ruleset is live or somebody else runs it, Invalid when nobody has approved it.
    """
    row = await start_sweep(db, sweep_id, ruleset)
    began = time.monotonic()
    judged = 0
    # While one page is acted on, the next is read and judged: neither the cores nor the database wait.
    ahead = asyncio.create_task(_judge_page(db, judges, row, row.cursor, page))
    try:
        while row.state == "running":
            pairs, following = await ahead
            elapsed = time.monotonic() - began
            ends = following is None or (seconds is not None and elapsed > seconds)
            if following is not None and not ends:
                ahead = asyncio.create_task(_judge_page(db, judges, row, following, page))
            row = await _act(db, settings, row, pairs, following, ruleset)
            judged += len(pairs)
            progress(row.judged, row.total)
            if ends:
                break
            await asyncio.sleep(max(judged / row.per_second - (time.monotonic() - began), 0.0))
    finally:
        ahead.cancel()
    return row


async def _judge_page(
    db: Database, judges: Judges, row: SweepRow, after: int, page: int
) -> tuple[list[tuple[Past, Answer]], int | None]:
    async with db.read() as tx:
        pasts, following = await list_page(tx, row, page, after=after)
    answers = await judges.judge([ask(past) for past in pasts])
    return list(zip(pasts, answers, strict=True)), following


async def start_sweep(db: Database, sweep_id: int, ruleset: Ruleset) -> SweepRow:
    """Let an approved sweep begin; one that runs goes on. Raises Invalid when nobody has approved it, Conflict."""
    async with db.write() as tx:
        row = await get_open_sweep(tx, sweep_id, ruleset)
        if row.state == "running":
            return row
        if row.state in ("planned", "counted"):
            raise Invalid(
                "Nobody has approved this sweep yet: `parley sweep count` and `parley sweep approve` it first."
            )
        check_transition(row.state, "running")
        # What was written since it was planned by a process that had not heard of the new ruleset yet.
        until = max(row.until_id, id_at(now())) if row.scope == "history" else row.until_id
        await append_event(tx, ME, "sweep_started", sweep=str(sweep_id))
        await store.update_started(tx, sweep_id, until)
        await record(tx, SweepStarted(account_id=0, sweep_id=sweep_id))
        fresh = await store.get_sweep(tx, sweep_id)
        assert fresh is not None
        return fresh


async def _act(
    db: Database,
    settings: Settings,
    row: SweepRow,
    judged: Sequence[tuple[Past, Answer]],
    following: int | None,
    ruleset: Ruleset,
) -> SweepRow:
    """Act on a page, in transactions of at most MOST_CHANGES changes; each moves the cursor behind what it did."""
    parts = _parts(judged, row)
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        # After the last one of a page comes what the page could not rebuild as well.
        cursor = part[-1][0].place if not is_last else (row.until_id if following is None else following)
        async with db.write() as tx:
            locked = await get_open_sweep(tx, row.id, ruleset)
            if locked.state != "running":
                return locked
            if locked.cursor != row.cursor:
                raise Conflict(
                    "Somebody else runs this sweep at this moment: `parley sweep status` shows how far it is."
                )
            acted = await apply_part(tx, settings, locked, part)
            unclear = sum(answer.degraded for _, answer in part)
            await store.update_cursor(tx, row.id, cursor, judged=len(part), acted=acted, unclear=unclear)
            if is_last and following is None:
                done = locked.acted + acted
                await append_event(tx, ME, "sweep_completed", sweep=str(row.id), acted=done)
                await store.update_state(tx, row.id, "completed")
                await record(tx, SweepCompleted(account_id=0, sweep_id=row.id, acted=done))
            fresh = await store.get_sweep(tx, row.id)
            assert fresh is not None
            row = fresh
    return row


def _parts(judged: Sequence[tuple[Past, Answer]], row: SweepRow) -> list[list[tuple[Past, Answer]]]:
    parts: list[list[tuple[Past, Answer]]] = [[]]
    changes = 0
    for past, answer in judged:
        if changes >= MOST_CHANGES:
            parts.append([])
            changes = 0
        parts[-1].append((past, answer))
        changes += is_interesting(past, answer, row)
    return parts


async def apply_part(
    tx: Tx, settings: Settings, row: SweepRow, part: Sequence[tuple[Past, Answer]], *, interim: bool = False
) -> int:
    """Act on the new verdicts of some revisions, in `tx`; returns how many were changed.

    What was judged again in the meantime, by the live judge, is left to that. `interim`: before anybody approved it.
    """
    changed = [(past, answer) for past, answer in part if is_interesting(past, answer, row)]
    if not changed:
        return 0
    ids = [past.id for past, _ in changed]
    outdated = await list_outdated(tx, ids)
    earlier = await get_results(tx, ids)
    labels = await list_labels(tx, [(past.subject_type, past.subject_id, past.revision) for past, _ in changed])
    done = []
    for past, answer in changed:
        if past.id in outdated:
            continue
        label = labels.get((past.subject_type, past.subject_id, past.revision))
        change = await apply_answer(tx, row, past, answer, earlier[past.id], label)
        if change is not None:
            done.append(change)
    if done:
        done = await decide_changes(tx, settings, done, interim=interim)
        await append_event(tx, ME, "sweep_acted", sweep=str(row.id), revisions=len(done))
        await store.insert_changes(tx, row.id, done)
    return len(done)


async def undo_sweep(
    db: Database,
    settings: Settings,
    staff: Staff,
    sweep_id: int,
    *,
    at_once: int = MOST_CHANGES,
    progress: Progress = quiet,
) -> tuple[int, int]:
    """Take back what a sweep did, the last change first. Returns how many were restored, and how many stay because
    something else has happened to them since.

    May be cut off and called again. Raises Forbidden, NotFound, and Invalid for a sweep that has not ended.
    """
    if not staff.is_admin:
        raise Forbidden("Only admins and owners undo a sweep.")
    async with db.read() as tx:
        row = await store.get_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    if row.state not in UNDOABLE:
        raise Invalid(f"This sweep is {row.state}. Abort it first (`parley sweep abort`): then it can be undone.")
    if row.undone_at is not None:
        raise Conflict("This sweep is undone already.")
    done = 0
    after = ""
    while row.scope == "files":
        async with db.write() as tx:
            await store.get_locked_sweep(tx, sweep_id)
            files = await store_files.list_files(tx, sweep_id, after, at_once)
            for file in files:
                await take_back_matches(tx, file)
        if len(files) < at_once:
            break
        after = files[-1].file
    while True:
        async with db.write() as tx:
            await store.get_locked_sweep(tx, sweep_id)
            changes = await store.list_changes_to_undo(tx, sweep_id, at_once)
            undone = []
            for change in changes:
                restored = await take_back(tx, settings, sweep_id, change)
                undone.append((change.id, "restored" if restored else "changed since"))
            if undone:
                await append_event(tx, actor_of(staff), "sweep_taken_back", sweep=str(sweep_id), revisions=len(undone))
                await store.update_undone_changes(tx, undone)
            done += len(changes)
            progress(done, max(row.acted, done))
            if not changes:
                counts = await store.count_changes(tx, sweep_id)
                restored_count = sum(count for _, undo, count in counts if undo == "restored")
                kept = sum(count for _, undo, count in counts if undo not in ("restored", ""))
                await append_event(
                    tx, actor_of(staff), "sweep_undone", sweep=str(sweep_id), restored=restored_count, kept=kept
                )
                await store.update_undone(tx, sweep_id)
                fact = SweepUndone(account_id=staff.account_id, sweep_id=sweep_id, restored=restored_count, kept=kept)
                await record(tx, fact)
                return restored_count, kept
