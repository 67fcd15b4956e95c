"""Appeals: who may file one, who may review it, and what comes of each answer."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.safety.appeals.actions import claim_appeal, decide_appeal, file_appeal, release_appeal
from parley.safety.appeals.jobs import free_stuck_appeals, return_lapsed_appeals
from parley.safety.appeals.reads import get_appeal, get_chance, list_appeals, list_my_appeals
from parley.safety.decisions.actions import decide_automatically, reverse_decision
from parley.safety.decisions.reads import get_decision
from parley.safety.decisions.views import NewAction, NewDecision
from parley.safety.log.views import Actor, Subject, human, system
from parley.safety.notices.actions import file_notice
from parley.safety.notices.views import NewNotice
from tests.conftest import World
from tests.safety.appeals.deciding import decide_about, report, viewer_of
from tests.safety.auditing import assert_audit_holds


async def _file(world, viewer, decision_id, role="author", text="It was a joke.", **more):
    async with world.instance.db.write() as tx:
        return await file_appeal(tx, world.settings, viewer, decision_id, text, role=role, **more)


async def _claim(world, viewer, appeal_id):
    async with world.instance.db.write() as tx:
        return await claim_appeal(tx, viewer, appeal_id)


async def _answer(world, viewer, appeal_id, outcome, decision=None, answer="We looked again."):
    async with world.instance.db.write() as tx:
        return await decide_appeal(tx, world.settings, viewer, appeal_id, outcome, answer=answer, decision=decision)


@pytest.fixture
async def removed(world: World):
    """A post of alice that bob reported and mod_mia removed."""
    status = await world.post("alice", "Buy my book, everybody")
    await world.account("bob")
    await report(world, "bob", "alice", status["id"])
    mia = await viewer_of(world, "mod_mia", "moderator")
    decision = await decide_about(world, mia, status, "remove")
    return status, decision, mia


async def test_invariant_7_the_reviewer_of_an_appeal_is_not_the_decider(world: World, removed) -> None:
    _, decision, mia = removed
    alice = await viewer_of(world, "alice")
    await viewer_of(world, "mod_max", "moderator")
    appeal_id = await _file(world, alice, decision.id)
    with pytest.raises(Forbidden, match="Somebody else has to review"):
        await _claim(world, mia, appeal_id)
    async with world.instance.db.read() as tx:
        view = await get_appeal(tx, mia, appeal_id)
    assert view.why_not.startswith("You made this decision")


async def test_invariant_7_holds_in_the_database_too(world: World, removed) -> None:
    _, decision, mia = removed
    appeal_id = await _file(world, await viewer_of(world, "alice"), decision.id)
    for change in ("reviewer_id = decisions.decided_by", "reviewer_id = decisions.decided_by, state = 'in_review'"):
        with pytest.raises(Exception, match="does not review"):
            async with world.instance.db.write() as tx:
                await tx.execute(
                    f"UPDATE appeals SET {change} FROM decisions WHERE decisions.id = decision_id AND appeals.id = $1",
                    appeal_id,
                )
    with pytest.raises(Exception, match="not decided by whoever"):
        async with world.instance.db.write() as tx:
            await tx.execute(
                """INSERT INTO decisions (account_id, kind, decided_by, automated_detection, automated_decision, source,
                       policy_sha256, ruleset, reverses_id)
                   SELECT account_id, 'appeal', $2, false, false, source, policy_sha256, ruleset, id
                   FROM decisions WHERE id = $1""",
                decision.id,
                mia.account_id,
            )


async def test_who_approved_a_decision_does_not_review_it(world: World) -> None:
    from parley.safety.decisions.actions import approve_proposal, decide

    status = await world.post("alice", "I sell what is forbidden")
    mia = await viewer_of(world, "mod_mia", "moderator")
    max_ = await viewer_of(world, "mod_max", "moderator")
    new = NewDecision(
        account_id=world.ids["alice"],
        actions=(
            NewAction("remove", Subject("status", int(status["id"]))),
            NewAction("terminate", Subject("account", world.ids["alice"])),
        ),
        clause="7.1",
    )
    async with world.instance.db.write() as tx:
        proposal = await decide(tx, world.settings, mia, new)
        await approve_proposal(tx, world.settings, max_, proposal.id)
        decision_id = await tx.fetchval("SELECT id FROM decisions WHERE approved_by = $1", max_.account_id)
    appeal_id = await _file(world, await viewer_of(world, "alice"), decision_id)
    async with world.instance.db.read() as tx:
        assert (await get_appeal(tx, mia, appeal_id)).waits_for == "nobody"
    for viewer in (mia, max_):
        with pytest.raises(Forbidden):
            await _claim(world, viewer, appeal_id)
    olga = await viewer_of(world, "olga", "owner")
    await free_stuck_appeals(world.instance, {})
    await _claim(world, olga, appeal_id)
    await _answer(world, olga, appeal_id, "overturned")
    answer = await (await world.client("bob")).get(f"/api/v1/statuses/{status['id']}")
    assert answer.status_code == 200


async def test_overturned_restores_the_post_refunds_the_strike_and_tells_the_judge(world: World, removed) -> None:
    status, decision, _ = removed
    alice, max_ = await viewer_of(world, "alice"), await viewer_of(world, "mod_max", "moderator")
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    appeal_id = await _file(world, alice, decision.id)
    await _claim(world, max_, appeal_id)
    view = await _answer(world, max_, appeal_id, "overturned")
    assert view.state == "overturned"
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200
    async with world.instance.db.read() as tx:
        counts = await tx.fetchrow("SELECT count(*), count(*) FILTER (WHERE refunded_at IS NULL) FROM strikes")
        assert tuple(counts) == (1, 0)
        label = await tx.fetchrow("SELECT outcome, source FROM labels ORDER BY id DESC LIMIT 1")
        assert (label["outcome"], label["source"]) == ("allow", "appeal")
        assert (await get_decision(tx, max_, decision.id)).reversed_by_id == view.appeal_decision_id
        clock = await tx.fetchrow("SELECT state, kind FROM sla_clocks WHERE appeal_id = $1", appeal_id)
        assert (clock["state"], clock["kind"]) == ("met", "appeal")
    await world.run_jobs()
    told = (await (await world.client("alice")).get("/api/v1/notifications?types[]=moderation_warning")).json()
    assert "You were right" in told[0]["moderation_warning"]["text"]
    mails = [path.read_text() for path in world.settings.path("mail").iterdir()]
    assert any("Your appeal on Test" in mail and "We looked again." in mail for mail in mails)
    await assert_audit_holds(world)


async def test_upheld_leaves_everything_and_answers(world: World, removed) -> None:
    status, decision, _ = removed
    alice, max_ = await viewer_of(world, "alice"), await viewer_of(world, "mod_max", "moderator")
    appeal_id = await _file(world, alice, decision.id)
    await _claim(world, max_, appeal_id)
    with pytest.raises(Invalid, match="Give the appellant an answer"):
        await _answer(world, max_, appeal_id, "upheld", answer="  ")
    with pytest.raises(Invalid, match="modified"):
        new = NewDecision(
            account_id=alice.account_id, actions=(NewAction("warn", Subject("account", alice.account_id)),)
        )
        await _answer(world, max_, appeal_id, "upheld", new)
    await _answer(world, max_, appeal_id, "upheld")
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    async with world.instance.db.read() as tx:
        (own,) = await list_my_appeals(tx, alice)
    assert (own.state, own.answer, own.words) == ("upheld", "We looked again.", "the decision stands")
    with pytest.raises(Conflict, match="decided already"):
        await _claim(world, max_, appeal_id)


async def test_modified_puts_a_milder_decision_in_the_place_of_the_first(world: World, removed) -> None:
    status, decision, _ = removed
    alice, max_ = await viewer_of(world, "alice"), await viewer_of(world, "mod_max", "moderator")
    appeal_id = await _file(world, alice, decision.id)
    await _claim(world, max_, appeal_id)
    with pytest.raises(Invalid, match="what is decided instead"):
        await _answer(world, max_, appeal_id, "modified")
    new = NewDecision(
        account_id=alice.account_id, actions=(NewAction("limit", Subject("status", int(status["id"]))),), clause="7.1"
    )
    view = await _answer(world, max_, appeal_id, "modified", new)
    assert view.state == "modified"
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200
    async with world.instance.db.read() as tx:
        made = await get_decision(tx, max_, view.appeal_decision_id or 0)
        assert [action.kind for action in made.actions] == ["limit"]
        counts = await tx.fetchrow("SELECT count(*), count(*) FILTER (WHERE refunded_at IS NULL) FROM strikes")
        assert tuple(counts) == (2, 1)
        assert await tx.fetchval("SELECT state FROM cases") == "closed"


async def test_a_reporter_appeals_a_decision_to_do_nothing(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches, again")
    bob = await viewer_of(world, "bob")
    await report(world, "bob", "spam_sam", status["id"])
    mia = await viewer_of(world, "mod_mia", "moderator")
    max_ = await viewer_of(world, "mod_max", "moderator")
    decision = await decide_about(world, mia, status, "no_action")
    with pytest.raises(NotFound):
        await _file(world, await viewer_of(world, "carol"), decision.id, role="reporter")
    with pytest.raises(NotFound):
        await _file(world, bob, decision.id, role="author")
    appeal_id = await _file(world, bob, decision.id, role="reporter")
    await _claim(world, max_, appeal_id)
    with pytest.raises(Invalid, match="what is decided instead"):
        await _answer(world, max_, appeal_id, "overturned")
    new = NewDecision(
        account_id=world.ids["spam_sam"],
        actions=(NewAction("remove", Subject("status", int(status["id"]))),),
        clause="7.1",
    )
    await _answer(world, max_, appeal_id, "overturned", new)
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 404
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT outcome FROM reports") == "acted"
        assert await tx.fetchval("SELECT state FROM cases") == "closed"


async def test_each_may_appeal_once_and_only_while_it_is_open(world: World, removed) -> None:
    _, decision, _ = removed
    alice, bob = await viewer_of(world, "alice"), await viewer_of(world, "bob")
    await viewer_of(world, "mod_max", "moderator")
    with time_travel(timedelta(days=400)), pytest.raises(Forbidden, match="time for an appeal ended"):
        await _file(world, alice, decision.id)
    with pytest.raises(Invalid, match="Say in a few words"):
        await _file(world, alice, decision.id, text=" \x00 ")
    await _file(world, alice, decision.id)
    with pytest.raises(Conflict, match="already"):
        await _file(world, alice, decision.id)
    await _file(world, bob, decision.id, role="reporter")
    async with world.instance.db.read() as tx:
        chance = await get_chance(tx, alice, decision.id, role="author")
        assert not chance.may
        assert chance.appeal is not None
        with pytest.raises(NotFound):
            await get_chance(tx, await viewer_of(world, "carol"), decision.id, role="author")


async def test_two_reviewers_never_have_the_same_appeal(world: World, removed) -> None:
    _, decision, _ = removed
    alice = await viewer_of(world, "alice")
    max_, nora = await viewer_of(world, "mod_max", "moderator"), await viewer_of(world, "mod_nora", "moderator")
    appeal_id = await _file(world, alice, decision.id)
    await _claim(world, max_, appeal_id)
    with pytest.raises(Conflict, match="Somebody else is reviewing"):
        await _claim(world, nora, appeal_id)
    with pytest.raises(Conflict, match="Claim this appeal first"):
        await _answer(world, nora, appeal_id, "upheld")
    async with world.instance.db.write() as tx:
        with pytest.raises(NotFound):
            await release_appeal(tx, nora, appeal_id)
        await release_appeal(tx, max_, appeal_id)
    await _claim(world, nora, appeal_id)
    with time_travel(timedelta(hours=1)):
        await return_lapsed_appeals(world.instance, {})
        async with world.instance.db.read() as tx:
            assert (await get_appeal(tx, max_, appeal_id)).state == "queued"
        await _claim(world, max_, appeal_id)


async def test_an_appeal_ends_when_the_staff_take_the_decision_back_by_themselves(world: World, removed) -> None:
    _, decision, mia = removed
    alice = await viewer_of(world, "alice")
    await viewer_of(world, "mod_max", "moderator")
    await _file(world, alice, decision.id)
    async with world.instance.db.write() as tx:
        await reverse_decision(tx, world.settings, human(mia), decision.id, kind="undo", viewer=mia)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        (own,) = await list_my_appeals(tx, alice)
        assert own.state == "overturned"
        assert "took the decision back" in own.answer
        assert await tx.fetchval("SELECT state FROM sla_clocks WHERE kind = 'appeal'") == "met"


async def test_where_there_is_one_moderator_it_waits_aloud(world: World, removed) -> None:
    _, decision, mia = removed
    alice = await viewer_of(world, "alice")
    owner = await viewer_of(world, "olga", "owner")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET disabled_at = now() WHERE account_id = $1", owner.account_id)
    appeal_id = await _file(world, alice, decision.id)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET disabled_at = NULL WHERE account_id = $1", owner.account_id)
        view = await get_appeal(tx, mia, appeal_id)
        assert view.waits_for == "nobody"
        (own,) = await list_my_appeals(tx, alice)
        assert "second moderator" in own.words
        assert await tx.fetchval("SELECT count(*) FROM moderation_events WHERE type = 'appeal_escalated'") == 1
    await world.run_jobs()
    mails = [path.read_text() for path in world.settings.path("mail").iterdir()]
    assert any("waits for a second person" in mail and "To: olga@example.org" in mail for mail in mails)
    await free_stuck_appeals(world.instance, {})
    async with world.instance.db.read() as tx:
        assert (await get_appeal(tx, mia, appeal_id)).waits_for == "staff"


async def test_appeals_look_missing_to_members(world: World, removed) -> None:
    _, decision, _ = removed
    alice, bob = await viewer_of(world, "alice"), await viewer_of(world, "bob")
    appeal_id = await _file(world, alice, decision.id)
    async with world.instance.db.read() as tx:
        for viewer in (alice, bob):
            with pytest.raises(NotFound):
                await get_appeal(tx, viewer, appeal_id)
            with pytest.raises(NotFound):
                await list_appeals(tx, viewer)
    with pytest.raises(NotFound):
        await _claim(world, bob, appeal_id)
    with pytest.raises(NotFound):
        await _answer(world, alice, appeal_id, "overturned")


async def test_a_party_of_the_case_does_not_review_it(world: World) -> None:
    status = await world.post("alice", "An ordinary sentence")
    mia = await viewer_of(world, "mod_mia", "moderator")
    max_ = await viewer_of(world, "mod_max", "moderator")
    await report(world, "mod_max", "alice", status["id"])
    decision = await decide_about(world, mia, status, "remove")
    appeal_id = await _file(world, await viewer_of(world, "alice"), decision.id)
    with pytest.raises(Forbidden, match="party of this case"):
        await _claim(world, max_, appeal_id)


async def test_a_moderator_does_not_read_who_contests_what_was_decided_about_them(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "admin")
    max_ = await viewer_of(world, "mod_max", "moderator")
    status = await world.post("mod_max", "An ordinary sentence")
    await report(world, "bob", "mod_max", status["id"])
    decision = await decide_about(world, mia, status, "no_action")
    appeal_id = await _file(world, await viewer_of(world, "bob"), decision.id, role="reporter")
    async with world.instance.db.read() as tx:
        assert not await list_appeals(tx, max_)
        assert [one.id for one in await list_appeals(tx, mia)] == [appeal_id]
        with pytest.raises(NotFound):
            await get_appeal(tx, max_, appeal_id)


async def test_a_notifier_without_an_account_appeals_and_is_answered_by_mail(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches, for the last time")
    new = NewNotice(
        source="public_notice",
        channel="form",
        urls=(status["url"],),
        statement="It is a scam.",
        reporter_name="Nora",
        reporter_mail="nora@outside.example",
        answer_to="nora@outside.example",
        good_faith=True,
    )
    async with world.instance.db.write() as tx:
        notice_id = await file_notice(tx, world.settings, Actor("public"), new)
    await world.run_jobs()
    mia = await viewer_of(world, "mod_mia", "moderator")
    max_ = await viewer_of(world, "mod_max", "moderator")
    decision = await decide_about(world, mia, status, "no_action")
    await world.run_jobs()
    with pytest.raises(NotFound):
        await _file(world, None, decision.id, role="reporter", notice_id=notice_id + 1)
    with pytest.raises(NotFound):
        await _file(world, None, decision.id, role="author", notice_id=notice_id)
    appeal_id = await _file(world, None, decision.id, role="reporter", notice_id=notice_id)
    with pytest.raises(Conflict):
        await _file(world, None, decision.id, role="reporter", notice_id=notice_id)
    await _claim(world, max_, appeal_id)
    await _answer(world, max_, appeal_id, "upheld", answer="These are ordinary watches.")
    await world.run_jobs()
    mails = [path.read_text().replace("=\n", "") for path in world.settings.path("mail").iterdir()]
    told = [mail for mail in mails if "To: nora@outside.example" in mail]
    assert any("These are ordinary watches." in mail for mail in told)
    async with world.instance.db.read() as tx:
        chance = await get_chance(tx, None, decision.id, role="reporter", notice_id=notice_id)
    assert chance.appeal is not None
    assert chance.appeal.state == "upheld"
    await assert_audit_holds(world)


async def test_of_two_who_claim_and_two_who_file_at_the_same_moment_one_succeeds(world: World, removed) -> None:
    _, decision, _ = removed
    alice = await viewer_of(world, "alice")
    max_, nora = await viewer_of(world, "mod_max", "moderator"), await viewer_of(world, "mod_nora", "moderator")
    filed = await asyncio.gather(*(_file(world, alice, decision.id) for _ in range(2)), return_exceptions=True)
    assert sorted(isinstance(one, Conflict) for one in filed) == [False, True]
    appeal_id = next(one for one in filed if isinstance(one, int))
    claimed = await asyncio.gather(
        *(_claim(world, viewer, appeal_id) for viewer in (max_, nora)), return_exceptions=True
    )
    assert sorted(isinstance(one, Conflict) for one in claimed) == [False, True]


async def _interim(world: World, status: dict[str, object], case_id: int | None = None) -> int:
    """A program hides a post of alice until somebody decides."""
    async with world.instance.db.write() as tx:
        new = NewDecision(
            account_id=world.ids["alice"],
            actions=(NewAction("hide", Subject("status", int(str(status["id"])))),),
            case_id=case_id,
            clause="1.1",
            source="provider_notice",
        )
        return await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")


@pytest.mark.parametrize(
    ("kind", "outcome", "says"),
    [("remove", "modified", "stands in its place"), ("no_action", "overturned", "is undone")],
)
async def test_an_appeal_against_an_interim_measure_is_answered_by_the_decision_of_people(
    world: World, kind: str, outcome: str, says: str
) -> None:
    status = await world.post("alice", "Buy my book, everybody")
    alice, mia = await viewer_of(world, "alice"), await viewer_of(world, "mod_mia", "moderator")
    interim = await _interim(world, status)
    appeal_id = await _file(world, alice, interim)
    await world.run_jobs()
    decision = await decide_about(world, mia, status, kind)
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        appeal = next(one for one in await list_my_appeals(tx, alice) if one.id == appeal_id)
        told = await tx.fetchval(
            "SELECT count(*) FROM sla_clocks WHERE appeal_id = $1 AND state = 'running'", appeal_id
        )
        event = await tx.fetchval(
            "SELECT body::jsonb -> 'payload' FROM moderation_events WHERE type = 'appeal_decided' "
            "ORDER BY id DESC LIMIT 1"
        )
    assert (appeal.state, told) == (outcome, 0)
    assert says in appeal.answer
    assert event["new_decision_id"] == str(decision.id)
    notices = (await (await world.client("alice")).get("/api/v1/notifications?types[]=moderation_warning")).json()
    assert any(says in one["moderation_warning"]["text"] for one in notices), "she is told"
    if kind == "remove":
        assert f"/moderation/decisions/{decision.id}" in appeal.answer
        await _file(world, alice, decision.id, text="I still think so.")
    await assert_audit_holds(world)


async def test_an_appeal_stays_open_while_a_part_of_the_interim_measure_stands(world: World) -> None:
    one, other = await world.post("alice", "Buy my book"), await world.post("alice", "Buy my other book")
    alice, mia = await viewer_of(world, "alice"), await viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.write() as tx:
        new = NewDecision(
            account_id=world.ids["alice"],
            actions=tuple(NewAction("hide", Subject("status", int(each["id"]))) for each in (one, other)),
            clause="1.1",
            source="provider_notice",
        )
        interim = await decide_automatically(tx, world.settings, system("clocks"), new, kind="interim")
    appeal_id = await _file(world, alice, interim)
    await decide_about(world, mia, one, "no_action")
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        assert (await list_my_appeals(tx, alice))[0].state == "queued"
    await decide_about(world, mia, other, "remove")
    await world.run_jobs()
    async with world.instance.db.read() as tx:
        [appeal] = await list_my_appeals(tx, alice)
    assert (appeal.id, appeal.state) == (appeal_id, "modified")
