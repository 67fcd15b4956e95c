"""`parley bank hashes` and `parley bank exchanges`, as an operator types them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.cli import app
from tests.conftest import own_database
from tests.media.known import jpeg, scene


@pytest.fixture
def run(postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command on a database of its own; returns what it prints."""
    with own_database(postgres) as dsn:
        monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
        monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
        monkeypatch.setenv("PARLEY_READ_PICTURES", "no")

        def command(*words: str, fails: bool = False) -> str:
            result = CliRunner().invoke(app, ["bank", *words])
            assert (result.exit_code != 0) == fails, result.output
            return result.output

        yield command
    asyncio.set_event_loop(asyncio.new_event_loop())


def test_a_bank_is_made_filled_asked_written_and_emptied(run, tmp_path: Path) -> None:
    picture, turned, other = (tmp_path / f"{name}.jpg" for name in ("known", "turned", "other"))
    picture.write_bytes(jpeg(scene(1)))
    turned.write_bytes(jpeg(scene(1).rotate(90, expand=True)))
    other.write_bytes(jpeg(scene(2)))
    assert "no clause" in run("hashes", "make", "bad", "--tier", "reject", "--clause", "77.1", fails=True)
    run("hashes", "make", "bad", "--tier", "reject", "--clause", "4.2", "--title", "Known pictures")
    assert json.loads(run("hashes", "add", "bad", str(picture), "--json"))["added"] > 15
    matches = json.loads(run("hashes", "check", str(turned), "--json"))["matches"]
    assert [(one["bank"], one["tier"], one["clause"]) for one in matches] == [("bad", "reject", "4.2")]
    assert "turned" in matches[0]["form"]
    assert "No bank knows" in run("hashes", "check", str(other))
    listed = json.loads(run("hashes", "list", "bad", "--json"))
    assert listed["banks"][0]["hashes"] == len(listed["entries"]) or len(listed["entries"]) == 20

    file = tmp_path / "bank.csv"
    run("hashes", "export", "bad", str(file))
    run("hashes", "make", "copy", "--tier", "hold", "--clause", "4.3")
    count = len(file.read_text().splitlines()) - 1
    assert json.loads(run("hashes", "import", "copy", str(file), "--json"))["added"] == count
    assert json.loads(run("hashes", "import", "copy", str(file), "--json"))["known"] == count

    run("hashes", "dispute", str(matches[0]["entry"]))
    after = json.loads(run("hashes", "check", str(turned), "--json"))["matches"]
    assert [one["bank"] for one in after] == ["copy"]
    run("hashes", "remove", "bad", str(matches[0]["entry"]))
    assert "no entry" in run("hashes", "remove", "bad", str(matches[0]["entry"]), fails=True)
    assert "No file was taken" in run("hashes", "evidence")


def test_a_list_with_bad_lines_is_imported_and_they_are_named(run, tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text(f"{'a' * 64}\nrubbish\n{'b' * 64}\n")
    run("hashes", "make", "bad", "--tier", "flag", "--clause", "4.1")
    done = json.loads(run("hashes", "import", "bad", str(file), "--type", "pdq", "--tag", "x", "--json"))
    assert (done["added"], [one["line"] for one in done["bad"]]) == (2, [2])
    assert "is not a kind of hash" in run("hashes", "import", "bad", str(file), "--type", "crc", fails=True)


def test_an_exchange_is_set_up_fetched_and_its_credentials_are_not_shown(run, tmp_path: Path) -> None:
    pytest.importorskip("threatexchange", reason="the extra `exchanges` is not installed")
    run("hashes", "make", "shared", "--tier", "quarantine", "--clause", "4.3")
    run("exchanges", "set", "try", "--api", "sample", "--bank", "shared")
    assert json.loads(run("exchanges", "fetch", "try", "--json"))["added"] > 10
    keys = tmp_path / "keys.json"
    keys.write_text('{"subscription_key": "s3cret", "fetch_function_key": "s3cret"}')
    run("exchanges", "set", "ncii", "--api", "stopncii", "--bank", "shared", "--credentials", str(keys), "--off")
    listed = run("exchanges", "list", "--json")
    assert "s3cret" not in listed
    found = {one["name"]: one["has_credentials"] for one in json.loads(listed)["exchanges"]}
    assert found == {"try": False, "ncii": True}
    run("exchanges", "remove", "try")
    assert "There is no exchange" in run("exchanges", "fetch", "try", fails=True)
