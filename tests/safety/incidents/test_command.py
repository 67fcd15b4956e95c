"""`parley incident`, as an operator types it."""

from __future__ import annotations

import asyncio
import json

import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.kit.db import connect
from tests.conftest import PASSWORD, own_database


@pytest.fixture
def shell(postgres, tmp_path, monkeypatch):
    """Runs commands against a database of their own."""
    monkeypatch.chdir(tmp_path)
    with own_database(postgres) as dsn:
        monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
        monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
        runner = CliRunner()

        def run(*words: str, code: int = 0):
            done = runner.invoke(app, list(words))
            assert done.exit_code == code, done.output
            return json.loads(done.stdout.splitlines()[-1]) if "--json" in words and not code else done.output

        run("account", "create", "olga", "--email", "olga@example.org", "--role", "owner", "--password", PASSWORD)
        run("account", "create", "alice", "--email", "alice@example.org", "--password", PASSWORD)
        yield run, dsn


def _live(dsn: str) -> str:
    async def ask() -> str:
        connection = await connect(dsn)
        found = await connection.fetchval("SELECT ruleset FROM policy_activations ORDER BY id DESC LIMIT 1")
        await connection.close()
        return str(found)

    return asyncio.run(ask())


def test_an_incident_from_the_shell(shell) -> None:
    run, dsn = shell
    said = ("--title", "Unrest", "--why", "Calls for it", "--about", "#London")
    refused = run("incident", "declare", "riot", "--by", "alice", *said, code=1)
    assert "not a member of the staff" in refused
    before = run("incident", "list", "--json")
    assert before == {"incidents": []}
    ruleset = _live(dsn)
    declared = run("incident", "declare", "riot", "--by", "olga", *said, "--json")
    assert declared["state"] == "active"
    assert _live(dsn) != ruleset
    run("incident", "declare", "flood", "--by", "olga", *said, code=1)
    concluded = run("incident", "conclude", declared["id"], "--by", "olga", "--json")
    assert concluded["restored"] is True
    assert _live(dsn) == ruleset
    done = run("incident", "debrief", declared["id"], "--by", "olga", "--lessons", "Sooner.", "--json")
    assert done["lessons"] == "Sooner."
    assert "learned: Sooner." in run("incident", "list")
