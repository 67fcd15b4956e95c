"""The public page of transparency: what was published, as a page, as files, and by the command."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from base64 import b64decode
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from parley.cli import app
from parley.kit.signing import is_signed_by, public_key_of
from parley.safety.transparency.actions import publish_report
from parley.safety.transparency.reads import draft_report
from parley.safety.transparency.views import Report
from parley.web.transparency import hours_words, read_report, show_cell, write_html
from tests.conftest import World
from tests.safety.transparency.desk import today, yesterday

pytestmark = pytest.mark.usefixtures("_built_assets")


async def published(world: World) -> int:
    async with world.instance.db.write() as tx:
        report = await draft_report(tx, world.settings, None, yesterday(), yesterday(), suppress_below=5)
        return await publish_report(tx, world.settings, None, report)


async def test_anybody_sees_what_waits_now_before_any_report_is_published(world: World) -> None:
    page = await world.anonymous.get("/transparency")
    assert page.status_code == 200
    assert "None has been published yet." in page.text
    assert "Open cases" in page.text


async def test_a_published_report_is_a_page_with_a_table_for_each_plot(world: World) -> None:
    bad = await world.post("bob", "Shut up, said the fox")
    for name, rule in (("alice", "3.1"), ("carol", "1.1")):
        client = await world.client(name)
        answer = await client.post(
            "/api/v1/reports", json={"account_id": bad["account"]["id"], "status_ids": [bad["id"]], "rule_ids": [rule]}
        )
        assert answer.status_code == 200
    async with world.instance.db.read() as tx:
        report = await draft_report(tx, world.settings, None, today(), today())
    page = write_html(report)
    assert page.count('class="plot"') >= 1
    assert page.count('class="plot"') <= page.count("<table>")
    assert "Members" in page
    assert "the fox" not in page
    report_id = await published(world)
    page = (await world.anonymous.get(f"/transparency/{report_id}")).text
    assert "Figures about fewer than 5" in page
    assert (await world.anonymous.get("/transparency")).text.count(f"/transparency/{report_id}") >= 2


async def test_its_files_are_what_was_signed(world: World) -> None:
    report_id = await published(world)
    answer = await world.anonymous.get(f"/transparency/{report_id}.json")
    assert is_signed_by(public_key_of(world.settings), b64decode(answer.headers["parley-signature"]), answer.content)
    assert read_report(answer.content).domain == "localhost:3000"
    rows = list(csv.DictReader(io.StringIO((await world.anonymous.get(f"/transparency/{report_id}.csv")).text)))
    assert {row["table"] for row in rows} >= {"screening", "automated", "backlog"}
    with zipfile.ZipFile(io.BytesIO((await world.anonymous.get(f"/transparency/{report_id}.zip")).content)) as archive:
        names = archive.namelist()
        assert archive.read(names[0]) == answer.content
    assert {name.rpartition(".")[2] for name in names} == {"json", "sig", "pem", "txt"}


async def test_what_is_not_there_is_not_found(world: World) -> None:
    report_id = await published(world)
    for path in ("1", "x", f"{report_id}.exe", f"{report_id}.json.json", f"{report_id + 1}"):
        assert (await world.anonymous.get(f"/transparency/{path}")).status_code == 404


async def test_the_page_asks_few_queries(world: World) -> None:
    await published(world)
    with world.queries() as seen:
        await world.anonymous.get("/transparency")
    assert len(seen) <= 5


def test_figures_read_well() -> None:
    assert [hours_words(one) for one in (None, 0.005, 0.5, 3.25, 60)] == ["–", "18 s", "30 min", "3.2 h", "2.5 days"]
    assert [show_cell(*one) for one in ((None, "count"), (1234, "count"), (0.125, "percent"), ("<5", "count"))] == [
        *("–", "1,234", "12.5%", "<5")
    ]


def test_the_command_makes_publishes_and_lists_reports(dsn: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PARLEY_DATABASE_URL", dsn)
    monkeypatch.setenv("PARLEY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PARLEY_CONFIG", "")
    monkeypatch.delenv("PARLEY_CONFIG")
    days = ["--from", yesterday().isoformat(), "--to", yesterday().isoformat()]
    run = CliRunner()

    def call(*arguments: str) -> str:
        result = run.invoke(app, ["transparency", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    report = msgspec.json.decode(call("report", *days), type=Report)
    assert report.from_day == yesterday()
    file = tmp_path / "report.html"
    told = json.loads(call("report", *days, "--format", "html", "--out", str(file), "--publish", "--json"))
    assert told["published"].endswith(f"/transparency/{told['id']}")
    assert file.read_text().startswith("<!doctype html>")
    assert call("report", *days, "--format", "csv").startswith("instance,from,until,table,row,column,kind,value")
    assert json.loads(call("list", "--json"))["reports"][0]["id"] == told["id"]
    folder = tmp_path / "statements"
    assert json.loads(call("statements", *days, "--out", str(folder), "--json")) == {"statements": 0, "files": []}
    (folder / "old").touch()
    refused = run.invoke(app, ["transparency", "statements", *days, "--out", str(folder)])
    assert refused.exit_code == 1
    unknown = run.invoke(app, ["transparency", "address", "create", "Nobody"])
    assert unknown.exit_code == 1
    assert run.invoke(app, ["provider", "create", "Cloud Example", "--json"]).exit_code == 0
    url = json.loads(call("address", "create", "cloud example", "--json"))["url"]
    assert json.loads(call("address", "list", "--json")) == {"addresses": [{"provider": "Cloud Example", "url": url}]}
    assert json.loads(call("country", "Cloud Example", "ie", "--json"))["country"] == "IE"
    assert json.loads(call("address", "revoke", "Cloud Example", "--json"))["revoked"]
    assert json.loads(call("address", "list", "--json")) == {"addresses": []}
