"""A host reports over HTTP, asks where it stands, and gets a signed answer for every URL."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import xarf
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from parley.kit.clock import time_travel
from tests.abuse.hosts import REPORTS, a_host, a_moderator, decide_about, mails_to
from tests.conftest import World


def xarf4(url: str, **more: Any) -> dict[str, Any]:
    """A report about one URL, with the harm in a tag, as the format has no type for it."""
    return {
        "xarf_version": "4.2.0",
        "report_id": "5d0d2b76-9c3c-4b9e-9d3a-6c1f2b1a7e10",
        "timestamp": "2026-11-20T10:00:00Z",
        "reporter": {"org": "Heavy Metal Hosting", "contact": "abuse@host.example", "domain": "host.example"},
        "sender": {"org": "Heavy Metal Hosting", "contact": "abuse@host.example", "domain": "host.example"},
        "source_identifier": "192.0.2.7",
        "category": "content",
        "type": "violent_content",
        "url": url,
        "tags": ["harm:incitement"],
        "description": "A call to violence",
        **more,
    }


async def test_a_xarf_report_is_taken_and_answered_when_it_is_decided(world: World) -> None:
    status = await world.post("spam_sam", "a rather plain post")
    host = await a_host(world, contact_mail="abuse@host.example")
    mia = await a_moderator(world)

    sent = await host.send(xarf4(status["url"], case_id="HMH-77"))
    assert sent.status_code == 202, sent.text
    taken = sent.json()
    assert taken["status"] == "QUEUED"
    assert taken["reason"] == "awaiting_review"
    assert taken["rule"] == "1.1"
    assert taken["reference"] == "HMH-77"
    assert taken["acknowledged_at"]
    assert [(one["url"], one["found"], one["outcome"]) for one in taken["urls"]] == [
        (status["url"], "status", "waiting")
    ]
    assert taken["urls"][0]["subjects"] == [{"type": "status", "id": status["id"], "outcome": "waiting"}]
    assert sent.headers["location"].endswith(f"{REPORTS}/{taken['id']}")

    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    done = await host.ask(taken["id"])
    assert (done["status"], done["reason"]) == ("COMPLETED", "action_taken")
    line = done["urls"][0]
    assert line["outcome"] == "removed"
    assert line["rule"] == "1.1"
    assert line["in_time"] is True
    assert line["received_at"] <= line["first_action_at"] <= line["resolved_at"]

    response = done["responses"][0]
    key = await host.client.get("/api/abuse/v1/key")
    public = base64.b64decode(key.json()["key"])
    assert key.json()["fingerprint"] == hashlib.sha256(public).hexdigest() == response["key"]
    Ed25519PublicKey.from_public_bytes(public).verify(
        base64.b64decode(response["signature"]), response["contents"].encode()
    )
    assert json.loads(response["contents"])["urls"][0]["outcome"] == "removed"

    [mail] = mails_to(world, "abuse@host.example")
    assert "HMH-77" in mail["Subject"]
    attached = {part.get_filename(): part.get_payload(decode=True) for part in mail.iter_attachments()}
    assert attached["answer.json"].decode() == response["contents"]
    assert base64.b64encode(attached["answer.json.sig"]).decode() == response["signature"]


def examples_of_the_format() -> list[dict[str, Any]]:
    """The specification's own example of each type that has one: they stand in the schemas of the official library.
    Some of them break those schemas, as reports do."""
    folder = Path(xarf.__file__).parent / "schemas" / "types"
    found = []
    for path in sorted(folder.glob("*.json")):
        found += json.loads(path.read_text(encoding="utf-8")).get("examples", [])
    return found


WORDS = """
    apple bridge candle desert engine forest garden harbour island jacket kettle ladder meadow needle orchard pencil
    quilt river saddle teapot umbrella valley window yoghurt zebra anchor blanket carpet donkey eagle fountain guitar
    hammer iceberg jungle kitchen lantern mirror napkin ocean piano rabbit sandal table village wagon
"""
NAMING = ("url", "infringing_url")


def about(example: dict[str, Any], url: str) -> dict[str, Any]:
    """The example, with an address of ours where it names one; types without one get it beside the rest."""
    named = [name for name in NAMING if name in example]
    return {**example, **dict.fromkeys(named or ["url"], url)}


async def test_the_examples_of_the_specification_are_taken_decided_and_answered(world: World) -> None:
    host, mia = await a_host(world), await a_moderator(world)
    examples = examples_of_the_format()
    assert len({(one["category"], one["type"]) for one in examples}) >= 20
    sent: dict[str, tuple[dict[str, Any], str]] = {}
    for number, example in enumerate(examples):
        kind = f"{example['category']}/{example['type']}"
        # No two alike: a copy of what was removed would be refused.
        words = f"I drew a {', a '.join(Random(number).sample(WORDS.split(), 4))} today"
        status = await world.post(f"sam_{number}", words)
        answer = await host.send(about(example, status["url"]))
        assert answer.status_code == 202, (kind, answer.text)
        taken = answer.json()
        assert taken["format"] == "xarf4", kind
        ours = [(one["found"], one["outcome"]) for one in taken["urls"] if one["url"] == status["url"]]
        assert ours == [("status", "waiting")], (kind, taken["urls"])
        if kind in ("content/csam", "content/csem", "content/phishing", "content/fraud", "content/malware"):
            assert taken["rule"] is not None, kind
        sent[taken["id"]] = (status, kind)
        await decide_about(world, mia, status["id"], "remove" if number % 2 else "no_action")
    await world.run_jobs()
    public = base64.b64decode((await host.client.get("/api/abuse/v1/key")).json()["key"])
    for number, (notice_id, (status, kind)) in enumerate(sent.items()):
        done = await host.ask(notice_id)
        outcomes = {one["url"]: one["outcome"] for one in done["urls"]}
        assert outcomes[status["url"]] == ("removed" if number % 2 else "kept"), kind
        assert (done["status"], done["urls"][0]["in_time"]) in (("COMPLETED", True), ("COMPLETED", None)), (kind, done)
        [response] = done["responses"]
        Ed25519PublicKey.from_public_bytes(public).verify(
            base64.b64decode(response["signature"]), response["contents"].encode()
        )
        assert json.loads(response["contents"])["urls"] != [], kind


async def test_the_examples_of_the_specification_as_they_stand_are_answered_too(world: World) -> None:
    """They name addresses of others, or none at all: nothing here waits for anybody, and each answer says so."""
    host = await a_host(world)
    for example in examples_of_the_format():
        answer = await host.send(example)
        assert answer.status_code == 202, (example["type"], answer.text)
        assert {one["outcome"] for one in answer.json()["urls"]} <= {"not_ours"}, example["type"]


async def test_a_xarf_3_report_is_understood(world: World) -> None:
    host = await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    report = {
        "Version": "3",
        "ReporterInfo": {
            "ReporterOrg": "Heavy Metal Hosting",
            "ReporterOrgDomain": "host.example",
            "ReporterOrgEmail": "abuse@host.example",
        },
        "Report": {
            "ReportClass": "Content",
            "ReportType": "Phishing",
            "Date": "2026-11-20T10:00:00Z",
            "Source": {"Type": "uri", "URL": status["url"]},
            "Url": status["url"],
            "ReportID": "HMH-3",
        },
    }
    sent = await host.send(report)
    assert sent.status_code == 202, sent.text
    assert sent.json()["format"] == "xarf3"
    assert sent.json()["rule"] == "7.2"
    assert sent.json()["reference"] == "HMH-3"
    assert [one["found"] for one in sent.json()["urls"]] == ["status"]


async def test_plain_json_with_urls_of_every_kind_gets_a_line_for_each(world: World) -> None:
    host = await a_host(world)
    sam = await world.account("spam_sam")
    status = await world.post("spam_sam", "a plain post")
    urls = [
        f"hxxp://localhost[:]3000/@spam_sam/{status['id']}?utm_source=x#top".replace("[:]", ":"),
        f"{world.settings.base_url}/@SPAM_SAM",
        f"{world.settings.base_url}/api/v1/accounts/{sam}",
        "https://elsewhere.example/@spam_sam",
        f"{world.settings.base_url}/@nobody_at_all",
        f"{world.settings.base_url}/@spam_sam/999999",
    ]
    sent = await host.send({"urls": urls, "reason": "harassment", "description": "See these."})
    assert sent.status_code == 202, sent.text
    lines = sent.json()["urls"]
    assert [one["url"] for one in lines] == urls
    assert [one["found"] for one in lines] == ["status", "profile", "profile", "not_ours", "unknown", "unknown"]
    assert [one["outcome"] for one in lines] == ["waiting", "waiting", "waiting", "not_ours", "unknown", "unknown"]
    assert sent.json()["rule"] == "3.1"


async def test_the_same_idempotency_token_is_one_report_for_a_day(world: World) -> None:
    host = await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    body = {"urls": [status["url"]], "reason": "hate"}
    first = await host.send(body, **{"idempotency-key": "once"})
    again = await host.send(body, **{"idempotency-key": "once"})
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"]

    other = await host.send({**body, "reason": "spam"}, **{"idempotency-key": "once"})
    assert other.status_code == 409
    assert "token" in other.json()["error"]

    in_the_body = await host.send({**body, "idempotency_token": "twice"})
    assert in_the_body.json()["id"] != first.json()["id"]
    with time_travel(timedelta(hours=25)):
        later = await host.send(body, **{"idempotency-key": "once"})
        assert later.json()["id"] != first.json()["id"]


async def test_a_provider_sees_its_own_reports_alone(world: World) -> None:
    one, other = await a_host(world), await a_host(world, "Another host")
    status = await world.post("spam_sam", "a plain post")
    sent = (await one.send({"urls": [status["url"]]})).json()
    assert (await other.client.get(f"{REPORTS}/{sent['id']}")).status_code == 404
    assert (await other.client.get(f"{REPORTS}/12345")).status_code == 404
    assert (await world.anonymous.get(f"{REPORTS}/{sent['id']}")).status_code == 401
    member = await world.client("alice")
    assert (await member.get(f"{REPORTS}/{sent['id']}")).status_code == 401


async def test_what_cannot_be_taken_says_what_to_do(world: World) -> None:
    host = await a_host(world)
    nobody = await world.anonymous.post(REPORTS, json={"urls": ["x"]})
    assert nobody.status_code == 401
    assert "Bearer" in nobody.json()["error"]
    for body, word in ((b"{", "JSON"), (b"[1]", "object"), (b"\xff\xfe", "JSON"), (b"[" * 5000, "JSON")):
        bad = await host.client.post(REPORTS, content=body, headers={"content-type": "application/json"})
        assert bad.status_code == 400, bad.text
        assert word in bad.json()["error"]
    empty = await host.send({"hello": "there"})
    assert empty.status_code == 422
    assert "urls" in empty.json()["error"]
    many = await host.send({"urls": [f"https://x.example/{n}" for n in range(1500)]})
    assert many.status_code == 422
    assert "1000" in many.json()["error"]


async def test_a_token_that_was_rotated_or_revoked_is_worthless(world: World) -> None:
    from parley.safety.notices.providers import revoke_provider, rotate_token

    host = await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    async with world.instance.db.write() as tx:
        _, token = await rotate_token(tx, None, host.view.name)
    assert (await host.send({"urls": [status["url"]]})).status_code == 401
    host.client.headers["authorization"] = f"Bearer {token}"
    assert (await host.send({"urls": [status["url"]]})).status_code == 202
    async with world.instance.db.write() as tx:
        await revoke_provider(tx, None, str(host.view.id))
    assert (await host.send({"urls": [status["url"]]})).status_code == 401
    async with world.instance.db.read() as tx:
        stored = await tx.fetch("SELECT * FROM providers")
    assert token not in str(stored)


async def test_a_provider_with_a_key_must_sign_what_it_sends(world: World) -> None:
    private = Ed25519PrivateKey.generate()
    raw = private.public_key().public_bytes_raw()
    host = await a_host(world, public_key=base64.b64encode(raw).decode())
    status = await world.post("spam_sam", "a plain post")
    body = json.dumps({"urls": [status["url"]]}).encode()
    assert (await host.client.post(REPORTS, content=body)).status_code == 401
    signature = base64.b64encode(private.sign(body)).decode()
    wrong = base64.b64encode(private.sign(body + b" ")).decode()
    assert (await host.client.post(REPORTS, content=body, headers={"x-body-signature": wrong})).status_code == 401
    signed = await host.client.post(REPORTS, content=body, headers={"x-body-signature": signature})
    assert signed.status_code == 202


async def test_what_was_removed_before_the_notice_is_answered_at_once(world: World) -> None:
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    host = await a_host(world)
    await host.send({"urls": [status["url"]], "tags": ["harm:incitement"]})
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    sent = (await host.send({"urls": [status["url"]], "tags": ["harm:incitement"]})).json()
    assert sent["urls"][0]["outcome"] == "removed"
    await world.run_jobs()
    done = await host.ask(sent["id"])
    assert (done["status"], done["reason"]) == ("COMPLETED", "action_taken")


async def test_what_was_looked_at_and_kept_is_answered_with_the_reasons(world: World) -> None:
    mia = await a_moderator(world)
    status = await world.post("alice", "a plain post")
    host = await a_host(world)
    sent = (await host.send({"urls": [status["url"]]})).json()
    await decide_about(world, mia, status["id"], "no_action", reasons="It quotes a novel.")
    await world.run_jobs()
    done = await host.ask(sent["id"])
    assert (done["status"], done["reason"]) == ("COMPLETED", "no_violation_found")
    assert done["urls"][0]["outcome"] == "kept"
    assert done["urls"][0]["reasons"] == "It quotes a novel."


async def test_a_decision_that_is_taken_back_is_told_in_another_answer(world: World) -> None:
    from parley.safety.decisions.actions import reverse_decision
    from parley.safety.log.views import human

    mia = await a_moderator(world)
    status = await world.post("alice", "a plain post")
    host = await a_host(world)
    sent = (await host.send({"urls": [status["url"]]})).json()
    made = await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    other = await a_moderator(world, "mod_max")
    async with world.instance.db.write() as tx:
        await reverse_decision(
            tx, world.settings, human(other), made.id, kind="appeal", reasons="It was a quote.", viewer=other
        )
    await world.run_jobs()
    done = await host.ask(sent["id"])
    assert done["urls"][0]["outcome"] == "restored"
    assert [json.loads(one["contents"])["urls"][0]["outcome"] for one in done["responses"]] == ["removed", "restored"]


async def test_what_its_author_deleted_is_still_found_and_kept_for_the_moderators(world: World) -> None:
    host = await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    sam = await world.client("spam_sam")
    assert (await sam.delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    sent = (await host.send({"urls": [status["url"]], "tags": ["harm:incitement"]})).json()
    assert (sent["urls"][0]["found"], sent["urls"][0]["outcome"]) == ("gone", "gone")
    assert sent["urls"][0]["subjects"][0]["id"] == status["id"]
    async with world.instance.db.read() as tx:
        cases = await tx.fetchval(
            "SELECT count(*) FROM case_subjects WHERE subject_type = 'status' AND subject_id = $1", int(status["id"])
        )
    assert cases == 1
    await world.run_jobs()
    assert (await host.ask(sent["id"]))["reason"] == "content_gone"


async def test_the_same_token_at_the_same_moment_is_one_report(world: World) -> None:
    import asyncio

    host = await a_host(world)
    status = await world.post("spam_sam", "a plain post")
    body = {"urls": [status["url"]]}
    sent = await asyncio.gather(*(host.send(body, **{"idempotency-key": "at once"}) for _ in range(5)))
    assert {one.status_code for one in sent} == {202}
    assert len({one.json()["id"] for one in sent}) == 1


async def test_notices_about_the_same_accounts_at_the_same_moment_do_not_stop_each_other(world: World) -> None:
    import asyncio

    host = await a_host(world)
    urls = [(await world.post(name, f"a plain post of {name}"))["url"] for name in ("alice", "bob", "spam_sam")]
    orders = [urls, urls[::-1], [urls[1], urls[0]], [urls[2]]]
    sent = await asyncio.gather(*(host.send({"urls": order}) for order in orders))
    assert {one.status_code for one in sent} == {202}
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM cases") == 3


async def test_too_many_reports_are_told_when_to_come_again(settings: Any, dsn: str) -> None:
    import msgspec

    from parley.abuse import reports
    from tests.conftest import open_world

    before = reports.MOST_REPORTS
    reports.MOST_REPORTS = 3
    try:
        async with open_world(msgspec.structs.replace(settings, rate_limits="on"), dsn) as world:
            host = await a_host(world)
            sent = [await host.send({"urls": ["https://elsewhere.example/x"]}) for _ in range(4)]
            assert [one.status_code for one in sent] == [202, 202, 202, 429]
            assert int(sent[-1].headers["retry-after"]) > 0
    finally:
        reports.MOST_REPORTS = before


async def test_the_log_and_the_tables_of_notices_agree(world: World) -> None:
    from tests.safety.auditing import assert_audit_holds

    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    host = await a_host(world, contact_mail="abuse@host.example")
    await host.send({"urls": [status["url"], "https://elsewhere.example/x"], "tags": ["harm:hate"]})
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    await assert_audit_holds(world)


async def test_a_signed_answer_is_posted_to_a_webhook_and_never_to_ourselves(world: World, monkeypatch: Any) -> None:
    import httpx

    from parley.kit import outbound

    calls: list[httpx.Request] = []

    class Remote(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await request.aread()
            calls.append(request)
            return httpx.Response(200)

    inside = await a_host(world, "Inside", webhook_url="https://127.0.0.1/hook")
    outside = await a_host(world, "Outside", webhook_url="https://host.example/hook")
    sent = (await inside.send({"urls": ["https://elsewhere.example/x"]})).json()
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        problem = await tx.fetchval(
            "SELECT problem FROM notice_messages WHERE notice_id = $1 AND kind = 'webhook'", int(sent["id"])
        )
    assert "not on the public internet" in problem

    monkeypatch.setattr(outbound, "GuardedTransport", Remote)
    sent = (await outside.send({"urls": ["https://elsewhere.example/x"]})).json()
    await world.run_jobs()
    [call] = calls
    response = (await outside.ask(sent["id"]))["responses"][0]
    assert str(call.url) == "https://host.example/hook"
    assert call.content.decode() == response["contents"]
    assert call.headers["x-parley-signature"] == response["signature"]
    for wrong in ("http://host.example/hook", "https://user:pass@host.example/", "ftp://host.example"):
        from parley.kit.errors import Invalid

        with pytest.raises(Invalid, match="https"):
            await a_host(world, "Wrong", webhook_url=wrong)


def test_every_type_of_the_format_is_read_with_its_urls_and_harm() -> None:
    """By the official library's own list of types: what it knows, we take."""
    from xarf import schema_registry

    from parley.abuse.reading import read_report
    from parley.kit.settings import Settings
    from parley.safety.notices.urls import own_hosts

    hosts = own_hosts(Settings(domain="social.example"))
    kinds = [
        (category, kind)
        for category in sorted(schema_registry.get_categories())
        for kind in sorted(schema_registry.get_types_for_category(category))
    ]
    assert len(kinds) >= 30
    for category, kind in kinds:
        understood = read_report(xarf4("https://social.example/@sam/1", category=category, type=kind, tags=[]), hosts)
        assert understood.urls == ("https://social.example/@sam/1",)
        assert f"{category}/{kind}" in understood.harms
        named = read_report(
            {
                **xarf4("", category=category, type=kind),
                "url": "",
                "description": "see hxxps://social[.]example/@sam/2",
            },
            hosts,
        )
        assert [one.rsplit("/", 1)[1] for one in named.urls] == ["2"]


def test_evidence_and_hostile_reports_are_read_without_harm() -> None:
    from parley.abuse.reading import read_report
    from parley.kit.errors import Invalid
    from parley.kit.settings import Settings
    from parley.safety.notices.urls import own_hosts

    hosts = own_hosts(Settings(domain="social.example"))
    payload = base64.b64encode(b"See https://social.example/@sam/3 in the log").decode()
    report = xarf4("", evidence=[{"content_type": "text/plain", "payload": payload}], description="")
    assert read_report(report, hosts).urls == ("https://social.example/@sam/3",)
    deep: Any = {"url": "https://social.example/@sam/4"}
    for _ in range(60):
        deep = {"more": deep}
    for data in (
        xarf4("https://social.example/@sam/5", reporter="a text", sender=None, tags={"harm": ["x"] * 5000}),
        xarf4("https://social.example/@sam/5", description="x" * 2_000_000, evidence="none"),
        xarf4(["https://social.example/@sam/5", 5, None, {"a": 1}]),  # type: ignore[arg-type]
        {"Version": "3", "ReporterInfo": [], "Report": {"Url": "https://social.example/@sam/5", "Attachment": 7}},
        {
            "Version": 3,
            "ReporterInfo": {},
            "Report": {"ReportType": "Unknown-Thing", "Url": "https://social.example/@sam/5"},
        },
    ):
        assert "https://social.example/@sam/5" in read_report(data, hosts).urls
    for nothing in ({}, {"urls": []}, {"urls": [[]]}, {"url": 7.5}, deep):
        with pytest.raises(Invalid, match="urls"):
            read_report(nothing, hosts)
