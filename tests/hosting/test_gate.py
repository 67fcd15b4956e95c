"""The gate: writes wait while it is held, are shed beyond a limit, and carry the epoch that the database checks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from parley.kit import gate as kit_gate
from parley.kit.db import Database
from parley.kit.gate import (
    Field,
    Gate,
    GateClosed,
    NotAcknowledged,
    StaleEpoch,
    State,
    check_out,
    clock_ns,
    gate_of,
)
from parley.kit.instance import open_instance
from parley.kit.jobs import queue_of
from parley.kit.mail import send_mail
from parley.kit.outbound import post_outside
from parley.kit.settings import Settings
from parley.worker import _is_open, _run_queue


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    """A gate as this host's processes see it; open, with the database's own epoch."""
    made = Gate(tmp_path / "gate")
    assert made.state is State.CLOSED, "whoever makes it must say first what this host is"
    made.turn(State.OPEN, epoch=1)
    return made


@pytest.fixture
async def db(dsn: str, gate: Gate) -> AsyncIterator[Database]:
    made = Database(dsn, connections=5, gate=gate)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def _write(db: Database) -> int:
    async with db.write() as tx:
        return int(await tx.fetchval("SELECT count(*) FROM (SELECT pg_current_xact_id()) AS it_is_a_write"))


async def _set_epoch(dsn: str, epoch: int) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("UPDATE parley_meta SET epoch = $1", epoch)
    await connection.close()


@pytest.fixture
async def moved(dsn: str) -> AsyncIterator[Callable[[int], Awaitable[None]]]:
    """Give the database another epoch, as a promotion elsewhere does. Other tests get it back as it was."""

    async def move(epoch: int) -> None:
        await _set_epoch(dsn, epoch)

    yield move
    await _set_epoch(dsn, 1)


Moved = Callable[[int], Awaitable[None]]


async def test_every_process_sees_a_turn_at_once(tmp_path: Path, gate: Gate) -> None:
    other = Gate(tmp_path / "gate")
    gate.turn(State.AWAY, epoch=7)
    assert (other.state, other.epoch) == (State.AWAY, 7)


async def test_a_write_waits_while_the_gate_is_held_and_goes_on_when_it_opens(db: Database, gate: Gate) -> None:
    gate.turn(State.HOLD, hold=5)
    writing = asyncio.create_task(_write(db))
    await asyncio.sleep(0.1)
    assert not writing.done()
    assert db.connections[0] == db.connections[1], "who waits at the gate takes no connection"
    gate.turn(State.OPEN)
    assert await asyncio.wait_for(writing, 1) == 1


async def test_a_hold_ends_by_itself_and_then_writes_are_refused(db: Database, gate: Gate) -> None:
    gate.turn(State.HOLD, hold=0.1)
    with pytest.raises(GateClosed) as raised:
        await _write(db)
    assert raised.value.status == 503
    assert raised.value.retry_after > 0


async def test_beyond_so_many_waiting_writes_the_next_one_is_told_to_come_back(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_gate, "MOST_WAITING", 3)
    gate.turn(State.HOLD, hold=5)
    waiting = [asyncio.create_task(_write(db)) for _ in range(3)]
    await asyncio.sleep(0.05)
    with pytest.raises(GateClosed):
        await asyncio.wait_for(_write(db), 0.05)
    gate.turn(State.OPEN)
    assert await asyncio.gather(*waiting) == [1, 1, 1]


@pytest.mark.parametrize("state", [State.CLOSED, State.AWAY])
async def test_a_host_that_may_not_write_refuses_at_once_and_still_reads(
    db: Database, gate: Gate, state: State
) -> None:
    gate.turn(state)
    with pytest.raises(GateClosed):
        await _write(db)
    async with db.read() as tx:
        assert await tx.fetchval("SELECT 1") == 1
    assert not await db.can_write()


async def test_a_gate_that_closes_during_a_transaction_rolls_it_back(db: Database, gate: Gate) -> None:
    with pytest.raises(GateClosed):
        async with db.write() as tx:
            await tx.execute("INSERT INTO rate_limits (bucket, window_start) VALUES ('fenced', now())")
            gate.turn(State.AWAY)
    async with db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM rate_limits WHERE bucket = 'fenced'") == 0


async def test_a_commit_that_ends_after_the_lease_is_not_acknowledged(
    db: Database, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Database._commit

    async def slow(self: Database, *args: Any, **options: Any) -> None:
        await commit(self, *args, **options)
        gate.put(Field.LEASE_UNTIL, clock_ns() - 1)

    monkeypatch.setattr(Database, "_commit", slow)
    gate.put(Field.LEASE_UNTIL, clock_ns() + 10**9)
    with pytest.raises(NotAcknowledged):
        await _write(db)
    with pytest.raises(GateClosed):
        await _write(db)


async def test_a_write_with_an_old_epoch_is_refused_by_the_database(db: Database, gate: Gate, moved: Moved) -> None:
    await moved(2)
    for _ in range(3):
        with pytest.raises(StaleEpoch) as raised:
            await _write(db)
        assert raised.value.status == 503
    gate.turn(State.OPEN, epoch=2)  # only the agent makes this host believe in it
    assert await _write(db) == 1


async def test_without_an_agent_the_database_is_asked_again_after_one_refusal(dsn: str, moved: Moved) -> None:
    alone = Database(dsn, connections=2)
    await alone.open()
    assert await _write(alone) == 1
    await moved(5)
    with pytest.raises(StaleEpoch):
        await _write(alone)
    assert await _write(alone) == 1
    assert alone.gate.epoch == 5
    await alone.close()


async def test_the_epoch_costs_no_round_trip(db: Database) -> None:
    await _write(db)
    with db.watch_queries() as seen:
        await _write(db)
    assert len(seen) == 3, seen
    assert seen[0] == "BEGIN; SELECT parley_begin(1);"
    assert seen[2] == "COMMIT;"


async def test_nothing_goes_out_from_a_host_that_may_not_speak(tmp_path: Path) -> None:
    settings = Settings(domain="localhost:3000", data_dir=tmp_path / "away", link_listen="127.0.0.1:7443")
    gate = gate_of(settings)
    gate.turn(State.AWAY, epoch=4)
    with pytest.raises(GateClosed):
        await send_mail(settings, "alice@example.org", "Hello", "You have mail")
    with pytest.raises(GateClosed):
        await post_outside(settings, "https://example.org/hook", b"{}", {})
    assert not (tmp_path / "away" / "mail").exists()
    gate.turn(State.OPEN, epoch=4)
    assert check_out(settings) == {"X-Parley-Epoch": "4"}
    await send_mail(settings, "alice@example.org", "Hello", "You have mail")
    (mail,) = (tmp_path / "away" / "mail").glob("*.eml")
    assert "X-Parley-Epoch: 4" in mail.read_text()


async def test_a_host_without_an_agent_is_always_open(tmp_path: Path) -> None:
    gate = gate_of(Settings(domain="localhost:3000", data_dir=tmp_path / "alone"))
    assert not gate.has_agent
    assert gate.state is State.OPEN
    gate.check()
    with pytest.raises(RuntimeError):
        gate.turn(State.CLOSED)


async def test_jobs_stop_when_the_gate_is_held_go_on_when_it_opens_and_end_with_it(dsn: str, tmp_path: Path) -> None:
    settings = Settings(
        domain="localhost:3000", data_dir=tmp_path / "jobs", link_listen="127.0.0.1:7443", database_connections=5
    )
    gate = gate_of(settings)
    gate.turn(State.OPEN, epoch=1)
    async with open_instance(settings, dsn, wait_for_disk=False) as instance:
        stopping = asyncio.Event()

        async def ask() -> None:
            connection = await asyncpg.connect(dsn)
            await queue_of(connection).enqueue("delete_job_log", b"{}", 0)
            await connection.close()

        async def waiting() -> int:
            async with instance.db.read() as tx:
                return int(await tx.fetchval("SELECT count(*) FROM pgqueuer WHERE entrypoint = 'delete_job_log'"))

        await ask()
        running = asyncio.create_task(_run_queue(instance, stopping))
        async with asyncio.timeout(20):
            while await waiting():
                await asyncio.sleep(0.05)
        gate.turn(State.HOLD, hold=30)
        await ask()
        await asyncio.wait({running}, timeout=1)
        assert not running.done()
        assert await waiting() == 1, "nothing is taken while the gate is held"
        gate.turn(State.OPEN)
        async with asyncio.timeout(20):
            while await waiting():
                await asyncio.sleep(0.05)
        gate.turn(State.AWAY)
        await ask()
        await asyncio.wait_for(running, 10)
        assert await waiting() == 1
        assert not await _is_open(instance, stopping)
