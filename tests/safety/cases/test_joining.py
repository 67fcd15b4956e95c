"""What comes in joins the account's one open case: merged, weighed, kept as evidence, on the clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from parley.kit.clock import now, time_travel
from parley.kit.errors import NotFound
from parley.safety.cases.opening import open_case
from parley.safety.cases.reads import count_queues, get_case, list_cases, list_similar
from parley.safety.cases.reporters import mute_reporter, trust_flagger
from parley.safety.cases.reports import file_outside_report
from parley.safety.cases.views import NewSubject
from parley.safety.cases.war import close_war_queue, open_war_queue
from parley.safety.log.views import Actor, system
from parley.social.accounts.views import Viewer
from tests.conftest import World
from tests.safety.cases.desk import case_of, events, report, rows, staff, value, view


async def test_reports_of_many_about_one_account_are_one_case(world: World) -> None:
    first = await world.post("spam_sam", "buy my pills")
    second = await world.post("spam_sam", "buy my other pills")
    await report(world, "alice", "spam_sam", status_ids=[first["id"]], category="spam")
    await report(world, "bob", "spam_sam", status_ids=[first["id"], second["id"]], rule_ids=["3.1"])
    await report(world, "carol", "spam_sam")
    assert await value(world, "SELECT count(*) FROM cases") == 1
    case = await view(world, await case_of(world, "spam_sam"))
    assert {(one.type, one.id) for one in case.subjects} == {
        ("status", int(first["id"])),
        ("status", int(second["id"])),
        ("account", world.ids["spam_sam"]),
    }
    assert {one.id: one.reports_count for one in case.subjects}[int(first["id"])] == 2
    assert len(case.reports) == 3
    assert case.case.source == "user"
    assert (case.case.severity, case.case.clause) == (2, "3.1")
    assert [event.type for event in case.events][-1] == "case_opened"
    fact = await value(world, "SELECT payload FROM events WHERE type = 'CaseOpened'")
    assert fact == {"account_id": world.ids["alice"], "case_id": case.case.id, "target_id": world.ids["spam_sam"]}


async def test_the_same_reporter_about_the_same_thing_is_one_report(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    first = await report(world, "alice", "spam_sam", status_ids=[status["id"]], comment="spam")
    again = await report(world, "alice", "spam_sam", status_ids=[status["id"]], comment="and rude", rule_ids=["3.1"])
    assert again["id"] == first["id"]
    assert (again["comment"], again["category"], again["rule_ids"]) == ("spam\nand rude", "violation", ["3.1"])
    await world.run_jobs()
    case = await view(world, await case_of(world, "spam_sam"))
    assert (case.case.reports_count, case.case.reporters_count) == (1, 1)
    assert [one.times for one in case.reports] == [2]
    assert case.case.clause == "3.1"
    other = await report(world, "alice", "spam_sam")
    assert other["id"] != first["id"], "the account itself is another thing"


async def test_a_double_click_is_one_report(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    await world.client("alice")
    answers = await asyncio.gather(*(report(world, "alice", "spam_sam", status_ids=[status["id"]]) for _ in range(4)))
    assert len({answer["id"] for answer in answers}) == 1


async def test_reports_at_the_same_time_open_one_case(world: World) -> None:
    await world.account("spam_sam")
    names = ["alice", "bob", "carol", "dora"]
    for name in names:
        await world.client(name)
    await asyncio.gather(*(report(world, name, "spam_sam") for name in names))
    assert await value(world, "SELECT count(*) FROM cases") == 1
    assert await value(world, "SELECT count(*) FROM reports WHERE case_id IS NOT NULL") == 4


async def test_a_case_becomes_graver_by_what_joins_it_and_never_milder(world: World) -> None:
    status = await world.post("spam_sam", "buy my pills")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], category="spam")
    case_id = await case_of(world, "spam_sam")
    before = await view(world, case_id)
    assert (before.case.severity, before.case.queue) == (3, "main")
    await report(world, "bob", "spam_sam", status_ids=[status["id"]], rule_ids=["1.1"])
    graver = await view(world, case_id)
    assert (graver.case.severity, graver.case.queue, graver.case.clause) == (0, "urgent", "1.1")
    assert graver.case.priority > before.case.priority
    assert graver.case.due_at is not None
    assert graver.case.due_at < before.case.due_at  # type: ignore[operator]
    assert graver.subjects[0].severity == 0
    await report(world, "carol", "spam_sam", status_ids=[status["id"]], category="spam")
    assert (await view(world, case_id)).case.severity == 0


async def test_an_authors_deletion_cannot_defeat_a_report(world: World) -> None:
    """Invariant 3, for reports: the content, as it was when it was reported, stays before the moderators."""
    status = await world.post("spam_sam", "I will find you")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]], rule_ids=["3.1"])
    author = await world.client("spam_sam")
    edited = await author.put(f"/api/v1/statuses/{status['id']}", json={"status": "I like you"})
    assert edited.status_code == 200
    await world.run_jobs()
    case_id = await case_of(world, "spam_sam")
    changed = (await view(world, case_id)).subjects[0]
    assert changed.changed
    assert changed.seen is not None
    assert changed.seen["status"]["text"] == "I will find you"
    assert (await author.delete(f"/api/v1/statuses/{status['id']}")).status_code == 200
    await world.run_jobs()
    case = await view(world, case_id)
    subject = case.subjects[0]
    assert (subject.state_now, subject.settled_at) == ("author_deleted", None)
    assert subject.seen is not None
    assert subject.seen["status"]["text"] == "I will find you"
    assert case.case.state == "open"
    assert "subject_deleted_by_author" in await events(world, case_id)


async def test_a_report_and_a_deletion_at_the_same_time_lose_nothing(world: World) -> None:
    """Whoever is first: the reporter is told that there is nothing, or the moderators have what was there."""
    author, reporter = await world.client("spam_sam"), await world.client("alice")
    for number in range(6):
        status = await world.post("spam_sam", f"I will find you, {number}")
        body = {"account_id": str(world.ids["spam_sam"]), "status_ids": [status["id"]], "rule_ids": ["3.1"]}
        said, gone = await asyncio.gather(
            reporter.post("/api/v1/reports", json=body), author.delete(f"/api/v1/statuses/{status['id']}")
        )
        assert gone.status_code == 200
        assert said.status_code in (200, 404), said.text
        if said.status_code == 404:
            continue
        case = await view(world, await case_of(world, "spam_sam"))
        subject = next(one for one in case.subjects if one.id == int(status["id"]))
        assert subject.seen is not None
        assert subject.seen["status"]["text"] == f"I will find you, {number}"
        assert subject.settled_at is None
    await world.run_jobs()
    waiting = await value(world, "SELECT count(*) FROM case_subjects WHERE settled_at IS NULL")
    assert waiting == await value(world, "SELECT count(*) FROM reports WHERE state = 'open'")


async def test_another_revision_that_is_reported_is_kept_too(world: World) -> None:
    status = await world.post("spam_sam", "first words")
    await report(world, "alice", "spam_sam", status_ids=[status["id"]])
    author = await world.client("spam_sam")
    await author.put(f"/api/v1/statuses/{status['id']}", json={"status": "second words"})
    await report(world, "bob", "spam_sam", status_ids=[status["id"]])
    case_id = await case_of(world, "spam_sam")
    subject = (await view(world, case_id)).subjects[0]
    assert (subject.revision, subject.changed) == (2, False)
    assert subject.seen is not None
    assert subject.seen["status"]["text"] == "second words"
    kept = await rows(
        world,
        "SELECT s.content FROM evidence_captures c JOIN evidence_snapshots s ON s.id = c.snapshot_id "
        "WHERE c.case_id = $1 AND s.subject_type = 'status'",
        case_id,
    )
    assert any("first words" in row["content"] for row in kept)


async def test_nobody_but_the_staff_reads_cases(world: World) -> None:
    await report(world, "alice", "spam_sam")
    case_id = await case_of(world, "spam_sam")
    alice = Viewer(account_id=world.ids["alice"], username="alice")
    async with world.instance.db.read() as tx:
        for ask in (
            get_case(tx, alice, case_id),
            list_cases(tx, alice),
            count_queues(tx, alice),
            list_similar(tx, alice, case_id, 1),
        ):
            with pytest.raises(NotFound):
                await ask
        with pytest.raises(NotFound):
            await get_case(tx, await staff(world), case_id + 1)


async def test_what_a_muted_reporter_says_is_stored_and_closes_by_itself(world: World) -> None:
    mia = await staff(world)
    await world.account("bob")
    async with world.instance.db.write() as tx:
        muted = await mute_reporter(tx, mia, world.ids["bob"])
    assert muted.muted_at is not None
    said = await report(world, "bob", "spam_sam", comment="lies")
    heard = await report(world, "alice", "dora", comment="truth")
    assert said.keys() == heard.keys(), "nothing in the answer tells the two apart"
    assert said["action_taken"] is heard["action_taken"] is False
    assert await value(world, "SELECT count(*) FROM cases WHERE account_id = $1", world.ids["spam_sam"]) == 0
    stored = (await rows(world, "SELECT * FROM reports WHERE id = $1", int(said["id"])))[0]
    assert (stored["state"], stored["muted"], stored["outcome"], stored["case_id"]) == ("closed", True, None, None)
    assert stored["evidence"]["account"]["acct"] == "spam_sam"
    await world.run_jobs()
    facts = await rows(world, "SELECT payload ->> 'report_id' AS id FROM events WHERE type = 'ReportFiled'")
    assert [row["id"] for row in facts] == [heard["id"]], "the staff are not told"
    async with world.instance.db.write() as tx:
        await mute_reporter(tx, mia, world.ids["bob"], muted=False)
    await report(world, "bob", "spam_sam")
    assert await case_of(world, "spam_sam")


async def test_only_the_staff_mutes_and_never_each_other(world: World) -> None:
    mia = await staff(world)
    other = await staff(world, "mod_max")
    alice = Viewer(account_id=await world.account("alice"), username="alice")
    async with world.instance.db.write() as tx:
        with pytest.raises(NotFound):
            await mute_reporter(tx, alice, other.account_id)
        with pytest.raises(Exception, match="staff cannot be muted"):
            await mute_reporter(tx, mia, other.account_id)


async def test_a_trusted_flagger_has_a_lane(world: World) -> None:
    async with world.instance.db.write() as tx:
        await trust_flagger(tx, system("cli"), await world.account("dora"), note="Safety Institute")
    await report(world, "dora", "spam_sam", rule_ids=["3.1"])
    await report(world, "alice", "bob", rule_ids=["3.1"])
    mia = await staff(world)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        lane = (await list_cases(tx, mia, queue="flaggers")).cases
        everything = (await list_cases(tx, mia)).cases
    assert [one.account.username for one in lane] == ["spam_sam"]
    assert lane[0].source == "trusted_flagger"
    assert [one.account.username for one in everything] == ["spam_sam", "bob"], "and comes first"
    case = await view(world, lane[0].id)
    assert (case.reports[0].trusted, case.reports[0].reliability > 0.5) == (True, True)


async def test_a_notice_from_outside_comes_in_with_its_own_clocks(world: World) -> None:
    status = await world.post("spam_sam", "about the courthouse")
    host = Actor("provider", 7, "host")
    received = now() - timedelta(hours=1)
    async with world.instance.db.write() as tx:
        report_id, case_id = await file_outside_report(
            tx,
            world.settings,
            host,
            world.ids["spam_sam"],
            [NewSubject(type="status", id=int(status["id"]), clause="1.2")],
            source="provider_notice",
            notice_id=4711,
            clause="1.2",
            started_at=received,
        )
    case = await view(world, case_id)
    assert (case.case.queue, case.case.source, case.case.severity) == ("urgent", "provider_notice", 1)
    assert case.reports[0].notice_id == 4711
    assert case.reports[0].id == report_id
    hours = {clock.kind: round((clock.due_at - received) / timedelta(hours=1), 2) for clock in case.clocks}
    assert hours == {"resolve": 24, "first_action": 4}


async def test_in_a_crisis_what_fits_waits_in_the_war_queue(world: World) -> None:
    await report(world, "alice", "spam_sam", rule_ids=["1.2"])
    mia = await staff(world)
    async with world.instance.db.write() as tx:
        await open_war_queue(tx, Actor("human", mia.account_id), 99, severity_at_most=1)
    await world.run_jobs()
    await report(world, "bob", "dora", rule_ids=["1.1"])
    await report(world, "bob", "carol", category="spam")
    async with world.instance.db.read() as tx:
        found = (await list_cases(tx, mia, queue="war")).cases
    assert {one.account.username for one in found} == {"spam_sam", "dora"}
    assert {one.incident_id for one in found} == {99}
    async with world.instance.db.write() as tx:
        await close_war_queue(tx, Actor("human", mia.account_id), 99)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        backlog = await count_queues(tx, mia)
    assert {one.queue for one in backlog.queues} == {"main", "urgent"}


async def test_the_backlog_counts_everything_and_tells_what_is_overdue(world: World) -> None:
    await report(world, "alice", "spam_sam", category="spam")
    await report(world, "alice", "bob", rule_ids=["1.1"])
    mia = await staff(world)
    async with world.instance.db.read() as tx:
        fresh = await count_queues(tx, mia)
    assert (fresh.cases, fresh.reports, fresh.overdue) == (2, 2, 0)
    assert fresh.oldest is not None
    with time_travel(timedelta(hours=2)):
        async with world.instance.db.read() as tx:
            later = await count_queues(tx, mia)
            overdue = (await list_cases(tx, mia, overdue=True)).cases
    assert later.overdue == 1
    assert [(one.queue, one.severity, one.overdue) for one in later.queues] == [("main", 3, 0), ("urgent", 0, 1)]
    assert [one.account.username for one in overdue] == ["bob"]


async def test_pages_of_cases_go_on_where_they_ended(world: World) -> None:
    for name in ("bob", "carol", "dora", "spam_sam", "erin"):
        await report(world, "alice", name)
    mia = await staff(world)
    async with world.instance.db.read() as tx:
        whole = [one.id for one in (await list_cases(tx, mia)).cases]
        walked: list[int] = []
        after: str | None = None
        while True:
            page = await list_cases(tx, mia, after=after, limit=2)
            walked += [one.id for one in page.cases]
            if page.after is None:
                break
            after = page.after
        assert walked == whole
        assert len(walked) == 5
        for wrong in ("x", "1_x", "nan_1", "1_-5", "_"):
            with pytest.raises(Exception, match="cannot be continued"):
                await list_cases(tx, mia, after=wrong)


async def test_a_case_is_read_in_a_fixed_number_of_queries(world: World) -> None:
    statuses = [await world.post("spam_sam", f"pills number {number}") for number in range(6)]
    await report(world, "alice", "spam_sam", status_ids=[statuses[0]["id"]])
    case_id = await case_of(world, "spam_sam")
    mia = await staff(world)

    async def count() -> tuple[int, int]:
        await view(world, case_id)
        with world.queries() as seen:
            await view(world, case_id)
        alone = len(seen)
        with world.queries() as seen:
            async with world.instance.db.read() as tx:
                await list_cases(tx, mia)
        return alone, len(seen)

    few = await count()
    for name in ("bob", "carol", "dora"):
        await report(world, name, "spam_sam", status_ids=[status["id"] for status in statuses])
        await report(world, name, "erin")
    assert await count() == few
    assert few[0] <= 26
    assert few[1] <= 5


async def test_copies_of_what_is_reported_are_found(world: World) -> None:
    text = "Get rich today with this one weird trick that the bankers hate, ask me how it works"
    status = await world.post("spam_sam", text)
    for name in ("bob", "carol"):
        await world.post(name, text)
    await report(world, "alice", "spam_sam", status_ids=[status["id"]])
    await world.run_jobs()
    from parley.social.statuses.copies import store_fingerprints

    await store_fingerprints(world.instance, {})
    mia = await staff(world)
    case_id = await case_of(world, "spam_sam")
    async with world.instance.db.read() as tx:
        copies = await list_similar(tx, mia, case_id, int(status["id"]))
        assert {copy.account.username for copy in copies} == {"bob", "carol"}
        with pytest.raises(NotFound):
            await list_similar(tx, mia, case_id, copies[0].id)


async def test_a_case_without_a_named_subject_is_about_the_account(world: World) -> None:
    async with world.instance.db.write() as tx:
        case_id = await open_case(
            tx, world.settings, system("test"), await world.account("spam_sam"), [], source="automated"
        )
    case = await view(world, case_id)
    assert [(one.type, one.id) for one in case.subjects] == [("account", world.ids["spam_sam"])]
    assert case.subjects[0].seen is not None
