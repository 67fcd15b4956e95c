"""The moderators' desk over plain HTTP, as a browser without JavaScript uses it, and what nobody else can see of it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from parley.web import desk_frame
from tests.conftest import PASSWORD, World
from tests.statuses.cast import known
from tests.web.forms import find_form, read_forms, send, sign_in

pytestmark = pytest.mark.usefixtures("_built_assets")

SPAM = "Buy my amazing miracle cure for everything today"
MORE = "Only today my miracle cure is half the price for friends"


async def signed_in(world: World, name: str, role: str = "moderator") -> httpx.AsyncClient:
    await world.account(name, role=role)
    return await sign_in(world.browser(), name, PASSWORD)


async def report(world: World, by: str, about: str, *status_ids: str, clause: str = "7.1", comment: str = "") -> None:
    """`by` reports posts of `about`."""
    body = {
        "account_id": str(world.ids[about]),
        "status_ids": list(status_ids),
        "rule_ids": [clause],
        "category": "violation",
        "comment": comment,
    }
    answer = await (await world.client(by)).post("/api/v1/reports", json=body)
    assert answer.status_code == 200, answer.text
    await world.run_jobs()


async def reported_spam(world: World, text: str = SPAM, by: str = "alice", about: str = "spam_sam") -> dict[str, Any]:
    """A post of spam_sam that alice has reported."""
    await known(world, by, about)
    post = await world.post(about, text)
    await report(world, by, about, post["id"], comment="He sells snake oil.")
    return post


async def open_next(browser: httpx.AsyncClient) -> httpx.Response:
    """Press the button for the next case."""
    page = await browser.get("/desk")
    assert page.status_code == 200, page.text[:500]
    answer = await send(browser, find_form(page.text, "/desk/next"), "/desk/next")
    assert answer.status_code == 200, answer.text[:500]
    return answer


def subjects_of(html: str) -> list[str]:
    """Values of the boxes of a case's subjects."""
    import re

    return re.findall(r'form="decide" name="subject" value="([^"]+)"', html)


async def review(browser: httpx.AsyncClient, page: httpx.Response, **values: Any) -> httpx.Response:
    """Fill in the form of a case and look at what would be done."""
    path = page.url.path + "/review"
    form = find_form(page.text, path)
    chosen = {"subject": subjects_of(page.text), **form.values, **values}
    return await browser.post(path, data=chosen, follow_redirects=True)


async def confirm(browser: httpx.AsyncClient, page: httpx.Response, shown: httpx.Response) -> httpx.Response:
    """Send the form of a review."""
    path = page.url.path + "/decide"
    assert any(form.action == path for form in read_forms(shown.text)), shown.text[-1500:]
    import re

    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', shown.text)
    sent: dict[str, list[str]] = {}
    for name, value in hidden:
        sent.setdefault(name, []).append(value.replace("&#39;", "'").replace("&amp;", "&").replace("&#34;", '"'))
    sent["csrf"] = sent["csrf"][-1:]
    return await browser.post(path, data=sent, follow_redirects=True)


async def test_members_and_strangers_find_no_desk(world: World) -> None:
    await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    case = (await open_next(mia)).url.path
    member = await signed_in(world, "bob", "member")
    for path in ("/desk", case, "/desk/proposals", f"/desk/accounts/{world.ids['spam_sam']}", "/desk/decisions/1"):
        assert (await member.get(path)).status_code == 404, path
        out = await world.browser().get(path)
        assert out.status_code == 303
        assert out.headers["location"].startswith("/sign-in")
    token = find_form((await member.get("/settings/preferences")).text, "/settings/preferences").values["csrf"]
    for path in ("/desk/next", f"{case}/claim", f"{case}/review", f"{case}/decide", f"{case}/note"):
        assert (await member.post(path, data={"csrf": token})).status_code == 404, path
        assert (await mia.post(path, data={"csrf": "wrong"})).status_code == 403, path
    assert "/desk" not in (await member.get("/")).text
    assert 'href="/desk"' in (await mia.get("/")).text


async def test_a_moderator_finds_nothing_about_themselves(world: World) -> None:
    await reported_spam(world, "I said something in a hurry", by="alice", about="mod_mia")
    await world.account("mod_mia")
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET role = 'owner' WHERE account_id = $1", world.ids["alice"])
        await tx.execute("UPDATE users SET role = 'moderator' WHERE account_id = $1", world.ids["mod_mia"])
        await tx.execute("UPDATE accounts SET role = 'owner' WHERE id = $1", world.ids["alice"])
        await tx.execute("UPDATE accounts SET role = 'moderator' WHERE id = $1", world.ids["mod_mia"])
    mia, alice = await signed_in(world, "mod_mia"), await signed_in(world, "alice")
    case = (await open_next(alice)).url.path
    assert case.startswith("/desk/cases/")
    assert "@mod_mia" in (await alice.get(case)).text
    for path in (case, f"/desk/accounts/{world.ids['mod_mia']}"):
        assert (await mia.get(path)).status_code == 404, path
    assert "said something in a hurry" not in (await mia.get("/desk")).text
    page = await alice.get(case)
    await confirm(alice, page, await review(alice, page, clause="3.1", action="remove", account_action="terminate"))
    assert "said something" not in (await mia.get("/desk/proposals")).text
    assert "@mod_mia" not in (await mia.get("/desk/proposals")).text.partition("<h1>")[2]


async def test_the_queue_counts_everything_whatever_the_filter_leaves(world: World) -> None:
    await reported_spam(world)
    await known(world, "bob")
    post = await world.post("bob", "A post that somebody thinks grave")
    await report(world, "alice", "bob", post["id"], clause="1.1")
    mia = await signed_in(world, "mod_mia")
    page = (await mia.get("/desk")).text
    assert "@spam_sam" in page
    assert page.index("@bob") < page.index("@spam_sam")  # a threat comes first
    filtered = (await mia.get("/desk?severity=0")).text
    assert "@spam_sam" not in filtered
    assert "Only some of 2" in filtered
    assert "<b>2</b>" in filtered
    nobody = (await mia.get("/desk?severity=3")).text
    assert "No case is like that" in nobody


async def test_a_case_is_taken_decided_and_undone_without_javascript(world: World) -> None:
    post = await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    page = await open_next(mia)
    assert page.url.path.startswith("/desk/cases/")
    assert SPAM in page.text
    assert "He sells snake oil." in page.text
    assert "Yours until" in page.text
    shown = await review(mia, page, clause="7.1", action="remove", account_action="")
    assert shown.status_code == 200
    assert "Remove 1 post of @spam_sam." in shown.text
    assert "7.1" in shown.text
    assert "Hello @spam_sam" in shown.text or "It was removed" in shown.text
    decided = await confirm(mia, page, shown)
    assert decided.status_code == 200, decided.text[:2000]
    assert "Decided:" in decided.text
    assert (await world.anonymous.get(f"/api/v1/statuses/{post['id']}")).status_code == 404
    undo = next(form for form in read_forms(decided.text) if form.action.endswith("/undo"))
    undone = await send(mia, undo, undo.action)
    assert undone.status_code == 200, undone.text[:500]
    assert (await world.anonymous.get(f"/api/v1/statuses/{post['id']}")).status_code == 200


async def test_a_case_of_somebody_else_is_read_only_and_says_whose_it_is(world: World) -> None:
    await reported_spam(world)
    mia, ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
    page = await open_next(mia)
    other = await ben.get(page.url.path)
    assert "@mod_mia works on this case" in other.text
    assert 'id="decide"' not in other.text
    assert "/note" in other.text
    empty = await open_next(ben)
    assert empty.url.path == "/desk"


async def test_a_lost_lease_is_said_and_nothing_that_was_typed_is_lost(world: World) -> None:
    await reported_spam(world)
    mia, ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
    page = await open_next(mia)
    typed = "Sold as a cure for all illness, with no proof."
    shown = await review(mia, page, clause="7.1", action="remove", facts=typed)
    async with world.instance.db.write() as tx:
        await tx.execute("SELECT set_config('parley.moderation_event', '1', true)")
        await tx.execute("UPDATE cases SET leased_until = now() - interval '1 minute'")
    assert (await open_next(ben)).url.path == page.url.path
    late = await confirm(mia, page, shown)
    assert late.status_code == 409
    assert "@mod_ben works on this case" in late.text
    assert typed in late.text
    assert (await mia.get(page.url.path)).text.count("Hidden until") == 0


async def test_ending_an_account_needs_a_second_person(world: World) -> None:
    await reported_spam(world)
    mia, ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
    page = await open_next(mia)
    shown = await review(mia, page, clause="7.1", action="remove", account_action="terminate")
    assert "second person" in shown.text
    proposed = await confirm(mia, page, shown)
    assert proposed.status_code == 200
    assert "waits for a second person" in (await ben.get(page.url.path)).text
    own = await mia.get("/desk/proposals")
    assert "You proposed it" in own.text
    waiting = await ben.get("/desk/proposals")
    form = next(one for one in read_forms(waiting.text) if one.action.endswith("/approve"))
    token = find_form((await mia.get("/desk")).text, "/desk/next").values["csrf"]
    assert (await mia.post(form.action, data={"csrf": token})).status_code in (403, 409, 422)
    agreed = await send(ben, form, form.action)
    assert agreed.status_code == 200, agreed.text[:500]
    about = await ben.get(f"/desk/accounts/{world.ids['spam_sam']}")
    assert "terminate" in about.text


async def test_notes_hand_over_and_escalation(world: World) -> None:
    await reported_spam(world)
    mia, ben = await signed_in(world, "mod_mia"), await signed_in(world, "mod_ben")
    page = await open_next(mia)
    path = page.url.path
    noted = await send(mia, find_form(page.text, f"{path}/note"), f"{path}/note", text="Third time this <b>week</b>")
    assert "Third time this &lt;b&gt;week&lt;/b&gt;" in noted.text
    assert "Third time" in (await ben.get(f"/desk/accounts/{world.ids['spam_sam']}")).text
    empty = await send(mia, find_form(noted.text, f"{path}/note"), f"{path}/note", text="  ")
    assert empty.status_code == 422
    form = find_form(noted.text, f"{path}/hand-over")
    await send(mia, form, form.action, to=str(world.ids["mod_ben"]))
    assert "@mod_ben works on this case" in (await mia.get(path)).text
    theirs = await ben.get(path)
    assert "Yours until" in theirs.text
    form = find_form(theirs.text, f"{path}/escalate")
    escalated = await send(ben, form, form.action, to="admin", why="This is bigger than I am")
    assert escalated.status_code == 200
    assert "escalated" in (await mia.get(path)).text


async def test_reporters_in_bad_faith_are_not_listened_to_any_more(world: World) -> None:
    await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    path = f"/desk/accounts/{world.ids['alice']}"
    page = await mia.get(path)
    muted = await send(mia, find_form(page.text, f"{path}/mute"), f"{path}/mute")
    assert "Listen to reports again" in muted.text
    again = await send(mia, find_form(muted.text, f"{path}/mute"), f"{path}/mute")
    assert "Mute as a reporter" in again.text


async def test_what_was_seen_is_shown_as_text_and_stays_when_its_author_deletes_it(world: World) -> None:
    wicked = "Look <script>alert(1)</script> at https://evil.example/x"
    post = await reported_spam(world, wicked)
    await (await world.client("spam_sam")).delete(f"/api/v1/statuses/{post['id']}")
    await world.run_jobs()
    page = await open_next(await signed_in(world, "mod_mia"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script>alert" not in page.text
    assert 'href="https://evil.example' not in page.text
    assert "deleted it since" in page.text


async def test_several_subjects_are_decided_in_parts(world: World) -> None:
    first = await reported_spam(world)
    second = await world.post("spam_sam", MORE)
    await report(world, "alice", "spam_sam", second["id"])
    mia = await signed_in(world, "mod_mia")
    page = await open_next(mia)
    boxes = subjects_of(page.text)
    assert len(boxes) == 2
    one = [box for box in boxes if first["id"] in box]
    left = await confirm(mia, page, await review(mia, page, subject=one, clause="7.1", action="remove"))
    assert left.url.path == page.url.path
    assert len(subjects_of(left.text)) == 1
    none = await review(mia, left, subject=[], clause="", action="no_action", account_action="")
    assert none.status_code == 422
    assert "Choose at least one" in none.text
    await confirm(mia, left, await review(mia, left, clause="", action="no_action", account_action=""))
    assert (await world.anonymous.get(f"/api/v1/statuses/{first['id']}")).status_code == 404
    assert (await world.anonymous.get(f"/api/v1/statuses/{second['id']}")).status_code == 200
    assert "closed" in (await mia.get(page.url.path)).text


async def test_copies_by_others_are_decided_with_it(world: World) -> None:
    await known(world, "bob", "carol")
    text = "Message me today and learn the secret of doubling all your coins in a single night, friends"
    copies = [await world.post(name, text) for name in ("bob", "carol")]
    await reported_spam(world, text)
    await world.run_jobs()
    mia = await signed_in(world, "mod_mia")
    page = await open_next(mia)
    assert "The same elsewhere" in page.text
    status = subjects_of(page.text)[0].split(":")[1]
    shown = await review(mia, page, clause="7.1", action="remove", copies=status)
    assert "2 copies" in shown.text
    await confirm(mia, page, shown)
    for copy in copies:
        assert (await world.anonymous.get(f"/api/v1/statuses/{copy['id']}")).status_code == 404


async def test_lists_and_cases_ask_as_many_queries_for_many_as_for_few(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk_frame, "KEPT_SECONDS", 0.0)  # the navigation counts each time
    await reported_spam(world)
    mia = await signed_in(world, "mod_mia")
    await mia.get("/desk")
    with world.queries() as few:
        assert (await mia.get("/desk")).status_code == 200
    for name in ("bob", "carol", "dan", "erin", "frank"):
        await known(world, name)
        post = await world.post(name, f"{name} says something that alice does not like at all")
        await report(world, "alice", name, post["id"])
    with world.queries() as many:
        page = await mia.get("/desk")
    assert page.text.count('class="case"') == 6
    assert len(many) == len(few) <= LIST_QUERIES, "\n".join(many)

    opened = await open_next(mia)
    path = opened.url.path
    about = next(name for name in world.ids if f"<title>@{name} " in opened.text)
    await mia.get(path)
    with world.queries() as small:
        await mia.get(path)
    for number in range(6):
        post = await world.post(about, f"Number {number} of several things that somebody reports")
        await report(world, "alice" if about != "alice" else "bob", about, post["id"])
    await mia.get(path)
    with world.queries() as large:
        page = await mia.get(path)
    assert len(subjects_of(page.text)) == 7
    assert len(large) == len(small) <= CASE_QUERIES, "\n".join(large)


LIST_QUERIES = 16
CASE_QUERIES = 55
