"""What the staff see of sweeps. Callers have checked that whoever asks is of the staff."""

from __future__ import annotations

import msgspec

from parley.kit.db import Tx
from parley.kit.errors import NotFound
from parley.safety.sweeps import store, store_members
from parley.safety.sweeps.store import ChangeRow, SweepRow
from parley.safety.sweeps.store_members import MemberSweepRow
from parley.safety.sweeps.views import Count, EntryCount, MemberSweepView, SweepView

MOST_ENTRIES = 20
"""Of which a sweep over members says how many each means."""


async def get_sweep(tx: Tx, sweep_id: int) -> SweepView:
    """One sweep. Raises NotFound."""
    row = await store.get_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    return await _view(tx, row)


async def list_sweeps(tx: Tx, *, limit: int = 50, only_open: bool = False) -> list[SweepView]:
    """Sweeps, the newest first."""
    return [await _view(tx, row) for row in await store.list_sweeps(tx, limit, only_open=only_open)]


async def get_member_sweep(tx: Tx, sweep_id: int) -> MemberSweepView:
    """One sweep over members. Raises NotFound."""
    row = await store_members.get_member_sweep(tx, sweep_id)
    if row is None:
        raise NotFound("There is no such sweep. `parley sweep list` shows them.")
    return await _member_view(tx, row)


async def list_member_sweeps(tx: Tx, *, limit: int = 50, only_open: bool = False) -> list[MemberSweepView]:
    """Sweeps over members, the newest first."""
    return [
        await _member_view(tx, row) for row in await store_members.list_member_sweeps(tx, limit, only_open=only_open)
    ]


async def _member_view(tx: Tx, row: MemberSweepRow) -> MemberSweepView:
    counts = await store_members.list_most_meant(tx, row.id, MOST_ENTRIES)
    return MemberSweepView(
        id=row.id,
        state="completed" if row.ended_at else "running" if row.started_at else "planned",
        ruleset=row.ruleset,
        entries=row.entries,
        members=row.members,
        looked=row.looked,
        meant=row.meant,
        opened=row.opened,
        held=row.held,
        left_out=row.left_out,
        counts=tuple(EntryCount(*msgspec.structs.astuple(one)) for one in counts),
        planned_at=row.planned_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
    )


async def list_changes(tx: Tx, sweep_id: int, *, after_id: int = 0, limit: int = 100) -> list[ChangeRow]:
    """What a sweep changed, in the order in which it did."""
    return await store.list_changes(tx, sweep_id, after_id, limit)


async def _view(tx: Tx, row: SweepRow) -> SweepView:
    counts = await store.count_changes(tx, row.id)
    changes: dict[str, int] = {}
    undone: dict[str, int] = {}
    for kind, undo, count in counts:
        changes[kind] = changes.get(kind, 0) + count
        if undo:
            undone[undo] = undone.get(undo, 0) + count
    span = row.until_id - row.after_id
    return SweepView(
        id=row.id,
        state=row.state,
        scope=row.scope,
        ruleset=row.ruleset,
        reason=row.reason,
        changed=tuple(row.changed),
        automatic=row.automatic,
        release=row.release,
        per_second=row.per_second,
        total=row.total,
        count=msgspec.convert(row.counts, Count) if row.counts else None,
        expected=row.expected,
        needs_second=row.needs_second,
        approved_by=tuple(row.approved_by),
        judged=row.judged,
        acted=row.acted,
        unclear=row.unclear,
        done=1.0 if row.state == "completed" else (row.cursor - row.after_id) / span if span > 0 else 0.0,
        changes=changes,
        undone=undone,
        note=row.note,
        planned_at=row.planned_at,
        started_at=row.started_at,
        ended_at=row.ended_at,
        undone_at=row.undone_at,
    )
