"""From the embedded PostgreSQL to a system's own, of another version and locale, and back: one command each way."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from parley.hosting.making import create_snapshot
from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of
from tests.conftest import World, open_world
from tests.hosting.stores import free_port
from tests.hosting.test_snapshots import filled
from tests.media.helpers import body

__all__ = ["filled"]

SYSTEM = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
TEXT = "Straße, İstanbul, ΣΑΣ, ﬁne, Ångström, zebra, Äpfel 🦓 #Straße #İstanbul #ΣΑΣ"

CONTENTS = (
    """SELECT count(*) || ' ' || md5(coalesce(string_agg(t::text, '|' ORDER BY t::text COLLATE "C"), '')) FROM {} t"""
)
TABLES = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
            AND relpersistence = 'p'"""
ORDER = """SELECT string_agg(x, ' ' ORDER BY x) FROM unnest(ARRAY['zebra', 'Äpfel', 'Zebra', 'apfel']) AS x"""
CHANGED = {"parley_meta", "hosting_records"}
"""It is a new epoch, and noted that it was restored."""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the database's user may pass through, too."""
    with tempfile.TemporaryDirectory(prefix="parley-pg-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture
def system(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server by the system's own programs, with the locale that a German host may have given it."""
    if not SYSTEM:
        pytest.skip("no PostgreSQL of the system's own below /usr/lib/postgresql")
    server = EmbeddedPostgres(Settings(data_dir=folder / "system", postgres_binaries=str(SYSTEM[-1].parent)))
    server.prepare_folders()
    made = server.run(
        *("initdb", "-D", str(server.data), "-U", "parley", "--auth=trust", "--encoding=UTF8"),
        *("--locale-provider=icu", "--icu-locale=de-DE", "--locale=C.UTF-8"),
    )
    assert made.returncode == 0, made.stderr
    try:
        server.start()
        yield server
    finally:
        server.stop()


async def value(dsn: str, query: str) -> Any:
    connection = await connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def contents_of(dsn: str) -> dict[str, str]:
    """What every table holds, whatever the order of the database's own language is."""
    connection = await connect(dsn)
    try:
        names = [row[0] for row in await connection.fetch(TABLES)]
        return {name: await connection.fetchval(CONTENTS.format(name)) for name in names if name not in CHANGED}
    finally:
        await connection.close()


def command(home: Settings, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """A command of an instance, and its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    wanted = {"DATA_DIR": str(home.data_dir), "DATABASE_URL": home.database_url, "DOMAIN": home.domain}
    wanted |= {"HOST": "127.0.0.1", "PORT": str(home.port), "WEB_PROCESSES": "1"}
    environment = {**kept, **{f"PARLEY_{name}": value for name, value in wanted.items() if value}}
    return [sys.executable, "-m", "parley.cli", *arguments], environment


def restore(home: Settings, place: Path, key: str) -> None:
    """`parley snapshot restore`: the one command."""
    arguments, environment = command(home, "snapshot", "restore", "--from", str(place), "--key", key, "--json")
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr


async def assert_answers_as(home: Settings, dsn: str, old: World) -> None:
    """Posts, a picture and a member's token are as they were."""
    path = f"/api/v1/accounts/{old.ids['alice']}/statuses"
    posts = (await old.anonymous.get(path)).json()
    async with open_world(home, dsn) as new:
        assert (await new.anonymous.get(path)).json() == posts
        picture = next(post for post in posts if post["media_attachments"])["media_attachments"][0]["url"]
        assert await body(new, picture) == await body(old, picture)
        token = {"authorization": (await old.client("bob")).headers["authorization"]}
        mine = await new.anonymous.get("/api/v1/accounts/verify_credentials", headers=token)
        assert mine.json()["username"] == "bob"
        found = await new.anonymous.get("/api/v1/timelines/tag/straße")
        assert len(found.json()) == 1
    assert public_key_of(home) == public_key_of(old.settings)


async def test_from_the_embedded_server_to_the_systems_own_and_back(
    filled: World, dsn: str, system: EmbeddedPostgres, folder: Path, tmp_path: Path
) -> None:
    await filled.post("alice", TEXT)
    there = msgspec.structs.replace(filled.settings, data_dir=folder / "there", database_url=system.dsn)
    before = await contents_of(dsn)
    made = await create_snapshot(filled.settings, dsn, str(tmp_path / "one"))
    assert made.key_file is not None
    key = made.key_file.read_text().strip().splitlines()[-1]

    # There: another version of PostgreSQL, and another order of letters.
    restore(there, tmp_path / "one", key)
    assert not there.path("postgres").exists(), "no embedded server was made"
    assert int(await value(system.dsn, "SHOW server_version_num")) // 10000 < 18
    assert await value(system.dsn, ORDER) != await value(dsn, ORDER)
    assert await contents_of(system.dsn) == before
    await assert_answers_as(there, system.dsn, filled)
    async with open_world(there, system.dsn) as world:
        world.ids = dict(filled.ids)
        last = await world.post("alice", "Life goes on, under another roof")

    # And back, with what was written there.
    again = await create_snapshot(there, system.dsn, str(tmp_path / "two"))
    assert again.key_file is None, "it is encrypted to the key that the operator has"
    written = await contents_of(system.dsn)
    home = msgspec.structs.replace(filled.settings, data_dir=folder / "home", database_url="", port=free_port())
    restore(home, tmp_path / "two", key)
    server = EmbeddedPostgres(home)
    assert not server.is_running()
    server.start()
    try:
        assert await contents_of(server.dsn) == written
        assert await value(server.dsn, ORDER) == await value(dsn, ORDER)
    finally:
        server.stop()
    arguments, environment = command(home, "up")
    with (folder / "up.log").open("wb") as log:
        running = subprocess.Popen(arguments, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        await wait_until_it_answers(home, running, folder / "up.log")
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{home.port}", headers={"Host": home.domain}) as client:
            shown = (await client.get(f"/api/v1/accounts/{filled.ids['alice']}/statuses")).json()
        assert shown[0]["id"] == last["id"]
        assert len(shown) == 4
    finally:
        running.terminate()
        running.wait(60)
    assert public_key_of(home) == public_key_of(filled.settings)


async def wait_until_it_answers(home: Settings, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    async with httpx.AsyncClient(timeout=5) as client:
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{home.port}/health")).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            assert running.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.3)
