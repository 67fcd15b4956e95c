"""`parley flagger`, as an operator types it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.cli import app
from tests.conftest import PASSWORD, own_database


@pytest.fixture
def run(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command on a database of its own; returns what it prints."""
    with own_database(postgres) as dsn:
        monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
        monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))

        def command(*words: str, fails: bool = False) -> str:
            result = CliRunner().invoke(app, list(words))
            assert (result.exit_code != 0) == fails, result.output
            return result.output

        yield command
    asyncio.set_event_loop(asyncio.new_event_loop())


def test_a_flagger_is_trusted_listed_and_trusted_no_more(run) -> None:
    assert "Nobody is trusted" in run("flagger", "list")
    assert "no member called dora" in run("flagger", "add", "dora", fails=True)
    run("account", "create", "dora", "--email", "dora@example.org", "--password", PASSWORD)
    assert "@dora is a trusted flagger now." in run("flagger", "add", "@dora", "--note", "Safety Institute")
    listed = json.loads(run("flagger", "list", "--json"))["reporters"]
    assert [(one["username"], one["note"], one["muted_at"]) for one in listed] == [("dora", "Safety Institute", None)]
    assert listed[0]["reliability"] > 0.5
    assert json.loads(run("flagger", "remove", "dora", "--json"))["trusted"] is False
    assert json.loads(run("flagger", "list", "--json")) == {"reporters": []}
