"""The worker of a host that may write no more: it leaves its jobs to whoever goes on, and says so in one line."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley import worker
from parley.kit import processes
from parley.kit.gate import Gate, State, gate_of
from parley.kit.instance import Instance, open_instance
from parley.kit.jobs import enqueue
from parley.kit.settings import Settings


@pytest.fixture
async def instance(dsn: str, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host with an agent, whose database Parley runs, and that may write."""
    mine = msgspec.structs.replace(settings, data_dir=tmp_path / "host", link_listen="127.0.0.1:1", database_url="")
    mine.path().mkdir()
    monkeypatch.setattr(worker, "SCHEDULES", {})
    monkeypatch.setattr(worker, "LEAVE_SECONDS", 0.3)
    gate_of(mine).turn(State.OPEN, epoch=1)
    async with open_instance(mine, dsn, wait_for_disk=False) as made:
        yield made


class Slow:
    """A job that begins, and goes on only when it is told to."""

    def __init__(self, instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
        self.began, self.go = asyncio.Event(), asyncio.Event()
        self.done = self.runs = self.at_once = self.most_at_once = 0
        self.when_cancelled = lambda: None
        self._instance = instance
        monkeypatch.setattr(worker, "job_table", lambda: {"slow": self})
        self.__name__ = "slow"

    async def __call__(self, instance: Instance, payload: dict[str, Any]) -> None:
        self.runs += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.began.set()
        try:
            await self.go.wait()
            async with instance.db.write() as tx:
                await tx.execute("SELECT pg_current_xact_id()")
        except asyncio.CancelledError:
            self.when_cancelled()
            raise
        finally:
            self.at_once -= 1
        self.done += 1

    async def queued(self) -> list[str]:
        """The state of each job that is not done."""
        async with self._instance.db.read() as tx:
            return [row[0] for row in await tx.fetch("SELECT status::text FROM pgqueuer ORDER BY id")]


@pytest.fixture
async def slow(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Slow:
    made = Slow(instance, monkeypatch)
    async with instance.db.write() as tx:
        await tx.execute("DELETE FROM pgqueuer")
        await enqueue(tx, "slow", {})
    return made


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What stands in the log that somebody would look into."""
    return [f"{one.name}: {one.getMessage()}" for one in caplog.records if one.levelno >= logging.WARNING]


async def run(instance: Instance) -> None:
    async with asyncio.timeout(20):
        await worker._run_queue(instance, asyncio.Event())


async def test_a_job_that_the_gate_broke_off_is_run_again_and_nothing_is_logged(
    instance: Instance, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running = asyncio.create_task(run(instance))
    await slow.began.wait()
    instance.gate.turn(State.CLOSED)
    slow.go.set()
    await running
    assert slow.done == 0
    assert told(caplog) == []
    instance.gate.turn(State.OPEN)
    assert await slow.queued() == ["picked"]
    running = asyncio.create_task(run(instance))
    while not slow.done:
        await asyncio.sleep(0.02)
    while await slow.queued():
        await asyncio.sleep(0.02)
    instance.gate.turn(State.CLOSED)
    await running
    assert slow.done == 1
    assert told(caplog) == []


@pytest.mark.parametrize("state", [State.CLOSED, State.AWAY])
async def test_a_job_that_was_cancelled_is_not_taken_for_done_when_the_gate_opens_that_moment(
    instance: Instance, slow: Slow, caplog: pytest.LogCaptureFixture, state: State
) -> None:
    slow.when_cancelled = lambda: instance.gate.turn(State.OPEN)  # type: ignore[assignment,return-value]
    running = asyncio.create_task(run(instance))
    await slow.began.wait()
    instance.gate.turn(state)
    await running
    assert instance.gate.state is State.OPEN
    assert await slow.queued() == ["picked"]
    assert told(caplog) == []
    slow.go.set()
    running = asyncio.create_task(run(instance))
    while not slow.done:
        await asyncio.sleep(0.02)
    instance.gate.turn(State.CLOSED)
    await running


async def test_a_write_that_is_refused_for_a_moment_ends_no_job_for_good(
    instance: Instance, slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The hold has just run out, and the agent opens the gate a moment later."""

    def open_soon() -> None:
        asyncio.get_running_loop().call_later(0.1, instance.gate.turn, State.OPEN)

    running = asyncio.create_task(run(instance))
    await slow.began.wait()
    instance.gate.turn(State.HOLD, hold=0.1)
    await asyncio.sleep(0.15)
    slow.go.set()
    open_soon()
    await running
    assert await slow.queued() in (["picked"], ["queued"])
    assert told(caplog) == []


async def test_what_really_fails_is_logged_all_the_same(
    instance: Instance, slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_instance: Instance, _payload: dict[str, Any]) -> None:
        slow.began.set()
        raise RuntimeError("broken")

    monkeypatch.setattr(worker, "job_table", lambda: {"slow": broken})
    monkeypatch.setattr(worker, "MAX_ATTEMPTS", 0)
    running = asyncio.create_task(run(instance))
    async with asyncio.timeout(10):
        while await slow.queued() != ["failed"]:
            await asyncio.sleep(0.05)
    instance.gate.turn(State.CLOSED)
    await running
    assert any("Exception while processing" in one for one in told(caplog))


async def test_a_worker_leaves_with_one_line(dsn: str, instance: Instance, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    working = asyncio.create_task(worker.run_worker(instance.settings, dsn))
    async with asyncio.timeout(30):
        while "worker: ready" not in caplog.text:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)
        instance.gate.turn(State.HOLD, hold=5)
        await asyncio.sleep(0.2)
        instance.gate.turn(State.AWAY)
        await working
    assert told(caplog) == []
    lines = [one.getMessage() for one in caplog.records if one.name == "parley.worker"]
    assert lines[-1] == "worker: this host writes no more; jobs go on where the instance does"
    assert len(lines) <= 3


async def test_what_a_job_says_itself_of_a_closed_gate_is_one_line(
    dsn: str, instance: Instance, slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async def careful(one: Instance, _payload: dict[str, Any]) -> None:
        slow.began.set()
        await slow.go.wait()
        for write in (one.db.write(), broken()):
            try:
                async with write:
                    pass
            except Exception:
                logging.getLogger("parley.safety").exception("it is done later")

    @contextlib.asynccontextmanager
    async def broken() -> AsyncIterator[None]:
        raise RuntimeError("broken")
        yield

    monkeypatch.setattr(worker, "job_table", lambda: {"slow": careful})
    working = asyncio.create_task(worker.run_worker(instance.settings, dsn))
    async with asyncio.timeout(30):
        await slow.began.wait()
        instance.gate.turn(State.CLOSED)
        slow.go.set()
        await working
    said = [one.exc_info is not None for one in caplog.records if one.getMessage() == "it is done later"]
    assert said == [False, True]


async def until(condition: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_gate_that_is_held_and_opened_again_interrupts_no_job_and_keeps_no_other_waiting(
    instance: Instance, slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A planned move that is given up while a job runs that takes an hour."""
    quick = asyncio.Event()

    async def at_once(_instance: Instance, _payload: dict[str, Any]) -> None:
        quick.set()

    monkeypatch.setattr(worker, "job_table", lambda: {"slow": slow, "at_once": at_once})
    running = asyncio.create_task(run(instance))
    await slow.began.wait()
    instance.gate.turn(State.HOLD, hold=5)
    await asyncio.sleep(worker.LEAVE_SECONDS * 2)
    instance.gate.turn(State.OPEN)
    async with instance.db.write() as tx:
        await enqueue(tx, "at_once", {})
    async with asyncio.timeout(5):
        await quick.wait()
    assert (slow.runs, slow.at_once) == (1, 1)
    slow.go.set()
    await until(lambda: slow.done)
    instance.gate.turn(State.CLOSED)
    await running
    assert slow.runs == 1
    assert told(caplog) == []


async def test_a_fenced_host_leaves_its_jobs_although_the_gate_is_still_held(
    instance: Instance, slow: Slow, caplog: pytest.LogCaptureFixture
) -> None:
    """Those who wait at the gate are to be handed on; a job that waits for somebody else's answer may not go on."""
    running = asyncio.create_task(run(instance))
    await slow.began.wait()
    instance.gate.turn(State.HOLD, hold=60)
    instance.gate.fence()
    async with asyncio.timeout(worker.LEAVE_SECONDS + 5):
        await running
    assert slow.at_once == 0
    instance.gate.turn(State.OPEN)  # the move was given up, or the other host goes on
    assert not instance.gate.is_fenced
    assert await slow.queued() == ["picked"]
    slow.go.set()
    running = asyncio.create_task(run(instance))
    await until(lambda: slow.done)
    instance.gate.turn(State.CLOSED)
    await running
    assert (slow.runs, slow.done, slow.most_at_once) == (2, 1, 1)
    assert told(caplog) == []


async def test_what_the_clock_had_asked_for_is_asked_for_again_by_the_next_worker(
    instance: Instance, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may come once a day, and a worker that ends in that second must not make it wait for tomorrow."""
    monkeypatch.setattr(worker, "SCHEDULES", {slow: "31 2 29 2 *"})
    async with instance.db.write() as tx:
        await tx.execute("DELETE FROM pgqueuer")
        await tx.execute("DELETE FROM pgqueuer_schedules")
        await tx.execute(
            "INSERT INTO pgqueuer_schedules (entrypoint, expression, next_run, heartbeat, status)"
            " VALUES ('every_slow', '31 2 29 2 *', now() + interval '1 year', now(), 'picked')"
        )
    slow.go.set()
    running = asyncio.create_task(run(instance))
    await until(lambda: slow.done)
    async with instance.db.read() as tx:
        assert await tx.fetchval("SELECT status::text FROM pgqueuer_schedules") == "queued"
    instance.gate.turn(State.CLOSED)
    await running
    assert slow.done == 1


def test_a_worker_that_has_left_is_started_again_soon_however_often_the_gate_was_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease that is late on a slow machine closes the gate for a moment; that must not add up to half a minute."""
    gate, starts, popen = Gate(tmp_path / "gate"), [], subprocess.Popen
    gate.turn(State.OPEN, epoch=1)

    def start(_command: list[str], **options: Any) -> Any:
        starts.append(time.monotonic())
        return popen([sys.executable, "-S", "-c", ""], **options)

    monkeypatch.setattr(processes.subprocess, "Popen", start)
    monkeypatch.setattr(processes, "AFTER_OPENING", 0.05)
    watched = processes.WorkerProcess(gate)
    watched.start()
    try:
        deadline = time.monotonic() + 20  # each time twice as slow, it would take two minutes
        while len(starts) < 8 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        watched.stop()
    assert len(starts) >= 8


def test_jobs_are_left_before_another_host_begins_them() -> None:
    assert worker.LEAVE_SECONDS + worker.GATE_EVERY < processes.AFTER_OPENING
