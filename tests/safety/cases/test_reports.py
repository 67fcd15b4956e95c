"""Reports: taken in, and kept with evidence that nobody can take away."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from parley.kit.settings import Settings
from parley.safety.evidence.content import hash_evidence
from parley.safety.evidence.jobs import keep_evidence_files
from tests.clients.pictures import draw_png
from tests.conftest import World, open_world
from tests.oracle import assert_entity


async def _report(world: World, who: str, whom: str, **params: Any) -> Any:
    target = await world.account(whom)
    return await (await world.client(who)).post("/api/v1/reports", json={"account_id": str(target), **params})


async def _evidence(world: World, report_id: str) -> dict[str, Any]:
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT evidence, evidence_sha256 FROM reports WHERE id = $1", int(report_id))
    assert hash_evidence(row["evidence"]) == row["evidence_sha256"]
    return row["evidence"]


async def test_a_report_is_stored_and_answered_in_its_shape(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    answer = await _report(
        world, "alice", "spam_sam", status_ids=[status["id"]], comment="spam", category="spam", forward=True
    )
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert_entity("Report", report)
    assert report["action_taken"] is False
    assert (report["category"], report["comment"], report["forwarded"]) == ("spam", "spam", False)
    assert report["status_ids"] == [status["id"]]
    assert report["target_account"]["acct"] == "spam_sam"
    async with world.instance.db.read() as tx:
        fact = await tx.fetchval("SELECT payload FROM events WHERE type = 'ReportFiled'")
    assert fact == {
        "account_id": world.ids["alice"],
        "report_id": int(report["id"]),
        "target_id": world.ids["spam_sam"],
    }


async def test_evidence_survives_an_edit_and_a_deletion(world: World) -> None:
    status = await world.post("spam_sam", "I said a thing", spoiler_text="beware")
    report = (await _report(world, "alice", "spam_sam", status_ids=[status["id"]])).json()
    author = await world.client("spam_sam")
    edited = await author.put(f"/api/v1/statuses/{status['id']}", json={"status": "I said nothing"})
    assert edited.status_code == 200
    assert (await author.delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    await world.run_jobs()
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    evidence = await _evidence(world, report["id"])
    kept = evidence["statuses"][0]
    assert (kept["text"], kept["spoiler_text"], kept["revision"]) == ("I said a thing", "beware", 1)
    assert "I said a thing" in kept["html"]
    assert evidence["account"]["acct"] == "spam_sam"
    again = (await _report(world, "alice", "spam_sam")).json()
    assert (await _evidence(world, again["id"]))["statuses"] == []


async def test_statuses_must_be_the_accounts_own_and_visible_to_the_reporter(world: World) -> None:
    others = await world.post("bob", "not sam")
    private = await world.post("spam_sam", "for followers", visibility="private")
    for status_id in (others["id"], private["id"], "12345", "x"):
        answer = await _report(world, "alice", "spam_sam", status_ids=[status_id])
        assert answer.status_code == 404, status_id
    await world.follow("alice", "spam_sam")
    assert (await _report(world, "alice", "spam_sam", status_ids=[private["id"]])).status_code == 200


async def test_a_direct_message_can_be_reported_by_its_receiver_alone(world: World) -> None:
    await world.account("alice")
    message = await world.post("spam_sam", "@alice you will regret this", visibility="direct")
    assert (await _report(world, "bob", "spam_sam", status_ids=[message["id"]])).status_code == 404
    report = (await _report(world, "alice", "spam_sam", status_ids=[message["id"]])).json()
    assert (await _evidence(world, report["id"]))["statuses"][0]["visibility"] == "direct"


@pytest.mark.parametrize(
    "wrong",
    [
        {"comment": "x" * 1001},
        {"category": "boring"},
        {"rule_ids": ["no such rule"]},
        {"status_ids": [str(number) for number in range(1, 102)]},
    ],
)
async def test_a_wrong_report_is_refused_with_a_sentence(world: World, wrong: dict[str, Any]) -> None:
    answer = await _report(world, "alice", "spam_sam", **wrong)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Validation failed: ")


async def test_several_posts_are_one_report_and_collections_which_there_are_none_of_are_refused(world: World) -> None:
    posts = [await world.post("spam_sam", text) for text in ("one thing", "quite another thing")]
    body = {"account_id": str(world.ids["spam_sam"]), "status_ids": [post["id"] for post in posts]}
    client = await world.client("alice")
    refused = await client.post("/api/v1/reports", json={**body, "collection_ids": ["1"]})
    assert refused.status_code == 422
    assert "name the posts in status_ids" in refused.json()["error"]
    taken = await client.post("/api/v1/reports", json={**body, "collection_ids": []})
    assert taken.status_code == 200, taken.text
    assert sorted(taken.json()["status_ids"]) == sorted(body["status_ids"])
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM reports") == 1


async def test_rules_make_a_report_a_violation(world: World) -> None:
    rules = (await world.anonymous.get("/api/v1/instance/rules")).json()
    assert rules
    answer = await _report(world, "alice", "spam_sam", rule_ids=[rules[0]["id"]], category="spam")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["category"], answer.json()["rule_ids"]) == ("violation", [rules[0]["id"]])
    assert (await _report(world, "bob", "spam_sam")).json()["category"] == "other"


async def test_nobody_reports_themselves_or_nobody(world: World) -> None:
    assert (await _report(world, "alice", "alice")).status_code == 403
    client = await world.client("alice")
    assert (await client.post("/api/v1/reports", json={"account_id": "12345"})).status_code == 404
    assert (await client.post("/api/v1/reports", json={})).status_code == 422


async def test_reports_are_rate_limited(settings: Settings, dsn: str) -> None:
    async with open_world(msgspec.structs.replace(settings, rate_limits="on"), dsn) as world:
        for _ in range(30):
            assert (await _report(world, "alice", "spam_sam")).status_code == 200
        answer = await _report(world, "alice", "spam_sam")
        assert answer.status_code == 429
        assert int(answer.headers["retry-after"]) > 0
        assert (await _report(world, "bob", "spam_sam")).status_code == 200


async def _lose(world: World, name: str) -> None:
    """Delete the bytes of a stored file."""
    async with world.instance.db.read() as tx:
        key = await tx.fetchval("SELECT content_key FROM files WHERE name = $1", name)
    assert await world.instance.files.exists(key)
    await world.instance.files.delete(key)


async def test_copies_of_reported_pictures_outlive_the_post(world: World) -> None:
    author = await world.client("spam_sam")
    uploaded = await author.post("/api/v2/media", files={"file": ("a.png", draw_png(5), "image/png")})
    await world.run_jobs()
    status = await world.post("spam_sam", "look", media_ids=[uploaded.json()["id"]])
    report = (await _report(world, "alice", "spam_sam", status_ids=[status["id"]])).json()
    await world.run_jobs()
    name = (await _evidence(world, report["id"]))["statuses"][0]["media"][0]["file"]
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT * FROM evidence_files WHERE report_id = $1", int(report["id"]))
    assert (row["file"], row["error"]) == (name, None)
    await _lose(world, name)
    kept = await world.instance.files.evidence.get(row["kept_as"], limit=10_000_000)
    assert hashlib.sha256(kept).digest() == row["sha256"]
    assert len(kept) == row["size_bytes"]
    assert (await world.anonymous.get(f"/media/{row['kept_as']}")).status_code == 404
    await keep_evidence_files(world.instance, {"report_id": int(report["id"])})


async def test_a_file_that_is_gone_before_it_is_copied_is_noted(world: World) -> None:
    author = await world.client("spam_sam")
    uploaded = await author.post("/api/v2/media", files={"file": ("a.png", draw_png(6), "image/png")})
    await world.run_jobs()
    status = await world.post("spam_sam", "look", media_ids=[uploaded.json()["id"]])
    report = (await _report(world, "alice", "spam_sam", status_ids=[status["id"]])).json()
    name = (await _evidence(world, report["id"]))["statuses"][0]["media"][0]["file"]
    await _lose(world, name)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT * FROM evidence_files WHERE report_id = $1", int(report["id"]))
    assert row["kept_as"] is None
    assert "gone" in row["error"]
