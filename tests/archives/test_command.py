"""`parley member export` and `import`: what members can do themselves, from the operator's shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.archives.helpers import note, zipped
from tests.conftest import PASSWORD, own_database


class Shell:
    """An instance's commands, over a database of their own."""

    def __init__(self, dsn: str, folder: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "PARLEY_DATABASE_URL": dsn,
            "PARLEY_DATA_DIR": str(folder / "data"),
            "PARLEY_DOMAIN": "localhost:3000",
            "PARLEY_READ_PICTURES": "false",
        }

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "parley.cli", *words]
        return subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True, check=False)

    def done(self, *words: str) -> dict[str, Any]:
        """The result of a command that must work."""
        ended = self.run(*words, "--json")
        assert ended.returncode == 0, ended.stderr + ended.stdout
        return json.loads(ended.stdout.strip().splitlines()[-1])


@pytest.fixture
def shell(postgres: str, tmp_path: Path) -> Any:
    with own_database(postgres) as dsn:
        made = Shell(dsn, tmp_path)
        for name in ("alice", "bob"):
            made.done("account", "create", name, "--email", f"{name}@example.org", "--password", PASSWORD)
        yield made


def test_an_operator_brings_a_file_and_an_archive_along_and_takes_them_away_again(shell: Shell) -> None:
    rows = shell.folder / "following_accounts.csv"
    rows.write_text("Account address,Show boosts,Notify on new posts,Languages\nbob,true,false,\nno@x.example,true,,\n")
    looked = shell.done("member", "import", "alice", str(rows), "--dry-run")
    assert (looked["kind"], looked["total"], looked["unknown"], looked["taken"]) == ("following", 2, 1, 0)
    failures = shell.folder / "failures.csv"
    took = shell.done("member", "import", "alice", str(rows), "--failures", str(failures))
    assert (took["state"], took["taken"], took["failed"]) == ("finished", 1, 1)
    assert failures.read_text().splitlines()[1:] == ["no@x.example,true,,"]

    old = shell.folder / "old.zip"
    old.write_bytes(zipped([note(1), note(2)]))
    took = shell.done("member", "import", "alice", str(old))
    assert (took["kind"], took["taken"], took["proof"]) == ("archive", 2, "claimed")

    made = shell.folder / "alice.zip"
    wrote = shell.done("member", "export", "alice", "--to", str(made), "--alias", "me@new.example")
    assert wrote["bytes"] == made.stat().st_size
    assert made.stat().st_mode & 0o077 == 0, "nobody else on the machine can read it"
    archive = zipfile.ZipFile(made)
    assert archive.read("csv/following_accounts.csv").splitlines()[1:] == [b"bob@localhost:3000,true,false,"]
    assert len(json.loads(archive.read("outbox.json"))["orderedItems"]) == 2


def test_what_cannot_be_done_ends_with_one_sentence(shell: Shell) -> None:
    made = shell.folder / "there.zip"
    made.write_bytes(b"something")
    for words, said in (
        (("member", "export", "alice", "--to", str(made)), "is there already"),
        (("member", "export", "nobody", "--to", str(shell.folder / "x.zip")), "nobody"),
        (("member", "import", "alice", str(shell.folder / "missing.csv")), "There is no file"),
        (("member", "import", "alice", str(made)), "Say with --kind"),
        (("member", "import", "alice", str(made), "--kind", "archive"), "damaged"),
    ):
        ended = shell.run(*words)
        assert ended.returncode == 1, (words, ended.stdout)
        assert said in ended.stderr, (words, ended.stderr)
        assert "Traceback" not in ended.stderr
    assert not (shell.folder / "x.zip").exists()
    assert made.read_bytes() == b"something"
