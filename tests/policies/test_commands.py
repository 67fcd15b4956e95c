"""The commands, run as an operator runs them, beside a server that serves."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import PASSWORD
from tests.live import LiveServer
from tests.policies.conftest import SMALL, STRICTER, small

Run = Callable[..., Any]
Post = Callable[[str], dict[str, Any]]
WHO = ("--clause", "7.3", "--as", "mod_mia")


@pytest.fixture(scope="module")
def server() -> Iterator[LiveServer]:
    with LiveServer.started(PARLEY_POLICY_DIR=str(SMALL), PARLEY_EMAIL_CONFIRMATION="no") as made:
        yield made


@pytest.fixture(scope="module")
def run(server: LiveServer) -> Run:
    def call(*words: str, code: int = 0, text: str | None = None) -> Any:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("parley")), *words],
            env=server.environment,
            cwd=server.folder,
            input=text,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout) if "--json" in words and code == 0 else done.stdout + done.stderr

    for name, role in (("alice", "admin"), ("mod_mia", "moderator"), ("bob", "member")):
        call("account", "create", name, "--email", f"{name}@mail.example", "--role", role, "--password", PASSWORD)
    return call


@pytest.fixture(scope="module")
def post(server: LiveServer, run: Run) -> Callable[[str], dict[str, Any]]:
    token = run("token", "create", "bob", "--scopes", "read write", "--json")["access_token"]

    def send(text: str) -> dict[str, Any]:
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.post(f"{server.base_url}/api/v1/statuses", json={"status": text}, headers=headers)
        return {"code": answer.status_code, **answer.json()}

    return send


def until(check: Callable[[], bool], seen: Callable[[], str] = str) -> None:
    for _ in range(100):
        if check():
            return
        time.sleep(0.1)
    raise AssertionError(f"it did not happen: {seen()}")


def test_an_entry_that_a_command_adds_judges_in_every_process_of_the_server(
    server: LiveServer, post: Post, run: Run
) -> None:
    assert post("see evil.example/1 https://evil.example/1")["code"] == 200
    added = run("bank", "add", "links", "evil.example", "--tier", "reject", *WHO, "--json")
    assert added["revision"] == 1
    last: list[dict[str, Any]] = []

    def refused_everywhere() -> bool:
        last[:] = [post("https://evil.example/0")]
        while last[-1]["code"] == 422 and len(last) < 6:
            last.append(post(f"https://evil.example/{len(last)}"))
        return last[-1]["code"] == 422

    until(refused_everywhere, lambda: f"{last[-1]}\n{server.log.read_text()[-3000:]}")
    assert "is not a member of the staff" in run("bank", "remove", "links", "evil.example", "--as", "bob", code=1)
    run("bank", "remove", "links", "evil.example", "--as", "mod_mia")
    until(lambda: all(post(f"again https://evil.example/{n}")["code"] == 200 for n in range(6)))


def test_lists_are_tried_dry_imported_whole_and_exported(run: Run, tmp_path: Path) -> None:
    blocks = tmp_path / "blocks.csv"
    header = "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
    rows = "bad.example,suspend,False,False,spam,False\nloud.example,silence,True,False,,False\n"
    blocks.write_text(header + rows)
    words = (
        "bank",
        "import",
        str(blocks),
        "--format",
        "mastodon-domains",
        "--clause",
        "7.3",
        "--as",
        "mod_mia",
        "--json",
    )
    assert run(*words, "--dry-run")["added"] == 2
    assert run("bank", "list", "links", "--text", "bad", "--json")["entries"] == []
    assert run(*words)["revision"]
    assert run("bank", "export", "links", "--format", "mastodon-domains", "--json")["list"] == header + rows
    blocks.write_text(header + rows + "not a domain,suspend,,,,\n")
    said = run(*words, code=1)
    assert "Nothing was imported, 1 lines are wrong" in said
    assert "line 4: 'not a domain' is not a domain" in said
    assert run(*words, "--skip-wrong")["skipped"] == 1
    assert "cannot be read" in run("bank", "import", "/nowhere", "--format", "hosts", *WHO, code=1)
    phrases = "phrase,tier\nmagic beans,reject\n"
    words = ("bank", "import", "-", "--format", "words", *WHO, "--json")
    assert run(*words, text=phrases)["added"] == 1


def test_whom_a_new_entry_means_among_the_members_is_planned_and_shown_with_the_sweeps(run: Run) -> None:
    said = run("bank", "add", "emails", "mail.example", *WHO, "--name", "our mails")
    assert "Whom it means among those who are here: parley bank members 'our mails'" in said
    assert "They come before the moderators as cases (parley sweep list)" in said
    found: list[dict[str, Any]] = []

    def has_one() -> bool:
        found[:] = run("sweep", "list", "--json")["members"]
        return bool(found)

    until(has_one)
    assert (found[0]["entries"], found[0]["members"]) == (1, 3)
    assert "of about 3 members looked at" in run("sweep", "list")
    assert run("sweep", "status", found[0]["id"], "--json")["members"] == 3
    assert "There is no such sweep" in run("sweep", "status", "1", code=1)
    assert "There is no such sweep" in run("sweep", "approve", found[0]["id"], "--by", "alice", code=1)
    run("bank", "remove", "emails", "our mails", "--as", "mod_mia")


def test_a_policy_is_compared_proposed_approved_and_activated(post: Post, run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "stricter"
    folder.mkdir()
    for name, content in small(**STRICTER).items():
        (folder / name).write_bytes(content)
    changes = run("policy", "diff", "live", str(folder), "--json")
    assert [(c["part"], c["name"], c["stops"]) for c in changes["changes"] if c["part"] == "rule"] == [
        ("rule", "four-tags", True)
    ]
    assert [(c["case"], c["old"], c["new"]) for c in changes["cases"]] == [("four", "allow", "hold")]
    sha256 = run("policy", "propose", str(folder), "--as", "alice", "--json")["sha256"]
    assert "run `parley policy backtest" in run("policy", "activate", sha256[:12], "--as", "alice", code=1)
    run("policy", "approve", sha256[:12], "--as", "mod_mia")
    done = run("policy", "activate", sha256[:12], "--as", "alice", "--emergency", "a raid", "--json")
    assert done["needs_second"] is True
    until(lambda: post("a day out #sun #sea #sand #salt").get("moderation", {}).get("state") == "held")
    versions = run("policy", "versions", "--json")["versions"]
    assert [(v["live"], v["approved_by"]) for v in versions if v["sha256"] == sha256] == [(True, ["mod_mia"])]
    assert "EMERGENCY, without a backtest: a raid" in run("policy", "versions")


def test_a_policy_is_tested_shown_and_explained(run: Run) -> None:
    done = run("policy", "test", str(SMALL), "--json")
    assert (done["failed"], done["passed"]) == (0, len(done["cases"]))
    assert "12 of 12 tests pass" in run("policy", "test", str(SMALL))
    said = run("policy", "explain", "get ch3ap p1lls here", "--policy", str(SMALL))
    assert "HOLD under rule 7.3 (Spam)" in said
    assert '"ch3ap p1lls", disguised, in the text (cheap-pills, rule 7.3)' in said
    assert "what each signal took" in said
    for named in ("shipped", "live", str(SMALL)):
        assert "is valid" in run("policy", "check", named)
    assert "does not exist" in run("policy", "check", "./nowhere", code=1)
    found = run("policy", "explain", "cheap pills", "--policy", str(SMALL), "--account-age-days", "0", "--json")
    assert (found["outcome"], found["trust"]) == ("hold", "new")
    (words,) = [one for one in found["costs"] if one["signal"] == "words"]
    assert words["on"]
    assert words["us"] > 0
    assert words["version"] >= 1
    assert "cannot be judged" in run("policy", "explain", "x", "--policy", str(SMALL), "--kind", "song", code=1)
    assert "from 3: posts are limited for 7 days" in run("policy", "show", str(SMALL))
    assert "There is no version" in run("policy", "show", "abcdef123456", code=1)
    assert "words-hold" in run("policy", "rules")


def test_a_large_list_is_confirmed_at_the_command_line(run: Run, tmp_path: Path) -> None:
    blocks = tmp_path / "blocks.txt"
    blocks.write_text("\n".join(f"bad{number}.example" for number in range(501)))
    words = ("bank", "import", str(blocks), "--format", "domains", "--bank", "links", "--clause", "7.3")
    assert "would wait until a second one" in run(*words, "--as", "mod_mia", "--dry-run")
    said = run(*words, "--as", "mod_mia")
    assert "too much for one person" in said
    (draft,) = run("bank", "drafts", "list", "--json")["drafts"]
    assert (draft["entries"], draft["proposed_by"]) == (501, "mod_mia")
    assert f"confirm {draft['id']} --as NAME" in said
    assert "somebody else has to" in run("bank", "drafts", "confirm", draft["id"], "--as", "mod_mia", code=1)
    done = run("bank", "drafts", "confirm", draft["id"], "--as", "alice", "--json")
    assert (done["confirmed"], done["changed"]) == (True, 501)
    assert run("bank", "drafts", "list", "--json")["drafts"] == []
