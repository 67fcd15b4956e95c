"""Evidence packages: whole, signed, checked by one file of plain Python, and on record; nobody's who may not."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.kit.signing import fingerprint_of, public_key_of
from parley.safety.evidence.actions import capture_evidence, view_evidence
from parley.safety.evidence.law_views import NewDisclosure, NewPackage, NewRequest, Packed
from parley.safety.evidence.packing import pack_evidence
from parley.safety.evidence.requests import (
    decide_disclosure,
    end_request,
    list_disclosures,
    list_requests,
    propose_disclosure,
    register_request,
)
from parley.safety.log.views import Subject
from parley.social.accounts.views import Viewer
from tests.clients.pictures import draw_png
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.evidence.test_retention import OPEN_CASE, change, staff
from tests.shape.source import ROOT
from tools import parley_verify

THREAT = 'I shall <script>alert("x")</script> find you'
DECISION = """
    INSERT INTO decisions (case_id, account_id, kind, automated_detection, automated_decision, source, clause,
        policy_sha256, ruleset, facts, reasons)
    VALUES ($1, $2, 'decision', false, false, 'user', '1.1', 'x', 'x', 'He wrote a threat.', 'Threats are forbidden.')
    RETURNING id
"""
ACTION = """
    INSERT INTO decision_actions (decision_id, account_id, kind, subject_type, subject_id)
    VALUES ($1, $2, 'remove', 'status', $3)
"""


async def _case(world: World) -> int:
    """A case with a picture, a thread, a decision; returns its id."""
    first = await world.post("bob", "hello everybody")
    author = await world.client("spam_sam")
    uploaded = await author.post(
        "/api/v2/media", files={"file": ("a.png", draw_png(4), "image/png")}, data={"description": "a knife"}
    )
    await world.run_jobs()
    media_id = uploaded.json()["id"]
    status = await world.post("spam_sam", THREAT, in_reply_to_id=first["id"], media_ids=[media_id])
    sam = world.ids["spam_sam"]
    case_id = await change(world, OPEN_CASE, sam)
    await change(
        world,
        "INSERT INTO case_subjects (case_id, subject_type, subject_id, severity, source) "
        "VALUES ($1, 'status', $2, 0, 'user')",
        case_id,
        int(status["id"]),
    )
    async with world.instance.db.write() as tx:
        await capture_evidence(tx, Subject("status", int(status["id"])), case_id=case_id, why="it was reported")
    decision = await change(world, DECISION, case_id, sam)
    await change(world, ACTION, decision, sam, int(status["id"]))
    return int(case_id)


async def _pack(world: World, target: Path, **values: Any) -> Packed:
    if "case_id" not in values and "account_id" not in values and "disclosure_id" not in values:
        values["case_id"] = await _case(world)
    return await pack_evidence(world.instance, await staff(world), NewPackage(**values), target)


def _run(path: Path, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(ROOT / "tools" / "parley_verify.py"), str(path), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout + done.stderr


async def test_a_package_of_a_case_is_whole_and_checked_without_us(world: World, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    packed = await _pack(world, path)
    assert (packed.snapshots, packed.files, packed.missing) == (1, 2, 0)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == packed.sha256
    fingerprint = fingerprint_of(public_key_of(world.settings))
    code, said = _run(path, "--key", fingerprint)
    assert code == 0, said
    assert "1 snapshots stand in the log" in said
    assert _run(path, "--key", "0" * 64)[0] == 1
    with zipfile.ZipFile(path) as package:
        names = set(package.namelist())
        evidence = json.loads(package.read("evidence.json"))
        page = package.read("report.html").decode()
        readme = package.read("README.txt").decode()
        snapshot = evidence["snapshots"][0]
        content = json.loads(package.read(snapshot["path"]))
        assert package.read("parley_verify.py") == (ROOT / "tools" / "parley_verify.py").read_bytes()
        entries = [json.loads(line) for line in package.read("log/entries.jsonl").splitlines()]
    assert {"manifest.json", "manifest.sig.json", "log/head.json"} <= names
    assert len([name for name in names if name.startswith("files/")]) == 2
    assert content["status"]["text"] == THREAT
    assert content["context"][0]["status"]["text"] == "hello everybody"
    assert evidence["decisions"][0]["facts"] == "He wrote a threat."
    assert evidence["decisions"][0]["actions"][0]["kind"] == "remove"
    assert evidence["subscriber"] is None
    assert "decided_by" not in json.dumps(evidence), "who decided is told to no host"
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "hello everybody" in page
    assert content["status"]["media"][0]["description"] == "a knife"
    assert "a knife" in page
    assert "Threats are forbidden." in page
    assert fingerprint in readme
    tables = {json.loads(one["body"]).get("table") for one in entries}
    assert {"evidence_snapshots", "evidence_files", "evidence_captures", "decision_actions"} <= tables
    assert not tables & {"reports", "case_notes", "decisions"}
    assert not list(tmp_path.glob(".*"))
    async with world.instance.db.read() as tx:
        body = await tx.fetchval("SELECT body::jsonb FROM moderation_events WHERE type = 'evidence_packed'")
    assert body["payload"]["package_sha256"] == packed.sha256
    await assert_audit_holds(world)


async def test_a_package_for_a_court_tells_what_the_staff_did_and_one_for_ncmec_has_a_draft(
    world: World, tmp_path: Path
) -> None:
    case_id = await _case(world)
    await _pack(world, tmp_path / "court.zip", case_id=case_id, audience="court")
    with zipfile.ZipFile(tmp_path / "court.zip") as package:
        bodies = [json.loads(json.loads(line)["body"]) for line in package.read("log/entries.jsonl").splitlines()]
    assert "decisions" in {body.get("table") for body in bodies}
    assert not [body for body in bodies if (body.get("actor") or {}).get("type") in ("member", "public")]
    await _pack(world, tmp_path / "ncmec.zip", case_id=case_id, audience="ncmec")
    assert _run(tmp_path / "ncmec.zip")[0] == 0
    with zipfile.ZipFile(tmp_path / "ncmec.zip") as package:
        report = ElementTree.fromstring(package.read("cybertipline-draft.xml"))
    assert [child.tag for child in report] == [
        "incidentSummary",
        "internetDetails",
        "reporter",
        "personOrUserReported",
        "additionalInfo",
    ]
    assert [child.tag for child in report.find("incidentSummary") or ()] == ["incidentType", "incidentDateTime"]
    person = report.find("personOrUserReported")
    assert person is not None
    assert [child.tag for child in person] == ["espIdentifier", "espService", "screenName", "profileUrl"]


async def test_a_package_of_an_account_has_all_that_it_wrote(world: World, tmp_path: Path) -> None:
    for number in range(3):
        await world.post("spam_sam", f"post number {number}")
    gone = await world.post("spam_sam", "deleted since")
    await (await world.client("spam_sam")).delete(f"/api/v1/statuses/{gone['id']}")
    packed = await _pack(world, tmp_path / "account.zip", account_id=world.ids["spam_sam"])
    assert packed.snapshots == 6, "the account, its profile, three posts and the deleted one"
    assert _run(tmp_path / "account.zip")[0] == 0


Files = dict[str, bytes]


def _rewrite(path: Path, change: Callable[[Files], Any]) -> None:
    with zipfile.ZipFile(path) as package:
        files = {name: package.read(name) for name in package.namelist()}
    change(files)
    with zipfile.ZipFile(path, "w") as package:
        for name, content in files.items():
            package.writestr(name, content)


def _edit(files: Files, start: str, old: bytes, new: bytes) -> None:
    name = next(name for name in files if name.startswith(start))
    assert old in files[name]
    files[name] = files[name].replace(old, new)


FORGERIES: dict[str, Callable[[Files], Any]] = {
    "a changed snapshot": lambda files: _edit(files, "snapshots/", b"find you", b"help you"),
    "a changed picture": lambda files: _edit(files, "files/", b"PNG", b"GNP"),
    "a changed report": lambda files: _edit(files, "report.html", b"threat", b"poem"),
    "a changed manifest": lambda files: _edit(files, "manifest.json", b'"audience"', b'"audient"'),
    "a removed file": lambda files: files.pop(next(name for name in files if name.startswith("files/"))),
    "an added file": lambda files: files.update({"files/more.png": b"x"}),
    "a changed entry of the log": lambda files: _edit(files, "log/entries.jsonl", b"remove", b"ignore"),
    "another head": lambda files: _edit(files, "log/head.json", b'"signature":"', b'"signature":"00'),
    "another signature": lambda files: files.update(
        {"manifest.sig.json": json.dumps({**json.loads(files["manifest.sig.json"]), "signature": "00" * 64}).encode()}
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
async def test_a_changed_package_is_refused(world: World, tmp_path: Path, name: str) -> None:
    path = tmp_path / "evidence.zip"
    await _pack(world, path)
    _rewrite(path, FORGERIES[name])
    assert parley_verify.verify(str(path)).problems


async def test_evidence_that_never_stood_in_the_log_is_refused_even_when_signed(world: World, tmp_path: Path) -> None:
    """Whoever has the key, but not the log, cannot make evidence up."""
    from parley.kit.signing import sign

    path = tmp_path / "evidence.zip"
    await _pack(world, path)

    def make_up(files: Files) -> None:
        name = next(name for name in files if name.startswith("snapshots/"))
        files[name] = files[name].replace(b"find you", b"kill you")
        digest = hashlib.sha256(files[name]).hexdigest()
        evidence = json.loads(files["evidence.json"])
        evidence["snapshots"][0]["sha256"] = digest
        files["evidence.json"] = json.dumps(evidence).encode()
        manifest = json.loads(files["manifest.json"])
        for one in manifest["files"]:
            one["sha256"] = hashlib.sha256(files[one["path"]]).hexdigest()
            one["size_bytes"] = len(files[one["path"]])
        files["manifest.json"] = json.dumps(manifest).encode()
        seal = {
            **json.loads(files["manifest.sig.json"]),
            "signature": sign(world.settings, files["manifest.json"]).hex(),
        }
        files["manifest.sig.json"] = json.dumps(seal).encode()

    _rewrite(path, make_up)
    problems = parley_verify.verify(str(path)).problems
    assert [problem for problem in problems if "no entry of the log has this content" in problem]


async def test_a_copy_that_was_changed_is_not_packed(world: World, tmp_path: Path) -> None:
    case_id = await _case(world)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        name = await tx.fetchval("SELECT kept_as FROM evidence_files WHERE kept_as IS NOT NULL LIMIT 1")
    await world.instance.files.evidence.put(name, b"something else")
    with pytest.raises(Invalid, match="changed since it was kept"):
        await _pack(world, tmp_path / "evidence.zip", case_id=case_id)
    assert not list(tmp_path.glob("*.zip*")) + list(tmp_path.glob(".*")), "no half package is left"
    from parley.safety.evidence.checking import verify_files

    problems, read = await verify_files(world.instance)
    assert (read, [problem.kind for problem in problems]) == (2, ["changed_file"])
    await world.instance.files.evidence.delete(name)
    assert [problem.kind for problem in (await verify_files(world.instance))[0]] == ["missing_file"]


async def test_handing_out_takes_two_people_and_the_file_goes_on_record(world: World, tmp_path: Path) -> None:
    case_id = await _case(world)
    moderator, admin = await staff(world, "mod_max", "moderator"), await staff(world)
    other = await staff(world, "adam", "owner")
    member = Viewer(account_id=world.ids["bob"], username="bob")
    async with world.instance.db.write() as tx:
        request = await register_request(
            tx,
            moderator,
            NewRequest(kind="disclosure", authority="District court", reference="7 Js 12/26", case_id=case_id),
        )
        new = NewDisclosure(
            recipient="District court",
            basis="order 7 Js 12/26",
            what="the threat and its author",
            request_id=request.id,
            account_id=world.ids["spam_sam"],
            subscriber=True,
        )
        with pytest.raises(NotFound):
            await propose_disclosure(tx, member, new)
        with pytest.raises(NotFound):
            await list_requests(tx, member)
        with pytest.raises(NotFound):
            await list_disclosures(tx, member)
        proposed = await propose_disclosure(tx, admin, new)
    package = NewPackage(disclosure_id=proposed.id, audience="court")
    with pytest.raises(Forbidden):
        await pack_evidence(world.instance, admin, package, tmp_path / "early.zip")
    with pytest.raises(Forbidden):
        await pack_evidence(world.instance, moderator, NewPackage(case_id=case_id), tmp_path / "alone.zip")
    with pytest.raises(NotFound):
        await pack_evidence(world.instance, member, NewPackage(case_id=case_id), tmp_path / "never.zip")
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden, match="yourself"):
            await decide_disclosure(tx, world.settings, admin, proposed.id, approve=True)
        with pytest.raises(Forbidden):
            await decide_disclosure(tx, world.settings, moderator, proposed.id, approve=True)
        approved = await decide_disclosure(tx, world.settings, other, proposed.id, approve=True)
    assert (approved.state, approved.single_handed) == ("approved", False)
    packed = await pack_evidence(world.instance, admin, package, tmp_path / "court.zip")
    with pytest.raises(Forbidden):
        await pack_evidence(world.instance, admin, package, tmp_path / "twice.zip")
    async with world.instance.db.write() as tx:
        sent = (await list_disclosures(tx, moderator, request_id=request.id))[0]
        assert (sent.state, sent.package_sha256, sent.package_bytes) == ("sent", packed.sha256, packed.size_bytes)
        ended = await end_request(tx, moderator, request.id, "answered", answer="handed out as ordered")
        with pytest.raises(Invalid):
            await end_request(tx, moderator, request.id, "withdrawn", answer="they changed their mind")
    assert ended.state == "answered"
    with zipfile.ZipFile(tmp_path / "court.zip") as file:
        evidence = json.loads(file.read("evidence.json"))
    assert evidence["subscriber"]["email"] == "spam_sam@example.org"
    assert _run(tmp_path / "court.zip")[0] == 0
    await assert_audit_holds(world)


async def test_a_members_mail_address_goes_out_by_a_registered_request_alone(world: World) -> None:
    await world.post("spam_sam", "hello")
    admin = await staff(world)
    new = NewDisclosure(
        recipient="a lawyer", basis="a letter", what="who is it", account_id=world.ids["spam_sam"], subscriber=True
    )
    case_id = await change(world, OPEN_CASE, world.ids["spam_sam"])
    other = NewDisclosure(
        recipient="a host",
        basis="their notice",
        what="the case",
        case_id=case_id,
        account_id=await world.account("bob"),
    )
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await propose_disclosure(tx, admin, new)
        with pytest.raises(Invalid, match="another account"):
            await propose_disclosure(tx, admin, other)


async def test_each_look_at_evidence_is_one_entry_in_the_log(world: World) -> None:
    case_id = await _case(world)
    moderator = await staff(world, "mod_max", "moderator")
    async with world.instance.db.write() as tx:
        views = await view_evidence(tx, moderator, case_id)
        with pytest.raises(NotFound):
            await view_evidence(tx, Viewer(account_id=world.ids["bob"], username="bob"), case_id)
        with pytest.raises(NotFound):
            await view_evidence(tx, moderator, 12345)
    assert [view.why for view in views] == ["it was reported"]
    assert views[0].content is not None
    assert views[0].content["status"]["text"] == THREAT
    assert len(views[0].files) == 2
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT actor_id, case_id FROM moderation_events WHERE type = 'evidence_viewed'")
    assert [tuple(row) for row in rows] == [(moderator.account_id, case_id)]
