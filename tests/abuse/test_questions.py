"""Moderators ask whoever sent a notice: the clock stands still until the answer comes, by API, mail or page, or not."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.settings import Settings
from parley.safety.clocks.jobs import watch_clocks
from parley.safety.notices.jobs import end_questions
from parley.safety.notices.reads import make_receipt
from parley.safety.transparency.actions import give_compliance_address
from tests.abuse.hosts import REPORTS, Host, a_host, a_moderator, decide_about, mails_to
from tests.abuse.letters import plain
from tests.abuse.test_pages import send_notice
from tests.abuse.test_smtp import OF_PEOPLE, RELAY, open_listener, send, vouched
from tests.conftest import World
from tests.sessions.pages import csrf_of
from tests.web.forms import find_form
from tests.web.test_desk import report, signed_in

pytestmark = pytest.mark.usefixtures("_built_assets")

SOON = timedelta(minutes=2)
WHAT = "Which of the pictures is yours?"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A world with a listener, and a relay of its own in front of it."""
    return msgspec.structs.replace(settings, abuse_listen="smtp://127.0.0.1:0", abuse_relay=RELAY)


async def submit(browser: httpx.AsyncClient, page: httpx.Response, action: str, **values: str) -> httpx.Response:
    """Fill in a page's form and send it; the answer is not followed."""
    form = find_form(page.text, action)
    return await browser.post(action, data={**form.values, **values})


async def _named(world: World, host: Host, harm: str = "harm:spam") -> tuple[dict[str, Any], str]:
    """A post that a host names, and the report's id."""
    status = await world.post("spam_sam", "buy my pills while they last")
    sent = await host.send({"urls": [status["url"]], "tags": [harm], "reference": "R-1"})
    assert sent.status_code == 202, sent.text
    return status, sent.json()["id"]


async def _ask(world: World, notice_id: str, *, case: bool = True) -> tuple[httpx.AsyncClient, httpx.Response]:
    """A moderator asks, on the page of the case or of the notice."""
    mia = await signed_in(world, "mod_mia")
    page = await mia.get(f"/desk/notices/{notice_id}")
    if case:
        found = re.search(r'href="(/desk/cases/\d+)"', page.text)
        assert found
        page = await mia.get(found[1])
        assert '<details data-key="i">' in page.text
    return mia, await submit(mia, page, f"/desk/notices/{notice_id}/ask", question=WHAT)


async def _clocks(world: World) -> list[tuple[str, str, bool]]:
    """Kind, state, and whether it is the notice's own, of every clock."""
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT kind, state, case_id IS NULL FROM sla_clocks ORDER BY 3, 1")
    return [(row[0], row[1], row[2]) for row in rows]


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_case_waits_for_what_its_host_knows_and_goes_on_with_the_answer(world: World) -> None:
    host = await a_host(world)
    status, notice_id = await _named(world, host)
    before = await host.ask(notice_id)
    mia, asked = await _ask(world, notice_id)
    assert asked.status_code == 303, asked.text
    page = (await mia.get(asked.headers["location"])).text
    assert "the clock of the decision stands still" in page
    assert 'data-key="i"' not in page, "one question at a time"
    assert WHAT in page
    # What hides content in time goes on; only the decision waits.
    assert ("first_action", "running", False) in await _clocks(world)
    assert {state for kind, state, _ in await _clocks(world) if kind == "resolve"} == {"paused"}

    told = await host.ask(notice_id)
    assert (told["status"], told["reason"]) == ("PROCESSING", "information_requested")
    assert told["questions"][0]["text"] == WHAT
    assert told["questions"][0]["clock_stands_still"] is True
    assert (await host.client.post(f"{REPORTS}/{notice_id}/answers", json={})).status_code == 400
    stranger = await a_host(world, "Somebody Else")
    refused = await stranger.client.post(f"{REPORTS}/{notice_id}/answers", json={"text": "mine"})
    assert refused.status_code == 404

    with time_travel(timedelta(hours=10)):
        answered = await host.client.post(f"{REPORTS}/{notice_id}/answers", json={"text": "The second one."})
        assert answered.status_code == 200, answered.text
        assert (await host.client.post(f"{REPORTS}/{notice_id}/answers", json={"text": "again"})).status_code == 409
    after = answered.json()
    moved = _moment(after["due_at"]) - _moment(before["due_at"])
    assert abs(moved - timedelta(hours=10)) < SOON, "as much time is left as when it was asked"
    assert after["questions"][0]["state"] == "answered"
    assert {state for kind, state, _ in await _clocks(world) if kind == "resolve"} == {"running"}
    page = (await mia.get(asked.headers["location"])).text
    assert "The second one." in page
    for words in ("asked whoever sent the notice", "stopped the clock", "answered the question", "let the clock go on"):
        assert words in page, words
    async with world.instance.db.write() as tx:
        address = await give_compliance_address(tx, world.settings, None, host.view.id)
    with time_travel(timedelta(hours=10, minutes=1)):
        statement = (
            await world.anonymous.get(f"{address.removeprefix(world.settings.base_url)}/compliance.json")
        ).json()
    assert statement["notices"][0]["waits_since"] is None
    assert abs(statement["notices"][0]["stood_still_hours"] - 10) < 0.1
    del status


async def test_who_does_not_answer_keeps_nothing_from_being_decided(world: World) -> None:
    host = await a_host(world, contact_mail="desk@host.example")
    status, notice_id = await _named(world, host)
    due = _moment((await host.ask(notice_id))["due_at"])
    await _ask(world, notice_id, case=False)
    with time_travel(timedelta(hours=23)):
        await end_questions(world.instance, {})
        assert (await host.ask(notice_id))["reason"] == "information_requested"
    with time_travel(timedelta(hours=25)):
        await end_questions(world.instance, {})
        await watch_clocks(world.instance, {})
        told = await host.ask(notice_id)
        assert told["questions"][0]["state"] == "expired"
        assert told["reason"] != "information_requested"
        # The hours that one notice may wait are used up: the next question stops no clock.
        _, asked = await _ask(world, notice_id, case=False)
        assert asked.status_code == 303
        assert (await host.ask(notice_id))["questions"][1]["clock_stands_still"] is False
    assert all(state != "paused" for _, state, _ in await _clocks(world))
    moved = _moment((await host.ask(notice_id))["due_at"]) - due
    assert abs(moved - timedelta(hours=25)) < timedelta(hours=1, minutes=2)
    del status


async def test_a_threat_to_life_and_what_others_named_wait_for_nobody(world: World) -> None:
    host = await a_host(world)
    grave, grave_id = await _named(world, host, "harm:incitement")
    mia, asked = await _ask(world, grave_id)
    assert "the clock goes on meanwhile" in (await mia.get(asked.headers["location"])).text
    assert all(state != "paused" for _, state, _ in await _clocks(world))

    async with world.instance.db.read() as tx:
        before = {row[0] for row in await tx.fetch("SELECT id FROM sla_clocks")}
    status = await world.post("bob", "buy my other pills while they last")
    sent = (await host.send({"urls": [status["url"]], "tags": ["harm:spam"]})).json()
    await report(world, "alice", "bob", status["id"])
    await _ask(world, sent["id"])
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT id, kind, state, case_id FROM sla_clocks WHERE state = 'paused'")
    assert [row["case_id"] for row in rows if row["id"] not in before] == [None], "only the host's own promise waits"
    # And what somebody names while it waits for another gets a promise of its own.
    third = await world.post("alice", "buy my third pills while they last")
    named = (await host.send({"urls": [third["url"]], "tags": ["harm:spam"]})).json()
    await _ask(world, named["id"])
    await report(world, "bob", "alice", third["id"])
    async with world.instance.db.read() as tx:
        states = await tx.fetch(
            "SELECT source, state FROM sla_clocks WHERE kind = 'resolve' AND case_id = "
            "(SELECT id FROM cases WHERE account_id = $1)",
            world.ids["alice"],
        )
    assert sorted(row[1] for row in states) == ["paused", "running"]
    del grave


async def test_the_question_goes_by_mail_and_the_reply_in_its_thread_is_the_answer(world: World) -> None:
    status = await world.post("spam_sam", "a plain post")
    async with open_listener(world) as port:
        first = plain(f"see {status['url']}", sender="Ann <ann@people.example>", message_id="<a@people.example>")
        await send(port, vouched(first, OF_PEOPLE))
        await world.run_jobs()
        async with world.instance.db.read() as tx:
            notice_id = str(await tx.fetchval("SELECT id FROM notices"))
        await _ask(world, notice_id)
        await world.run_jobs()
        question = mails_to(world, "ann@people.example")[-1]
        assert WHAT in question.get_content()
        assert "/notice/" in question.get_content()
        thread = question["Message-ID"]
        # A program's "I am away", and a stranger who knows the thread, are no answers.
        away = plain("I am away", sender="ann@people.example", In_Reply_To=thread, Auto_Submitted="auto-replied")
        await send(port, away)
        await send(port, plain("me too", sender="eve@people.example", In_Reply_To=thread))
        assert ("resolve", "paused", True) in await _clocks(world)
        await send(port, plain("The one with the dog.", sender="Ann <ann@people.example>", In_Reply_To=thread))
    assert all(state != "paused" for _, state, _ in await _clocks(world))
    mia = await signed_in(world, "mod_mia")
    page = (await mia.get(f"/desk/notices/{notice_id}")).text
    assert "The one with the dog." in page
    assert "me too" not in page


async def test_whoever_holds_the_receipt_answers_on_its_page(world: World) -> None:
    status = await world.post("spam_sam", "a plain post")
    sent = await send_notice(world.browser(), status["url"], harm="harm:spam")
    path = sent.headers["location"]
    notice_id = path.rpartition("/")[2].partition("-")[0]
    await _ask(world, notice_id)
    browser = world.browser()
    page = await browser.get(path)
    assert "A moderator has a question for you." in page.text
    assert WHAT in page.text
    assert (await browser.post(f"{path}/answer", data={"answer": "x"})).status_code == 403, "without the page's token"
    forged = f"/notice/{notice_id}-{'0' * 40}/answer"
    wrong = await browser.post(forged, data={"csrf": await csrf_of(browser, path), "answer": "x"})
    assert wrong.status_code == 404
    done = await submit(browser, page, f"{path}/answer", answer="<b>the dog</b>")
    assert done.status_code == 303, done.text
    mia = await signed_in(world, "mod_mia")
    assert "&lt;b&gt;the dog&lt;/b&gt;" in (await mia.get(f"/desk/notices/{notice_id}")).text
    assert "A question for you" not in (await browser.get(path)).text
    assert path.endswith(make_receipt(world.settings, int(notice_id)))


async def test_a_moderator_goes_on_without_the_answer_and_a_decision_ends_the_question(world: World) -> None:
    viewer = await a_moderator(world)
    host = await a_host(world)
    status, notice_id = await _named(world, host)
    mia, asked = await _ask(world, notice_id)
    page = await mia.get(asked.headers["location"])
    assert "/ask" not in page.text, "one question at a time"
    done = await submit(mia, page, f"/desk/notices/{notice_id}/go-on")
    assert done.status_code == 303
    assert all(state != "paused" for _, state, _ in await _clocks(world))
    await _ask(world, notice_id)
    with time_travel(timedelta(hours=2)):
        await decide_about(world, viewer, status["id"], "remove", "7.1")
        await world.run_jobs()
        told = await host.ask(notice_id)
    assert told["status"] == "COMPLETED"
    assert told["questions"][1]["state"] == "ended"
    assert {state for _, state, _ in await _clocks(world)} == {"met"}
    assert abs(_moment(told["due_at"]) - now() - timedelta(hours=26)) < timedelta(minutes=5)


async def test_who_left_no_address_and_who_has_an_answer_is_not_asked(world: World) -> None:
    status = await world.post("spam_sam", "a plain post")
    sent = await send_notice(world.browser(), status["url"], harm="harm:csam", name="", mail="")
    notice_id = sent.headers["location"].rpartition("/")[2].partition("-")[0]
    mia, asked = await _ask(world, notice_id, case=False)
    assert asked.status_code == 409
    assert "left no address" in asked.text
    assert WHAT in asked.text, "what was typed is not lost"
    assert (await mia.get("/desk")).status_code == 200
