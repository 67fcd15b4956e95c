"""Evidence is captured whole, once for each content, and does not depend on its author any more."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from parley.safety.evidence.actions import capture_all, capture_evidence
from parley.safety.log.views import Subject
from tests.clients.pictures import draw_png
from tests.conftest import World


async def _capture(world: World, subject: Subject, why: str = "test", case_id: int | None = None) -> int | None:
    async with world.instance.db.write() as tx:
        return await capture_evidence(tx, subject, case_id=case_id, why=why)


async def _row(world: World, snapshot_id: int | None) -> Any:
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT * FROM evidence_snapshots WHERE id = $1", snapshot_id)
    assert hashlib.sha256(row["content"].encode()).digest() == row["sha256"]
    return row


async def _content(world: World, snapshot_id: int | None) -> dict[str, Any]:
    return msgspec.json.decode((await _row(world, snapshot_id))["content"])


async def test_a_status_is_captured_with_its_author_thread_poll_and_screening(world: World) -> None:
    first = await world.post("bob", "what do you think")
    second = await world.post("alice", "@bob not much", in_reply_to_id=first["id"])
    quoted = await world.post("bob", "a thing to quote")
    status = await world.post(
        "spam_sam",
        "I shall answer that",
        in_reply_to_id=second["id"],
        spoiler_text="beware",
        quoted_status_id=quoted["id"],
    )
    poll = await world.post("spam_sam", "choose", poll={"options": ["yes", "no"], "expires_in": 600})
    kept = await _content(world, await _capture(world, Subject("status", int(status["id"]))))
    assert kept["subject"] == {"type": "status", "id": status["id"], "revision": 1}
    assert (kept["status"]["text"], kept["status"]["spoiler_text"]) == ("I shall answer that", "beware")
    assert kept["account"]["acct"] == "spam_sam"
    assert [(one["relation"], one["depth"], one["status"]["text"]) for one in kept["context"]] == [
        ("parent", 1, "@bob not much"),
        ("parent", 2, "what do you think"),
        ("quoted", 0, "a thing to quote"),
    ]
    assert kept["screening"][0]["outcome"] == "allow"
    assert kept["screening"][0]["ruleset"]
    asked = await _content(world, await _capture(world, Subject("status", int(poll["id"]))))
    assert asked["status"]["poll"] == ["yes", "no"]


async def test_the_same_content_is_the_same_snapshot_and_an_edit_is_another(world: World) -> None:
    status = await world.post("spam_sam", "first")
    subject = Subject("status", int(status["id"]))
    one = await _capture(world, subject)
    await (await world.client("alice")).post(f"/api/v1/statuses/{status['id']}/favourite")
    await world.run_jobs()
    assert await _capture(world, subject, "again") == one, "figures that change are no content"
    edited = await (await world.client("spam_sam")).put(f"/api/v1/statuses/{status['id']}", json={"status": "second"})
    assert edited.status_code == 200
    other = await _capture(world, subject)
    assert other != one
    assert (await _content(world, other))["status"]["text"] == "second"
    exact = await _content(world, await _capture(world, Subject("status", int(status["id"]), 1)))
    assert exact["status"]["text"] == "first"
    async with world.instance.db.read() as tx:
        captures = await tx.fetch("SELECT why, facts FROM evidence_captures WHERE snapshot_id = $1 ORDER BY id", one)
    assert [row["why"] for row in captures] == ["test", "again"]
    assert [row["facts"]["counts"]["favourites_count"] for row in captures] == [0, 1]
    assert captures[0]["facts"]["author"]["role"] == "member"


async def test_what_its_author_deleted_or_nobody_else_sees_can_be_captured(world: World) -> None:
    status = await world.post("spam_sam", "gone soon")
    assert (await (await world.client("spam_sam")).delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    kept = await _content(world, await _capture(world, Subject("status", int(status["id"]))))
    assert (kept["status"]["text"], kept["status"]["state"]) == ("gone soon", "author_deleted")
    await world.account("newcomer", age_days=0)
    held = await world.post("newcomer", "look at https://example.org/offer")
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state::text FROM statuses WHERE id = $1", int(held["id"])) == "held"
    waiting = await _content(world, await _capture(world, Subject("status", int(held["id"]))))
    assert waiting["status"]["state"] == "held"
    assert waiting["screening"][0]["outcome"] == "hold"
    assert waiting["screening"][0]["because"]


async def test_profiles_accounts_media_and_conversations_are_captured(world: World) -> None:
    sam = await world.account("spam_sam", display_name="Sam", note="I sell pills")
    await world.account("alice")
    await world.post("spam_sam", "public words")
    message = await world.post("spam_sam", "@alice psst", visibility="direct")
    uploaded = await (await world.client("spam_sam")).post(
        "/api/v2/media", files={"file": ("a.png", draw_png(7), "image/png")}, data={"description": "a field"}
    )
    await world.run_jobs()
    media_id = int(uploaded.json()["id"])
    status = await world.post("spam_sam", "look", media_ids=[str(media_id)])
    async with world.instance.db.read() as tx:
        conversation = await tx.fetchval("SELECT conversation_id FROM statuses WHERE id = $1", int(message["id"]))
        known = await tx.fetchrow("SELECT f.* FROM files f JOIN media m ON m.file = f.name WHERE m.id = $1", media_id)
    subjects = {
        kind: Subject(kind, number)
        for kind, number in (("account", sam), ("profile", sam), ("media", media_id), ("conversation", conversation))
    }
    async with world.instance.db.write() as tx:
        ids = await capture_all(tx, [*subjects.values(), Subject("status", 12345)], case_id=None, why="test")
    assert set(ids) == set(subjects.values()), "what does not exist is left out"
    account = await _content(world, ids[subjects["account"]])
    assert account["account"]["note"] == "I sell pills"
    assert [one["text"] for one in account["recent"]] == ["look", "public words"], "messages are not part of it"
    profile = await _content(world, ids[subjects["profile"]])
    assert "recent" not in profile
    assert (profile["account"]["display_name"], profile["revision"]) == ("Sam", 2)
    media = await _content(world, ids[subjects["media"]])
    assert media["media"]["description"] == "a field"
    assert media["status"]["id"] == status["id"]
    assert {
        "file": known["name"],
        "sha256": known["content_hash"].hex(),
        "size_bytes": known["size_bytes"],
    }.items() <= (media["files"][0].items())
    said = await _content(world, ids[subjects["conversation"]])
    assert [one["text"] for one in said["messages"]] == ["@alice psst"]
    assert [one["acct"] for one in said["authors"].values()] == ["spam_sam"]


async def test_files_are_copied_once_and_outlive_the_post(world: World) -> None:
    author = await world.client("spam_sam")
    uploaded = await author.post("/api/v2/media", files={"file": ("a.png", draw_png(8), "image/png")})
    await world.run_jobs()
    status = await world.post("spam_sam", "look", media_ids=[uploaded.json()["id"]])
    subject = Subject("status", int(status["id"]))
    one = await _capture(world, subject)
    assert (await author.delete(f"/api/v1/statuses/{status['id']}", params={"delete_media": True})).status_code == 200
    two = await _capture(world, subject)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT * FROM evidence_files WHERE snapshot_id = ANY($1) ORDER BY id", [one, two])
    assert one != two
    files = [row for row in rows if row["snapshot_id"] == one]
    assert len(files) == 2, "the picture and its preview"
    for row in files:
        kept = await world.instance.files.evidence.get(row["kept_as"], limit=10_000_000)
        assert hashlib.sha256(kept).digest() == row["sha256"]
        assert (await world.anonymous.get(f"/media/{row['kept_as']}")).status_code == 404
    content = await _content(world, one)
    assert content["files"][0]["sha256"] == files[0]["sha256"].hex(), "the copy is what the snapshot speaks of"


@pytest.mark.parametrize("count", [1, 12])
async def test_many_subjects_take_as_many_queries_as_one(world: World, count: int) -> None:
    ids = [int((await world.post("spam_sam", f"post number {number}"))["id"]) for number in range(count)]
    with world.queries() as seen:
        async with world.instance.db.write() as tx:
            found = await capture_all(tx, [Subject("status", number) for number in ids], case_id=None, why="test")
    assert len(found) == count
    assert len(seen) <= 24, "\n".join(seen)


async def test_a_capture_leaves_the_cause_of_what_follows_alone(world: World) -> None:
    from parley.safety.log.actions import append_event
    from parley.safety.log.views import system

    status = await world.post("spam_sam", "hello there")
    async with world.instance.db.write() as tx:
        cause = await append_event(tx, system("test"), "case_opened")
        await capture_evidence(tx, Subject("status", int(status["id"])), case_id=None, why="test")
        await tx.execute(
            "INSERT INTO cases (account_id, source, severity) VALUES ($1, 'user', 2)", world.ids["spam_sam"]
        )
    async with world.instance.db.read() as tx:
        bodies = await tx.fetch("SELECT body::jsonb AS body FROM moderation_events WHERE type = 'row_changed'")
    causes = {row["body"]["table"]: row["body"]["cause"] for row in bodies}
    assert causes["cases"] == str(cause)
    assert causes["evidence_snapshots"] not in ("", str(cause))


async def test_answers_below_are_part_of_the_thread_but_not_what_others_said_alone(world: World) -> None:
    first = await world.post("spam_sam", "who wants to fight")
    await world.account("bob")
    for number in range(10):
        await world.post("alice", f"answer {number}", in_reply_to_id=first["id"])
    await world.post("alice", "@bob just between us", in_reply_to_id=first["id"], visibility="direct")
    async with world.instance.db.write() as tx:
        snapshot = await capture_evidence(tx, Subject("status", int(first["id"])), case_id=None, why="test")
        content = await tx.fetchval("SELECT content::jsonb FROM evidence_snapshots WHERE id = $1", snapshot)
    replies = [one for one in content["context"] if one["relation"] == "reply"]
    assert [one["status"]["text"] for one in replies] == [f"answer {number}" for number in range(8)]
    await world.post("alice", "one more", in_reply_to_id=first["id"])
    async with world.instance.db.write() as tx:
        again = await capture_evidence(tx, Subject("status", int(first["id"])), case_id=None, why="test")
    assert again == snapshot, "the first answers stay the same, and so does the snapshot"
