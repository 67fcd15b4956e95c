"""A hundred thousand open reports: the queue, the backlog and a case are answered at once, from indexes alone."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import now
from parley.kit.db import Tx
from parley.safety.cases import store_clocks, store_lists
from parley.safety.cases.actions import claim_next_case
from parley.safety.cases.jobs import weigh_all_cases
from parley.safety.cases.reads import count_queues, list_cases
from tests.conftest import World
from tests.safety.cases.desk import case_of, report, staff, view

CASES = 100_000
CLOSED = 200_000
REPORTS_OF_ONE = 5_000
FILL = f"""
    SET session_replication_role = replica;
    INSERT INTO accounts (id, username, domain, display_name)
        SELECT n, 'remote' || n, 'elsewhere.example', 'Remote' FROM generate_series(1, {CASES}) n;
    INSERT INTO cases (id, account_id, queue, source, clause, severity, opened_at, due_at, priority, reports_count)
        SELECT n, n, (ARRAY['main', 'main', 'main', 'urgent', 'flaggers'])[1 + n % 5],
            (ARRAY['user', 'user', 'automated', 'provider_notice'])[1 + n % 4], '3.1', n % 4,
            now() - make_interval(mins => n % 10000), now() + make_interval(mins => n % 5000 - 1000), n % 7919, 1
        FROM generate_series(1, {CASES}) n;
    INSERT INTO cases (id, account_id, state, source, severity, opened_at, closed_at)
        SELECT {CASES} + n, n, 'closed', 'user', n % 4, now() - interval '90 days', now() - interval '89 days'
        FROM generate_series(1, {CLOSED}) n;
    INSERT INTO case_subjects (id, case_id, subject_type, subject_id, severity, source)
        SELECT n, n, 'account', n, n % 4, 'user' FROM generate_series(1, {CASES}) n;
    INSERT INTO reports (id, target_account_id, evidence, evidence_sha256, category, case_id, subject_ids)
        SELECT n, n, '{{}}', '\\x00', 'spam', n, ARRAY[n] FROM generate_series(1, {CASES}) n;
    INSERT INTO reports (id, target_account_id, evidence, evidence_sha256, category, case_id, subject_ids)
        SELECT {CASES} + n, 7, '{{}}', '\\x00', 'spam', 7, ARRAY[7] FROM generate_series(1, {REPORTS_OF_ONE}) n;
    INSERT INTO sla_clocks (id, case_id, case_subject_id, kind, source, severity, due_at)
        SELECT n, n, n, 'resolve', 'user', n % 4, now() + make_interval(mins => n % 5000 + 60)
        FROM generate_series(1, {CASES}) n;
    SET session_replication_role = DEFAULT;
"""


async def _crowd(world: World) -> None:
    """A backlog, as the database knows it once it has looked at its tables."""
    async with world.instance.db.read() as tx:
        await tx.execute(FILL)
        for table in ("accounts", "cases", "case_subjects", "reports", "sla_clocks"):
            await tx.execute(f"VACUUM ANALYZE {table}")


async def _fastest(run: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds of the fastest of several runs: others use this machine too."""
    times = []
    for _ in range(8):
        began = time.perf_counter()
        await run()
        times.append((time.perf_counter() - began) * 1000)
    return min(times)


async def _plan(tx: Tx, statement: str, *values: Any) -> str:
    found = await tx.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in found)


@pytest.mark.usefixtures("tampered")
async def test_a_hundred_thousand_open_cases_are_answered_at_once(world: World) -> None:
    await _crowd(world)
    await _check_plans(world)
    mia = await staff(world)
    await report(world, "alice", "bob", rule_ids=["1.1"])
    case_id = await case_of(world, "bob")

    async def ask(**filters: Any) -> Any:
        async with world.instance.db.read() as tx:
            return await list_cases(tx, mia, **filters)

    async def count() -> Any:
        async with world.instance.db.read() as tx:
            return await count_queues(tx, mia)

    backlog = await count()
    assert backlog.cases == CASES + 1
    assert backlog.reports == CASES + REPORTS_OF_ONE + 1
    assert 0 < backlog.overdue < CASES
    assert sum(one.cases for one in backlog.queues) == CASES + 1
    first = await ask()
    assert len(first.cases) == 40
    deep = f"{first.cases[-1].priority / 2!r}_0"
    timings = {
        "backlog": await _fastest(count),
        "list": await _fastest(ask),
        "deep": await _fastest(lambda: ask(after=deep)),
        "queue": await _fastest(lambda: ask(queue="flaggers")),
        "severity": await _fastest(lambda: ask(severity=0)),
        "source": await _fastest(lambda: ask(source="provider_notice")),
        "queue and severity": await _fastest(lambda: ask(queue="urgent", severity=1)),
        "mine": await _fastest(lambda: ask(mine=True)),
        "escalated": await _fastest(lambda: ask(escalated=True)),
        "case": await _fastest(lambda: view(world, case_id)),
        "case with many reports": await _fastest(lambda: view(world, 7)),
    }
    # Tens of milliseconds on a machine of one's own, as bench/ measures; others may use this one. Plans say the rest.
    slow = {name: round(spent) for name, spent in timings.items() if spent > 1000}
    assert not slow, timings
    began = time.perf_counter()
    async with world.instance.db.write() as tx:
        found = await claim_next_case(tx, mia)
    assert found is not None
    assert found.case.priority == 7918
    assert time.perf_counter() - began < 10


async def _check_plans(world: World) -> None:
    """The queue is read from indexes, in its order, whatever is asked for."""
    async with world.instance.db.read() as tx:
        plan = await _plan(tx, store_lists.COUNT_BACKLOG, now(), 1)
        assert "Index Only Scan using cases_backlog" in plan, plan
        values = (1e9, 0, None, None, None, None, False, None, None, None, None, 40)
        for lead, changed, index in (
            ("any", {}, "cases_priority"),
            ("queue", {2: "main"}, "cases_queue"),
            ("severity", {4: 1}, "cases_severity"),
            ("source", {3: "user"}, "cases_source"),
            ("assigned", {5: 12}, "cases_assigned"),
            ("escalated", {6: True}, "cases_escalated"),
        ):
            given = [changed.get(place, value) for place, value in enumerate(values)]
            for mode in ("force_custom_plan", "force_generic_plan"):
                await tx.execute(f"SET plan_cache_mode = {mode}")
                plan = await _plan(tx, store_lists.LISTS[lead], *given)  # type: ignore[index]
                assert f"using {index}" in plan, (lead, mode, plan)
                assert "Sort" not in plan, (lead, mode, plan)
        await tx.execute("RESET plan_cache_mode")
        due = await _plan(tx, store_clocks.LIST_DUE_CASE_CLOCKS, now() + timedelta(hours=2), 100)
        assert "sla_clocks_due" in due, due
        assert "Seq Scan" not in due, due


async def test_weighing_a_long_queue_changes_only_what_has_changed(world: World) -> None:
    for name in ("bob", "carol", "dora"):
        await report(world, "alice", name)
    await world.run_jobs()
    await weigh_all_cases(world.instance, {})
    async with world.instance.db.read() as tx:
        before = await tx.fetch("SELECT id, xmin::text FROM cases ORDER BY id")
    await weigh_all_cases(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await tx.fetch("SELECT id, xmin::text FROM cases ORDER BY id") == before
