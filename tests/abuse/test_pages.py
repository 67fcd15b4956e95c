"""The public notice form without an account, its receipt, contesting, and the staff's pages of notices."""

from __future__ import annotations

import base64
import html
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from parley.kit.clock import time_travel
from tests.abuse.hosts import a_host, a_moderator, decide_about, mails_to
from tests.conftest import World
from tests.sessions.pages import csrf_of, send_form, sign_in

pytestmark = pytest.mark.usefixtures("_built_assets")

FIELDS = {
    "harm": "harm:incitement",
    "explanation": "It calls for violence against my neighbours.",
    "name": "Ann Example",
    "mail": "ann@people.example",
    "good_faith": "1",
}


def solve(page: str) -> str:
    """Do the proof of work as the page's script does it."""
    from altcha.v1 import Challenge, Payload, solve_challenge

    found = re.search(r'data-challenge="([^"]+)"', page)
    assert found, page[:500]
    data = json.loads(html.unescape(found[1]))
    challenge = Challenge(data["algorithm"], data["challenge"], data["maxNumber"], data["salt"], data["signature"])
    solution = solve_challenge(challenge)
    assert solution is not None
    made = Payload(data["algorithm"], data["challenge"], solution.number, data["salt"], data["signature"])
    return base64.b64encode(json.dumps(made.to_dict()).encode()).decode()


async def send_notice(browser: httpx.AsyncClient, urls: str, **changes: Any) -> httpx.Response:
    """Fill the form in and send it."""
    page = await browser.get("/notice")
    proof = changes.pop("proof", None)
    fields = {**FIELDS, "urls": urls, **changes}
    token = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert token
    return await browser.post(
        "/notice",
        data={"csrf": token[1], "proof": solve(page.text) if proof is None else proof, **fields},
    )


async def test_anybody_can_send_a_notice_and_follow_it_by_its_receipt(world: World) -> None:
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    browser = world.browser()
    sent = await send_notice(browser, f"{status['url']}\nhttps://elsewhere.example/x")
    assert sent.status_code == 303, sent.text
    place = sent.headers["location"]
    assert re.fullmatch(r"/notice/[0-9]+-[0-9a-f]{40}", place)

    page = await world.browser().get(place)
    assert page.status_code == 200
    for words in ("A moderator will look at it", status["url"], "Waiting for a decision", "Not an address of ours"):
        assert words in page.text, words
    assert "noindex" in page.text
    assert page.headers["cache-control"] == "private, no-store"

    await world.run_jobs()
    [receipt] = mails_to(world, "ann@people.example")
    assert place in receipt.get_content()

    await decide_about(world, mia, status["id"], "no_action", reasons="It quotes a play.")
    await world.run_jobs()
    page = await world.browser().get(place)
    assert "Looked at and kept" in page.text
    assert "It quotes a play." in page.text
    assert len(mails_to(world, "ann@people.example")) == 2
    assert "Ann Example" not in page.text


async def test_the_sender_contests_a_decision_and_somebody_else_will_look(world: World) -> None:
    mia = await a_moderator(world)
    await a_moderator(world, "mod_max")
    status = await world.post("alice", "a plain post")
    browser = world.browser()
    place = (await send_notice(browser, status["url"])).headers["location"]
    made = await decide_about(world, mia, status["id"], "no_action")
    await world.run_jobs()
    page = await browser.get(place)
    assert "Contest this decision" in page.text

    stranger = await world.post("bob", "unrelated")
    other = await decide_about(world, mia, stranger["id"], "no_action")
    refused = await send_form(browser, place, f"{place}/contest", decision_id=str(other.id), text="no")
    assert refused.status_code == 404

    empty = await send_form(browser, place, f"{place}/contest", decision_id=str(made.id), text=" ")
    assert empty.status_code == 422
    done = await send_form(browser, place, f"{place}/contest", decision_id=str(made.id), text="It is a threat.")
    assert done.status_code == 303
    assert "You contested this decision" in (await browser.get(place)).text
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT role, account_id, notice_id FROM appeals")
    assert (row["role"], row["account_id"]) == ("reporter", None)
    assert row["notice_id"] is not None


async def test_a_receipt_cannot_be_guessed(world: World) -> None:
    browser = world.browser()
    place = (await send_notice(browser, "https://elsewhere.example/x")).headers["location"]
    number = place.rsplit("/", 1)[1].partition("-")[0]
    for wrong in (number, f"{number}-" + "0" * 40, place[:-1] + ("0" if place[-1] != "0" else "1"), "/notice/1"):
        path = wrong if wrong.startswith("/") else f"/notice/{wrong}"
        assert (await browser.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"urls": " "}, "exact address"),
        ({"harm": ""}, "Choose what it is about"),
        ({"explanation": "bad"}, "Explain"),
        ({"name": ""}, "name and mail address"),
        ({"mail": "nonsense"}, "not a mail address"),
        ({"good_faith": ""}, "Confirm"),
        ({"proof": ""}, "proof of work"),
        ({"proof": "bm9uc2Vuc2U="}, "proof of work"),
    ],
)
async def test_what_is_missing_is_said_and_nothing_typed_is_lost(
    world: World, changes: dict[str, str], sentence: str
) -> None:
    urls = changes.pop("urls", "https://elsewhere.example/x")
    answer = await send_notice(world.browser(), urls, **changes)
    assert answer.status_code == 422
    assert sentence in html.unescape(answer.text)
    if "explanation" not in changes:
        assert FIELDS["explanation"] in answer.text


async def test_child_abuse_can_be_reported_without_a_name(world: World) -> None:
    status = await world.post("spam_sam", "a plain post")
    sent = await send_notice(world.browser(), status["url"], harm="harm:csam", name="", mail="")
    assert sent.status_code == 303
    async with world.instance.db.read() as tx:
        row = await tx.fetchrow("SELECT clause, severity, reporter_name, reporter_mail FROM notices")
    assert tuple(row) == ("4.2", 1, "", "")


async def test_a_proof_of_work_is_good_once_and_not_for_ever(world: World) -> None:
    browser = world.browser()
    page = await browser.get("/notice")
    proof = solve(page.text)
    assert (await send_notice(browser, "https://elsewhere.example/x", proof=proof)).status_code == 303
    again = await send_notice(browser, "https://elsewhere.example/x", proof=proof)
    assert again.status_code == 422
    assert "sent already" in again.text
    with time_travel(timedelta(hours=-4)):
        old = solve((await browser.get("/notice")).text)
    late = await send_notice(browser, "https://elsewhere.example/x", proof=old)
    assert late.status_code == 422
    forged = json.loads(base64.b64decode(solve((await browser.get("/notice")).text)))
    forged["salt"] = forged["salt"].replace("expires=", "expires=9")
    bad = base64.b64encode(json.dumps(forged).encode()).decode()
    assert (await send_notice(browser, "https://elsewhere.example/x", proof=bad)).status_code == 422


async def test_without_scripts_the_form_says_what_to_do(world: World) -> None:
    page = await world.browser().get("/notice?url=https://localhost:3000/@alice/1")
    assert "<noscript>" in page.text
    assert "abuse@localhost" in page.text
    assert "https://localhost:3000/@alice/1" in page.text
    policy = page.headers["content-security-policy"]
    assert "'unsafe-inline'" not in policy
    assert "<script>" not in page.text


async def test_the_staff_read_notices_their_raw_messages_and_answer(world: World) -> None:
    mia = await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    host = await a_host(world, contact_mail="abuse@host.example")
    body = {"urls": [status["url"]], "reference": "HMH-1", "description": "<script>alert(1)</script>"}
    sent = (await host.send(body)).json()
    browser = await sign_in(world, "mod_mia")
    listed = await browser.get("/desk/notices")
    assert listed.status_code == 200
    for words in ("Heavy Metal Hosting", "HMH-1", "1 undecided"):
        assert words in listed.text, words
    place = f"/desk/notices/{sent['id']}"
    page = await browser.get(place)
    assert page.status_code == 200
    assert status["url"] in page.text
    assert "&lt;script&gt;alert(1)" in page.text
    assert "<script>alert" not in page.text

    raw = await send_form(browser, place, f"{place}/raw")
    assert raw.status_code == 200
    assert "HMH-1" in raw.text
    assert "<script>alert" not in raw.text
    async with world.instance.db.read() as tx:
        read = await tx.fetchval("SELECT count(*) FROM moderation_events WHERE type = 'notice_raw_read'")
    assert read == 1

    early = await send_form(browser, place, f"{place}/respond", words="Soon.")
    assert early.status_code == 409
    await decide_about(world, mia, status["id"], "remove")
    await world.run_jobs()
    done = await send_form(browser, place, f"{place}/respond", words="It will not come back.")
    assert done.status_code == 303
    await world.run_jobs()
    assert "It will not come back." in mails_to(world, "abuse@host.example")[-1].get_body(("plain",)).get_content()
    assert "Everything is answered" in (await browser.get("/desk/notices")).text
    assert "Heavy Metal Hosting" in (await browser.get("/desk/notices?all=1")).text


async def test_who_of_the_staff_a_notice_is_about_neither_reads_nor_answers_it(world: World) -> None:
    await a_moderator(world)
    await a_moderator(world, "mod_max")
    status = await world.post("mod_max", "a plain post")
    place = (await send_notice(world.browser(), status["url"])).headers["location"]
    notice = f"/desk/notices/{place.rsplit('/', 1)[1].partition('-')[0]}"
    mia, max_ = await sign_in(world, "mod_mia"), await sign_in(world, "mod_max")
    assert "ann@people.example" in (await mia.get(notice)).text
    assert (await max_.get(notice)).status_code == 404
    assert "Ann Example" not in (await max_.get("/desk/notices?all=1")).text
    for step in ("raw", "respond"):
        assert (await send_form(max_, "/desk/notices/new", f"{notice}/{step}", words="Nonsense.")).status_code == 404


async def test_a_moderator_files_what_came_by_letter(world: World) -> None:
    await a_moderator(world)
    status = await world.post("spam_sam", "a plain post")
    browser = await sign_in(world, "mod_mia")
    form = {"from": "removal", "urls": status["url"], "statement": "A letter", "reference": "AZ 7", "clause": "1.3"}
    missing = await send_form(browser, "/desk/notices/new", "/desk/notices/new", **form)
    assert missing.status_code == 422
    assert "authority" in missing.text
    filed = await send_form(browser, "/desk/notices/new", "/desk/notices/new", **form, authority="Court of Example")
    assert filed.status_code == 303, filed.text
    page = await browser.get(filed.headers["location"])
    assert "removal by Court of Example" in page.text
    assert "1.3" in page.text


async def test_members_do_not_learn_that_these_pages_are_there(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    for path in ("/desk/notices", "/desk/notices/new", "/desk/notices/1"):
        assert (await browser.get(path)).status_code == 404
    token = await csrf_of(browser, "/settings/preferences")
    for path in ("/desk/notices/new", "/desk/notices/1/raw", "/desk/notices/1/respond"):
        assert (await browser.post(path, data={"csrf": token, "urls": "x"})).status_code == 404
