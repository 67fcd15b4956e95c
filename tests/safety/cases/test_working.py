"""Working on cases: leases that never collide, letting go, handing over, escalating, notes, and how cases end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import BadRequest, Conflict, Forbidden, Invalid, NotFound
from parley.safety.cases import store
from parley.safety.cases.actions import (
    add_case_note,
    claim_case,
    claim_next_case,
    deescalate_case,
    escalate_case,
    hand_over_case,
    move_case,
    release_case,
    reopen_case,
)
from parley.safety.cases.jobs import expire_leases, weigh_reporters
from parley.safety.cases.reads import (
    count_queues,
    get_case,
    get_reporter,
    list_case_events,
    list_cases,
    list_closed,
    list_more_reports,
)
from parley.safety.cases.reporters import mute_reporter, trust_flagger
from parley.safety.cases.war import open_war_queue
from parley.safety.clocks.jobs import watch_clocks
from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import ActionKind, DecisionView, NewAction, NewDecision
from parley.safety.log.verifying import verify_log
from parley.safety.log.views import Subject, human, system
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.cases.desk import case_of, events, report, rows, staff, view


async def _reported(world: World, *names: str) -> list[int]:
    for name in names:
        await report(world, "alice", name)
    return [await case_of(world, name) for name in names]


async def _claim(world: World, viewer: Viewer, case_id: int, **options: Any) -> Any:
    async with world.instance.db.write() as tx:
        return await claim_case(tx, viewer, case_id, **options)


async def _decide(
    world: World, viewer: Viewer, case_id: int, kind: ActionKind, *subjects: Subject, clause: str | None = "3.1"
) -> DecisionView:
    async with world.instance.db.write() as tx:
        row = await store.get_locked_case(tx, case_id)
        assert row is not None
        new = NewDecision(
            account_id=row.account_id,
            actions=tuple(NewAction(kind, subject) for subject in subjects),
            case_id=case_id,
            clause=clause,
        )
        made = await decide(tx, world.settings, viewer, new)
    assert isinstance(made, DecisionView)
    return made


async def test_two_moderators_never_hold_one_case(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    mia, max_ = await staff(world), await staff(world, "mod_max")
    both = await asyncio.gather(*(_claim(world, viewer, case_id) for viewer in (mia, max_) * 3), return_exceptions=True)
    won = [answer for answer in both if not isinstance(answer, BaseException)]
    lost = [answer for answer in both if isinstance(answer, BaseException)]
    assert len(won) == 3, "whoever has it may claim it again"
    assert all(isinstance(answer, Conflict) and "works on this case until" in answer.text for answer in lost)
    assert len({answer.case.assigned_to.id for answer in won}) == 1
    winner = won[0].case.assigned_to.id
    with time_travel(timedelta(minutes=11)):
        other = max_ if winner == mia.account_id else mia
        taken = await _claim(world, other, case_id)
        assert taken.case.mine


async def test_two_who_ask_for_the_next_case_get_two(world: World) -> None:
    names = ["bob", "carol", "dora", "spam_sam", "erin", "frank"]
    cases = await _reported(world, *names)
    people = [await staff(world, f"mod_{number}") for number in range(6)]

    async def take(viewer: Viewer) -> int:
        async with world.instance.db.write() as tx:
            found = await claim_next_case(tx, viewer)
            await asyncio.sleep(0.05)
        assert found is not None
        return found.case.id

    taken = await asyncio.gather(*(take(viewer) for viewer in people[:4]))
    assert len(set(taken)) == 4
    taken += [await take(viewer) for viewer in people[4:]]
    assert set(taken) == set(cases)
    async with world.instance.db.write() as tx:
        assert await claim_next_case(tx, await staff(world, "mod_late")) is None


async def test_a_case_that_is_let_go_is_anybodys(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    mia, max_ = await staff(world), await staff(world, "mod_max")
    assert (await _claim(world, mia, case_id)).case.state == "assigned"
    async with world.instance.db.write() as tx:
        with pytest.raises(Conflict):
            await release_case(tx, max_, case_id)
        await release_case(tx, mia, case_id)
    assert (await view(world, case_id)).case.state == "open"
    assert (await _claim(world, max_, case_id)).case.mine
    assert await events(world, case_id) == ["case_opened", "evidence_captured", "case_claimed", "case_released",
                                            "case_claimed"]  # fmt: skip


async def test_a_lease_that_is_over_ends_by_itself(world: World) -> None:
    cases = await _reported(world, "spam_sam", "bob")
    mia = await staff(world)
    for case_id in cases:
        await _claim(world, mia, case_id, minutes=5)
    await expire_leases(world.instance, {})
    assert (await view(world, cases[0])).case.mine
    with time_travel(timedelta(minutes=6)):
        await asyncio.gather(*(expire_leases(world.instance, {}) for _ in range(3)))
    for case_id in cases:
        assert (await view(world, case_id)).case.state == "open"
        assert (await events(world, case_id)).count("lease_expired") == 1


async def test_only_the_staff_works_on_cases(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    alice = Viewer(account_id=world.ids["alice"], username="alice")
    account_id = world.ids["spam_sam"]
    async with world.instance.db.write() as tx:
        for ask in (
            claim_case(tx, alice, case_id),
            claim_next_case(tx, alice),
            release_case(tx, alice, case_id),
            hand_over_case(tx, alice, case_id, world.ids["alice"]),
            escalate_case(tx, human(alice), case_id, why="x", viewer=alice),
            move_case(tx, human(alice), case_id, "main", viewer=alice),
            add_case_note(tx, alice, account_id, case_id, "x"),
            deescalate_case(tx, alice, case_id),
        ):
            with pytest.raises(NotFound):
                await ask
        with pytest.raises(NotFound):
            await claim_case(tx, await staff(world), 4711)


async def test_a_case_is_handed_over_to_staff_alone_who_are_told(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    mia, max_ = await staff(world), await staff(world, "mod_max")
    await _claim(world, mia, case_id)
    async with world.instance.db.write() as tx:
        for wrong in (world.ids["alice"], mia.account_id, 4711):
            with pytest.raises(Invalid):
                await hand_over_case(tx, mia, case_id, wrong)
        await hand_over_case(tx, mia, case_id, max_.account_id)
    await world.run_jobs()
    letter = _letters(world, "handed over")[0]
    assert "mod_max@example.org" in letter
    assert f"/desk/cases/{case_id}" in letter
    with pytest.raises(Conflict):
        await _claim(world, mia, case_id)
    assert (await _claim(world, max_, case_id)).case.mine


def _letters(world: World, words: str) -> list[str]:
    folder = world.settings.path("mail")
    letters = [path.read_text() for path in folder.glob("*.eml")] if folder.is_dir() else []
    return [letter for letter in letters if words in letter]


async def test_an_escalation_is_for_those_whom_it_names_and_never_silent(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    mia, ada = await staff(world), await staff(world, "ada", "admin")
    await _claim(world, mia, case_id)
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(mia), case_id, to="admin", why="he is a senator", viewer=mia)
    await world.run_jobs()
    case = await view(world, case_id)
    assert (case.case.state, case.case.escalated_to) == ("escalated", "admin")
    assert [note.text for note in case.notes] == ["he is a senator"]
    assert "senator" not in str(await rows(world, "SELECT body FROM moderation_events"))
    told = _letters(world, "escalated to you")
    assert len(told) == 1
    assert "ada@example.org" in told[0]
    with pytest.raises(Forbidden, match="who alone"):
        await _claim(world, mia, case_id)
    async with world.instance.db.read() as tx:
        assert [one.id for one in (await list_cases(tx, ada, escalated=True)).cases] == [case_id]
    assert (await _claim(world, ada, case_id)).case.state == "escalated"
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await deescalate_case(tx, mia, case_id)
        with pytest.raises(Forbidden, match="give it to others"):
            await escalate_case(tx, human(mia), case_id, to="staff", why="never mind", viewer=mia)
        with pytest.raises(Forbidden, match="give it to others"):
            await hand_over_case(tx, mia, case_id, (await staff(world, "mod_max")).account_id)
        await deescalate_case(tx, ada, case_id)
        with pytest.raises(Invalid, match="by name"):
            await escalate_case(tx, human(mia), case_id, to="alice", why="x", viewer=mia)
    assert (await _claim(world, mia, case_id)).case.mine


async def test_where_nobody_runs_the_instance_an_escalation_still_reaches_somebody(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        await escalate_case(tx, human(mia), case_id, to="owner", why="help", viewer=mia)
    await world.run_jobs()
    assert "mod_mia@example.org" in _letters(world, "escalated to you")[0]


async def test_nobody_of_the_staff_finds_a_case_about_themselves(world: World) -> None:
    mia, max_ = await staff(world), await staff(world, "mod_max")
    await report(world, "alice", "mod_mia", comment="she is rude")
    case_id = await case_of(world, "mod_mia")
    async with world.instance.db.read() as tx:
        assert (await list_cases(tx, mia)).cases == []
        assert [one.id for one in (await list_cases(tx, max_)).cases] == [case_id]
        for ask in (
            get_case(tx, mia, case_id),
            list_case_events(tx, mia, case_id),
            list_more_reports(tx, mia, case_id, 2**62),
        ):
            with pytest.raises(NotFound):
                await ask
        assert (await count_queues(tx, mia)).cases == 1, "the backlog hides nothing"
    async with world.instance.db.write() as tx:
        assert await claim_next_case(tx, mia) is None
        for act in (
            claim_case(tx, mia, case_id),
            hand_over_case(tx, mia, case_id, max_.account_id),
            escalate_case(tx, human(mia), case_id, why="x", viewer=mia),
            move_case(tx, human(mia), case_id, "jury", viewer=mia),
            add_case_note(tx, mia, mia.account_id, case_id, "not me"),
        ):
            with pytest.raises(NotFound):
                await act
    await world.run_jobs()
    told = await rows(world, "SELECT account_id FROM notifications WHERE type = 'admin.report'")
    assert {row["account_id"] for row in told} == {max_.account_id}


async def test_notes_stand_on_the_case_and_on_the_account(world: World) -> None:
    case_id, other = await _reported(world, "spam_sam", "bob")
    mia, sam = await staff(world), world.ids["spam_sam"]
    async with world.instance.db.write() as tx:
        await add_case_note(tx, mia, sam, case_id, " looks like a bot ")
        await add_case_note(tx, mia, sam, None, "met him before")
        with pytest.raises(NotFound):
            await add_case_note(tx, mia, sam, other, "of another account")
        for wrong in ("  ", "x" * 5001):
            with pytest.raises(Invalid):
                await add_case_note(tx, mia, sam, case_id, wrong)
    notes = (await view(world, case_id)).notes
    assert [(note.text, note.case_id) for note in notes] == [("met him before", None), ("looks like a bot", case_id)]
    assert notes[0].written_by is not None
    assert notes[0].written_by.username == "mod_mia"


async def test_what_goes_before_a_jury_leaves_the_moderators_queue(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    await report(world, "alice", "bob", rule_ids=["1.1"])
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        await move_case(tx, human(mia), case_id, "jury", viewer=mia)
        with pytest.raises(Invalid, match="never waits"):
            await move_case(tx, human(mia), await case_of(world, "bob"), "jury", viewer=mia)
        with pytest.raises(Invalid, match="no such queue"):
            await move_case(tx, human(mia), case_id, "bin", viewer=mia)
        found = await claim_next_case(tx, mia)
        assert found is not None
        assert found.case.account.username == "bob"
        assert await claim_next_case(tx, mia, passed=(found.case.id,)) is None
    assert (await view(world, case_id)).case.state == "queued"


async def test_a_case_closes_when_everything_in_it_is_decided(world: World) -> None:
    first = await world.post("spam_sam", "buy my pills")
    second = await world.post("spam_sam", "good morning")
    await report(world, "alice", "spam_sam", status_ids=[first["id"]], rule_ids=["3.1"])
    await report(world, "bob", "spam_sam", status_ids=[second["id"]], rule_ids=["3.1"])
    case_id = await case_of(world, "spam_sam")
    mia = await staff(world)
    await _claim(world, mia, case_id)
    acted = await _decide(world, mia, case_id, "remove", Subject("status", int(first["id"])))
    case = await view(world, case_id)
    assert case.case.state == "assigned"
    assert (case.case.subjects_count, case.case.open_subjects) == (2, 1)
    assert {clock.state for clock in case.clocks if clock.case_subject_id == case.subjects[1].case_subject_id} == {
        "met"
    }
    assert case.subjects[1].decision_id == acted.id
    outcomes = {one.reporter.username: one.outcome for one in case.reports if one.reporter}
    assert outcomes == {"alice": "acted", "bob": None}, "whoever was right need not wait for the rest"
    await _decide(world, mia, case_id, "no_action", Subject("status", int(second["id"])), clause=None)
    case = await view(world, case_id)
    assert (case.case.state, case.case.due_at, case.case.assigned_to) == ("closed", None, None)
    assert {one.reporter.username: one.outcome for one in case.reports if one.reporter} == {
        "alice": "acted",
        "bob": "not_acted",
    }
    assert {clock.state for clock in case.clocks} == {"met"}
    taken = await rows(world, "SELECT account_id, action_taken_at IS NOT NULL AS done FROM reports ORDER BY id")
    assert [row["done"] for row in taken] == [True, False]
    with pytest.raises(Conflict, match="closed"):
        await _claim(world, mia, case_id)
    await report(world, "carol", "spam_sam")
    newer = await case_of(world, "spam_sam")
    assert newer != case_id
    assert (await view(world, newer)).earlier_cases == (case_id,)
    async with world.instance.db.write() as tx:
        with pytest.raises(Conflict, match="another open case"):
            await reopen_case(tx, human(mia), case_id, why="x")


async def test_a_case_that_is_opened_again_waits_on_new_clocks(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["3.1"])
    case_id = await case_of(world, "spam_sam")
    mia = await staff(world)
    decision = await _decide(world, mia, case_id, "no_action", Subject("status", int(status["id"])), clause=None)
    assert (await view(world, case_id)).case.state == "closed"
    async with world.instance.db.write() as tx:
        await reopen_case(tx, system("test"), case_id, decision_id=decision.id, why="quality check")
    case = await view(world, case_id)
    assert (case.case.state, case.case.open_subjects) == ("open", 1)
    assert case.case.due_at is not None
    assert [(one.state, one.outcome) for one in case.reports] == [("open", None)]


async def test_a_report_that_arrives_while_the_case_is_decided_is_not_lost(world: World) -> None:
    await world.client("bob")
    status = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["3.1"])
    case_id = await case_of(world, "spam_sam")
    mia = await staff(world)
    await asyncio.gather(
        _decide(world, mia, case_id, "no_action", Subject("status", int(status["id"])), clause=None),
        report(world, "bob", "spam_sam", status_ids=[status["id"]]),
    )
    found = await rows(world, "SELECT r.state, c.state AS waits FROM reports r JOIN cases c ON c.id = r.case_id")
    assert all(row["state"] == "closed" or row["waits"] != "closed" for row in found), found
    assert len(found) == 2


async def test_reporters_who_were_right_weigh_more_and_those_who_were_wrong_less(world: World) -> None:
    mia = await staff(world)
    for number, kind in ((1, "remove"), (2, "remove"), (3, "remove")):
        status = await world.post("spam_sam", f"pills {number}")
        await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["3.1"])
        await _decide(world, mia, await case_of(world, "spam_sam"), kind, Subject("status", int(status["id"])))  # type: ignore[arg-type]
    for number in range(6):
        status = await world.post("dora", f"poem {number}")
        await report(world, "bob", "dora", status_ids=[status["id"]], rule_ids=["1.1"])
        case_id = await case_of(world, "dora")
        await _decide(world, mia, case_id, "no_action", Subject("status", int(status["id"])), clause=None)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        alice = await get_reporter(tx, mia, world.ids["alice"])
        bob = await get_reporter(tx, mia, world.ids["bob"])
        nobody = await get_reporter(tx, mia, world.ids["dora"])
    assert alice.reliability > nobody.reliability == 0.5 > bob.reliability
    assert (alice.reports, bob.reports) == (3, 6)
    ids = [row["id"] for row in await rows(world, "SELECT id FROM reports")]
    await weigh_reporters(world.instance, {"report_ids": ids})
    async with world.instance.db.read() as tx:
        assert (await get_reporter(tx, mia, world.ids["bob"])).reports == 6, "counting twice changes nothing"
    status = await world.post("dora", "a last poem")
    await report(world, "bob", "dora", status_ids=[status["id"]], rule_ids=["1.1"])
    wolf = await view(world, await case_of(world, "dora"))
    assert wolf.case.severity == 1, "who was always wrong does not ring the alarm"
    assert "interim" not in {clock.kind for clock in wolf.clocks}


async def test_all_of_this_can_be_rebuilt_from_the_log(world: World) -> None:
    """Invariant 5, for cases, reports, clocks, notes and reporters."""
    mia = await staff(world)
    ada = await staff(world, "ada", "admin")
    status = await world.post("spam_sam", "see you on Sunday")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["1.1"], comment="please hurry")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], comment="again")
    case_id = await case_of(world, "spam_sam")
    await _claim(world, mia, case_id)
    async with world.instance.db.write() as tx:
        await add_case_note(tx, mia, world.ids["spam_sam"], case_id, "a note")
        await escalate_case(tx, human(mia), case_id, to="admin", why="help", viewer=mia)
        await mute_reporter(tx, mia, await world.account("bob"))
        await trust_flagger(tx, system("cli"), await world.account("dora"))
        await open_war_queue(tx, human(ada), 5, severity_at_most=0)
    with time_travel(timedelta(minutes=58)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
    await _claim(world, ada, case_id)
    await _decide(world, ada, case_id, "remove", Subject("status", int(status["id"])), clause="1.1")
    await world.run_jobs()
    audit = await verify_log(world.instance.db)
    assert audit.problems == ()
    for table in ("cases", "case_subjects", "reports", "case_notes", "sla_clocks", "reporters", "war_queue"):
        assert audit.tables[table] > 0, table
    said = str(await rows(world, "SELECT body FROM moderation_events"))
    assert not [words for words in ("please hurry", "a note", "see you on Sunday") if words in said]


async def test_nothing_of_the_desk_changes_behind_the_logs_back(world: World) -> None:
    (case_id,) = await _reported(world, "spam_sam")
    for change in (
        "UPDATE cases SET severity = 3",
        "UPDATE case_subjects SET severity = 3",
        "UPDATE sla_clocks SET state = 'met'",
        "DELETE FROM reports",
    ):
        with pytest.raises(Exception, match="needs an event in the moderation log first"):
            async with world.instance.db.write() as tx:
                await tx.execute(change)
    assert (await view(world, case_id)).clocks[0].state == "running"


async def test_closed_cases_are_listed_with_the_latest_first(world: World) -> None:
    mia = await staff(world)
    cases = await _reported(world, "bob", "carol", "dora")
    for case_id, name in zip(cases, ("bob", "carol", "dora"), strict=True):
        await _decide(world, mia, case_id, "no_action", Subject("account", world.ids[name]), clause=None)
    async with world.instance.db.read() as tx:
        first = await list_closed(tx, mia, limit=2)
        second = await list_closed(tx, mia, after=first.after, limit=2)
        with pytest.raises(NotFound):
            await list_closed(tx, Viewer(account_id=world.ids["alice"], username="alice"))
        with pytest.raises(BadRequest):
            await list_closed(tx, mia, after="yesterday_1")
    assert [one.id for one in (*first.cases, *second.cases)] == cases[::-1]


async def test_a_case_on_which_somebody_works_is_not_moved_away(world: World) -> None:
    mia, max_, ada = await staff(world), await staff(world, "mod_max"), await staff(world, "ada", "admin")
    [case_id] = await _reported(world, "spam_sam")
    await _claim(world, mia, case_id)
    with pytest.raises(Conflict, match="works on this case"):
        async with world.instance.db.write() as tx:
            await move_case(tx, human(max_), case_id, "urgent", viewer=max_)
    async with world.instance.db.write() as tx:
        await move_case(tx, human(mia), case_id, "urgent", viewer=mia)
        await move_case(tx, human(ada), case_id, "main", viewer=ada)
        await escalate_case(tx, human(ada), case_id, to="admin", why="mine", viewer=ada)
    with pytest.raises(Forbidden):
        async with world.instance.db.write() as tx:
            await move_case(tx, human(max_), case_id, "urgent", viewer=max_)
