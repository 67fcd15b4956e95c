"""Invariant 3: evidence is captured before any removal, and an author's deletion or edit cannot defeat a report."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.kit.clock import now, time_travel
from parley.safety.decisions.views import NewAction
from parley.safety.evidence.jobs import note_overdue_requests, purge_evidence
from parley.safety.evidence.law_views import NewRequest
from parley.safety.evidence.requests import list_requests, register_request
from tests.conftest import World
from tests.safety.decisions.deciding import propose_or_decide, status
from tests.safety.evidence.test_retention import CLOSE_CASE, change, staff

DAY = timedelta(days=1)
SNAPSHOTS = """
    SELECT s.content::jsonb AS content, e.seq FROM evidence_snapshots s
    JOIN moderation_events e ON e.type = 'row_changed' AND e.body LIKE '%evidence_snapshots%'
        AND e.body::jsonb ->> 'id' = s.id::text
    WHERE s.subject_type = 'status' AND s.subject_id = $1 ORDER BY e.seq
"""
ACTION_SEQ = """
    SELECT min(seq) FROM moderation_events
    WHERE type = 'row_changed' AND body LIKE '%"table": "decision_actions"%' AND body LIKE '%' || $1 || '%'
"""


async def _report(world: World, post: dict[str, Any]) -> None:
    answer = await (await world.client("alice")).post(
        "/api/v1/reports", json={"account_id": str(world.ids["spam_sam"]), "status_ids": [post["id"]]}
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("reported", [True, False])
@pytest.mark.parametrize("how", ["delete", "edit"])
async def test_a_decision_and_its_authors_flight_at_the_same_time_leave_the_evidence(
    world: World, how: str, reported: bool
) -> None:
    author = await world.client("spam_sam")
    for number in range(3):
        post = await world.post("spam_sam", f"I shall find you, number {number}")
        if reported:
            await _report(world, post)

        async def flee(post: dict[str, Any] = post) -> Any:
            path = f"/api/v1/statuses/{post['id']}"
            return await (
                author.delete(path) if how == "delete" else author.put(path, json={"status": "love and peace"})
            )

        async def decide(post: dict[str, Any] = post) -> Any:
            action = NewAction(kind="remove", subject=status(post["id"]))
            return await propose_or_decide(world, world.ids["spam_sam"], action)

        await asyncio.gather(*((decide(), flee()) if number % 2 else (flee(), decide())), return_exceptions=True)
        async with world.instance.db.read() as tx:
            rows = await tx.fetch(SNAPSHOTS, int(post["id"]))
            acted = await tx.fetchval(ACTION_SEQ, post["id"])
            decided = await tx.fetchval("SELECT count(*) FROM decision_actions WHERE subject_id = $1", int(post["id"]))
        if decided:
            assert rows, "nothing is decided without evidence"
            assert rows[0]["seq"] < acted, "and it comes first"
        if reported:
            assert rows[0]["content"]["status"]["text"] == f"I shall find you, number {number}"


async def test_reports_forget_their_evidence_when_their_case_is_long_over(world: World) -> None:
    post = await world.post("spam_sam", "buy my pills")
    await _report(world, post)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        case_id = await tx.fetchval("SELECT case_id FROM reports")
    await change(world, "UPDATE reports SET state = 'closed'")
    await change(world, CLOSE_CASE, case_id, now())
    with time_travel(364 * DAY):
        await purge_evidence(world.instance, {})
    async with world.instance.db.read() as tx:
        assert (await tx.fetchval("SELECT evidence FROM reports"))["statuses"]
    with time_travel(367 * DAY):
        await purge_evidence(world.instance, {})
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT evidence, evidence_sha256 FROM reports")
        kept = await tx.fetchval("SELECT count(*) FROM evidence_snapshots WHERE content IS NOT NULL")
    assert row["evidence"] == {"purged": True}
    assert len(row["evidence_sha256"]) == 32
    assert kept == 0


async def test_an_authority_that_waits_too_long_is_noted_once_and_mailed_about(world: World) -> None:
    viewer = await staff(world)
    async with world.instance.db.write() as tx:
        made = await register_request(tx, viewer, NewRequest(kind="removal_order", authority="Federal police"))
    assert made.due_at - made.received_at == timedelta(hours=1)
    await note_overdue_requests(world.instance, {})
    async with world.instance.db.read() as tx:
        assert (await list_requests(tx, viewer))[0].overdue_at is None
    with time_travel(timedelta(minutes=61)):
        await note_overdue_requests(world.instance, {})
        await note_overdue_requests(world.instance, {})
        await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert (await list_requests(tx, viewer))[0].overdue_at is not None
        events = await tx.fetchval("SELECT count(*) FROM moderation_events WHERE type = 'legal_request_overdue'")
    assert events == 1
    mails = [path.read_text() for path in world.settings.path("mail").glob("*")]
    assert [mail for mail in mails if "Federal police" in mail]


def test_evidence_is_canonical_whatever_order_it_was_made_in() -> None:
    from parley.safety.evidence.content import encode_evidence, hash_evidence, hash_text

    one, other = {"b": [1, {"y": "ü\u0000", "x": None}], "a": 1}, {"a": 1, "b": [1, {"x": None, "y": "ü\u0000"}]}
    assert encode_evidence(one) == encode_evidence(other)
    assert hash_text(encode_evidence(one)) == hash_evidence(other)
    assert msgspec.json.decode(encode_evidence(one)) == one
