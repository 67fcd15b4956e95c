"""What only an overtaken host has is found, whole and nothing else, and written down before anything is given up."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil

from parley.hosting.failover import store
from parley.hosting.failover.lost_writes import (
    SUMMARY,
    Difference,
    Report,
    Writing,
    list_differences,
    list_differences_since,
    list_reports,
)
from parley.hosting.failover.returning import _connected, _private, _read_tail
from parley.hosting.failover.wal import Tail
from parley.kit.db import connect
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.replication import Replication, copy_server, rewind_server, slot_of, write_replication
from parley.kit.settings import Settings
from tests.conftest import World, open_world


def settings_in(folder: Path) -> Settings:
    return Settings(
        name="Test",
        domain="localhost:3000",
        data_dir=folder,
        email_confirmation=False,
        rate_limits="off",
        read_pictures=False,
        database_connections=5,
    )


class Two:
    """A server and its copy that follows it, both with members."""

    def __init__(self, folder: Path) -> None:
        self.a_settings, self.b_settings = settings_in(folder / "a"), settings_in(folder / "b")
        self.a, self.b = EmbeddedPostgres(self.a_settings), EmbeddedPostgres(self.b_settings)
        self.leave: Any = None

    async def copy(self) -> None:
        """Make B a follower of A."""
        connection = await connect(self.a.dsn)
        await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", slot_of("b"))
        await connection.close()
        await copy_server(self.b, source=self.a.socket_dir, name="b", progress=lambda done, of: None)
        write_replication(self.b, Replication(name="b", follow=self.a.socket_dir))
        await asyncio.to_thread(self.b.start)
        await self.caught_up()

    async def caught_up(self) -> None:
        """Wait until B has everything that A has."""
        a, b = await connect(self.a.dsn), await connect(self.b.dsn)
        end = await a.fetchval("SELECT pg_current_wal_flush_lsn()::text")
        deadline = time.monotonic() + 30
        while not await b.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", end):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await a.close()
        await b.close()

    async def part(self) -> None:
        """From here on B follows nobody, and is the primary with epoch 2."""
        write_replication(self.b, Replication(name="b"))
        self.b.reload()
        connection = await connect(self.b.dsn)
        await asyncio.sleep(0.3)
        await connection.execute("SELECT pg_promote()")
        await connection.execute("UPDATE parley_meta SET epoch = 2")
        await connection.close()

    async def kill_a(self) -> None:
        """kill -9 of A's PostgreSQL, once nobody uses it."""
        await self.leave()
        await asyncio.to_thread(self._kill_a)

    def _kill_a(self) -> None:
        pid = int((self.a.data / "postmaster.pid").read_text().splitlines()[0])
        postmaster = psutil.Process(pid)
        family = [postmaster, *postmaster.children(recursive=True)]
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for one in family:
                with suppress(psutil.NoSuchProcess):
                    one.send_signal(number)
        psutil.wait_procs(family, timeout=10)


@asynccontextmanager
async def two_servers() -> AsyncIterator[tuple[Two, World]]:
    folder = Path(tempfile.mkdtemp(prefix="parley-lost-"))
    folder.chmod(0o755)
    two = Two(folder)
    try:
        await asyncio.to_thread(two.a.start)
        await migrate(two.a.dsn)
        async with AsyncExitStack() as stack:
            world = await stack.enter_async_context(open_world(two.a_settings, two.a.dsn))
            two.leave = stack.aclose
            await prepare(world)
            yield two, world
    finally:
        for server in (two.a, two.b):
            server.adopt()
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def prepare(world: World) -> None:
    for name in ("alice", "bob", "rei"):
        await world.account(name)
    await world.post("alice", "before everything")


async def gather(two: Two, tail: Tail | None = None) -> tuple[Tail | None, list[Difference], dict[str, str]]:
    """Everything as a host that comes back finds it out."""
    async with _connected(two.b.dsn) as new:
        if tail is None:
            _, tail = await _read_tail(two.a, new)
        found: list[Difference] = []
        async with _private(two.a) as dsn, _connected(dsn) as old:
            assert tail is not None
            async for one in list_differences(old, new, tail):
                found.append(one)
            names = {str(row["id"]): row["username"] for row in await store.list_like(old, "accounts", _ids(found))}
    return tail, found, names


def _ids(found: list[Difference]) -> list[dict[str, Any]]:
    ids = {one.here["account_id"] for one in found if one.here and one.table == "statuses"}
    return [{"id": one} for one in sorted(ids)]


def only(found: list[Difference], table: str, what: str) -> list[dict[str, Any]]:
    return [one.here or one.there or {} for one in found if (one.table, one.what) == (table, what)]


async def test_everything_that_only_the_old_host_has_is_in_the_report() -> None:
    async with two_servers() as (two, world):
        kept = await world.post("alice", "deleted on the old host only")
        edited = await world.post("alice", "edited on the old host only")
        poll = await world.post("alice", "a poll", poll={"options": ["yes", "no"], "expires_in": 3600})
        await two.copy()
        await world.post("bob", "both have this")
        await two.caught_up()
        await two.part()

        lost = await world.post("alice", "only the old host has this")
        message = await world.post("bob", "@alice a secret", visibility="direct")
        alice, bob, rei = [await world.client(name) for name in ("alice", "bob", "rei")]
        await world.follow("bob", "alice")
        vote = await bob.post(f"/api/v1/polls/{poll['poll']['id']}/votes", json={"choices": [1]})
        assert vote.status_code == 200, vote.text
        assert (await alice.delete(f"/api/v1/statuses/{kept['id']}")).status_code == 200
        changed = await alice.put(f"/api/v1/statuses/{edited['id']}", json={"status": "edited"})
        assert changed.status_code == 200, changed.text
        assert (await rei.post(f"/api/v1/statuses/{lost['id']}/favourite")).status_code == 200
        reported = {"account_id": str(world.ids["alice"]), "status_ids": [lost["id"]], "comment": "look"}
        assert (await rei.post("/api/v1/reports", json=reported)).status_code == 200
        await world.run_jobs()

        # The new host goes on as well; none of that is lost.
        async with open_world(two.b_settings, two.b.dsn) as after:
            after.ids.update(world.ids)
            await after.post("rei", "only the new host has this")
        await two.kill_a()
        tail, found, names = await gather(two)

        assert tail is not None
        assert tail.commits >= 8
        posts = only(found, "statuses", "only_here")
        assert {row["text"] for row in posts} == {"only the old host has this", "@alice a secret"}
        assert {str(row["id"]) for row in posts} == {lost["id"], message["id"]}
        assert [row["account_id"] for row in only(found, "follows", "only_here")] == [world.ids["bob"]]
        assert [row["choice"] for row in only(found, "poll_votes", "only_here")] == [1]
        assert [str(row["status_id"]) for row in only(found, "favourites", "only_here")] == [lost["id"]]
        assert [row["comment"] for row in only(found, "reports", "only_here")] == ["look"]
        of_statuses = {str(one.key["id"]): one for one in found if one.table == "statuses"}
        assert of_statuses[edited["id"]].what == "changed_here"
        assert of_statuses[edited["id"]].here is not None
        assert of_statuses[edited["id"]].here["text"] == "edited"
        assert of_statuses[edited["id"]].there is not None
        assert of_statuses[edited["id"]].there["text"] == "edited on the old host only"
        assert of_statuses[kept["id"]].what in ("changed_here", "deleted_here")
        assert not any("both have this" in str(one) or "only the new host" in str(one) for one in found)

        writing = Writing(two.a_settings.path("lost-writes", "one"))
        for one in found:
            writing.take(one)
        assert list_reports(two.a_settings.path()) == []  # not before its head is there
        report = Report(
            host="a",
            new_host="b",
            old_epoch=1,
            epoch=2,
            waited=False,
            left_at="0/0",
            transactions=tail.commits,
            rows=writing.counts,
            files=0,
            seconds=0.1,
            made_at="now",
        )
        writing.finish(report, names)
        assert [one for _, one in list_reports(two.a_settings.path())] == [report]
        text = (writing.folder / SUMMARY).read_text()
        assert f"{lost['id']} by @alice (public): only the old host has this" in text
        assert "Direct messages (1)" in text
        assert "@bob to" in text
        assert "Follows (1)" in text
        assert "Moderation" in text
        assert "people may have been told" in text
        lines = (writing.folder / "rows" / "statuses.jsonl").read_bytes().splitlines()
        assert len([msgspec.json.decode(line) for line in lines]) == len(
            [one for one in found if one.table == "statuses"]
        )
        for path in writing.folder.rglob("*"):
            assert path.stat().st_mode & 0o077 == 0

        # And then it can still be rewound, and follows.
        await rewind_server(two.a, source=two.b.socket_dir)
        write_replication(two.a, Replication(name="a", follow=two.b.socket_dir))
        connection = await connect(two.b.dsn)
        await connection.execute("SELECT pg_create_physical_replication_slot($1, true)", slot_of("a"))
        await asyncio.to_thread(two.a.start)
        again = await connect(two.a.dsn)
        deadline = time.monotonic() + 20
        while await connection.fetchval("SELECT count(*) FROM pg_stat_replication") == 0:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
        texts = [row[0] for row in await again.fetch("SELECT text FROM statuses")]
        assert "only the old host has this" not in texts
        assert "only the new host has this" in texts
        await again.close()
        await connection.close()


async def test_a_host_that_wrote_nothing_more_has_lost_nothing_and_one_without_its_wal_compares_everything() -> None:
    async with two_servers() as (two, world):
        await two.copy()
        await two.part()
        await two.kill_a()
        async with _connected(two.b.dsn) as new:
            _, tail = await _read_tail(two.a, new)
        assert tail is not None
        assert tail.transactions == []
        # Its WAL is gone: every table is read as a whole, and the same is found.
        await asyncio.to_thread(two.a.set_following, False)
        await asyncio.to_thread(two.a.start)
        async with open_world(two.a_settings, two.a.dsn) as later:
            later.ids.update(world.ids)
            await later.post("alice", "after the parting")
        await two.kill_a()
        async with _connected(two.b.dsn) as new:
            _, tail = await _read_tail(two.a, new)
            assert tail is not None
            assert tail.commits
            first = await store.get_first_transaction(new)
            async with _private(two.a) as dsn, _connected(dsn) as old:
                exact = [one async for one in list_differences(old, new, tail)]
                whole = [one async for one in list_differences_since(old, new, first)]
        assert "after the parting" in {row["text"] for row in only(whole, "statuses", "only_here")}
        keys = {(one.table, msgspec.json.encode(one.key)) for one in exact if one.what != "deleted_here"}
        assert keys <= {(one.table, msgspec.json.encode(one.key)) for one in whole}
        assert os.path.exists(two.a.data / "standby.signal")
