"""A restore destroys nothing that was there before, and one that was cut off can neither be started nor be lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import obstore
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from parley.cli import app
from parley.hosting import restoring, unfinished
from parley.hosting.errors import SnapshotError
from parley.hosting.loading import MaybeLoaded
from parley.hosting.manifest import FOLDER, FileEntry, Index, encode_manifest
from parley.hosting.sealing import read_identity
from parley.hosting.unfinished import CLAIM, MARKER, SETTINGS_FILE, check_finished
from parley.hosting.verifying import check_index, verify_snapshot
from parley.kit.db import connect
from parley.kit.files import bucket_options
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import Settings
from parley.kit.signing import public_key_of
from tests.conftest import copied_database
from tests.hosting.stores import ENVIRONMENT, s3_server
from tests.hosting.test_snapshots import Saved, empty_dsn, filled, new_home, restore, saved

__all__ = ["empty_dsn", "filled", "saved"]


@pytest.fixture(scope="module")
def buckets() -> Iterator[str]:
    with s3_server("pictures") as url:
        yield url


@pytest.fixture
def bucket(buckets: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The bucket `pictures`, as one that is not Parley sees it."""
    from obstore.store import from_url

    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": buckets}.items():
        monkeypatch.setenv(name, value)
    return from_url("s3://pictures", client_options=bucket_options())


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the database's user may pass through, too."""
    with tempfile.TemporaryDirectory(prefix="parley-pg-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def names_in(bucket: Any, prefix: str) -> list[str]:
    return sorted(meta["path"] for batch in obstore.list(bucket, prefix) for meta in batch)


async def count_of(dsn: str, query: str = "SELECT count(*) FROM accounts") -> Any:
    connection = await connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def left_in(home: Settings) -> list[str]:
    """Names of the files in a data folder, but for the server's own."""
    server = home.path("postgres")
    files = (path for path in home.path().rglob("*") if path.is_file() and not path.is_relative_to(server))
    return sorted(path.name for path in files if path.name != "parley.lock")


# ---- What is in use ----------------------------------------------------------------------------------------------
async def test_a_bucket_in_use_is_refused_and_none_of_its_files_is_touched(
    saved: Saved, empty_dsn: str, tmp_path: Path, bucket: Any
) -> None:
    home = new_home(saved, empty_dsn, tmp_path, media_store="s3://pictures/old")
    await restore(saved, home)
    before = names_in(bucket, "old")
    assert len(before) == saved.manifest.files
    # Another machine, with the `media_store` of the old one: it ends before anything is read or written.
    again = msgspec.structs.replace(home, data_dir=tmp_path / "third", database_url="postgresql:///nowhere")
    with pytest.raises(SnapshotError, match=r"s3://pictures/old is not empty: there are files in \w+/.*another bucket"):
        await restore(saved, again)
    assert names_in(bucket, "old") == before
    assert left_in(again) == []


@pytest.mark.parametrize("area", ["media", "uploads", "evidence", "archives"])
async def test_a_data_folder_with_files_in_any_area_is_refused(
    saved: Saved, empty_dsn: str, tmp_path: Path, area: str
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    precious = home.path(area, "ab", "cd", "precious.jpg")
    precious.parent.mkdir(parents=True)
    precious.write_bytes(b"mine")
    with pytest.raises(SnapshotError, match=f"there are files in {area}/, such as ab/cd/precious.jpg"):
        await restore(saved, home)
    assert precious.read_bytes() == b"mine"
    assert await count_of(empty_dsn) == 0


async def test_an_error_takes_back_what_this_restore_made_and_nothing_else(
    saved: Saved, empty_dsn: str, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    obstore.put(bucket, "shared/notes.txt", b"not Parley's")
    home = new_home(saved, empty_dsn, tmp_path, media_store="s3://pictures/shared")

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "_write_settings", full)
        with pytest.raises(SnapshotError, match=r"taken away again.*No space left"):
            await restore(saved, home)
    assert names_in(bucket, "shared") == ["shared/notes.txt"]
    assert left_in(home) == []
    assert await count_of(empty_dsn) == 0
    await restore(saved, home)
    assert len(names_in(bucket, "shared")) == saved.manifest.files + 1


async def test_files_that_another_restore_claims_are_not_touched(
    saved: Saved, empty_dsn: str, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed here, emptied by hand, filled from elsewhere: the next try here must not take that for its own."""
    home = new_home(saved, empty_dsn, tmp_path, media_store="s3://pictures/taken")
    kill(saved, home, "FileStore.put", after=True)
    left = names_in(bucket, "taken")
    assert len(left) == 2 and f"taken/{CLAIM}" in left
    other = msgspec.structs.replace(home, data_dir=tmp_path / "other")
    with pytest.raises(SnapshotError, match="Another restore fills s3://pictures/taken"):
        await restore(saved, other)
    obstore.delete(bucket, left)
    await restore(saved, other)
    before = names_in(bucket, "taken")
    with pytest.raises(SnapshotError, match="is not empty"):
        await restore(saved, home)
    assert names_in(bucket, "taken") == before


async def test_a_database_with_tables_of_something_else_is_refused(
    saved: Saved, empty_dsn: str, postgres: str, tmp_path: Path
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    connection = await connect(empty_dsn)
    try:
        await connection.execute("CREATE TABLE invoices AS SELECT 1 AS n")
        with pytest.raises(SnapshotError, match="it has a table invoices"):
            await restore(saved, home)
        assert await connection.fetchval("SELECT count(*) FROM invoices") == 1
        await connection.execute("DROP TABLE invoices")
        await connection.execute("CREATE DATABASE of_others")
        others = empty_dsn.replace(connection._params.database, "of_others")
        inside = await connect(others)
        await inside.execute("CREATE TABLE accounts AS SELECT 1 AS n")
        with pytest.raises(SnapshotError, match="tables in it that are not Parley's"):
            await restore(saved, msgspec.structs.replace(home, database_url=others))
        assert await inside.fetchval("SELECT count(*) FROM accounts") == 1
        await inside.close()
        await connection.execute("DROP DATABASE of_others")
    finally:
        await connection.close()
    assert left_in(home) == []


# ---- Killed ------------------------------------------------------------------------------------------------------
DYING = """
import asyncio, inspect, os, signal, sys
from parley.hosting import loading, restoring, unfinished
from parley.kit.files import FileStore

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def dying(owner, name, after):
    real = getattr(owner, name)
    if inspect.iscoroutinefunction(real):
        async def wrapped(*args, **options):
            if after:
                await real(*args, **options)
            end()
    else:
        def wrapped(*args, **options):
            if after:
                real(*args, **options)
            end()
    setattr(owner, name, wrapped)

owner, name = sys.argv[1].split(".")
dying({"loading": loading, "restoring": restoring, "unfinished": unfinished, "FileStore": FileStore}[owner], name,
      sys.argv[2] == "after")
from parley.cli import app
app(sys.argv[3:])
"""

POINTS = [
    ("FileStore.put", True),
    ("restoring._write_keys", False),
    ("restoring.write_durably", True),  # the first key is there, the others are not
    ("loading._begin_epoch", True),  # all rows are there, not committed
    ("restoring._finish", False),  # committed
    ("unfinished.finish", False),
]


def environment(home: Settings) -> dict[str, str]:
    wanted = {
        "DATA_DIR": str(home.data_dir),
        "DATABASE_URL": home.database_url,
        "DOMAIN": home.domain,
        "MEDIA_STORE": home.media_store,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return {**kept, **{f"PARLEY_{name}": value for name, value in wanted.items() if value}}


def restore_command(saved: Saved) -> list[str]:
    key = saved.key.strip().splitlines()[-1]
    return ["snapshot", "restore", "--from", str(saved.folder), "--key", key, "--json"]


def kill(saved: Saved, home: Settings, point: str, *, after: bool) -> None:
    """Run `parley snapshot restore` and kill it there, as kill -9 does."""
    done = subprocess.run(
        [sys.executable, "-c", DYING, point, "after" if after else "before", *restore_command(saved)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, (point, done.stdout, done.stderr)


def assert_nothing_starts(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command that would make an instance of what lies there ends with what to do."""
    before = left_in(home)
    with monkeypatch.context() as patched:
        for name, value in environment(home).items():
            patched.setenv(name, value)
        for command in (["up"], ["serve"], ["work"], ["migrate"], ["snapshot", "key"], ["token", "create", "alice"]):
            said = CliRunner().invoke(app, command)
            assert said.exit_code == 1, command
            assert "is not finished, so nothing may start here" in said.stderr, (command, said.output)
            assert "parley snapshot restore --from" in said.stderr
    assert left_in(home) == before, "no key was made"


async def test_killed_at_any_point_it_cannot_be_started_and_is_restored_by_the_same_command(
    saved: Saved, postgres: str, template: str, tmp_path: Path, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = saved.world.settings
    for number, (point, after) in enumerate(POINTS):
        async with copied_database(postgres, template) as dsn:
            store = f"s3://pictures/point{number}"
            home = new_home(saved, dsn, tmp_path / str(number), media_store=store)
            kill(saved, home, point, after=after)
            was_committed = await count_of(dsn) > 0
            assert was_committed == (number >= 4), point
            if was_committed:
                assert home.path("signing.key").read_bytes() == old.path("signing.key").read_bytes(), point
            assert_nothing_starts(home, monkeypatch)
            done = await restore(saved, home)
            assert done.rows == saved.manifest.rows
            check_finished(home)
            for name in ("signing.key", "secret.key"):
                assert home.path(name).read_bytes() == old.path(name).read_bytes(), point
            assert len(names_in(bucket, f"point{number}")) == saved.manifest.files, "and no claim any more"
            assert await count_of(dsn) == await count_of(saved.world.instance.db.dsn)
            noted = await count_of(dsn, "SELECT count(*) FROM hosting_records WHERE kind = 'restored'")
            assert noted == 1, "it was restored once"
            assert not [name for name in left_in(home) if name.endswith(".new") or "unfinished" in name]
            assert SETTINGS_FILE in left_in(home)


@pytest.mark.parametrize(("point", "after"), [("loading._begin_epoch", True), ("restoring._finish", False)])
async def test_killed_with_the_embedded_server_it_is_restored_by_the_same_command(
    saved: Saved, open_folder: Path, monkeypatch: pytest.MonkeyPatch, point: str, after: bool
) -> None:
    """The server runs on after its restore was killed; the next one deals with it."""
    home = new_home(saved, "", open_folder)
    server = EmbeddedPostgres(home)
    try:
        kill(saved, home, point, after=after)
        assert server.is_running()
        assert_nothing_starts(home, monkeypatch)
        again = subprocess.run(
            [sys.executable, "-m", "parley.cli", *restore_command(saved)],
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert again.returncode == 0, again.stderr
        assert not server.is_running(), "the command leaves no server behind"
        assert public_key_of(home) == public_key_of(saved.world.settings)
        server.start()
        assert await count_of(server.dsn) == await count_of(saved.world.instance.db.dsn)
    finally:
        server.adopt()
        server.stop()


async def test_what_was_begun_is_not_gone_on_with_elsewhere(
    saved: Saved, empty_dsn: str, dsn: str, tmp_path: Path
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    kill(saved, home, "restoring._finish", after=False)
    with pytest.raises(SnapshotError, match="another database_url or media_store"):
        await restore(saved, msgspec.structs.replace(home, database_url=dsn))
    assert home.path(MARKER).exists()
    await restore(saved, home)


# ---- The commit --------------------------------------------------------------------------------------------------
async def test_a_connection_lost_at_the_commit_is_asked_about(
    saved: Saved, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)
    real = restoring.load_database

    async def before(*args: Any, **options: Any) -> None:
        raise MaybeLoaded("gone")

    async def after(*args: Any, **options: Any) -> None:
        await real(*args, **options)
        raise MaybeLoaded("gone")

    async def unreachable(*_: Any) -> bool:
        raise ConnectionError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "load_database", before)
        with pytest.raises(SnapshotError, match="lost before it had taken the rows"):
            await restore(saved, home)
    assert left_in(home) == []
    with monkeypatch.context() as patched:
        patched.setattr(restoring, "load_database", after)
        patched.setattr(restoring, "is_loaded", unreachable)
        with pytest.raises(restoring.Kept, match="not known whether it has them; nothing was taken"):
            await restore(saved, home)
        with pytest.raises(SnapshotError, match="cannot be reached, so nothing is done"):
            await restore(saved, home)
    assert home.path("signing.key").exists()
    assert await count_of(empty_dsn) > 0
    await restore(saved, home)
    check_finished(home)


async def test_rows_stay_with_their_keys_when_the_last_step_fails(
    saved: Saved, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = new_home(saved, empty_dsn, tmp_path)

    async def failing(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(restoring, "migrate", failing)
        with pytest.raises(SnapshotError, match=r"Everything of the snapshot is restored, and stays.*No space left"):
            await restore(saved, home)
    with pytest.raises(SnapshotError, match="is not finished"):
        check_finished(home)
    assert home.path("signing.key").exists()
    done = await restore(saved, home)
    assert done.rows == saved.manifest.rows
    check_finished(home)


# ---- What can be checked first -----------------------------------------------------------------------------------
def test_what_cannot_be_put_where_it_belongs_is_seen_before_anything_is_written(saved: Saved) -> None:
    from base64 import b64encode

    key = b64encode(saved.world.settings.path("signing.key").read_bytes()).decode()
    index = Index(tables=(), sequences={}, files=(), settings={}, keys={"signing.key": key})
    check_index(saved.manifest, index)
    at = saved.manifest.created_at
    for changes, said in (
        ({"keys": {"signing.key": key, "../evil": key}}, "knows no key ../evil"),
        ({"keys": {}}, "has no signing key"),
        ({"keys": {"signing.key": "AAAA"}}, "has no signing key"),
        ({"files": (FileEntry("attic", "x", "", 0, at, ""),)}, "no area attic"),
        ({"files": (FileEntry("media", "../../etc/passwd", "", 0, at, ""),)}, "no file names such as"),
    ):
        with pytest.raises(SnapshotError, match=said):
            check_index(saved.manifest, msgspec.structs.replace(index, **changes))


async def test_a_snapshot_that_somebody_else_signed_is_refused(saved: Saved, empty_dsn: str, tmp_path: Path) -> None:
    """Every hash fits, and so does the signature: but it is not that of the instance inside."""
    stranger = Ed25519PrivateKey.generate()
    signer = stranger.public_key().public_bytes_raw().hex()
    encoded = encode_manifest(msgspec.structs.replace(saved.manifest, signer=signer))
    folder = saved.folder / FOLDER / saved.manifest.snapshot
    (folder / "manifest.json").write_bytes(encoded)
    (folder / "manifest.sig").write_bytes(stranger.sign(encoded))
    home = new_home(saved, empty_dsn, tmp_path)
    with pytest.raises(SnapshotError, match="somebody else signed it"):
        await restore(saved, home)
    identity = read_identity(saved.key.strip().splitlines()[-1])
    with pytest.raises(SnapshotError, match="somebody else signed it"):
        await verify_snapshot(str(saved.folder), scratch=tmp_path, identity=identity)
    assert left_in(home) == []


async def test_a_disk_that_is_too_small_is_seen_first(
    saved: Saved, empty_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        free = 1000

    monkeypatch.setattr(restoring.shutil, "disk_usage", lambda _: Full)
    home = new_home(saved, empty_dsn, tmp_path)
    with pytest.raises(SnapshotError, match="Restore onto a larger disk"):
        await restore(saved, home)
    assert left_in(home) == []


def test_the_marker_names_no_password(tmp_path: Path) -> None:
    home = Settings(data_dir=tmp_path, database_url="postgresql://parley:hunter2@db/parley")
    unfinished.begin(home, run="r", snapshot="s", place="/backup", names=[])
    assert b"hunter2" not in home.path(MARKER).read_bytes()
    assert home.path(MARKER).stat().st_mode & 0o777 == 0o600
