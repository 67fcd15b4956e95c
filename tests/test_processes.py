"""Starting, stopping, being killed and coming back: whole instances in processes of their own."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.live import LiveServer


@pytest.fixture
def server() -> Iterator[LiveServer]:
    """An instance of this test's own."""
    with LiveServer.started() as started:
        yield started


def family(server: LiveServer) -> list[psutil.Process]:
    """Every process of the instance: the watcher, its children, and the embedded database's."""
    assert server.process is not None
    watcher = psutil.Process(server.process.pid)
    postmaster = int((server.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])
    database = psutil.Process(postmaster)
    return [watcher, *watcher.children(recursive=True), database, *database.children(recursive=True)]


def test_a_kill_of_everything_loses_nothing_that_was_acknowledged(server: LiveServer) -> None:
    server.account("alice")
    token = server.token("alice")
    headers = {"Authorization": f"Bearer {token}"}
    posted = []
    with httpx.Client(base_url=server.base_url, headers=headers) as client:
        for number in range(30):
            posted.append(client.post("/api/v1/statuses", json={"status": f"number {number}"}).json()["id"])
    for process in family(server):
        with contextlib.suppress(psutil.NoSuchProcess):  # the watcher's children end with it
            process.send_signal(signal.SIGKILL)
    assert server.process is not None
    server.process.wait(10)
    server.start()
    with httpx.Client(base_url=server.base_url, headers=headers) as client:
        for status_id in posted:
            assert client.get(f"/api/v1/statuses/{status_id}").status_code == 200
        # What was queued is not lost either: the author's own home fills up.
        for _ in range(100):
            home = [status["id"] for status in client.get("/api/v1/timelines/home", params={"limit": 40}).json()]
            if home == posted[::-1]:
                break
            time.sleep(0.2)
        assert home == posted[::-1]


def test_a_kill_of_the_watcher_leaves_no_orphans_and_it_starts_again(server: LiveServer) -> None:
    processes = [process for process in family(server) if process.name() != "postgres"]
    assert server.process is not None
    server.process.kill()
    server.process.wait(10)
    _, alive = psutil.wait_procs(processes, timeout=15)
    assert [process.cmdline() for process in alive] == []
    server.start()
    assert httpx.get(f"{server.base_url}/health").status_code == 200


def test_stopping_is_clean_and_ends_every_process(server: LiveServer) -> None:
    processes = family(server)
    assert server.stop() == 0
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert alive == []
    assert "Parley has stopped." in server.log.read_text()
    assert "shut down" in (server.folder / "postgres" / "log").read_text().splitlines()[-1]


def test_two_instances_on_one_machine_do_not_collide(server: LiveServer) -> None:
    with LiveServer.started() as other:
        server.account("alice")
        other.account("bob")
        assert httpx.get(f"{server.base_url}/api/v1/accounts/lookup", params={"acct": "alice"}).status_code == 200
        assert httpx.get(f"{server.base_url}/api/v1/accounts/lookup", params={"acct": "bob"}).status_code == 404
        assert httpx.get(f"{other.base_url}/api/v1/accounts/lookup", params={"acct": "bob"}).status_code == 200


def test_a_second_instance_in_the_same_folder_is_refused_with_a_sentence(server: LiveServer) -> None:
    second = LiveServer(server.folder)
    result = subprocess.run(
        [sys.executable, "-m", "parley.cli", "up"], env=second.environment, capture_output=True, text=True, timeout=30
    )
    assert result.returncode == 1
    assert "PARLEY_DATA_DIR" in result.stderr
    assert httpx.get(f"{server.base_url}/health").status_code == 200


def test_a_port_in_use_is_refused_with_a_sentence(server: LiveServer) -> None:
    with tempfile.TemporaryDirectory(prefix="parley-test-") as folder:
        second = LiveServer(Path(folder), PARLEY_PORT=str(server.port))
        result = subprocess.run(
            [sys.executable, "-m", "parley.cli", "up"],
            env=second.environment,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert result.returncode == 1
    assert "PARLEY_PORT" in result.stderr


def test_a_wrong_setting_stops_the_start_with_a_sentence() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "parley.cli", "up"],
        env={**os.environ, "PARLEY_REGISTRATIONS": "sometimes"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.returncode == 1
    assert "PARLEY_REGISTRATIONS" in result.stderr
    assert "sometimes" in result.stderr


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"PARLEY_HOST": "192.0.2.1"}, ["192.0.2.1", "PARLEY_HOST"]),
        ({"PARLEY_HOST": "no such host"}, ["no such host", "PARLEY_HOST"]),
        ({"PARLEY_DATA_DIR": "/proc/parley"}, ["/proc/parley", "PARLEY_DATA_DIR"]),
        ({"PARLEY_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}, ["PARLEY_DATABASE_URL"]),
    ],
)
def test_what_only_the_machine_knows_to_be_wrong_stops_the_start_with_a_sentence_too(
    wrong: dict[str, str], words: list[str], tmp_path: Path
) -> None:
    tried = LiveServer(tmp_path, **wrong)
    result = subprocess.run(
        [sys.executable, "-m", "parley.cli", "up"],
        env=tried.environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in result.stderr


def test_the_first_start_says_how_to_become_the_owner(server: LiveServer) -> None:
    text = server.log.read_text()
    assert server.base_url in text
    assert "--role owner" in text
    assert "mail" in text
    assert "RATE LIMITS ARE OFF" in text


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become another user"
)
def test_an_ordinary_user_can_run_it_too() -> None:
    nobody = pwd.getpwnam("nobody")
    folder = Path(tempfile.mkdtemp(prefix="parley-live-"))
    folder.chmod(0o777)
    server = LiveServer(folder, HOME=str(folder))
    # An ordinary user who may read this checkout and its Python wherever they lie, and nothing else of root's power.
    become = ("setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups")
    reading = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    try:
        server.start(prefix=(*become, *reading))
        assert httpx.get(f"{server.base_url}/health").status_code == 200
        assert {process.username() for process in family(server)} == {"nobody"}
        assert server.stop() == 0
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_command_line_makes_accounts_roles_and_tokens(server: LiveServer) -> None:
    made = server.account("alice", role="owner")
    assert made["username"] == "alice"
    assert made["role"] == "owner"
    token = server.parley("token", "create", "alice", "--scopes", "read write:statuses", "--app", "Script")
    client = httpx.Client(base_url=server.base_url, headers={"Authorization": f"Bearer {token['access_token']}"})
    assert client.get("/api/v1/accounts/verify_credentials").json()["id"] == made["id"]
    assert client.post("/api/v1/statuses", json={"status": "from a script"}).status_code == 200
    assert client.post(f"/api/v1/accounts/{made['id']}/note", json={"comment": "x"}).status_code == 403
    server.account("bob")
    assert server.parley("account", "role", "bob", "moderator") == {"username": "bob", "role": "moderator"}
    with pytest.raises(RuntimeError, match="alice"):
        server.account("alice")
    with pytest.raises(RuntimeError, match="nobody_here"):
        server.parley("token", "create", "nobody_here")


def test_a_database_of_ones_own_is_used_instead_of_the_embedded_one(postgres: str) -> None:
    from tests.conftest import own_database

    with own_database(postgres) as dsn, LiveServer.started(PARLEY_DATABASE_URL=dsn) as server:
        server.account("alice")
        assert not (server.folder / "postgres").exists()
        assert httpx.get(f"{server.base_url}/api/v1/accounts/lookup", params={"acct": "alice"}).status_code == 200
