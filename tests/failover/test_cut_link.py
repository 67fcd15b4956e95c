"""The link between two hosts is cut: the primary says how it is and keeps its lease, whatever else waits."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from parley.commands.running import prepare_database
from parley.hosting.failover import minding as minding_of
from parley.hosting.failover import watching
from parley.hosting.failover.errors import WitnessError
from parley.hosting.failover.keeping import Facts
from parley.hosting.failover.lease import Lease
from parley.hosting.failover.minding import Minding
from parley.hosting.failover.store import PositionRow, StandbyRow
from parley.hosting.failover.watching import Watch
from parley.hosting.hosts import operations, roles
from parley.hosting.hosts.agent import prepare_host
from parley.hosting.hosts.errors import HostError
from parley.hosting.hosts.host import Host
from parley.hosting.hosts.names import MOST_AT_ONCE, NamesApart
from parley.hosting.hosts.records import HostRecord, HostState
from parley.hosting.hosts.reporting import DATABASE_SECONDS
from parley.hosting.standby.keeping import Following, write_following
from parley.hosting.standby.media import Media
from parley.kit import gate as gate_of_host
from parley.kit.clock import now
from parley.kit.db import connect
from parley.kit.files import new_content_key
from parley.kit.gate import Field, State
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
        self.hangs = self.gone = self.has_all = False
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
        return None if self.gone else self.has_all


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        domain="localhost:3000",
        data_dir=tmp_path,
        link_listen="127.0.0.1:1",
        lease_seconds=1.5,
        witness="s3://third:place@nowhere/lease.json?endpoint=http://127.0.0.1:1&region=us-east-1",
    )


class Swift(asyncio.SelectorEventLoop):
    """Time passes at once where everybody waits, and not at all meanwhile: no machine is too slow for it."""

    _scheduled: list[Any]
    _ready: Any

    def __init__(self) -> None:
        super().__init__()
        self.moment = 1000.0

    def time(self) -> float:
        return self.moment

    def _run_once(self) -> None:
        if self._scheduled and not self._ready:
            self.moment = max(self.moment, self._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


def swift_ns() -> int:
    return int(asyncio.get_running_loop().time() * 1e9)


def swiftly(work: Coroutine[Any, Any, None]) -> None:
    """Run it on a clock of its own."""
    with asyncio.Runner(loop_factory=Swift) as runner:
        runner.run(work)


def test_waiting_for_the_standby_is_no_silence_of_the_database(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    swiftly(_wait_for_the_standby(settings, monkeypatch))


async def _wait_for_the_standby(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(minding_of, "CATCH_UP_SECONDS", 2.0)
    answers, minding = Answers(monkeypatch), Minding(host_of(settings), None, clock=swift_ns)
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


def test_a_standby_that_does_not_follow_any_more_is_not_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    swiftly(_lose_the_standby(settings, monkeypatch))


async def _lose_the_standby(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, minding = Answers(monkeypatch), Minding(host_of(settings), None, clock=swift_ns)
    looking = asyncio.create_task(minding.look())
    await asyncio.sleep(1)
    answers.gone = True
    async with asyncio.timeout(1):
        await looking


class Whole:
    """A degraded primary whose standby has every row, and lacks a file that was stored meanwhile."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch, *, seeded: bool = True) -> None:
        async def nothing(*_arguments: Any, **_more: Any) -> None: ...

        for module, name in ((roles, "configure"), (operations, "note"), (minding_of, "tell_owners")):
            monkeypatch.setattr(module, name, nothing)
        monkeypatch.setattr(minding_of, "SETTLE_SECONDS", 0.0)
        Answers(monkeypatch).has_all = True
        write_following(settings, Following(seeded=seeded))
        self.host = host_of(settings)
        self.host.gate.turn(State.OPEN, epoch=1)
        self.media = Media(self.host)
        self.media.log.recover()
        self.media.tell_gate()
        self.said: list[tuple[bool, bool]] = []
        """Of each writing of the lease: whether it says that the standby has everything, and whether the host called
        itself degraded then."""
        self.moment = 0
        """By the clock of what minds it, in nanoseconds."""
        self.minding = Minding(self.host, self._say, clock=lambda: self.moment)
        self.host.before_alone = self._before_alone

    async def _say(self, facts: Facts) -> None:
        self.said.append((facts.in_sync, self.host.state.degraded_since is not None))

    async def _before_alone(self) -> None:
        self.minding.doubt()

    async def store(self) -> None:
        content = b"stored while it was alone"
        await self.media.written["media"].put(new_content_key(hashlib.sha256(content).digest(), "png"), content)

    def confirm(self) -> None:
        self.media.confirmed(self.media.log.mark())

    @property
    def waits_for_files(self) -> bool:
        return bool(self.host.gate.get(Field.FILES_WAIT))


async def test_a_primary_stays_degraded_until_the_standby_has_every_file_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Whole(settings, monkeypatch)
    await one.host.change_state(degraded_since=now())
    await one.store()
    monkeypatch.setattr(minding_of, "NEAR_SECONDS", 0.0)  # it is older than that
    await one.minding.look()
    assert not one.host.waits_again
    monkeypatch.setattr(minding_of, "NEAR_SECONDS", 60.0)
    looking = asyncio.create_task(one.minding.look())
    while not one.waits_for_files:  # who stores a file now waits for the standby
        assert not looking.done()
        await asyncio.sleep(0.01)
    assert one.host.state.degraded_since is not None, "and nothing is said yet"
    while not looking.done():
        one.moment += int(minding_of.FILES_SECONDS * 1e9)
        await asyncio.sleep(0.01)
    await looking
    assert one.host.state.degraded_since is not None
    assert not one.waits_for_files
    assert one.said == []
    one.confirm()
    await one.minding.look()
    assert one.host.state.degraded_since is None
    assert one.waits_for_files
    assert one.said == [(True, True)], "the third place knows before the host calls itself whole"


async def test_a_standby_that_goes_while_it_is_tried_whether_it_is_whole_is_waited_for_no_longer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Whole(settings, monkeypatch)
    await one.host.change_state(degraded_since=now())
    await operations.wait_again(one.host, True)
    assert one.waits_for_files
    Answers(monkeypatch).gone = True
    await one.minding.look()
    assert not one.waits_for_files
    assert one.host.state.degraded_since is not None


async def test_a_standby_that_was_just_added_may_not_take_over_before_it_has_had_every_file(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Whole(settings, monkeypatch, seeded=False)
    await one.store()
    await one.minding.look()
    assert one.said == []
    assert not one.minding.facts.in_sync
    one.confirm()
    await one.minding.look()
    assert one.said == [(True, False)]


class Place:
    """A third place that takes every lease, but for one write that is never answered."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lease: Lease | None = None
        self.lose_next = self.silent = False

    async def read(self) -> tuple[Lease, str] | None:
        if self.silent:
            raise WitnessError("no answer")
        return (self.lease, str(self.lease.serial)) if self.lease else None

    async def write(self, lease: Lease, *, over: str | None) -> str:
        if self.lose_next or self.silent:
            self.lose_next = False
            await asyncio.sleep(self.seconds)
            raise WitnessError("no answer")
        self.lease = lease
        return str(lease.serial)


def test_one_lost_answer_of_the_third_place_closes_no_gate_while_the_link_is_cut(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_of_host, "clock_ns", swift_ns)
    swiftly(_lose_answers(settings, monkeypatch))


async def _lose_answers(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=loop.time))
    host = host_of(settings)
    watch = Watch(host)
    place = Place(settings.lease_seconds / 3)
    assert watch.keeper is not None
    watch.keeper._witness = place  # type: ignore[assignment]
    watch.keeper._clock = swift_ns

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
            until = loop.time() + 2 * settings.lease_seconds
            while loop.time() < until:
                await asyncio.sleep(0.01)
                seen.add(host.gate.state)
            assert not place.lose_next
            assert seen == {State.OPEN}
        place.silent = True  # more than one: then it must close
        await asyncio.sleep(2 * settings.lease_seconds)
        assert host.gate.state is State.CLOSED
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
