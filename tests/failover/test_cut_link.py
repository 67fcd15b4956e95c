"""The link between two hosts is cut: the primary says how it is and keeps its lease, whatever else waits."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from parley.commands.running import prepare_database
from parley.hosting.failover import minding as minding_of
from parley.hosting.failover import watching
from parley.hosting.failover.errors import WitnessError
from parley.hosting.failover.lease import Lease
from parley.hosting.failover.minding import Minding
from parley.hosting.failover.store import PositionRow, StandbyRow
from parley.hosting.failover.watching import Watch
from parley.hosting.hosts import operations
from parley.hosting.hosts.agent import prepare_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.names import MOST_AT_ONCE, NamesApart
from parley.hosting.hosts.records import HostRecord, HostState
from parley.hosting.hosts.reporting import DATABASE_SECONDS
from parley.kit.db import connect
from parley.kit.gate import State
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.replication import Replication, write_replication
from parley.kit.settings import Settings

SOON = DATABASE_SECONDS + 1.5
"""Within so many seconds a host says how it is, whatever does not answer."""


def host_of(settings: Settings) -> Host:
    """The primary `a`, whose commits wait for `b`, which is nowhere."""
    host = prepare_host(settings)
    other = HostRecord(name="b", link="127.0.0.1:1", key="0" * 64)
    host.hosts = msgspec.structs.replace(host.hosts, hosts=(*host.hosts.hosts, other))
    host.state = HostState(role="primary", epoch=1, commits="sync")
    return host


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """The data folder of a primary whose standby is silent."""
    with tempfile.TemporaryDirectory(prefix="parley-cut-") as name:
        Path(name).chmod(0o755)
        settings = Settings(domain="localhost:3000", data_dir=Path(name) / "a")
        settings.path().mkdir(mode=0o755)
        server = EmbeddedPostgres(settings)
        try:
            server.start()
            asyncio.run(prepare_database(server.dsn))
            write_replication(server, Replication(name="a", wait_for=("b",)))
            server.reload()
            yield settings.path()
        finally:
            server.abort(30)


@pytest.fixture
async def alone(folder: Path) -> AsyncIterator[Host]:
    host = host_of(Settings(domain="localhost:3000", data_dir=folder, link_listen="127.0.0.1:1", port=1))
    yield host
    await host.close()


async def test_what_is_noted_does_not_wait_for_a_standby_that_is_silent(alone: Host) -> None:
    async with asyncio.timeout(5):
        while not await waits_for(alone):
            await asyncio.sleep(0.05)
    async with asyncio.timeout(3):
        await operations.note(alone, "degraded", ok=False, seconds=0, detail={"standby": "b"})
        await operations.note(alone, "degraded", ok=False, seconds=0, detail={"standby": "b"})
    async with alone.database() as connection:
        rows = await connection.fetch("SELECT detail FROM hosting_records WHERE kind = 'degraded'")
    assert [row["detail"] for row in rows] == [{"standby": "b"}]


async def test_a_host_says_how_it_is_while_another_question_to_its_database_takes_long(alone: Host) -> None:
    async def keep_busy() -> None:
        async with alone.database() as connection:
            await connection.fetchval("SELECT pg_sleep(30)")

    busy = asyncio.create_task(keep_busy())
    await asyncio.sleep(0.5)
    async with asyncio.timeout(SOON):
        found = await asyncio.gather(*(operations.status(alone) for _ in range(5)))
    assert all(one.database_up and one.system_id for one in found)
    assert found[0].standbys[0].streaming is False
    busy.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await busy


async def test_a_host_whose_database_hangs_says_so_soon(alone: Host) -> None:
    blocking = await connect(alone.dsn)
    try:
        await blocking.execute("BEGIN; LOCK TABLE parley_meta IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(SOON):
            found = await operations.status(alone)
        assert not found.database_up
        assert "PostgreSQL does not answer." in found.problems
    finally:
        await blocking.close()  # without a commit, which would wait for the standby
    assert (await operations.status(alone)).database_up


async def waits_for(host: Host) -> bool:
    async with host.looking() as connection:
        return bool(await connection.fetchval("SELECT current_setting('synchronous_standby_names') <> ''"))


class Answers:
    """What PostgreSQL says of a standby that follows and gets nothing; `hangs`: it says nothing any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hangs = self.gone = False
        for name in ("list_standbys", "get_position", "has_flushed"):
            monkeypatch.setattr(minding_of.store, name, getattr(self, name))

        async def connected(_dsn: str) -> Any:
            return self

        monkeypatch.setattr(minding_of, "connect", connected)

    def is_closed(self) -> bool:
        return False

    def terminate(self) -> None: ...

    async def _say(self) -> None:
        if self.hangs:
            await asyncio.sleep(3600)

    async def list_standbys(self, _tx: Any) -> list[StandbyRow]:
        await self._say()
        return [] if self.gone else [StandbyRow("b", "streaming", "quorum", "0/1", 0, 0.0)]

    async def get_position(self, _tx: Any) -> PositionRow:
        await self._say()
        return PositionRow(False, 1, "0/2", 'ANY 1 ("b")')

    async def has_flushed(self, _tx: Any, _name: str, _lsn: str) -> bool | None:
        await self._say()
        return None if self.gone else False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        domain="localhost:3000",
        data_dir=tmp_path,
        link_listen="127.0.0.1:1",
        lease_seconds=1.5,
        witness="s3://third:place@nowhere/lease.json?endpoint=http://127.0.0.1:1&region=us-east-1",
    )


async def test_waiting_for_the_standby_is_no_silence_of_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minding_of, "CATCH_UP_SECONDS", 2.0)
    answers, minding = Answers(monkeypatch), Minding(host_of(settings), None)
    looking = asyncio.create_task(minding.look())
    silent = []
    while not looking.done():
        await asyncio.sleep(0.05)
        silent.append(minding.silent_seconds)
    assert len(silent) > 30  # it did wait
    assert max(silent) < 0.3
    answers.hangs = True
    looking = asyncio.create_task(minding.look())
    await asyncio.sleep(1.2)
    assert minding.silent_seconds > 1
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking


async def test_a_standby_that_does_not_follow_any_more_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, minding = Answers(monkeypatch), Minding(host_of(settings), None)
    looking = asyncio.create_task(minding.look())
    await asyncio.sleep(1)
    answers.gone = True
    async with asyncio.timeout(1):
        await looking


class Place:
    """A third place that takes every lease, but for one write that is never answered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lease: Lease | None = None
        self.lose_next = False

    async def read(self) -> tuple[Lease, str] | None:
        return (self.lease, str(self.lease.serial)) if self.lease else None

    async def write(self, lease: Lease, *, over: str | None) -> str:
        if self.lose_next:
            self.lose_next = False
            await asyncio.sleep(self.seconds)
            raise WitnessError("no answer")
        self.lease = lease
        return str(lease.serial)


async def test_one_lost_answer_of_the_third_place_closes_no_gate_while_the_link_is_cut(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = host_of(settings)
    watch = Watch(host)
    place = Place(settings.lease_seconds / 3)
    assert watch.keeper is not None
    watch.keeper._witness = place  # type: ignore[assignment]

    async def cut(_host: Host, _epoch: int, seconds: float) -> None:
        await asyncio.sleep(max(seconds / 3, 1.0))
        raise HostError("Neither the third place nor b answers.")

    monkeypatch.setattr(watching, "borrow", cut)
    holding = asyncio.create_task(watch._forever("lease", watch._lease, watch._lease_pause))
    await asyncio.sleep(0.2)
    host.gate.turn(State.OPEN, epoch=1)
    try:
        for _ in range(3):
            place.lose_next = True
            seen = set()
            until = time.monotonic() + 2 * settings.lease_seconds
            while time.monotonic() < until:
                await asyncio.sleep(0.01)
                seen.add(host.gate.state)
            assert not place.lose_next
            assert seen == {State.OPEN}
    finally:
        holding.cancel()


def test_a_name_server_that_does_not_answer_holds_up_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def silent(*_arguments: Any) -> Any:
        over.wait(60)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))]

    async def look_up_and_write() -> float:
        loop = asyncio.get_running_loop()
        asked = [asyncio.create_task(loop.getaddrinfo("b.example", 7443)) for _ in range(MOST_AT_ONCE * 3)]
        await asyncio.sleep(0.1)
        began = time.monotonic()
        await asyncio.gather(*(asyncio.to_thread(time.sleep, 0.01) for _ in range(10)))
        took = time.monotonic() - began
        over.set()
        assert len(await asyncio.gather(*asked)) == MOST_AT_ONCE * 3
        return took

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    with asyncio.Runner(loop_factory=NamesApart) as runner:
        assert runner.run(look_up_and_write()) < 2
