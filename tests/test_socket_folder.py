"""The folder of the database's socket, where others may have been before us; and what others may see of the data."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from parley.kit.postgres import EmbeddedPostgres, PostgresError
from parley.kit.processes import lock_data_folder
from parley.kit.settings import Settings


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedPostgres]:
    """A server whose data lies so deep that its socket must be elsewhere."""
    shared = Path(tempfile.mkdtemp(prefix="parley-shared-"))  # a short path, as /tmp is
    shared.chmod(0o1777)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(shared))
    yield EmbeddedPostgres(Settings(data_dir=tmp_path / ("deep" * 25)))
    shutil.rmtree(shared, ignore_errors=True)


def test_a_link_in_place_of_the_folder_is_refused_and_what_it_leads_to_is_left_alone(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    before = target.stat()
    server.socket_dir.symlink_to(target)
    with pytest.raises(PostgresError, match="not a folder of ours"):
        server.start()
    after = target.stat()
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


def test_a_file_in_place_of_the_folder_is_refused(server: EmbeddedPostgres) -> None:
    server.socket_dir.write_text("")
    with pytest.raises(PostgresError, match="not a folder of ours"):
        server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_a_folder_of_somebody_else_is_refused(server: EmbeddedPostgres) -> None:
    server.socket_dir.mkdir()
    os.chown(server.socket_dir, 65533, 65533)
    with pytest.raises(PostgresError, match="uid 65533"):
        server.start()


def test_an_open_folder_of_an_earlier_start_is_closed(server: EmbeddedPostgres) -> None:
    server.socket_dir.mkdir()
    server.socket_dir.chmod(0o777)
    try:
        server.start()
        assert stat.S_IMODE(server.socket_dir.stat().st_mode) == 0o700
    finally:
        server.stop()


def test_nobody_else_can_list_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    lock_data_folder(settings).close()
    assert stat.S_IMODE(settings.path().stat().st_mode) & 0o066 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root could write where the database's user cannot")
def test_root_writes_nothing_through_links_in_the_folder_of_the_databases_user(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("untouched")
    secret.chmod(0o600)
    server = EmbeddedPostgres(Settings(data_dir=tmp_path / "data"))
    server.start()
    server.stop()
    folder = tmp_path / "data" / "postgres" / "data"
    (folder / "parley.conf").unlink()
    (folder / "parley.conf").symlink_to(secret)
    with pytest.raises(PostgresError, match="cannot be written"):
        server.start()
    assert secret.read_text() == "untouched"
    (folder / "parley.conf").unlink()
    try:
        server.start()
        assert (folder / "parley.conf").stat().st_uid == folder.stat().st_uid
    finally:
        server.stop()
    assert (folder / "postgresql.conf").read_text().count("include_if_exists = 'parley.conf'") == 1
