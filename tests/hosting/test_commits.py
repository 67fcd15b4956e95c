"""A commit is acknowledged only when it will last: on a real PostgreSQL that waits for a standby which never comes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from parley.kit import db as kit_db
from parley.kit.db import Database
from parley.kit.errors import Unavailable
from parley.kit.gate import NotAcknowledged
from parley.kit.migrate import migrate
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from tests.live import LiveServer

WAITING = """
    SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name IN ('parley', 'plain')
"""


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own, migrated; whoever sets synchronous_standby_names takes it back."""
    folder = Path(tempfile.mkdtemp(prefix="parley-sync-"))
    made = EmbeddedPostgres(Settings(data_dir=folder))
    made.start()
    asyncio.run(migrate(made.dsn))
    asyncio.run(_prepare(made.dsn))
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


async def _prepare(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE written (name text PRIMARY KEY)")
    await connection.close()


@pytest.fixture
async def admin(server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection[Any]]:
    """A connection that watches and disturbs; none of its own commits waits."""
    connection = await asyncpg.connect(server.dsn, server_settings={"synchronous_commit": "local"})
    await connection.execute("TRUNCATE written")
    try:
        yield connection
    finally:
        await _let_nobody_wait(connection)
        await connection.close()


@pytest.fixture
async def db(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    """The product's pool."""
    made = Database(server.dsn, connections=5)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def _wait_for_nobody(admin: Any) -> None:
    await admin.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    await _reload(admin, "nobody")


async def _let_nobody_wait(admin: Any) -> None:
    await admin.execute("ALTER SYSTEM RESET synchronous_standby_names")
    await _reload(admin, "")


async def _reload(admin: Any, wanted: str) -> None:
    await admin.execute("SELECT pg_reload_conf()")
    async with asyncio.timeout(10):
        while await admin.fetchval("SHOW synchronous_standby_names") != wanted:
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)  # each backend reads it when it is next idle


async def _waiting(admin: Any) -> int:
    """The backend that waits for the standby."""
    async with asyncio.timeout(10):
        while (pid := await admin.fetchval(WAITING)) is None:
            await asyncio.sleep(0.02)
    return int(pid)


async def _write(db: Database, name: str) -> None:
    async with db.write() as tx:
        await tx.execute("INSERT INTO written VALUES ($1) ON CONFLICT DO NOTHING", name)


async def _is_there(admin: Any, name: str) -> bool:
    return bool(await admin.fetchval("SELECT EXISTS (SELECT FROM written WHERE name = $1)", name))


async def test_a_wait_that_is_cancelled_in_the_database_is_not_acknowledged(db: Database, admin: Any) -> None:
    await _write(db, "before")
    await _wait_for_nobody(admin)
    writing = asyncio.create_task(_write(db, "cancelled"))
    await admin.execute("SELECT pg_cancel_backend($1)", await _waiting(admin))
    with pytest.raises(NotAcknowledged) as raised:
        await writing
    assert "Idempotency-Key" in raised.value.text
    assert raised.value.status == 503
    assert raised.value.retry_after > 0
    assert await _is_there(admin, "cancelled"), "the row is there: only its lasting is not sure"


async def test_without_the_guard_the_same_wait_is_taken_for_a_good_commit(server: EmbeddedPostgres, admin: Any) -> None:
    """The control: what the driver says by itself, and what a handler that is cancelled leaves behind."""
    await _wait_for_nobody(admin)
    plain = await asyncpg.connect(server.dsn, server_settings={"application_name": "plain"})

    async def write(name: str) -> None:
        async with plain.transaction():
            await plain.execute("INSERT INTO written VALUES ($1)", name)

    writing = asyncio.create_task(write("believed"))
    await admin.execute("SELECT pg_cancel_backend($1)", await _waiting(admin))
    await writing  # no error: acknowledged
    late = asyncio.create_task(write("late"))
    await _waiting(admin)
    late.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await late
    async with asyncio.timeout(5):  # the driver cancels the statement, and so the wait
        while await admin.fetchval(WAITING) is not None:
            await asyncio.sleep(0.02)
    assert await _is_there(admin, "late")
    await plain.close()


async def test_a_handler_that_is_cancelled_leaves_the_commit_waiting_and_its_connection_in_use(
    db: Database, admin: Any
) -> None:
    await _write(db, "before")
    await _wait_for_nobody(admin)
    writing = asyncio.create_task(_write(db, "left"))
    pid = await _waiting(admin)
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await asyncio.sleep(0.3)
    assert await _waiting(admin) == pid, "the wait goes on"
    used = db.connections[0] - db.connections[1]
    assert used == 1, "nobody else may get a connection whose commit has not ended"
    await _let_nobody_wait(admin)
    async with asyncio.timeout(5):
        while db.connections[0] != db.connections[1]:
            await asyncio.sleep(0.02)
    await _write(db, "after")
    assert await _is_there(admin, "left")


async def test_a_second_try_that_writes_nothing_waits_for_what_the_first_left_unsure(db: Database, admin: Any) -> None:
    """It finds what the first try wrote. Were it acknowledged at once, that would say that the first will last."""
    await _write(db, "before")
    await _wait_for_nobody(admin)
    first = asyncio.create_task(_write(db, "twice"))
    await admin.execute("SELECT pg_cancel_backend($1)", await _waiting(admin))
    with pytest.raises(NotAcknowledged):
        await first
    second = asyncio.create_task(_write(db, "twice"))
    await _waiting(admin)
    assert not second.done()
    await _let_nobody_wait(admin)
    await asyncio.wait_for(second, 5)
    assert await admin.fetchval("SELECT count(*) FROM written WHERE name = 'twice'") == 1


async def test_a_process_that_has_just_started_is_not_sure_of_what_it_finds(
    server: EmbeddedPostgres, db: Database, admin: Any
) -> None:
    await _write(db, "before")
    await _wait_for_nobody(admin)
    other = Database(server.dsn, connections=2)
    await other.open()
    again = asyncio.create_task(_write(other, "before"))
    await _waiting(admin)
    await _let_nobody_wait(admin)
    await asyncio.wait_for(again, 5)
    await other.close()


async def test_what_may_be_lost_with_this_host_waits_for_no_other(db: Database, admin: Any) -> None:
    await _write(db, "before")
    await _wait_for_nobody(admin)
    async with asyncio.timeout(5), db.write(local=True) as tx:
        await tx.execute("INSERT INTO written VALUES ('a counter')")
    assert await _is_there(admin, "a counter")


async def test_a_commit_that_takes_too_long_is_not_acknowledged(
    db: Database, admin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit_db, "COMMIT_SECONDS", 0.3)
    await _write(db, "before")
    await _wait_for_nobody(admin)
    with pytest.raises(NotAcknowledged):
        await _write(db, "slow")
    await _let_nobody_wait(admin)


async def test_a_backend_that_is_ended_during_its_commit_is_not_acknowledged(db: Database, admin: Any) -> None:
    await _write(db, "before")
    await _wait_for_nobody(admin)
    writing = asyncio.create_task(_write(db, "ended"))
    await admin.execute("SELECT pg_terminate_backend($1)", await _waiting(admin))
    with pytest.raises(NotAcknowledged):
        await writing


async def test_writes_that_wait_for_the_standby_leave_connections_to_readers(
    server: EmbeddedPostgres, admin: Any
) -> None:
    pool = Database(server.dsn, connections=5, patience=0.5)
    await pool.open()
    await _write(pool, "before")
    await _wait_for_nobody(admin)
    writers = [asyncio.create_task(_write(pool, f"writer {number}")) for number in range(8)]
    await _waiting(admin)
    await asyncio.sleep(0.7)
    refused = [task for task in writers if task.done()]
    assert len(refused) == 4
    for task in refused:
        assert isinstance(task.exception(), Unavailable)
    async with asyncio.timeout(1), pool.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM written") == 1
    await _let_nobody_wait(admin)
    await asyncio.gather(*writers, return_exceptions=True)
    await pool.close()


async def test_savepoints_go_on_working(db: Database, admin: Any) -> None:
    with db.watch_queries() as seen:
        async with db.write() as tx:
            await tx.execute("INSERT INTO written VALUES ('outer')")
            with contextlib.suppress(asyncpg.UniqueViolationError):
                async with tx.transaction():
                    await tx.execute("INSERT INTO written VALUES ('outer')")
            async with tx.transaction():
                await tx.execute("INSERT INTO written VALUES ('inner')")
    assert await _is_there(admin, "outer")
    assert await _is_there(admin, "inner")
    assert sum("parley_begin" in query for query in seen) == 1
    assert sum(query.startswith("BEGIN") for query in seen) == 1


async def test_over_http_a_cancelled_wait_is_503_and_the_same_key_gives_the_same_post() -> None:
    with LiveServer.started() as live:
        await asyncio.to_thread(live.account, "alice")
        alice = await asyncio.to_thread(live.token, "alice")
        headers = {"Authorization": f"Bearer {alice}", "Idempotency-Key": "once"}
        database = EmbeddedPostgres(Settings(data_dir=live.folder)).dsn
        admin = await asyncpg.connect(database, server_settings={"synchronous_commit": "local"})
        async with httpx.AsyncClient(base_url=live.base_url, timeout=20) as client:
            await _wait_for_nobody(admin)
            posting = asyncio.create_task(
                client.post("/api/v1/statuses", json={"status": "Will it last?"}, headers=headers)
            )
            await admin.execute("SELECT pg_cancel_backend($1)", await _waiting(admin))
            answer = await posting
            assert answer.status_code == 503, answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert "Idempotency-Key" in answer.json()["error"]
            # A client that goes away during the wait ends nothing.
            leaving = asyncio.create_task(
                client.post(
                    "/api/v1/statuses", json={"status": "I am off"}, headers={**headers, "Idempotency-Key": "2"}
                )
            )
            pid = await _waiting(admin)
            leaving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await leaving
            await asyncio.sleep(1)
            assert await _waiting(admin) == pid
            await _let_nobody_wait(admin)
            again = await client.post("/api/v1/statuses", json={"status": "Will it last?"}, headers=headers)
            assert again.status_code == 200, again.text
            mine = await client.get(f"/api/v1/accounts/{again.json()['account']['id']}/statuses", headers=headers)
            assert sorted(one["content"] for one in mine.json()) == ["<p>I am off</p>", "<p>Will it last?</p>"]
        await admin.close()
