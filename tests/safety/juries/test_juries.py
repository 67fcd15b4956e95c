"""Juries of members: who is drawn, what they see, what their verdict does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from parley.kit.clock import time_travel
from parley.kit.errors import Conflict, Forbidden, Invalid, NotFound
from parley.kit.settings import Settings
from parley.safety.appeals.actions import file_appeal
from parley.safety.appeals.reads import list_my_appeals
from parley.safety.cases.actions import move_case
from parley.safety.juries.actions import answer_question, decline_question, set_jury_wish
from parley.safety.juries.drawing import hash_pool, hash_seed, order_pool
from parley.safety.juries.jobs import run_juries
from parley.safety.juries.reads import get_duties, get_figures, list_juries
from parley.safety.log.views import human
from tests.conftest import World
from tests.safety.appeals.deciding import decide_about, viewer_of
from tests.safety.auditing import assert_audit_holds
from tests.safety.juries.sitting import before_a_jury, jurors, report_spam, seated, vote


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, jury=True)


async def test_five_members_are_drawn_and_their_verdict_is_a_decision(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches for @alice, cheap watches for all")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 9)
    await before_a_jury(world, case_id)
    assert len(await seated(world)) == 5
    mia = await viewer_of(world, "mod_mia", "moderator")
    await vote(world, people, ["breaks", "breaks", "fine", "breaks", "unsure"])
    async with world.instance.db.read() as tx:
        (jury,) = await list_juries(tx, mia)
        assert (jury.state, jury.verdict, jury.drawn_as_logged) == ("decided", "breaks", True)
        row = await tx.fetchrow("SELECT * FROM decisions")
        assert (row["kind"], row["decided_by"], row["automated_decision"], row["clause"]) == (
            "jury",
            None,
            False,
            "8.2",
        )
        assert "3 found that this breaks the rule" in row["facts"]
        assert await tx.fetchval("SELECT state FROM cases WHERE id = $1", case_id) == "closed"
        assert (await get_figures(tx, mia)).decided == 1
    await world.run_jobs()
    told = (await (await world.client("spam_sam")).get("/api/v1/notifications?types[]=moderation_warning")).json()
    assert told
    await assert_audit_holds(world)


async def test_jurors_see_words_without_names_and_never_how_others_voted(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches for sale, @alice and @bob! Write to @spam_sam")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 5)
    await before_a_jury(world, case_id)
    async with world.instance.db.read() as tx:
        page = await get_duties(tx, world.settings, people[0])
    (duty,) = page.duties
    shown = str(msgspec.to_builtins(duty))
    assert "Cheap watches" in shown
    for hidden in ("spam_sam", "alice", "bob", str(world.ids["spam_sam"]), "vote"):
        assert hidden not in shown.replace("subject_id", "")
    await vote(world, people, ["breaks", "fine"])
    async with world.instance.db.read() as tx:
        (jury,) = await list_juries(tx, await viewer_of(world, "mod_mia", "moderator"))
        assert [seat.vote for seat in jury.seats] == [None] * 5
        with pytest.raises(NotFound):
            await list_juries(tx, people[0])


async def test_nobody_who_has_to_do_with_it_is_drawn(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "juror_0", status)  # a reporter
    people = await jurors(world, 13)
    await world.follow("juror_1", "spam_sam")
    await world.follow("spam_sam", "juror_2")
    await (await world.client("juror_3")).post(f"/api/v1/accounts/{world.ids['spam_sam']}/block")
    await world.follow("juror_4", "juror_0")  # follows the reporter
    async with world.instance.db.write() as tx:
        await set_jury_wish(tx, world.settings, people[5], False)
        await tx.execute(
            "UPDATE accounts SET created_at = now() - interval '3 days' WHERE id = $1", people[6].account_id
        )
    mia = await viewer_of(world, "mod_mia", "moderator")
    await decide_about(world, mia, await world.post("juror_7", "Also cheap"), "remove")  # has a strike
    await before_a_jury(world, case_id)
    async with world.instance.db.read() as tx:
        pool = await tx.fetchval("SELECT pool FROM juries")
    assert set(pool) == {viewer.account_id for viewer in people[8:]}


async def test_too_few_jurors_give_the_case_back_to_the_staff_and_say_so(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    await jurors(world, 4)
    await before_a_jury(world, case_id)
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT queue FROM cases WHERE id = $1", case_id) == "main"
        said = await tx.fetchval("SELECT body FROM moderation_events WHERE type = 'jury_refused'")
    assert "Only 4 members qualify" in said


async def test_severity_0_never_waits_for_a_jury(world: World) -> None:
    status = await world.post("spam_sam", "An ordinary sentence about bread")
    case_id = await report_spam(world, "bob", status, clause="1.1")
    await jurors(world, 6)
    mia = await viewer_of(world, "mod_mia", "moderator")
    async with world.instance.db.write() as tx:
        with pytest.raises(Invalid, match="never waits for a jury"):
            await move_case(tx, human(mia), case_id, "jury", viewer=mia)
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute("UPDATE cases SET queue = 'jury', state = 'queued' WHERE id = $1", case_id)
    await run_juries(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT count(*) FROM juries") == 0
        assert await tx.fetchval("SELECT queue FROM cases WHERE id = $1", case_id) == "main"


async def test_the_draw_is_the_one_that_was_committed_to_before(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    await jurors(world, 9)
    await before_a_jury(world, case_id)
    async with world.instance.db.read() as tx:
        convened = await tx.fetchrow("SELECT body, hash FROM moderation_events WHERE type = 'jury_convened'")
        drawn = await tx.fetchval("SELECT body FROM moderation_events WHERE type = 'jury_drawn'")
        pool = await tx.fetchval("SELECT pool FROM juries")
    before, after = (msgspec.json.decode(text)["payload"] for text in (convened["body"], drawn))
    seed = bytes.fromhex(after["seed"])
    assert before["seed_sha256"] == hash_seed(seed)
    assert before["pool_sha256"] == hash_pool(pool)
    order = order_pool(pool, seed, convened["hash"])
    assert after["jurors"] == [str(one) for one in order[:5]]
    assert await seated(world) == order[:5]


async def test_who_does_not_answer_is_replaced_and_in_the_end_the_staff_decide(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 7)
    await before_a_jury(world, case_id)
    first = await seated(world)
    async with world.instance.db.read() as tx:
        mine = next(viewer for viewer in people if viewer.account_id == first[0])
        (duty,) = (await get_duties(tx, world.settings, mine)).duties
    async with world.instance.db.write() as tx:
        await decline_question(tx, world.settings, mine, duty.seat_id)
    assert len(await seated(world)) == 5
    with time_travel(timedelta(hours=17)):
        await run_juries(world.instance, {})
        late = await seated(world)
    assert len(late) == 1  # seven qualified: one declined, five were late
    with time_travel(timedelta(hours=49)):
        await run_juries(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM juries") == "hung"
        assert await tx.fetchval("SELECT queue FROM cases WHERE id = $1", case_id) == "main"
        assert await tx.fetchval("SELECT count(*) FROM decisions") == 0


async def test_a_question_is_for_who_was_asked_and_answered_once(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 6)
    await before_a_jury(world, case_id)
    sitting = await seated(world)
    mine = next(viewer for viewer in people if viewer.account_id == sitting[0])
    other = next(viewer for viewer in people if viewer.account_id == sitting[1])
    async with world.instance.db.read() as tx:
        (duty,) = (await get_duties(tx, world.settings, mine)).duties
    async with world.instance.db.write() as tx:
        with pytest.raises(NotFound):
            await answer_question(tx, world.settings, other, duty.seat_id, "breaks")
        with pytest.raises(Invalid, match="Choose one"):
            await answer_question(tx, world.settings, mine, duty.seat_id, "guilty")
        await answer_question(tx, world.settings, mine, duty.seat_id, "breaks")
        with pytest.raises(Conflict, match="closed"):
            await answer_question(tx, world.settings, mine, duty.seat_id, "fine")


async def test_jurors_are_calibrated_with_questions_whose_answer_is_known(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    for number in range(6):
        known = await world.post("carol", f"Ordinary sentence number {number}")
        await decide_about(world, mia, known, "remove" if number % 2 else "no_action")
    async with world.instance.db.write() as tx:
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute(
            """INSERT INTO golden_cases (decision_id, subject_type, subject_id, revision, expected, clause)
               SELECT d.id, 'status', a.subject_id, 1, CASE a.kind WHEN 'remove' THEN 'breaks' ELSE 'fine' END, '7.1'
               FROM decisions d JOIN decision_actions a ON a.decision_id = d.id"""
        )
    case_id = await report_spam(world, "bob", await world.post("spam_sam", "Cheap watches"))
    people = await jurors(world, 5)
    await before_a_jury(world, case_id)
    first = (await seated(world))[0]  # whose vote counts: the jury has found when three agree
    juror = next(one for one in people if one.account_id == first)
    async with world.instance.db.read() as tx:
        page = await get_duties(tx, world.settings, juror)
    assert len(page.duties) == 3  # one of the jury, two whose answer is known
    await vote(world, people, ["fine", "fine", "fine", "fine", "fine"])
    async with world.instance.db.read() as tx:
        figures = await get_figures(tx, mia)
        assert figures.known_answered == 10
        page = await get_duties(tx, world.settings, juror)
        assert (page.answered, page.known) == (3, 2)
    async with world.instance.db.write() as tx:  # whoever is wrong again and again is not drawn
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute(
            """INSERT INTO jury_seats (golden_id, account_id, state, vote, due_at, ended_at)
               SELECT g.id, $1, 'answered', CASE g.expected WHEN 'fine' THEN 'breaks' ELSE 'fine' END, now(), now()
               FROM golden_cases g ON CONFLICT DO NOTHING""",
            juror.account_id,
        )
        assert (await get_duties(tx, world.settings, juror)).why_not


async def test_an_appeal_that_nobody_of_the_staff_may_review_goes_to_a_jury(world: World) -> None:
    status = await world.post("alice", "I like bread, and so do you")
    await report_spam(world, "bob", status)
    mia = await viewer_of(world, "mod_mia", "moderator")
    decision = await decide_about(world, mia, status, "remove", clause="8.2")
    people = await jurors(world, 6)
    alice = await viewer_of(world, "alice")
    async with world.instance.db.write() as tx:
        await file_appeal(tx, world.settings, alice, decision.id, "It is about bread.", role="author")
    await run_juries(world.instance, {})
    await run_juries(world.instance, {})
    await vote(world, people, ["fine", "fine", "fine", "breaks", "fine"])
    async with world.instance.db.read() as tx:
        (own,) = await list_my_appeals(tx, alice)
        assert own.state == "overturned"
        assert "drawn by lot" in own.answer
    assert (await world.anonymous.get(f"/api/v1/statuses/{status['id']}")).status_code == 200


async def test_a_party_cannot_be_seated_even_by_hand(world: World) -> None:
    case_id = await report_spam(world, "bob", await world.post("spam_sam", "Cheap watches"))
    await jurors(world, 5)
    await before_a_jury(world, case_id)
    for name in ("spam_sam", "bob"):
        with pytest.raises(Exception, match="nobody sits on a jury about themselves"):
            async with world.instance.db.write() as tx:
                await tx.execute(
                    "INSERT INTO jury_seats (jury_id, account_id, due_at) SELECT id, $1, now() FROM juries",
                    world.ids[name],
                )


async def test_when_the_staff_decide_first_the_jury_goes_home(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 5)
    await before_a_jury(world, case_id)
    mia = await viewer_of(world, "mod_mia", "moderator")
    await decide_about(world, mia, status, "remove", case_id=case_id)
    await run_juries(world.instance, {})
    async with world.instance.db.read() as tx:
        assert await tx.fetchval("SELECT state FROM juries") == "dissolved"
        assert not (await get_duties(tx, world.settings, people[0])).duties


async def test_a_verdict_is_about_what_the_jury_was_asked_and_nothing_that_came_later(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    later = await world.post("spam_sam", "For my followers: a plain word", visibility="private")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 5)
    await before_a_jury(world, case_id)
    await world.follow("alice", "spam_sam")
    assert await report_spam(world, "alice", later) == case_id
    async with world.instance.db.read() as tx:
        shown = str([await get_duties(tx, world.settings, juror) for juror in people])
    assert "Cheap watches" in shown
    assert "For my followers" not in shown
    await vote(world, people, ["breaks", "breaks", "breaks"])
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT subject_id, kind FROM decision_actions")
        assert [row["subject_id"] for row in rows] == [int(status["id"])]
        assert await tx.fetchval("SELECT state FROM cases WHERE id = $1", case_id) != "closed"


async def test_an_edit_while_the_jury_sits_brings_it_back_to_people(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 5)
    await before_a_jury(world, case_id)
    client = await world.client("spam_sam")
    edited = await client.put(f"/api/v1/statuses/{status['id']}", json={"status": "A recipe for bread"})
    assert edited.status_code == 200, edited.text
    assert await report_spam(world, "alice", status) == case_id  # names the new revision
    async with world.instance.db.read() as tx:
        assert "A recipe" not in str([await get_duties(tx, world.settings, juror) for juror in people])
    await run_juries(world.instance, {})
    async with world.instance.db.read() as tx:
        assert not await tx.fetch("SELECT FROM decisions")
        assert "dissolved" in [row["state"] for row in await tx.fetch("SELECT state FROM juries")]


async def test_who_reports_it_after_the_pool_was_fixed_is_not_seated_and_another_jury_is_drawn(world: World) -> None:
    status = await world.post("spam_sam", "Cheap watches")
    case_id = await report_spam(world, "bob", status)
    people = await jurors(world, 6)
    await before_a_jury(world, case_id)
    first = await seated(world)
    (left,) = [one for one in people if one.account_id not in first]
    await report_spam(world, left.username, status)
    decliner = next(one for one in people if one.account_id == first[0])
    async with world.instance.db.read() as tx:
        (duty,) = (await get_duties(tx, world.settings, decliner)).duties
    async with world.instance.db.write() as tx:
        await decline_question(tx, world.settings, decliner, duty.seat_id)
    assert await seated(world) == []
    await run_juries(world.instance, {})
    await run_juries(world.instance, {})
    assert set(await seated(world)) == {one.account_id for one in people} - {left.account_id}


async def test_the_staff_do_not_sit_and_without_the_setting_nobody_does(world: World) -> None:
    mia = await viewer_of(world, "mod_mia", "moderator")
    alice = await viewer_of(world, "alice")
    off = msgspec.structs.replace(world.settings, jury=False)
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await set_jury_wish(tx, world.settings, mia, True)
        with pytest.raises(NotFound):
            await set_jury_wish(tx, off, alice, True)
        assert not (await get_duties(tx, off, alice)).enabled


async def _with_picture(world: World, text: str) -> dict[str, Any]:
    from tests.clients.pictures import draw_png

    author = await world.client("spam_sam")
    uploaded = await author.post(
        "/api/v2/media", files={"file": ("a.png", draw_png(4), "image/png")}, data={"description": "a book, by @alice"}
    )
    await world.run_jobs()
    return await world.post("spam_sam", text, media_ids=[uploaded.json()["id"]])


async def test_jurors_see_public_pictures_under_milder_rules_and_graver_ones_stay_with_the_staff(world: World) -> None:
    await jurors(world, 6)
    await world.account("spam_sam")
    post = await _with_picture(world, "Buy my book")
    case_id = await report_spam(world, "alice", post)
    await before_a_jury(world, case_id)
    sitting = await seated(world)
    assert sitting
    async with world.instance.db.read() as tx:
        name = await tx.fetchval("SELECT username FROM accounts WHERE id = $1", sitting[0])
        page = await get_duties(tx, world.settings, await viewer_of(world, name))
    [duty] = page.duties
    [(file, said)] = duty.questions[0].pictures
    assert (await world.anonymous.get(f"/media/{file}")).status_code == 200
    assert "a book" in said
    assert "@alice" not in said, "nobody is named"


async def test_a_picture_that_is_hidden_meanwhile_is_shown_to_no_juror(world: World) -> None:
    from parley.safety.golden.reads import list_questions

    await world.account("spam_sam")
    post = await _with_picture(world, "Buy my book")
    place = (int(post["id"]), 1)
    async with world.instance.db.read() as tx:
        assert (await list_questions(tx, [place]))[place].is_whole
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE media SET hidden = true WHERE status_id = $1", place[0])
    async with world.instance.db.read() as tx:
        assert not (await list_questions(tx, [place]))[place].is_whole
