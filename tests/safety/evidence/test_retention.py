"""Invariants 3 and 8: evidence outlives its author's deletion, nothing is purged under a hold, and what is due goes."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parley.kit.clock import now, time_travel
from parley.kit.errors import Forbidden, Invalid, NotFound
from parley.safety.evidence.actions import capture_evidence
from parley.safety.evidence.holding import activate_hold, list_holds, place_hold, release_hold, renew_hold
from parley.safety.evidence.jobs import capture_held, end_legal_holds, purge_evidence
from parley.safety.evidence.law_views import Held, HoldView, NewHold
from parley.safety.log.actions import append_event
from parley.safety.log.views import Subject, system
from parley.social.accounts.views import Viewer
from parley.social.media.contents import free_names
from tests.clients.pictures import draw_png
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds

DAY = timedelta(days=1)
OPEN_CASE = "INSERT INTO cases (account_id, source, severity) VALUES ($1, 'user', 2) RETURNING id"
CLOSE_CASE = "UPDATE cases SET state = 'closed', closed_at = $2 WHERE id = $1"
REOPEN_CASE = "UPDATE cases SET state = 'open', closed_at = NULL WHERE id = $1"


async def staff(world: World, name: str = "mod_mia", role: str = "admin") -> Viewer:
    return Viewer(account_id=await world.account(name, role=role), username=name, role=role)


async def change(world: World, statement: str, *values: Any) -> Any:
    """A change of the desk's tables, with its entry in the log."""
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "tested")
        return await tx.fetchval(statement, *values)


async def captured(world: World, text: str = "buy my pills", case: bool = True) -> tuple[int | None, int]:
    """A case about a status of Sam's, and the snapshot."""
    status = await world.post("spam_sam", text)
    case_id = await change(world, OPEN_CASE, world.ids["spam_sam"]) if case else None
    async with world.instance.db.write() as tx:
        snapshot = await capture_evidence(tx, Subject("status", int(status["id"])), case_id=case_id, why="test")
    assert snapshot is not None
    return case_id, snapshot


async def is_there(world: World, snapshot_id: int) -> bool:
    async with world.instance.db.read() as tx:
        return bool(await tx.fetchval("SELECT content IS NOT NULL FROM evidence_snapshots WHERE id = $1", snapshot_id))


async def hold(world: World, *subjects: Held, **values: Any) -> HoldView:
    new = NewHold(subjects=subjects, kind=values.pop("kind", "own"), reason="to be kept", **values)
    viewer = await staff(world)
    async with world.instance.db.write() as tx:
        return await place_hold(tx, viewer, new)


async def test_evidence_is_purged_when_its_case_is_long_over_and_its_hash_stays(world: World) -> None:
    case_id, snapshot = await captured(world)
    await world.run_jobs()
    with time_travel(400 * DAY):
        await purge_evidence(world.instance, {})
        assert await is_there(world, snapshot), "the case is open"
        await change(world, CLOSE_CASE, case_id, now() - 364 * DAY)
        await purge_evidence(world.instance, {})
        assert await is_there(world, snapshot), "the time is not over"
        await change(world, CLOSE_CASE, case_id, now() - 366 * DAY)
        await purge_evidence(world.instance, {})
    assert not await is_there(world, snapshot)
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT sha256, purged_at, size_bytes FROM evidence_snapshots WHERE id = $1", snapshot)
        event = await tx.fetchval("SELECT body::jsonb FROM moderation_events WHERE type = 'evidence_purged'")
    assert len(row["sha256"]) == 32
    assert row["purged_at"] is not None
    assert event["actor"]["name"] == "retention"
    await assert_audit_holds(world)


async def test_what_was_purged_and_is_captured_again_is_a_new_snapshot(world: World) -> None:
    _, snapshot = await captured(world, case=False)
    with time_travel(91 * DAY):
        await purge_evidence(world.instance, {})
        assert not await is_there(world, snapshot)
        async with world.instance.db.write() as tx:
            status = await tx.fetchval("SELECT subject_id FROM evidence_snapshots WHERE id = $1", snapshot)
            again = await capture_evidence(tx, Subject("status", status), case_id=None, why="again")
        await purge_evidence(world.instance, {})
    assert again != snapshot
    assert again is not None
    assert await is_there(world, again)


async def test_copies_go_when_the_last_snapshot_that_speaks_of_them_does(world: World) -> None:
    author = await world.client("spam_sam")
    uploaded = await author.post("/api/v2/media", files={"file": ("a.png", draw_png(9), "image/png")})
    await world.run_jobs()
    status = await world.post("spam_sam", "look", media_ids=[uploaded.json()["id"]])
    subjects = [Subject("status", int(status["id"])), Subject("media", int(uploaded.json()["id"]))]
    cases = [await change(world, OPEN_CASE, await world.account(name)) for name in ("spam_sam", "bob")]
    for subject, case_id in zip(subjects, cases, strict=True):
        async with world.instance.db.write() as tx:
            await capture_evidence(tx, subject, case_id=case_id, why="test")
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        kept = [row[0] for row in await tx.fetch("SELECT DISTINCT kept_as FROM evidence_files ORDER BY 1")]
    assert len(kept) == 2, "the picture and its preview, once each"
    for number, case_id in enumerate(cases):
        await change(world, CLOSE_CASE, case_id, now() - 1000 * DAY)
        await change(world, "UPDATE evidence_captures SET created_at = $1", now() - 1000 * DAY)
        await change(world, "UPDATE evidence_snapshots SET created_at = $1", now() - 1000 * DAY)
        await purge_evidence(world.instance, {})
        await world.run_jobs()
        there = [await world.instance.files.evidence.exists(name) for name in kept]
        assert there == [number == 0] * 2
    await assert_audit_holds(world)


async def test_invariant_8_nothing_is_purged_under_a_hold_and_what_was_due_goes_when_it_ends(world: World) -> None:
    case_id, snapshot = await captured(world)
    placed = await hold(world, Held("account", world.ids["spam_sam"]))
    await change(world, CLOSE_CASE, case_id, now())
    with time_travel(1000 * DAY):
        await purge_evidence(world.instance, {})
        assert await is_there(world, snapshot)
        viewer = await staff(world)
        async with world.instance.db.write() as tx:
            assert (await release_hold(tx, viewer, placed.id, why="it is over")).state == "released"
        await world.run_jobs()
        assert not await is_there(world, snapshot)
    await assert_audit_holds(world)


COVERS = {
    "the account": lambda world, case_id, row: Held("account", world.ids["spam_sam"]),
    "the case": lambda world, case_id, row: Held("case", case_id),
    "the conversation": lambda world, case_id, row: Held("conversation", row["conversation_id"]),
    "the post": lambda world, case_id, row: Held("status", row["subject_id"]),
}


@pytest.mark.parametrize("what", COVERS)
async def test_each_scope_of_a_hold_keeps_what_it_covers(world: World, what: str) -> None:
    case_id, snapshot = await captured(world)
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT * FROM evidence_snapshots WHERE id = $1", snapshot)
    await hold(world, COVERS[what](world, case_id, row))
    await change(world, CLOSE_CASE, case_id, now())
    with time_travel(1000 * DAY):
        await purge_evidence(world.instance, {})
    assert await is_there(world, snapshot)


async def test_a_hold_that_is_only_asked_for_keeps_things_too_and_who_runs_the_instance_decides(world: World) -> None:
    case_id, snapshot = await captured(world)
    new = NewHold(subjects=(Held("case", case_id or 0),), kind="preservation", reason="the police asked")
    moderator, admin = await staff(world, "mod_max", "moderator"), await staff(world)
    member = Viewer(account_id=await world.account("alice"), username="alice")
    async with world.instance.db.write() as tx:
        asked = await place_hold(tx, moderator, new)
        assert (asked.state, asked.activated_by) == ("requested", None)
        assert asked.ends_at is not None
        assert timedelta(days=89) < asked.ends_at - now() < timedelta(days=91)
        with pytest.raises(Forbidden):
            await activate_hold(tx, moderator, asked.id)
        with pytest.raises(NotFound):
            await place_hold(tx, member, new)
        with pytest.raises(NotFound):
            await list_holds(tx, member)
        with pytest.raises(NotFound):
            await place_hold(tx, admin, NewHold(subjects=(Held("account", 5),), kind="own", reason="nobody there"))
        with pytest.raises(Invalid):
            await place_hold(tx, admin, NewHold(subjects=(), kind="own", reason="nothing"))
    await change(world, CLOSE_CASE, case_id, now())
    with time_travel(20 * DAY):
        assert await is_there(world, snapshot)
        async with world.instance.db.write() as tx:
            active = await activate_hold(tx, admin, asked.id)
            assert (active.state, active.activated_by) == ("active", admin.account_id)
            with pytest.raises(Invalid, match="cannot become active"):
                await activate_hold(tx, admin, asked.id)
    with time_travel(80 * DAY):
        async with world.instance.db.write() as tx:
            renewed = await renew_hold(tx, admin, asked.id)
        assert (renewed.state, renewed.renewals) == ("renewed", 1)
        assert renewed.ends_at == asked.ends_at + timedelta(days=90)
    with time_travel(600 * DAY):
        await end_legal_holds(world.instance, {})
        await world.run_jobs()
        async with world.instance.db.read() as tx:
            assert [one.state for one in await list_holds(tx, admin, ended=True)] == ["expired"]
    assert not await is_there(world, snapshot)
    await assert_audit_holds(world)


async def test_invariant_3_what_an_author_deletes_is_kept_while_a_case_or_hold_is_open(world: World) -> None:
    author = await world.client("spam_sam")
    uploaded = await author.post("/api/v2/media", files={"file": ("a.png", draw_png(3), "image/png")})
    await world.run_jobs()
    media_id = int(uploaded.json()["id"])
    status = await world.post("spam_sam", "never captured before", media_ids=[str(media_id)])
    async with world.instance.db.read() as tx:
        names = [
            row[0] for row in await tx.fetch("SELECT name FROM files WHERE account_id = $1", world.ids["spam_sam"])
        ]
    placed = await hold(world, Held("account", world.ids["spam_sam"]))
    deleted = await author.delete(f"/api/v1/statuses/{status['id']}", params={"delete_media": True})
    assert deleted.status_code == 200
    await free_names(world.instance, names)
    assert (await world.anonymous.get(f"/media/{names[0]}")).status_code == 404
    await capture_held(world.instance, {"hold_id": placed.id})
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow(
            "SELECT content::jsonb AS content, id FROM evidence_snapshots WHERE subject_type = 'status' "
            "AND subject_id = $1 ORDER BY id DESC LIMIT 1",
            int(status["id"]),
        )
        files = await tx.fetch("SELECT * FROM evidence_files WHERE snapshot_id = $1", row["id"])
    assert row["content"]["status"]["state"] == "author_deleted"
    assert [one["id"] for one in row["content"]["status"]["media"]] == [str(media_id)]
    assert {one["file"] for one in files if one["kept_as"]} == set(names)
    viewer = await staff(world)
    async with world.instance.db.write() as tx:
        await release_hold(tx, viewer, placed.id, why="it is over")
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert not await tx.fetchval("SELECT count(*) FROM media_remains")
    await free_names(world.instance, names)
    async with world.instance.db.read() as tx:
        assert not await tx.fetchval("SELECT count(*) FROM files WHERE name = ANY($1)", names)


async def test_a_capture_and_the_authors_deletion_at_once_keep_the_evidence_either_way(world: World) -> None:
    author = await world.client("spam_sam")
    for number in range(6):
        status = await world.post("spam_sam", f"a threat, number {number}")
        subject = Subject("status", int(status["id"]))

        async def decide(subject: Subject = subject) -> int | None:
            async with world.instance.db.write() as tx:
                await append_event(tx, system("test"), "decision_made")
                return await capture_evidence(tx, subject, case_id=None, why="decision")

        async def delete(status_id: str = status["id"]) -> int:
            return (await author.delete(f"/api/v1/statuses/{status_id}")).status_code

        both = (decide(), delete()) if number % 2 else (delete(), decide())
        results = await asyncio.gather(*both)
        snapshot = next(one for one in results if one != 200)
        async with world.instance.db.read() as tx:
            text = await tx.fetchval(
                "SELECT content::jsonb -> 'status' ->> 'text' FROM evidence_snapshots WHERE id = $1", snapshot
            )
        assert text == f"a threat, number {number}"
    await assert_audit_holds(world)


async def test_a_purge_and_a_capture_of_the_same_content_at_once_never_lose_it(world: World) -> None:
    _, first = await captured(world, case=False)
    async with world.instance.db.read() as tx:
        status = await tx.fetchval("SELECT subject_id FROM evidence_snapshots WHERE id = $1", first)

    async def capture() -> int | None:
        async with world.instance.db.write() as tx:
            return await capture_evidence(tx, Subject("status", status), case_id=None, why="again")

    for number in range(1, 6):
        with time_travel(100 * number * DAY):
            snapshot, *_ = await asyncio.gather(capture(), purge_evidence(world.instance, {}))
        assert snapshot is not None
        assert await is_there(world, snapshot)
    await assert_audit_holds(world)


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["hold", "release", "close", "reopen", "wait", "purge"]), st.integers(0, 1)), max_size=9
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_happens_nothing_goes_under_a_hold_and_nothing_due_stays(
    world: World, steps: list[Step]
) -> None:
    """Two snapshots in one case, one of them under holds of its own now and then; a model says what must be there."""
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "tested")
        await tx.execute("UPDATE cases SET state = 'closed', closed_at = $1 WHERE state <> 'closed'", now())
    case_id, one = await captured(world, "first")
    status = await world.post("spam_sam", "second")
    async with world.instance.db.write() as tx:
        two = await capture_evidence(tx, Subject("status", int(status["id"])), case_id=case_id, why="test")
        ids = [row[0] for row in await tx.fetch("SELECT subject_id FROM evidence_snapshots WHERE id = $1", one)]
    assert two is not None
    subjects, snapshots = [*ids, int(status["id"])], [one, two]
    holds: list[list[int]] = [[], []]
    gone, passed, closed_at, viewer = [False, False], timedelta(), None, await staff(world)
    for step, which in [*steps, ("purge", 0)]:
        with time_travel(passed):
            if step == "hold":
                holds[which].append((await hold(world, Held("status", subjects[which]))).id)
            elif step == "release" and holds[which]:
                async with world.instance.db.write() as tx:
                    await release_hold(tx, viewer, holds[which].pop(), why="it is over")
            elif step == "close" and closed_at is None:
                closed_at = now()
                await change(world, CLOSE_CASE, case_id, closed_at)
            elif step == "reopen" and closed_at is not None:
                closed_at = None
                await change(world, REOPEN_CASE, case_id)
            elif step == "wait":
                passed += 200 * DAY
            elif step == "purge":
                await purge_evidence(world.instance, {})
                due = closed_at is not None and now() - closed_at > 365 * DAY
                gone = [gone[number] or (due and not holds[number]) for number in (0, 1)]
        assert [not await is_there(world, snapshot) for snapshot in snapshots] == gone
