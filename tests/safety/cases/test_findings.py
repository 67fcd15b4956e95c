"""What screening found becomes cases by jobs, and settles by itself when its reason is gone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley.safety.cases import findings, jobs
from parley.safety.cases.jobs import open_cases_of_findings, settle_found
from parley.social.accounts.actions import NewAccount, create_account, remove_pending_account
from parley.social.statuses.publishing import drop_held_revision, publish_held_status
from tests.conftest import World
from tests.safety.cases.desk import case_of, events, report, rows, value, view
from tests.safety.sweeping import FLAGGED, cheese_history, sweep, use_stricter
from tests.statuses.cast import DOUBTFUL, known

FLAG = "sieg heil"
"""Published, and flagged."""


async def _look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look through the findings as if the last transactions had ended long ago."""
    monkeypatch.setattr(jobs, "_SETTLED", timedelta(seconds=-5))
    await open_cases_of_findings(world.instance, {})


async def _open_cases(world: World) -> int:
    return int(await value(world, "SELECT count(*) FROM cases WHERE state <> 'closed'"))


async def test_what_is_held_comes_before_the_moderators(world: World) -> None:
    await known(world, "bob")
    status = await world.post("bob", DOUBTFUL)
    assert await _open_cases(world) == 0, "nothing of this is part of posting"
    await world.run_jobs()
    case = await view(world, await case_of(world, "bob"))
    subject = case.subjects[0]
    assert (subject.type, subject.id, subject.source, subject.state_now) == (
        "status",
        int(status["id"]),
        "automated",
        "held",
    )
    assert subject.signals is not None
    assert subject.signals.outcome == "hold"
    assert subject.signals.because
    assert subject.clause == subject.signals.clause
    assert subject.seen is not None
    assert subject.seen["status"]["text"] == DOUBTFUL
    assert case.case.reach == 0, "nobody has seen it"
    await jobs.open_case_of_hold(world.instance, {"status_id": status["id"], "revision": 1})
    assert len((await view(world, case.case.id)).subjects) == 1


async def test_posting_runs_no_statement_for_the_desk(world: World) -> None:
    await known(world, "bob")
    await world.post("bob", "good morning")
    with world.queries() as plain:
        await world.post("bob", "good morning again")
    with world.queries() as held:
        await world.post("bob", DOUBTFUL)
    desk = ("cases", "case_subjects", "reports", "moderation_events", "sla_clocks", "reporters")
    for statement in (*plain, *held):
        assert not any(f" {table}" in statement for table in desk), statement


async def test_what_is_let_through_elsewhere_settles_by_itself(world: World) -> None:
    await known(world, "bob")
    status = await world.post("bob", DOUBTFUL)
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    async with world.instance.db.write() as tx:
        await publish_held_status(tx, int(status["id"]))
    await world.run_jobs()
    case = await view(world, case_id)
    assert (case.case.state, case.subjects[0].settled_as) == ("closed", "released")
    assert {clock.state for clock in case.clocks} == {"met"}
    assert (await events(world, case_id))[-2:] == ["subject_settled", "case_closed"]


async def test_what_its_author_deletes_unseen_settles_and_is_kept(world: World) -> None:
    await known(world, "bob")
    status = await world.post("bob", DOUBTFUL)
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    assert (await (await world.client("bob")).delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    await world.run_jobs()
    case = await view(world, case_id)
    assert (case.case.state, case.subjects[0].settled_as) == ("closed", "deleted")
    assert case.subjects[0].seen is not None
    assert case.subjects[0].seen["status"]["text"] == DOUBTFUL
    assert "subject_deleted_by_author" in await events(world, case_id)


async def test_a_held_edit_waits_and_a_better_one_withdraws_it(world: World) -> None:
    await known(world, "bob")
    status = await world.post("bob", "good morning")
    bob = await world.client("bob")
    assert (await bob.put(f"/api/v1/statuses/{status['id']}", json={"status": DOUBTFUL})).status_code == 200
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    subject = (await view(world, case_id)).subjects[0]
    assert (subject.revision, subject.changed) == (2, True)
    assert (await bob.put(f"/api/v1/statuses/{status['id']}", json={"status": "good evening"})).status_code == 200
    await world.run_jobs()
    case = await view(world, case_id)
    assert (case.case.state, case.subjects[0].settled_as) == ("closed", "withdrawn")


async def test_a_held_edit_that_is_dropped_settles(world: World) -> None:
    await known(world, "bob")
    status = await world.post("bob", "good morning")
    bob = await world.client("bob")
    await bob.put(f"/api/v1/statuses/{status['id']}", json={"status": DOUBTFUL})
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    async with world.instance.db.write() as tx:
        await drop_held_revision(tx, int(status["id"]), 2)
    await world.run_jobs()
    assert (await view(world, case_id)).case.state == "closed"


async def test_what_is_flagged_comes_in_and_a_deletion_does_not_end_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(world, "bob")
    status = await world.post("bob", FLAG)
    await world.run_jobs()
    assert await _open_cases(world) == 0
    await _look(world, monkeypatch)
    case_id = await case_of(world, "bob")
    subject = (await view(world, case_id)).subjects[0]
    assert subject.signals is not None
    assert (subject.state_now, subject.signals.outcome) == ("published", "allow_flag")
    assert (await (await world.client("bob")).delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    await world.run_jobs()
    await settle_found(world.instance, {})
    case = await view(world, case_id)
    assert (case.case.state, case.subjects[0].settled_at) == ("open", None), "others have seen it"
    assert case.subjects[0].state_now == "author_deleted"
    await _look(world, monkeypatch)
    assert len(await rows(world, "SELECT FROM case_subjects")) == 1


async def test_flags_for_what_is_less_grave_than_the_policy_asks_open_no_case(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "severity_of", lambda *_: 3)
    await known(world, "bob")
    await world.post("bob", FLAG)
    await _look(world, monkeypatch)
    assert await _open_cases(world) == 0


async def test_a_held_profile_and_a_held_description_come_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(world, "bob")
    bob = await world.client("bob")
    answer = await bob.patch("/api/v1/accounts/update_credentials", json={"note": DOUBTFUL})
    assert answer.status_code == 200
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    subject = (await view(world, case_id)).subjects[0]
    assert (subject.type, subject.id, subject.state_now) == ("profile", world.ids["bob"], "held")
    assert (await bob.patch("/api/v1/accounts/update_credentials", json={"note": "hello"})).status_code == 200
    await world.run_jobs()
    assert (await view(world, case_id)).case.state == "closed"


async def test_one_that_cannot_be_opened_does_not_keep_the_others_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await known(world, "bob", "carol")
    for name in ("bob", "carol"):
        await world.post(name, FLAG)
    real = jobs.open_case_of_finding

    async def fail(tx: Any, settings: Any, finding: Any) -> Any:
        if finding.account_id == world.ids["bob"]:
            raise RuntimeError("a poisoned one")
        return await real(tx, settings, finding)

    monkeypatch.setattr(jobs, "open_case_of_finding", fail)
    await _look(world, monkeypatch)
    assert await case_of(world, "carol")
    monkeypatch.setattr(jobs, "open_case_of_finding", real)
    await world.run_jobs()
    assert await case_of(world, "bob")


async def test_a_newcomer_whose_profile_is_held_can_still_be_turned_away(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world.instance.db.write() as tx:
        account_id = await create_account(tx, world.settings, NewAccount(username="nemo", note=DOUBTFUL))
        assert await tx.fetchval("SELECT state FROM accounts WHERE id = $1", account_id) == "pending"
    await world.run_jobs()
    await _look(world, monkeypatch)
    assert await _open_cases(world) == 0
    async with world.instance.db.write() as tx:
        assert await remove_pending_account(tx, account_id)


async def test_sweeps_put_what_they_found_into_cases(world: World, tmp_path: Any) -> None:
    posts = await cheese_history(world)
    await sweep(world, use_stricter(tmp_path))
    await world.run_jobs()
    await jobs.open_cases_of_reports(world.instance, {})
    assert await value(world, "SELECT count(*) FROM reports WHERE source = 'automated' AND case_id IS NULL") == 0
    alice = await view(world, await case_of(world, "alice"))
    assert {one.id for one in alice.subjects} >= {int(posts["hidden"]["id"]), int(posts["poll"]["id"])}
    assert {one.state_now for one in alice.subjects} == {"hidden_interim"}
    bob = await view(world, await case_of(world, "bob"))
    assert {one.id for one in bob.subjects} == {int(posts["flagged"]["id"])}
    assert FLAGGED in bob.case.excerpt


async def test_what_somebody_reported_does_not_settle_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(world, "bob")
    status = await world.post("bob", FLAG)
    await _look(world, monkeypatch)
    await report(world, "alice", "bob", status_ids=[status["id"]], rule_ids=["1.2"])
    subject = (await view(world, await case_of(world, "bob"))).subjects[0]
    assert (subject.source, subject.signals is not None) == ("user", True)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE screening_results SET outcome = 'allow' WHERE subject_id = $1", int(status["id"]))
    await settle_found(world.instance, {})
    assert (await view(world, await case_of(world, "bob"))).case.state == "open"


async def test_a_finding_about_what_is_gone_opens_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await known(world, "bob")
    status = await world.post("bob", DOUBTFUL)
    await (await world.client("bob")).delete(f"/api/v1/statuses/{status['id']}")
    await world.run_jobs()
    await _look(world, monkeypatch)
    assert await _open_cases(world) == 0


async def test_reach_follows_followers_boosts_and_reactions(world: World) -> None:
    for name in ("alice", "carol", "dora"):
        await world.follow(name, "bob")
    await world.follow("erin", "carol")
    status = await world.post("bob", "look at this")
    await report(world, "alice", "bob", status_ids=[status["id"]])
    await world.run_jobs()
    case_id = await case_of(world, "bob")
    quiet = (await view(world, case_id)).case
    assert (quiet.reach, quiet.reach_per_hour) == (3, 0)
    carol = await world.client("carol")
    await carol.post(f"/api/v1/statuses/{status['id']}/reblog")
    await carol.post(f"/api/v1/statuses/{status['id']}/favourite")
    await world.run_jobs()
    await jobs.weigh_young_cases(world.instance, {})
    loud = (await view(world, case_id)).case
    assert loud.reach == 3 + 1 + 2 * 10
    assert loud.reach_per_hour > 100
    assert loud.priority > quiet.priority
    assert loud.confidence == quiet.confidence > 0


async def test_accounts_that_signed_up_alike_speak_with_one_voice(world: World) -> None:
    names = [f"sock_{number}" for number in range(4)]
    for name in names:
        await report(world, name, "spam_sam")
    await world.run_jobs()
    case_id = await case_of(world, "spam_sam")
    before = (await view(world, case_id)).case
    assert before.reporters_count == 4
    async with world.instance.db.write() as tx:
        await tx.execute(
            "INSERT INTO account_standing (account_id, cluster_id, cluster_size) SELECT unnest($1::bigint[]), 7, 4 "
            "ON CONFLICT (account_id) DO UPDATE SET cluster_id = 7",
            [world.ids[name] for name in names],
        )
    await jobs.weigh_all_cases(world.instance, {})
    after = (await view(world, case_id)).case
    assert after.confidence < before.confidence
    assert after.reporters_count == 4, "and yet each of them is counted"
