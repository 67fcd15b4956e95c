"""Several databases in one address: the one that takes writes and has the highest epoch is found, and found again."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from parley.kit.db import Database, LostConnection, ReadOnlyDatabase
from parley.kit.gate import StaleEpoch
from parley.kit.migrate import migrate
from parley.kit.nodes import Nodes, NoNode, split_nodes
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings

Pair = tuple[EmbeddedPostgres, EmbeddedPostgres]


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield int(listening.getsockname()[1])


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    """Two servers, which know nothing of each other."""
    folders = [Path(tempfile.mkdtemp(prefix="parley-node-")) for _ in range(2)]
    made = [EmbeddedPostgres(Settings(data_dir=folder)) for folder in folders]
    try:
        for server in made:
            server.start()
            asyncio.run(migrate(server.dsn))
        yield made[0], made[1]
    finally:
        for server, folder in zip(made, folders, strict=True):
            server.stop()
            shutil.rmtree(folder, ignore_errors=True)


def both(pair: Pair) -> str:
    return f"postgresql://parley@/parley?host={pair[0].socket_dir},{pair[1].socket_dir}"


async def run(server: EmbeddedPostgres, *statements: str) -> None:
    connection = await asyncpg.connect(server.dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def folder_of(tx: Any) -> str:
    return str(await tx.fetchval("SHOW unix_socket_directories"))


def test_an_address_is_split_into_its_servers() -> None:
    assert split_nodes("postgresql://u:p@a:1,[::1]:2/x?sslmode=require") == (
        "postgresql://u:p@a:1/x?sslmode=require",
        "postgresql://u:p@[::1]:2/x?sslmode=require",
    )
    assert split_nodes("postgresql://u@/x?host=/run/a,/run/b&port=1,2&target_session_attrs=primary") == (
        "postgresql://u@/x?host=/run/a&port=1",
        "postgresql://u@/x?host=/run/b&port=2",
    )
    alone = "postgresql://u@a/x?application_name=a,b"
    assert split_nodes(alone) == (alone,)


async def test_a_first_server_that_never_answers_is_not_waited_for(pair: Pair) -> None:
    with black_hole() as port:
        dsn = f"postgresql://parley@/parley?host=127.0.0.1,{pair[0].socket_dir}&port={port},5432"
        begun = time.monotonic()
        db = Database(dsn, connections=2)
        await db.open()
        async with db.write() as tx:
            assert await folder_of(tx) == str(pair[0].socket_dir)
        assert time.monotonic() - begun < 10  # TCP alone would wait for two minutes
        await db.close()


async def test_servers_that_never_answer_are_named_in_seconds() -> None:
    with black_hole() as one, black_hole() as other:
        begun = time.monotonic()
        with pytest.raises(NoNode, match="did not answer"):
            await Nodes(f"postgresql://parley:secret@127.0.0.1:{one},127.0.0.1:{other}/parley").pick()
        assert time.monotonic() - begun < 10


async def test_of_two_that_take_writes_the_one_with_the_highest_epoch_is_picked(pair: Pair) -> None:
    await run(pair[0], "UPDATE parley_meta SET epoch = 3")
    await run(pair[1], "UPDATE parley_meta SET epoch = 4")
    assert str(pair[1].socket_dir) in await Nodes(both(pair)).pick()
    await run(pair[0], "UPDATE parley_meta SET epoch = 5")
    assert str(pair[0].socket_dir) in await Nodes(both(pair)).pick()


async def test_another_is_picked_when_the_first_stops_taking_writes_and_when_it_is_lost(pair: Pair) -> None:
    await run(pair[0], "UPDATE parley_meta SET epoch = 9")
    await run(pair[1], "UPDATE parley_meta SET epoch = 8")
    db = Database(both(pair), connections=3)
    await db.open()
    async with db.write() as tx:
        assert await folder_of(tx) == str(pair[0].socket_dir)
    try:
        await run(pair[0], "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        await asyncio.sleep(0.3)
        with pytest.raises(ReadOnlyDatabase):
            async with db.write() as tx:
                await tx.execute("INSERT INTO rate_limits (bucket, window_start) VALUES ('x', now())")
        with pytest.raises(StaleEpoch):  # the other one has an epoch of its own, which is learned first
            async with db.write():
                pass
        async with db.write() as tx:
            assert await folder_of(tx) == str(pair[1].socket_dir)
    finally:
        await run(pair[0], "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    await asyncio.to_thread(pair[1].stop)
    with contextlib.suppress(*LostConnection, StaleEpoch):
        async with db.write():
            pass
    with contextlib.suppress(StaleEpoch):
        async with db.write():
            pass
    async with db.write() as tx:
        assert await folder_of(tx) == str(pair[0].socket_dir)
    await db.close()
    await asyncio.to_thread(pair[1].start)
