"""Promises are watched: what could do harm is hidden in time, what was not kept is logged, escalated and mailed."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from email import message_from_bytes, policy
from typing import Any

import pytest

from parley.kit.clock import now, time_travel
from parley.kit.db import Tx
from parley.kit.errors import Invalid, NotFound
from parley.safety.cases import store
from parley.safety.cases.actions import claim_case
from parley.safety.cases.clocks import pause_clock, resume_clock
from parley.safety.cases.findings import open_case_of_finding
from parley.safety.cases.reports import file_outside_report
from parley.safety.cases.views import NewSubject, Source
from parley.safety.clocks import actions as clocks
from parley.safety.clocks.actions import meet_clocks, start_clock
from parley.safety.clocks.jobs import hide_overdue, mail_breaches, watch_clocks
from parley.safety.decisions.actions import decide
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.actions import append_event
from parley.safety.log.views import Actor, Subject, system
from parley.social.verdicts.findings import list_newest_of
from tests.conftest import World
from tests.safety.cases.desk import case_of, events, report, rows, staff, value, view

HOST = Actor("provider", 7, "host")


async def _watch_in(world: World, **later: float) -> None:
    """What the clock's watcher does after so much time, with everything that follows."""
    with time_travel(timedelta(**later)):
        await watch_clocks(world.instance, {})
        await world.run_jobs()
        await mail_breaches(world.instance, {})
        await world.run_jobs()


async def _notice(world: World, status: dict[str, Any], source: Source = "provider_notice") -> int:
    async with world.instance.db.write() as tx:
        _, case_id = await file_outside_report(
            tx,
            world.settings,
            HOST,
            int(status["account"]["id"]),
            [NewSubject(type="status", id=int(status["id"]))],
            source=source,
            notice_id=4711,
        )
    return case_id


def _letters(world: World) -> list[tuple[str, str, str]]:
    """Receiver, subject and text of the mails about what is overdue."""
    folder = world.settings.path("mail")
    found = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))]
    return [(m["To"], m["Subject"], m.get_content()) for m in found if "verdue" in m["Subject"]]


async def _state(world: World, status: dict[str, Any]) -> str:
    return str(await value(world, "SELECT state::text FROM statuses WHERE id = $1", int(status["id"])))


async def test_a_promise_that_is_not_kept_is_logged_escalated_and_mailed(world: World) -> None:
    await staff(world, "ada", "admin")
    mia = await staff(world)
    await report(world, "alice", "spam_sam")
    case_id = await case_of(world, "spam_sam")
    async with world.instance.db.write() as tx:
        await claim_case(tx, mia, case_id, minutes=10)
    await _watch_in(world, hours=23)
    assert (await view(world, case_id)).clocks[0].state == "running"
    await _watch_in(world, hours=25)
    case = await view(world, case_id)
    assert case.clocks[0].state == "breached"
    assert (case.case.state, case.case.escalated_to) == ("escalated", "staff")
    with time_travel(timedelta(hours=25)):
        assert (await view(world, case_id)).case.overdue, "it stays overdue until somebody decides"
    assert {"clock_breached", "case_escalated"} <= set(await events(world, case_id))
    facts = await rows(world, "SELECT type, payload FROM events WHERE type IN ('ClockBreached', 'CaseEscalated')")
    assert {row["type"] for row in facts} == {"ClockBreached", "CaseEscalated"}
    letters = _letters(world)
    assert {to for to, _, _ in letters} == {"ada@example.org", "mod_mia@example.org"}, "and whom it is assigned to"
    assert all(f"/desk/cases/{case_id}" in text for _, _, text in letters)
    await _watch_in(world, hours=26)
    assert len(_letters(world)) == 2, "nobody is told twice"
    assert (await events(world, case_id)).count("clock_breached") == 1


async def test_an_overdue_case_does_not_fall_behind(world: World) -> None:
    await report(world, "alice", "spam_sam")
    case_id = await case_of(world, "spam_sam")
    before = (await view(world, case_id)).case
    await _watch_in(world, hours=25)
    after = (await view(world, case_id)).case
    assert after.due_at == before.due_at
    assert after.priority >= before.priority


async def test_a_threat_to_life_is_hidden_within_the_hour_while_everybody_sleeps(world: World) -> None:
    await staff(world, "ada", "admin")
    status = await world.post("spam_sam", "see you on Sunday")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["1.1"])
    case_id = await case_of(world, "spam_sam")
    await _watch_in(world, minutes=50)
    assert await _state(world, status) == "published"
    await _watch_in(world, minutes=58)
    assert await _state(world, status) == "hidden_interim"
    assert (await (await world.client("bob")).get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    case = await view(world, case_id)
    assert {clock.kind: clock.state for clock in case.clocks} == {"interim": "met", "resolve": "running"}
    assert case.subjects[0].interim_decision_id is not None
    assert case.subjects[0].settled_at is None, "somebody must still decide"
    assert case.case.state == "escalated"
    assert "hidden in time" in _letters(world)[0][2]
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        subject = Subject("status", int(status["id"]))
        new = NewDecision(account_id=world.ids["spam_sam"], actions=(NewAction("no_action", subject),), case_id=case_id)
        await decide(tx, world.settings, mia, new)
    assert await _state(world, status) == "published"
    assert (await view(world, case_id)).case.state == "closed"


async def test_what_a_host_named_is_hidden_before_the_first_action_is_due(world: World) -> None:
    status = await world.post("spam_sam", "a recipe")
    case_id = await _notice(world, status)
    await _watch_in(world, hours=3)
    assert await _state(world, status) == "published"
    await _watch_in(world, hours=3, minutes=58)
    assert await _state(world, status) == "hidden_interim"
    case = await view(world, case_id)
    assert {clock.kind: clock.state for clock in case.clocks} == {"first_action": "met", "resolve": "running"}
    await _watch_in(world, hours=25)
    case = await view(world, case_id)
    assert {clock.kind: clock.state for clock in case.clocks} == {"first_action": "met", "resolve": "breached"}


async def test_an_order_of_an_authority_is_carried_out_within_its_hour(world: World) -> None:
    status = await world.post("spam_sam", "a recipe")
    case_id = await _notice(world, status, "authority_order")
    await _watch_in(world, minutes=44)
    assert await _state(world, status) == "hidden_interim"
    case = await view(world, case_id)
    assert case.case.queue == "legal"
    assert {clock.kind: clock.state for clock in case.clocks} == {"interim": "met", "resolve": "running"}


async def test_what_an_ordinary_report_names_is_never_hidden_by_a_clock(world: World) -> None:
    status = await world.post("spam_sam", "a recipe")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["3.1"])
    await _watch_in(world, hours=60)
    assert await _state(world, status) == "published"


async def test_what_nobody_can_see_need_not_be_hidden(world: World) -> None:
    status = await world.post("spam_sam", "see you on Sunday")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["1.1"])
    await (await world.client("spam_sam")).delete(f"/api/v1/statuses/{status['id']}")
    await world.run_jobs()
    await _watch_in(world, minutes=58)
    case = await view(world, await case_of(world, "spam_sam"))
    assert case.subjects[0].interim_decision_id is None
    assert case.subjects[0].state_now == "author_deleted"


async def test_an_interim_measure_that_fails_comes_before_people(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> int:
        raise Invalid("it cannot be hidden")

    await staff(world, "ada", "admin")
    status = await world.post("spam_sam", "see you on Sunday")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["1.1"])
    case_id = await case_of(world, "spam_sam")
    monkeypatch.setattr(clocks, "decide_automatically", fail)
    await _watch_in(world, minutes=61)
    case = await view(world, case_id)
    assert case.case.state == "escalated"
    assert {clock.state for clock in case.clocks} == {"breached"}
    assert "interim_failed" in await events(world, case_id)
    assert "overdue: hiding it until somebody decides" in _letters(world)[0][2]
    monkeypatch.undo()
    await _watch_in(world, minutes=63)
    with time_travel(timedelta(minutes=70)):
        await hide_overdue(world.instance, {})
    assert await _state(world, status) == "hidden_interim"


async def test_many_watchers_at_once_note_each_breach_once(world: World) -> None:
    names = [f"sam_{number}" for number in range(8)]
    for name in names:
        await report(world, "alice", name)
    with time_travel(timedelta(hours=25)):
        await asyncio.gather(*(watch_clocks(world.instance, {}) for _ in range(4)))
        await watch_clocks(world.instance, {})
    found = await rows(
        world,
        "SELECT body::jsonb -> 'payload' ->> 'clock_id' AS id FROM moderation_events WHERE type = 'clock_breached'",
    )
    assert len(found) == len({row["id"] for row in found}) == 8
    assert await value(world, "SELECT count(*) FROM sla_clocks WHERE state <> 'breached'") == 0
    assert await value(world, "SELECT count(*) FROM cases WHERE state = 'escalated'") == 8


async def test_the_watcher_leaves_alone_what_somebody_decides_just_now(world: World) -> None:
    await report(world, "alice", "spam_sam")
    case_id = await case_of(world, "spam_sam")
    with time_travel(timedelta(hours=25)):
        async with world.instance.db.write() as tx:
            await store.get_locked_case(tx, case_id)
            await asyncio.wait_for(watch_clocks(world.instance, {}), 5)
        assert (await view(world, case_id)).clocks[0].state == "running"
        await watch_clocks(world.instance, {})
    assert (await view(world, case_id)).clocks[0].state == "breached"


async def test_a_decision_that_comes_too_late_is_a_breach_all_the_same(world: World) -> None:
    await report(world, "alice", "spam_sam")
    case_id, mia = await case_of(world, "spam_sam"), await staff(world)
    with time_travel(timedelta(hours=25)):
        async with world.instance.db.write() as tx:
            subject = Subject("account", world.ids["spam_sam"])
            new = NewDecision(
                account_id=world.ids["spam_sam"], actions=(NewAction("no_action", subject),), case_id=case_id
            )
            await decide(tx, world.settings, mia, new)
        await mail_breaches(world.instance, {})
        await world.run_jobs()
    case = await view(world, case_id)
    assert (case.case.state, case.clocks[0].state) == ("closed", "breached")
    assert "clock_breached" in await events(world, case_id)
    assert len(_letters(world)) == 1


async def _clock(world: World, **options: Any) -> int:
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "notice_received")
        return await start_clock(tx, "resolve", source="provider_notice", severity=1, notice_id=12, **options)


async def test_a_paused_clock_stands_still(world: World) -> None:
    clock_id = await _clock(world)

    async def due(tx: Tx) -> Any:
        return await tx.fetchrow("SELECT state, due_at FROM sla_clocks WHERE id = $1", clock_id)

    async with world.instance.db.write() as tx:
        before = (await due(tx))["due_at"]
        await pause_clock(tx, system("test"), clock_id)
        with pytest.raises(Invalid):
            await pause_clock(tx, system("test"), clock_id)
    with time_travel(timedelta(hours=30)):
        await watch_clocks(world.instance, {})
        async with world.instance.db.write() as tx:
            assert (await due(tx))["state"] == "paused"
            await resume_clock(tx, system("test"), clock_id)
            after = await due(tx)
            with pytest.raises(Invalid):
                await resume_clock(tx, system("test"), clock_id)
            with pytest.raises(NotFound):
                await resume_clock(tx, system("test"), 4711)
    assert after["state"] == "running"
    assert abs(after["due_at"] - before - timedelta(hours=30)) < timedelta(seconds=30)


async def test_clocks_of_notices_are_met_and_breached_too(world: World) -> None:
    kept, broken = await _clock(world), await _clock(world, started_at=now() - timedelta(hours=25))
    await watch_clocks(world.instance, {})
    states = {row["id"]: row["state"] for row in await rows(world, "SELECT id, state FROM sla_clocks")}
    assert states == {kept: "running", broken: "breached"}
    async with world.instance.db.write() as tx:
        await append_event(tx, system("test"), "notice_answered")
        assert await meet_clocks(tx, notice_id=12, kinds=["acknowledge"]) == 0
        assert await meet_clocks(tx, notice_id=12) == 1
    fact = await value(world, "SELECT payload FROM events WHERE type = 'ClockBreached'")
    assert fact["notice_id"] == 12


async def test_a_mail_that_cannot_be_sent_is_tried_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await staff(world, "ada", "admin")
    await report(world, "alice", "spam_sam")
    with time_travel(timedelta(hours=25)):
        await watch_clocks(world.instance, {})

        async def fail(*_: Any, **__: Any) -> int:
            raise OSError("no mail server")

        monkeypatch.setattr("parley.safety.clocks.jobs.write_to_staff", fail)
        with pytest.raises(OSError, match="no mail"):
            await mail_breaches(world.instance, {})
        monkeypatch.undo()
        await mail_breaches(world.instance, {})
        await world.run_jobs()
        await mail_breaches(world.instance, {})
        await world.run_jobs()
    assert len(_letters(world)) == 1


async def test_a_crash_between_breach_and_consequence_loses_neither(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await report(world, "alice", "spam_sam")
    case_id = await case_of(world, "spam_sam")

    async def crash(*_: Any, **__: Any) -> None:
        raise RuntimeError("the power is gone")

    with time_travel(timedelta(hours=25)):
        monkeypatch.setattr(clocks, "escalate_case", crash)
        with pytest.raises(RuntimeError):
            await watch_clocks(world.instance, {})
        assert (await view(world, case_id)).clocks[0].state == "running"
        monkeypatch.undo()
        await watch_clocks(world.instance, {})
    assert (await view(world, case_id)).case.state == "escalated"


async def test_one_made_up_account_hides_nothing_but_people_are_called(world: World) -> None:
    await staff(world, "ada", "admin")
    status = await world.post("bob", "vote for me on Sunday")
    await world.account("troll", age_days=0)
    await report(world, "troll", "bob", status_ids=[status["id"]], rule_ids=["1.1"])
    await _watch_in(world, minutes=58)
    assert await _state(world, status) == "published"
    await _watch_in(world, minutes=62)
    assert await _state(world, status) == "published"
    case = await view(world, await case_of(world, "bob"))
    assert case.case.state == "escalated"
    assert _letters(world), "somebody is called"
    await report(world, "alice", "bob", status_ids=[status["id"]], rule_ids=["1.1"])
    with time_travel(timedelta(minutes=70)):
        await hide_overdue(world.instance, {})
    assert await _state(world, status) == "hidden_interim", "one who has been here a while is believed"


async def test_what_a_machine_only_flagged_is_hidden_when_it_was_sure(world: World) -> None:
    posts = [await world.post(name, f"{name} says good morning") for name in ("bob", "carol")]
    for status, score in zip(posts, (0.2, 0.9), strict=True):
        async with world.instance.db.write() as tx:
            result = await tx.fetchval(
                "UPDATE screening_results SET outcome = 'allow_flag', clause = '1.1', detail = detail || $2 "
                "WHERE subject_id = $1 RETURNING id",
                int(status["id"]),
                {"signals": {"text.violence.score": score}},
            )
            finding = (await list_newest_of(tx, "status", [(int(status["id"]), 1)]))[int(status["id"]), 1]
            assert finding.id == result
            await open_case_of_finding(tx, world.settings, finding)
    await _watch_in(world, minutes=58)
    assert [await _state(world, status) for status in posts] == ["published", "hidden_interim"]
