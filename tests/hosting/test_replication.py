"""Two PostgreSQL servers, with the programs in the package and with the system's own: copied, followed, rewound."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.replication import (
    Replication,
    control_data,
    copy_server,
    is_half_rewound,
    lsn_to_int,
    rewind_server,
    slot_of,
    write_replication,
)
from parley.kit.settings import Settings

OWN = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_basebackup"))
PROGRAMS = ["", *(str(path.parent) for path in OWN[-1:])]


@pytest.fixture(params=PROGRAMS, ids=["package", "system"][: len(PROGRAMS)])
def servers(request: pytest.FixtureRequest) -> Iterator[tuple[EmbeddedPostgres, EmbeddedPostgres]]:
    """A server that runs, and one that is nothing yet."""
    with tempfile.TemporaryDirectory(prefix="parley-pg-") as folder:
        Path(folder).chmod(0o755)
        made = []
        for name in ("one", "two"):
            (Path(folder) / name).mkdir(mode=0o755)
            made.append(EmbeddedPostgres(Settings(data_dir=Path(folder) / name, postgres_binaries=request.param)))
        try:
            made[0].start()
            yield made[0], made[1]
        finally:
            for server in made:
                if server.exists:
                    server.stop_at_once(30)


async def value(server: EmbeddedPostgres, query: str) -> Any:
    """One value, or a command."""
    connection = await connect(server.dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def until(server: EmbeddedPostgres, query: str, wanted: Any) -> None:
    """Wait until a query says something."""
    deadline = time.monotonic() + 20
    while await value(server, query) != wanted:
        assert time.monotonic() < deadline, query
        time.sleep(0.05)


async def follow(one: EmbeddedPostgres, two: EmbeddedPostgres) -> None:
    """Let `two` be a copy that follows."""
    await value(one, f"SELECT pg_create_physical_replication_slot('{slot_of('b')}', true)::text")
    seen: list[tuple[int, int]] = []
    await copy_server(two, source=one.socket_dir, name="b", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1] > 10_000_000
    assert two.follows
    write_replication(two, Replication(name="b", follow=one.socket_dir))
    two.start()


async def test_a_copy_follows_takes_over_and_the_other_one_is_rewound(
    servers: tuple[EmbeddedPostgres, EmbeddedPostgres],
) -> None:
    one, two = servers
    await value(one, "CREATE TABLE things (n int)")
    await follow(one, two)
    write_replication(one, Replication(name="a", wait_for=("b",)))
    one.reload()
    await until(one, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", 1)
    await value(one, "INSERT INTO things VALUES (1)")
    await until(two, "SELECT count(*) FROM things", 1)
    with pytest.raises(PostgresError, match="already"):
        await copy_server(two, source=one.socket_dir, name="b", progress=lambda *_: None)

    # `two` takes over without the other one being asked, which goes on for a while.
    write_replication(one, Replication(name="a"))
    one.reload()
    await value(two, "SELECT pg_promote()")
    await value(two, "INSERT INTO things VALUES (2)")
    await value(one, "INSERT INTO things VALUES (3), (4)")
    before = control_data(one)
    assert (before.state, before.is_clean) == ("in production", False)
    one.stop_at_once(30)
    assert not one.is_running()
    stopped = control_data(one)
    assert stopped.is_clean
    assert stopped.system_id == control_data(two).system_id
    assert lsn_to_int(stopped.checkpoint_lsn) > lsn_to_int(before.checkpoint_lsn)

    await value(two, f"SELECT pg_create_physical_replication_slot('{slot_of('a')}', true)::text")
    await rewind_server(one, source=two.socket_dir)
    assert not is_half_rewound(one)
    write_replication(one, Replication(name="a", follow=two.socket_dir))
    one.start()
    await until(one, "SELECT string_agg(n::text, ',' ORDER BY n) FROM things", "1,2")
    await until(one, "SELECT pg_is_in_recovery()", True)


async def test_a_copy_that_cannot_be_made_leaves_nothing_that_could_be_started(
    servers: tuple[EmbeddedPostgres, EmbeddedPostgres],
) -> None:
    one, two = servers
    with pytest.raises(PostgresError, match="parley_b"):
        await copy_server(two, source=one.socket_dir, name="b", progress=lambda *_: None)
    assert not two.exists
    await follow(one, two)


@pytest.mark.parametrize("name", ["", "B", 'b", "c', "b'", "b\nwal_level = minimal", "b c", "_b", "b" * 31])
def test_a_name_that_would_break_the_configuration_is_refused(name: str, tmp_path: Path) -> None:
    server = EmbeddedPostgres(Settings(data_dir=tmp_path))
    for wanted in (Replication(name=name, follow=tmp_path), Replication(name="a", wait_for=(name,))):
        with pytest.raises(PostgresError, match="cannot be the name"):
            write_replication(server, wanted)
    with pytest.raises(PostgresError, match="cannot be the name"):
        slot_of(name)


def test_a_folder_without_programs_or_of_another_version_is_refused_with_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="postgres_binaries"):
        EmbeddedPostgres(Settings(data_dir=tmp_path, postgres_binaries=str(tmp_path)))
    server = EmbeddedPostgres(Settings(data_dir=tmp_path))
    server.data.mkdir(parents=True)
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(PostgresError, match="made by PostgreSQL 14"):
        server.start()


async def test_a_server_whose_follower_went_silent_ends_soon_all_the_same(
    servers: tuple[EmbeddedPostgres, EmbeddedPostgres],
) -> None:
    one, two = servers
    await follow(one, two)
    await until(one, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", 1)
    postmaster = psutil.Process(int((two.data / "postmaster.pid").read_text().splitlines()[0]))
    silent = [
        child
        for child in postmaster.children()
        if "walreceiver" in " ".join(child.as_dict(["cmdline"])["cmdline"] or ())
    ]
    assert len(silent) == 1
    silent[0].suspend()
    try:
        await value(one, "CREATE TABLE kept AS SELECT 1 AS one")
        with pytest.raises(PostgresError, match="has not stopped"):
            one.stop_at_once(0.5)
        one.abort(20)
        one.start()
        assert await value(one, "SELECT one FROM kept") == 1
    finally:
        silent[0].resume()
