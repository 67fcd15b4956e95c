"""Sweeps: what is there already is judged by the rules that are live now, nothing twice, and all can be undone."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.kit.errors import Conflict, Forbidden, Invalid
from parley.safety.cases.store_reports import get_evidence
from parley.safety.judging import Answer, OwnThread, Question, local_processes
from parley.safety.log.actions import append_event
from parley.safety.log.views import system
from parley.safety.sweeps import store
from parley.safety.sweeps.actions import abort_sweep, approve_sweep, count_sweep, plan_sweep
from parley.safety.sweeps.reads import get_sweep, list_changes
from parley.safety.sweeps.running import run_sweep, undo_sweep
from parley.safety.sweeps.views import NewSweep
from parley.social.statuses.actions import publish_held_status
from tests.conftest import World
from tests.safety.sweeping import (
    FLAGGED,
    HIDDEN,
    LIMITED,
    cheese_history,
    plan_and_approve,
    post,
    staff,
    sweep,
    use_stricter,
    write_policy,
)
from tests.safety.test_history import assert_history_is_judged_alike
from tests.statuses.cast import ask, count, known, read, sees, upload

STATES = "SELECT count(*) FROM statuses WHERE id = $1 AND state = $2::status_state"


async def state_of(world: World, status: dict) -> str:
    async with world.instance.db.read() as tx:
        return await tx.fetchval("SELECT state::text FROM statuses WHERE id = $1", int(status["id"]))


async def snapshot(world: World) -> dict[str, list]:
    """Everything that a sweep may change, as it is stored."""
    await staff(world)
    await staff(world, "ada", "admin")
    queries = {
        "statuses": "SELECT id, state::text, revision, held_revision, screening_id, text FROM statuses ORDER BY id",
        "revisions": "SELECT status_id, revision, state::text, screening_id FROM status_revisions ORDER BY 1, 2",
        "profiles": "SELECT id, display_name, note, revision, held_revision, screening_id FROM accounts ORDER BY 1",
        "media": "SELECT id, description FROM media ORDER BY id",
        "descriptions": "SELECT media_id, revision, held, screening_id FROM media_descriptions ORDER BY 1, 2",
        "counts": "SELECT account_id, statuses_count FROM account_stats ORDER BY 1",
    }
    async with world.instance.db.read() as tx:
        return {name: [tuple(row) for row in await tx.fetch(query)] for name, query in queries.items()}


async def test_a_sweep_acts_on_the_past_as_the_live_judge_does_on_the_present(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    assert row.state == "completed"
    assert row.acted == 5
    states = {name: await state_of(world, status) for name, status in posts.items()}
    assert states == {
        "fine": "published",
        "hidden": "hidden_interim",
        "limited": "limited",
        "flagged": "published",
        "message": "hidden_interim",
        "poll": "hidden_interim",
    }
    assert not await sees(world, "bob", posts["hidden"]["id"])
    assert await sees(world, "bob", posts["flagged"]["id"])
    own = await read(world, "alice", posts["hidden"]["id"])
    assert own["text"] if "text" in own else own["content"]
    await assert_history_is_judged_alike(world, under_live_rules=False)


async def test_members_are_told_when_a_sweep_hides_their_post(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    client = await world.client("alice")
    await client.patch("/api/v1/accounts/update_credentials", json={"note": f"{HIDDEN} lover"})
    await sweep(world, use_stricter(tmp_path))
    await world.run_jobs()
    answer = await ask(world, "alice", "GET", "/notifications")
    told = [one["type"] for one in answer.json()].count("moderation_warning")
    assert told == 4, "of two posts, a message and the profile"


async def test_evidence_is_kept_and_put_before_the_moderators(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    async with world.instance.db.read() as tx:
        changes = await list_changes(tx, row.id)
        by_status = {change.subject_id: change for change in changes}
        hidden = by_status[int(posts["hidden"]["id"])]
        assert hidden.report_id is not None
        evidence = await get_evidence(tx, hidden.report_id)
        report = await tx.fetchrow("SELECT source, state, rule_ids FROM reports WHERE id = $1", hidden.report_id)
    assert evidence is not None
    assert evidence.evidence["statuses"][0]["state"] == "published", "it was taken before anything was hidden"
    assert HIDDEN in evidence.evidence["judged"]["texts"]["text"]
    assert tuple(report) == ("automated", "open", [hidden.clause])
    assert by_status[int(posts["flagged"]["id"])].report_id is not None
    assert by_status[int(posts["limited"]["id"])].report_id is None
    assert by_status[int(posts["limited"]["id"])].decision_id is not None, "its author is told why, and may appeal"


async def test_every_change_is_a_result_and_a_fact(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    ruleset = use_stricter(tmp_path)
    row = await sweep(world, ruleset)
    results = "SELECT count(*) FROM screening_results WHERE (detail ->> 'sweep')::bigint = $1 AND ruleset = $2"
    assert await count(world, results, row.id, ruleset.sha256) == row.acted
    facts = "SELECT count(*) FROM events WHERE type = 'RevisionSwept' AND (payload ->> 'sweep_id')::bigint = $1"
    assert await count(world, facts, row.id) == row.acted
    current = """SELECT count(*) FROM statuses s JOIN screening_results r ON r.id = s.screening_id
        WHERE s.id = $1 AND r.ruleset = $2"""
    assert await count(world, current, int(posts["hidden"]["id"]), ruleset.sha256) == 1
    for kind in ("SweepPlanned", "SweepCounted", "SweepApproved", "SweepStarted", "SweepCompleted"):
        assert await count(world, "SELECT count(*) FROM events WHERE type = $1", kind) == 1


async def test_undo_restores_everything_as_it_was(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    client = await world.client("alice")
    await client.patch("/api/v1/accounts/update_credentials", json={"display_name": "Ann", "note": f"{HIDDEN} lover"})
    picture = await upload(world, "bob", description=f"{HIDDEN} on a plate")
    await ask(world, "bob", "PUT", f"/statuses/{posts['flagged']['id']}", json={"status": "only bread now"})
    old = await post(world, "bob", status=f"{HIDDEN} it was")
    await ask(world, "bob", "PUT", f"/statuses/{old['id']}", json={"status": "now it is bread"})
    await world.run_jobs()
    before = await snapshot(world)
    row = await sweep(world, use_stricter(tmp_path))
    await world.run_jobs()
    assert await snapshot(world) != before
    shown = (await ask(world, "bob", "GET", f"/accounts/{world.ids['alice']}")).json()
    assert (shown["note"], shown["display_name"]) == ("", "")
    assert (await ask(world, "bob", "GET", f"/media/{picture}")).json()["description"] != ""  # its owner's own view
    history = (await ask(world, "alice", "GET", f"/statuses/{old['id']}/history")).json()
    assert len(history) == 1, "an older revision leaves the history that others read"

    restored, kept = await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), row.id)
    assert (restored, kept) == (row.acted, 0)
    after = await snapshot(world)
    assert after == before
    await world.run_jobs()
    assert await sees(world, "bob", posts["hidden"]["id"])
    assert await count(world, "SELECT count(*) FROM reports WHERE state <> 'closed'") == 0
    with pytest.raises(Conflict):
        await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), row.id)
    again = await sweep(world, use_stricter(tmp_path / "again"))
    assert again.acted == row.acted, "what was undone is as if it had never been swept"


async def test_undo_leaves_alone_what_somebody_changed_since(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    row = await sweep(world, use_stricter(tmp_path))
    answer = await ask(world, "alice", "DELETE", f"/statuses/{posts['hidden']['id']}")
    assert answer.status_code == 200
    restored, kept = await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), row.id)
    assert (restored, kept) == (row.acted - 1, 1)
    assert await state_of(world, posts["hidden"]) == "author_deleted"


async def test_what_people_let_through_is_put_before_them_again_and_not_taken_away(
    world: World, tmp_path: Path
) -> None:
    await known(world, "alice")
    status = await post(world, "alice", status="kill yourself, said the " + HIDDEN)
    assert await state_of(world, status) == "held"
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(status["id"]), by=await world.account("mod_mia", role="moderator"))
    fresh = await post(world, "alice", status=f"{HIDDEN} for all")
    async with world.instance.db.write() as tx:
        from parley.screening import Outcome
        from parley.social.verdicts.labels import record_label

        subject = ("status", int(fresh["id"]), 1)
        await record_label(tx, subject, Outcome.ALLOW, clause=None, source="quality_check")
    await sweep(world, use_stricter(tmp_path))
    assert await state_of(world, status) == "published"
    assert await state_of(world, fresh) == "published"
    assert await count(world, "SELECT count(*) FROM sweep_changes WHERE kind = 'flagged'") == 1


async def test_only_with_release_is_anything_published_that_was_held(world: World, tmp_path: Path) -> None:
    await known(world, "alice", "bob")
    use_stricter(tmp_path)
    status = await post(world, "alice", status=f"{HIDDEN} at last")
    edited = await post(world, "alice", status="bread")
    await ask(world, "alice", "PUT", f"/statuses/{edited['id']}", json={"status": f"bread and {HIDDEN}"})
    await world.run_jobs()
    from parley import screening

    milder = screening.use_policy(write_policy(tmp_path / "milder", allow=HIDDEN))
    assert (await sweep(world, milder)).acted == 0
    assert await state_of(world, status) == "held"
    before = await snapshot(world)
    row = await sweep(world, milder, release=True)
    assert row.acted == 2
    assert await sees(world, "bob", status["id"])
    assert HIDDEN in (await read(world, "bob", edited["id"]))["content"]
    await world.run_jobs()
    assert await undo_sweep(world.instance.db, world.settings, await staff(world, "ada", "admin"), row.id) == (2, 0)
    after = await snapshot(world)
    assert after["counts"] == before["counts"]
    assert [one[1:4] for one in after["statuses"]] == [one[1:4] for one in before["statuses"]]
    assert not await sees(world, "bob", status["id"])
    assert HIDDEN not in (await read(world, "bob", edited["id"]))["content"]


async def test_nothing_runs_that_was_not_counted_and_approved(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    mia, ada, alice = await staff(world), await staff(world, "ada", "admin"), await staff(world, "eve", "member")
    async with db.write() as tx:
        with pytest.raises(Forbidden):
            await plan_sweep(tx, alice, ruleset, NewSweep(reason="no"))
        sweep_id = await plan_sweep(tx, mia, ruleset, NewSweep(reason="test"))
    with pytest.raises(Invalid):
        await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)
    async with db.write() as tx:
        with pytest.raises(Invalid):
            await approve_sweep(tx, ada, world.settings, sweep_id)
    counted = await count_sweep(db, mia, sweep_id, OwnThread(ruleset), ruleset)
    assert counted.effects == {"hide": 3, "limit": 1, "flag": 1}
    assert counted.expected["hide"] == (3, 3, 3)
    assert all(sample.text == "" for sample in counted.samples if sample.subject_type == "message")
    with pytest.raises(Invalid):
        await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)
    async with db.write() as tx:
        with pytest.raises(Forbidden):
            await approve_sweep(tx, alice, world.settings, sweep_id)
        assert await approve_sweep(tx, mia, world.settings, sweep_id)
    assert (await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)).state == "completed"


async def test_a_large_sweep_needs_two_people(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    mia, ada = await staff(world), await staff(world, "ada", "admin")
    async with db.write() as tx:
        sweep_id = await plan_sweep(tx, mia, ruleset, NewSweep(reason="test"))
    await count_sweep(db, mia, sweep_id, OwnThread(ruleset), ruleset)
    async with db.write() as tx:
        await append_event(tx, system("test"), "sweep_counted")
        await tx.execute("UPDATE sweeps SET needs_second = true WHERE id = $1", sweep_id)
        assert not await approve_sweep(tx, mia, world.settings, sweep_id), "who planned it is one person only"
        assert not await approve_sweep(tx, mia, world.settings, sweep_id)
    with pytest.raises(Invalid):
        await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)
    async with db.write() as tx:
        assert await approve_sweep(tx, ada, world.settings, sweep_id)
    assert (await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset)).state == "completed"


async def test_a_new_ruleset_ends_the_sweeps_of_the_one_before(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    first = await plan_and_approve(world, ruleset, changed=("words:a",))
    from parley import screening

    other = screening.use_policy(write_policy(tmp_path / "other", allow=LIMITED))
    async with db.write() as tx:
        second = await plan_sweep(tx, None, other, NewSweep(reason="changed", changed=("words:b",)))
    async with db.read() as tx:
        ended, fresh = await get_sweep(tx, first), await get_sweep(tx, second)
    assert ended.state == "aborted"
    assert str(second) in ended.note
    assert fresh.changed == ("words:b", "words:a")
    assert fresh.automatic
    with pytest.raises(Conflict):
        await run_sweep(db, world.settings, first, OwnThread(other), other)


async def test_an_abort_stops_a_sweep_that_runs(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    sweep_id = await plan_and_approve(world, ruleset)
    mia = await staff(world)

    class Aborting(OwnThread):
        async def judge(self, questions: list[Question]) -> list[Answer]:
            answers = await super().judge(questions)
            async with db.write() as tx:
                await abort_sweep(tx, mia, sweep_id, note="enough")
            return answers

    row = await run_sweep(db, world.settings, sweep_id, Aborting(ruleset), ruleset)
    assert (row.state, row.acted, row.note) == ("aborted", 0, "enough")


async def test_two_runs_of_one_sweep_do_nothing_twice(world: World, tmp_path: Path) -> None:
    await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    sweep_id = await plan_and_approve(world, ruleset)

    class Slow(OwnThread):
        async def judge(self, questions: list[Question]) -> list[Answer]:
            answers = await super().judge(questions)
            await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset, page=2, seconds=0)
            return answers

    with pytest.raises(Conflict, match="Somebody else"):
        await run_sweep(db, world.settings, sweep_id, Slow(ruleset), ruleset, page=2)
    await run_sweep(db, world.settings, sweep_id, OwnThread(ruleset), ruleset, page=2)
    async with db.read() as tx:
        view = await get_sweep(tx, sweep_id)
    assert view.state == "completed"
    assert view.acted == 5 == sum(view.changes.values())


async def test_an_edit_and_a_deletion_during_the_sweep_win(world: World, tmp_path: Path) -> None:
    posts = await cheese_history(world)
    ruleset, db = use_stricter(tmp_path), world.instance.db
    sweep_id = await plan_and_approve(world, ruleset)

    class Meanwhile(OwnThread):
        async def judge(self, questions: list[Question]) -> list[Answer]:
            answers = await super().judge(questions)
            edit = {"status": "only bread"}
            assert (
                await ask(world, "alice", "PUT", f"/statuses/{posts['hidden']['id']}", json=edit)
            ).status_code == 200
            assert (await ask(world, "bob", "DELETE", f"/statuses/{posts['limited']['id']}")).status_code == 200
            return answers

    row = await run_sweep(db, world.settings, sweep_id, Meanwhile(ruleset), ruleset)
    assert row.state == "completed"
    assert await state_of(world, posts["hidden"]) == "published", "the new revision was judged by the live rules"
    history = (await ask(world, "bob", "GET", f"/statuses/{posts['hidden']['id']}/history")).json()
    assert [HIDDEN in one["content"] for one in history] == [False], "its older revision left the history"
    assert await state_of(world, posts["limited"]) == "author_deleted"
    assert (await store_changes(world, row.id)).get(int(posts["limited"]["id"])) is None


async def store_changes(world: World, sweep_id: int) -> dict[int, str]:
    async with world.instance.db.read() as tx:
        return {change.subject_id: change.kind for change in await store.list_changes(tx, sweep_id, 0, 100)}


async def test_processes_beside_give_the_same_verdicts_as_this_one(world: World, tmp_path: Path) -> None:
    from parley.safety.history import list_past
    from parley.safety.judging import ask as question_of
    from parley.safety.judging import judge_all
    from parley.screening.sources import policy_files
    from parley.social.policies.sources import RulesetSource

    await cheese_history(world)
    ruleset = use_stricter(tmp_path)
    async with world.instance.db.read() as tx:
        pasts, _ = await list_past(tx, 100)
    questions = [question_of(past) for past in pasts]
    files = policy_files(tmp_path / "stricter")
    assert isinstance(files, dict)
    async with local_processes(RulesetSource(files), ruleset.sha256, 2) as judges:
        beside = await judges.judge(questions)
    here = judge_all(questions, ruleset)
    assert beside == here
    assert {answer.outcome for answer in here} >= {"allow", "hold", "limit", "allow_flag"}
    with pytest.raises(Invalid, match="instead of"):
        async with local_processes(RulesetSource(files), "0" * 64, 1):
            pass


async def test_flagged_words_do_not_hide_their_post(world: World, tmp_path: Path) -> None:
    await known(world, "bob")
    status = await post(world, "bob", status=f"some {FLAGGED}")
    await sweep(world, use_stricter(tmp_path))
    assert await sees(world, "alice", status["id"])


async def test_a_new_ruleset_always_plans_a_sweep_and_counts_it(world: World, tmp_path: Path) -> None:
    """Invariant 9: a new live rule or bank entry leads to a sweep over history, even if it is only counted."""
    import msgspec

    from parley.safety.sweeps.jobs import count_planned_sweep
    from parley.safety.sweeps.reads import list_sweeps
    from parley.social.policies.live import load_live

    db = world.instance.db
    before = await load_live(db, world.settings, starting=True)
    posts = await cheese_history(world)
    settings = msgspec.structs.replace(world.settings, policy_dir=str(write_policy(tmp_path / "stricter")))
    after = await load_live(db, settings, starting=True)
    assert after.sha256 != before.sha256
    await world.run_jobs()
    async with db.read() as tx:
        [sweep_view] = [one for one in await list_sweeps(tx) if one.state == "planned"]
    assert (sweep_view.state, sweep_view.automatic, sweep_view.ruleset) == ("planned", True, after.sha256)
    await world.run_jobs()
    await count_planned_sweep(world.instance, {"sweep_id": sweep_view.id})
    async with db.read() as tx:
        counted = await get_sweep(tx, sweep_view.id)
    assert counted.state == "counted"
    assert counted.count is not None
    assert counted.count.effects == {"hide": 3, "limit": 1, "flag": 1}
    assert await state_of(world, posts["hidden"]) == "published", "nothing is acted on before somebody approves it"


async def test_the_worker_runs_an_approved_sweep_in_parts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msgspec

    from parley.kit.jobs import enqueue
    from parley.safety.sweeps import jobs
    from parley.social.policies.live import load_live

    db = world.instance.db
    await load_live(db, world.settings, starting=True)
    posts = await cheese_history(world)
    settings = msgspec.structs.replace(world.settings, policy_dir=str(write_policy(tmp_path / "stricter")))
    ruleset = await load_live(db, settings, starting=True)
    sweep_id = await plan_and_approve(world, ruleset)
    monkeypatch.setattr(jobs, "AT_A_TIME", 0.0)
    monkeypatch.setattr(jobs, "SMALL_PAGE", 2)
    async with db.write() as tx:
        await enqueue(tx, "run_approved_sweep", {"sweep_id": sweep_id})
    await world.run_jobs()
    async with db.read() as tx:
        view = await get_sweep(tx, sweep_id)
    assert (view.state, view.acted) == ("completed", 5)
    assert await state_of(world, posts["poll"]) == "hidden_interim"
