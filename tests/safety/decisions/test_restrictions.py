"""What an account may not do is refused at every door, with the rule, the end and where to appeal."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from parley.kit.clock import now, time_travel
from parley.safety.decisions.jobs import end_due_actions
from parley.safety.decisions.views import NewAction
from parley.social.statuses.jobs import publish_scheduled
from tests.conftest import PASSWORD, World
from tests.media import samples
from tests.media.helpers import upload
from tests.safety.decisions.deciding import account, decided, reversed_by, status, viewer_of
from tests.sessions.pages import csrf_of, send_form, sign_in
from tests.statuses.cast import ask, sees
from tests.streaming.ears import events, token_of


async def restricted(world: World, kind: Any, hours: float | None = 24.0) -> int:
    """A decision against alice; returns its id."""
    alice = await world.account("alice")
    return (await decided(world, alice, NewAction(kind, account(alice), hours))).id


def says_why(text: str, decision_id: int, *, ends: bool = True) -> bool:
    """Whether a refusal names the rule, the end, and where to appeal."""
    return "1.2" in text and f"/moderation/decisions/{decision_id}" in text and ("until" in text) == ends


async def test_a_frozen_moderator_neither_reads_nor_writes_at_the_desk(world: World) -> None:
    ada, max_ = await viewer_of(world, "ada", "admin"), await world.account("mod_max", role="moderator")
    await decided(world, max_, NewAction("freeze", account(max_), 24.0), who=ada)
    browser = await sign_in(world, "mod_max")
    for page in ("/desk", "/desk/notices", "/desk/legal"):
        assert (await browser.get(page)).status_code == 404, page
    bob = await world.account("bob")
    muted = await send_form(browser, "/", f"/desk/accounts/{bob}/mute", muted="yes")
    assert muted.status_code == 404


async def test_who_may_not_post_is_refused_wherever_something_becomes_public(world: World) -> None:
    other = await world.post("bob", "hello")
    own = await world.post("alice", "mine")
    decision_id = await restricted(world, "restrict_posting")
    later = (now() + timedelta(hours=1)).isoformat()
    for method, path, body in (
        ("POST", "/statuses", {"status": "hi"}),
        ("POST", "/statuses", {"status": "hi", "scheduled_at": later}),
        ("PUT", f"/statuses/{own['id']}", {"status": "changed"}),
        ("POST", f"/statuses/{other['id']}/reblog", {}),
        ("PATCH", "/accounts/update_credentials", {"note": "read this"}),
    ):
        answer = await ask(world, "alice", method, path, json=body)
        assert answer.status_code == 403, (path, answer.text)
        assert says_why(answer.json()["error"], decision_id), answer.text
    assert (await upload(await world.client("alice"), samples.jpeg())).status_code == 403
    browser = await sign_in(world, "alice")
    parts = {name: (None, value) for name, value in (("csrf", await csrf_of(browser, "/")), ("text", "hi"))}
    answer = await browser.post("/compose", files=parts)
    assert answer.status_code == 403
    assert str(decision_id) in answer.text
    for method, path in (
        ("GET", "/timelines/home"),
        ("POST", f"/statuses/{other['id']}/favourite"),
        ("POST", f"/accounts/{world.ids['bob']}/follow"),
        ("DELETE", f"/statuses/{own['id']}"),
    ):
        assert (await ask(world, "alice", method, path)).status_code == 200, path


async def test_who_is_frozen_reads_but_writes_only_what_protects_the_own_account(world: World) -> None:
    other = await world.post("bob", "hello")
    own = await world.post("alice", "mine")
    decision_id = await restricted(world, "freeze", None)
    bob = world.ids["bob"]
    for method, path in (
        ("POST", "/statuses"),
        ("POST", f"/statuses/{other['id']}/favourite"),
        ("POST", f"/accounts/{bob}/follow"),
        ("POST", "/lists"),
        ("PATCH", "/accounts/update_credentials"),
    ):
        answer = await ask(world, "alice", method, path, json={"status": "hi", "title": "list"})
        assert answer.status_code == 403, path
        assert says_why(answer.json()["error"], decision_id, ends=False)
    for method, path in (
        ("GET", "/timelines/home"),
        ("GET", "/notifications"),
        ("POST", f"/accounts/{bob}/block"),
        ("POST", f"/accounts/{bob}/unblock"),
        ("POST", "/notifications/clear"),
        ("DELETE", f"/statuses/{own['id']}"),
    ):
        assert (await ask(world, "alice", method, path)).status_code == 200, path
    browser = await sign_in(world, "alice")
    assert (await browser.get("/")).status_code == 200
    assert (await send_form(browser, "/", f"/statuses/{other['id']}/favourite")).status_code == 403
    assert (await browser.get(f"/moderation/decisions/{decision_id}")).status_code == 200
    assert (await send_form(browser, "/", "/sign-out")).status_code in (302, 303)


async def test_a_frozen_moderator_is_no_moderator(world: World) -> None:
    lena = await viewer_of(world, "mod_lena")
    anna = await viewer_of(world, "anna", "admin")
    browser = await sign_in(world, "mod_lena")
    assert (await browser.get("/desk")).status_code == 200
    await decided(world, lena.account_id, NewAction("freeze", account(lena.account_id)), who=anna)
    assert (await browser.get("/desk")).status_code == 404


async def test_who_is_suspended_can_still_sign_in_to_read_the_decision_and_to_appeal_and_nothing_else(
    world: World,
) -> None:
    post = await world.post("alice", "hello")
    before = await sign_in(world, "alice")
    decision_id = await restricted(world, "suspend")
    for method, path in (("GET", "/timelines/home"), ("GET", "/accounts/verify_credentials"), ("POST", "/statuses")):
        answer = await ask(world, "alice", method, path, json={"status": "hi"} if method == "POST" else None)
        assert answer.status_code == 403
        assert says_why(answer.json()["error"], decision_id), answer.text
    assert not await sees(world, None, post["id"])
    for browser in (before, await sign_in(world, "alice")):
        home = await browser.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/moderation")
        assert str(decision_id) in (await browser.get("/settings")).text
        for path in ("/settings", "/notifications", "/messages", f"/@{'bob'}", "/oauth/authorize"):
            assert (await browser.get(path)).status_code == 403, path
        assert (await browser.get("/moderation")).status_code == 200
        page = await browser.get(f"/moderation/decisions/{decision_id}")
        assert page.status_code == 200
        assert "mod_mia" not in page.text
    page = f"/moderation/decisions/{decision_id}"
    appealed = await send_form(before, page, f"{page}/appeal", text="I did not do that.")
    assert appealed.status_code in (302, 303), appealed.text


async def test_open_streams_of_a_suspended_account_end_and_no_new_ones_begin(world: World) -> None:
    alice = await world.account("alice")
    async with events(world, "alice", "user") as ear:
        await decided(world, alice, NewAction("suspend", account(alice), 1))
        last = await ear.take()
        while last.get("more_body", True) and last.get("body", b""):
            last = await ear.take()
        assert not last.get("more_body", False)
    token = await token_of(world, "alice")
    answer = await world.anonymous.get("/api/v1/streaming/user", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403
    assert "suspended" in answer.text


async def test_a_planned_post_of_somebody_who_may_not_post_is_not_posted_and_says_why(world: World) -> None:
    later = (now() + timedelta(hours=1)).isoformat()
    for name in ("alice", "bob"):
        planned = await ask(world, name, "POST", "/statuses", json={"status": "planned", "scheduled_at": later})
        assert planned.status_code == 200
    alice, bob = world.ids["alice"], world.ids["bob"]
    first = (await decided(world, alice, NewAction("restrict_posting", account(alice), 100))).id
    await decided(world, bob, NewAction("suspend", account(bob), 100))
    with time_travel(timedelta(hours=2)):
        await publish_scheduled(world.instance, {})
        kept = (await ask(world, "alice", "GET", "/scheduled_statuses")).json()
        assert says_why(kept[0]["error"], first)
        async with world.instance.db.read() as tx:
            assert await tx.fetchval("SELECT count(*) FROM statuses") == 0
            assert "suspended" in await tx.fetchval("SELECT error FROM scheduled_statuses WHERE account_id = $1", bob)


@pytest.mark.parametrize("kind", ["restrict_posting", "suspend", "freeze"])
async def test_a_restriction_ends_by_itself_by_a_decision(world: World, kind: Any) -> None:
    decision_id = await restricted(world, kind, 5)
    assert (await ask(world, "alice", "POST", "/statuses", json={"status": "hi"})).status_code == 403
    with time_travel(timedelta(hours=6)):
        await end_due_actions(world.instance, {})
        await end_due_actions(world.instance, {})
        assert (await ask(world, "alice", "POST", "/statuses", json={"status": "hi"})).status_code == 200
    async with world.instance.db.read() as tx:
        rows = await tx.fetch("SELECT kind, reverses_id, decided_by, automated_decision FROM decisions ORDER BY id")
        assert [tuple(row) for row in rows[1:]] == [("expiry", decision_id, None, True)]
        assert await tx.fetchval("SELECT reversed_by_id FROM decisions WHERE id = $1", decision_id) is None
        assert await tx.fetchval("SELECT refunded_at FROM strikes") is None, "the strike stays"


async def test_a_label_with_a_time_to_live_is_shown_to_readers_until_then(world: World) -> None:
    post = await world.post("alice", "a long story", spoiler_text="long")
    alice = world.ids["alice"]
    await decided(world, alice, NewAction("label", status(post["id"]), 5, "Disputed"))
    shown = (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()
    assert (shown["spoiler_text"], shown["sensitive"]) == ("Disputed · long", True)
    source = (await ask(world, "alice", "GET", f"/statuses/{post['id']}/source")).json()
    assert source["spoiler_text"] == "long", "its author does not edit our words"
    with time_travel(timedelta(hours=6)):
        await end_due_actions(world.instance, {})
        shown = (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()
        assert shown["spoiler_text"] == "long"


async def test_a_required_change_is_judged_and_brings_the_post_back_without_the_old_words(world: World) -> None:
    post = await world.post("alice", "you are all idiots")
    alice = world.ids["alice"]
    made = await decided(world, alice, NewAction("require_change", status(post["id"])))
    await decided(world, alice, NewAction("restrict_posting", account(alice), 5))
    assert not await sees(world, "bob", post["id"])
    edited = await ask(world, "alice", "PUT", f"/statuses/{post['id']}", json={"status": "you are all welcome"})
    assert edited.status_code == 200, "what must be changed may be, even by whom we do not let post"
    await world.run_jobs()
    shown = (await ask(world, "bob", "GET", f"/statuses/{post['id']}")).json()
    assert "welcome" in shown["content"]
    history = (await ask(world, "bob", "GET", f"/statuses/{post['id']}/history")).json()
    assert not any("idiots" in revision["content"] for revision in history)
    again = await ask(world, "alice", "PUT", f"/statuses/{post['id']}", json={"status": "once more"})
    assert again.status_code == 403, "and only that"
    await reversed_by(world, made.id, "appeal", who=await viewer_of(world, "mod_lena"))
    history = (await ask(world, "bob", "GET", f"/statuses/{post['id']}/history")).json()
    assert any("idiots" in revision["content"] for revision in history), "it was in order after all"


async def test_a_required_change_that_the_judge_holds_waits_and_is_published_by_people(world: World) -> None:
    post = await world.post("alice", "you are all idiots")
    alice = world.ids["alice"]
    await decided(world, alice, NewAction("require_change", status(post["id"])))
    edited = await ask(world, "alice", "PUT", f"/statuses/{post['id']}", json={"status": "kill yourself"})
    assert edited.status_code == 200
    await world.run_jobs()
    assert not await sees(world, "bob", post["id"])
    await decided(world, alice, NewAction("publish", status(post["id"], 2)), clause=None)
    await world.run_jobs()
    assert await sees(world, "bob", post["id"])


async def test_who_was_suspended_by_hand_of_the_operator_cannot_sign_in(world: World) -> None:
    from parley.social.accounts.actions import set_account_state

    alice = await world.account("alice")
    async with world.instance.db.write() as tx:
        await set_account_state(tx, None, alice, "suspended")
    browser = world.browser()
    answer = await send_form(browser, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert answer.status_code == 403


async def test_every_page_says_what_the_member_may_not_do_now(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    decision_id = await restricted(world, "restrict_posting", 5)
    page = await browser.get("/")
    assert "Your account may not post until" in page.text
    assert f'href="{world.settings.base_url}/moderation/decisions/{decision_id}"' in page.text
    with time_travel(timedelta(hours=6)):
        assert "may not post" not in (await browser.get("/")).text
