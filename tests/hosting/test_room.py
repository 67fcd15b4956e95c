"""Connections to the database: nobody waits for one for ever, and all pools together leave some to others."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from parley.kit.db import Database, connect
from parley.kit.gate import Crowded
from parley.kit.instance import TooFewConnections, check_room
from parley.kit.settings import Settings


async def test_who_gets_no_connection_in_time_is_told_to_come_back(dsn: str) -> None:
    db = Database(dsn, connections=2, patience=0.3)
    await db.open()
    ending = asyncio.Event()

    held = 0

    async def hold() -> None:
        nonlocal held
        async with db.read():
            held += 1
            await ending.wait()

    holding = [asyncio.create_task(hold()) for _ in range(2)]
    async with asyncio.timeout(20):
        while held < 2:
            await asyncio.sleep(0.01)
    begun = time.monotonic()
    with pytest.raises(Crowded) as raised:
        async with db.write():
            pass
    assert time.monotonic() - begun < 10
    assert raised.value.status == 503
    assert raised.value.retry_after > 0
    ending.set()
    await asyncio.gather(*holding)
    async with db.write() as tx:
        assert await tx.fetchval("SELECT 1") == 1
    await db.close()


async def test_pools_that_would_take_every_connection_are_refused_with_what_to_change(
    dsn: str, settings: Settings
) -> None:
    connection = await connect(dsn)
    try:
        await check_room(connection, settings)
        many = msgspec.structs.replace(settings, web_processes=20, database_connections=10)
        with pytest.raises(TooFewConnections, match=r"may open 231, and 10 must stay free.*at most"):
            await check_room(connection, many)
        fitting = msgspec.structs.replace(many, database_connections=4)
        await check_room(connection, fitting)
        await check_room(connection, many, web=False)
    finally:
        await connection.close()


@pytest.mark.parametrize(
    ("command", "settings", "said"),
    [
        ("serve", {"WEB_PROCESSES": "20", "DATABASE_CONNECTIONS": "10"}, "20 processes with 10 each"),
        ("work", {"WEB_PROCESSES": "1", "DATABASE_CONNECTIONS": "150"}, "1 process with 150 each"),
    ],
)
def test_a_machine_that_splits_web_and_worker_looks_for_room_too(
    dsn: str, tmp_path: Path, command: str, settings: dict[str, str], said: str
) -> None:
    """Each is asked for so many that it ends with a sentence before it serves anybody."""
    environment = {f"PARLEY_{name}": value for name, value in settings.items()}
    done = subprocess.run(
        [sys.executable, "-m", "parley.cli", command],
        env={**os.environ, **environment, "PARLEY_DATABASE_URL": dsn, "PARLEY_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
