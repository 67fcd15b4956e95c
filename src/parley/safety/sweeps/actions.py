"""Planning, counting, approving and aborting sweeps. Each is on record; what they do to posts is applying.py's.

Whoever calls has looked up who acts (`Staff`); None stands for the program itself.
"""

from __future__ import annotations

import msgspec

from parley.kit.clock import now
from parley.kit.db import Database, Tx, get_new_id
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.ids import id_at
from parley.kit.settings import Settings
from parley.safety.judging import Judges, ask
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, system
from parley.safety.progress import Progress, quiet
from parley.safety.sweeps import store, store_files
from parley.safety.sweeps.effects import Counting
from parley.safety.sweeps.listed import list_page
from parley.safety.sweeps.planning import plan_file_sweep_again
from parley.safety.sweeps.states import check_transition
from parley.safety.sweeps.store import SweepRow
from parley.safety.sweeps.views import Count, NewSweep
from parley.screening import Ruleset
from parley.social.events.actions import record
from parley.social.events.facts import SweepAborted, SweepApproved, SweepCounted, SweepPlanned
from parley.social.policies.views import Staff
from parley.social.verdicts.reads import count_history

MAX_NOTE = 1000
COUNTED_WHOLE = 20_000
"""A history of at most so many results is counted wholly, a longer one by a sample of about so many."""
PAGE = 500
ME = system("sweeps")


def actor_of(staff: Staff | None) -> Actor:
    """Who acts, in the words of the log."""
    return Actor("human", staff.account_id, staff.username) if staff is not None else ME


async def plan_sweep(tx: Tx, staff: Staff | None, ruleset: Ruleset, new: NewSweep) -> int:
    """Plan to judge all of history again under `ruleset`, which must be the live one; returns the sweep's id.

    Sweeps for earlier rulesets end here: this one covers what they were for. Those over files are planned again.
    """
    if staff is not None and not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners plan a sweep.")
    if not 1 <= new.per_second <= 1_000_000:
        raise Invalid("A sweep judges between 1 and 1,000,000 revisions a second.")
    changed = list(new.changed)
    after = id_at(new.since) if new.since else 0
    until = id_at(now())
    total, _, _ = await count_history(tx, after_id=after, until_id=until)
    superseded = [
        row
        for row in await store.list_sweeps(tx, 1000, only_open=True)
        if row.ruleset != ruleset.sha256 and row.scope == "history"
    ]
    for row in superseded:
        changed += [name for name in row.changed if name not in changed]
    sweep_id = await get_new_id(tx)
    await append_event(
        tx, actor_of(staff), "sweep_planned", sweep=str(sweep_id), ruleset=ruleset.sha256, scope="history", total=total
    )
    await store.insert_sweep(
        tx,
        sweep_id,
        ruleset.sha256,
        new.reason[:MAX_NOTE],
        changed[:200],
        automatic=staff is None,
        planned_by=staff.account_id if staff else None,
        release=new.release,
        per_second=new.per_second,
        span=(after, until),
        total=total,
    )
    for row in superseded:
        await abort_sweep(tx, None, row.id, note=f"Another ruleset is live since then: see sweep {sweep_id}.")
    await carry_on_file_sweeps(tx, ruleset)
    by = staff.account_id if staff else 0
    await record(tx, SweepPlanned(account_id=by, sweep_id=sweep_id, ruleset=ruleset.sha256, total=total))
    return sweep_id


async def carry_on_file_sweeps(tx: Tx, ruleset: Ruleset) -> None:
    """Plan again, under `ruleset`, what sweeps over files of earlier rulesets have not done; those end here.

    A sweep over all of history does not cover them: it judges by what was known of files at the time.
    """
    for row in await store.list_sweeps(tx, 1000, only_open=True):
        if row.scope == "files" and row.ruleset != ruleset.sha256:
            locked = await store.get_locked_sweep(tx, row.id)
            if locked is None or locked.state in ("completed", "aborted"):
                continue
            following = await plan_file_sweep_again(tx, ruleset, locked)
            note = f"Another ruleset is live since then: sweep {following} goes on."
            await abort_sweep(tx, None, row.id, note=note)


async def get_open_sweep(tx: Tx, sweep_id: int, ruleset: Ruleset) -> SweepRow:
    """A sweep, locked, that can go on under `ruleset`. Raises NotFound and Conflict."""
    row = await store.get_locked_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    if row.ruleset != ruleset.sha256:
        raise Conflict(
            f"This sweep was planned for the ruleset {row.ruleset[:12]}, but {ruleset.sha256[:12]} is live. "
            "Plan a new one: `parley sweep plan`."
        )
    return row


async def count_sweep(
    db: Database,
    staff: Staff | None,
    sweep_id: int,
    judges: Judges,
    ruleset: Ruleset,
    *,
    whole: bool = False,
    most: int = COUNTED_WHOLE,
    progress: Progress = quiet,
) -> Count:
    """Find out what a sweep would do, by judging its history or, where that is longer than `most`, about so many
    results chosen by chance."""
    async with db.write() as tx:
        row = await get_open_sweep(tx, sweep_id, ruleset)
        check_transition(row.state, "counted")
        if await store_files.get_span(tx, sweep_id):
            raise Conflict("It is still being looked for what this sweep is about. Count it in a minute.")
    share = 1.0 if whole or row.total <= most else most / row.total
    counting = Counting()
    seen = 0
    after: int | None = row.after_id
    while after is not None:
        async with db.read() as tx:
            pasts, after = await list_page(tx, row, PAGE, after=after, share=share)
        for past, answer in zip(pasts, await judges.judge([ask(one) for one in pasts]), strict=True):
            counting.add(past, answer, release=row.release)
        seen += len(pasts)
        progress(seen, max(int(row.total * share), seen))
    count = counting.result(row.total, share)
    expected = sum(count.expected.get(effect, (0, 0, 0))[0] for effect in ("hide", "limit", "release"))
    limits = ruleset.head.activation
    percent = 100 * expected / row.total if row.total else 0.0
    needs_second = expected > limits.four_eyes_over_posts or (
        expected > 0 and row.total >= 1000 and percent > limits.four_eyes_over_percent
    )
    async with db.write() as tx:
        now_row = await get_open_sweep(tx, sweep_id, ruleset)
        check_transition(now_row.state, "counted")
        if now_row.total != row.total or await store_files.get_span(tx, sweep_id):
            raise Conflict("More came in while this sweep was counted. Count it again in a minute.")
        await append_event(
            tx,
            actor_of(staff),
            "sweep_counted",
            sweep=str(sweep_id),
            judged=count.judged,
            expected=expected,
            needs_second=needs_second,
        )
        await store.update_counted(tx, sweep_id, count, expected, needs_second=needs_second)
        by = staff.account_id if staff else 0
        await record(tx, SweepCounted(account_id=by, sweep_id=sweep_id, judged=count.judged, expected=expected))
    return count


async def approve_sweep(tx: Tx, staff: Staff, settings: Settings, sweep_id: int, *, note: str = "") -> bool:
    """Approve a sweep for what was counted. True when it may run now; False when a second person has to agree.

    Over the policy's limit two people must stand behind it: who planned it and another, or two who approve. An
    instance that one person runs switches that off (`four_eyes`). Raises Forbidden, NotFound and Invalid.
    """
    if not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners approve a sweep.")
    row = await store.get_locked_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    if row.state == "planned":
        raise Invalid("Count it first (`parley sweep count`): nobody can approve what nobody has looked at.")
    check_transition(row.state, "approved")
    if row.release and not staff.is_admin:
        raise Forbidden("A sweep that publishes what was held is approved by an admin or owner.")
    await append_event(tx, actor_of(staff), "sweep_approved", sweep=str(sweep_id))
    await store.insert_approval(tx, sweep_id, staff.account_id, staff.username, note[:MAX_NOTE])
    people = await store.list_approvers(tx, sweep_id) | ({row.planned_by} - {None})
    enough = len(people) >= (2 if row.needs_second and settings.four_eyes else 1)
    if enough:
        await store.update_state(tx, sweep_id, "approved")
    alone = row.needs_second and len(people) < 2
    await record(tx, SweepApproved(account_id=staff.account_id, sweep_id=sweep_id, enough=enough, alone=alone))
    return enough


async def abort_sweep(tx: Tx, staff: Staff | None, sweep_id: int, *, note: str = "") -> None:
    """End a sweep: nothing more is done; what it did stays until it is undone. Raises Forbidden, NotFound, Invalid."""
    if staff is not None and not staff.is_staff:
        raise Forbidden("Only moderators, admins and owners abort a sweep.")
    row = await store.get_locked_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    check_transition(row.state, "aborted")
    await append_event(tx, actor_of(staff), "sweep_aborted", sweep=str(sweep_id))
    await store.update_state(tx, sweep_id, "aborted", note[:MAX_NOTE])
    await record(tx, SweepAborted(account_id=staff.account_id if staff else 0, sweep_id=sweep_id))


def count_of(row: SweepRow) -> Count | None:
    """What counting found, if anybody counted."""
    return msgspec.convert(row.counts, Count) if row.counts else None
