"""Journeys over several pages: mail links, invitations, moderation's marks, and input that means harm."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from parley.kit.settings import Settings
from tests.conftest import PASSWORD, World, open_world
from tests.web.forms import find_form, read_forms, send, sign_in, submit

pytestmark = pytest.mark.usefixtures("_built_assets")


def settings_with(tmp_path: Path, **values: object) -> Settings:
    return Settings(domain="localhost:3000", data_dir=tmp_path / "data", rate_limits="off", **values)  # type: ignore[arg-type]


def newest_link(settings: Settings, part: str) -> str:
    """The newest link of the mails that holds `part`, as a path."""
    mails = sorted(settings.path("mail").rglob("*"), key=lambda path: path.stat().st_mtime, reverse=True)
    for mail in mails:
        if mail.is_file():
            text = mail.read_text().replace("=\n", "").replace("=3D", "=")
            found = re.search(rf"{re.escape(settings.base_url)}(/{part}/[\w-]+)", text)
            if found:
                return found[1]
    raise AssertionError(f"no mail holds a link to {part}")


async def test_an_address_is_confirmed_by_a_click_and_only_then_lets_in(tmp_path: Path, dsn: str) -> None:
    async with open_world(settings_with(tmp_path, email_confirmation=True), dsn) as world:
        await _confirm_an_address(world, world.browser())


async def _confirm_an_address(world: World, browser: httpx.AsyncClient) -> None:
    sent = await submit(
        browser, "/sign-up", "/sign-up", username="alice", email="a@example.org", password=PASSWORD, agreement="1"
    )
    assert "Check your mail" in sent.text
    early = await submit(browser, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert "Confirm your e-mail address first" in early.text
    await world.run_jobs()
    link = newest_link(world.settings, "confirm")
    scanner = await world.anonymous.get(link)
    assert scanner.status_code == 200
    early = await submit(browser, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert "Confirm your e-mail address first" in early.text
    done = await submit(browser, link, "/confirm")
    assert "Your e-mail address is confirmed" in done.text
    again = await send(browser, find_form(scanner.text, "/confirm"), "/confirm")
    assert again.status_code in (403, 422)
    await sign_in(browser, "alice", PASSWORD)


async def test_a_forgotten_password_is_replaced_by_mail_and_other_browsers_are_signed_out(world: World) -> None:
    await world.account("alice")
    lost = await sign_in(world.browser(), "alice", PASSWORD)
    browser = world.browser()
    known = await submit(browser, "/password/forgotten", "/password/forgotten", email="alice@example.org")
    unknown = await submit(browser, "/password/forgotten", "/password/forgotten", email="nobody@example.org")
    assert known.text.replace("alice@", "x@")[-3000:] == unknown.text.replace("nobody@", "x@")[-3000:]
    await world.run_jobs()
    link = newest_link(world.settings, "password/new")
    weak = await submit(browser, link, "/password/new", password="short")
    assert weak.status_code == 422
    done = await send(
        browser, find_form(weak.text, "/password/new"), "/password/new", password="a wholly new sentence of words"
    )
    assert "Your password is changed" in done.text
    assert (await lost.get("/bookmarks")).status_code == 303
    await sign_in(browser, "alice", "a wholly new sentence of words")


async def test_an_approval_asks_why_and_says_that_somebody_reads_it(tmp_path: Path, dsn: str) -> None:
    settings = settings_with(tmp_path, registrations="approval", email_confirmation=False)
    async with open_world(settings, dsn) as world:
        browser = world.browser()
        sent = await submit(
            browser,
            "/sign-up",
            "/sign-up",
            username="alice",
            email="a@example.org",
            password=PASSWORD,
            agreement="1",
            reason="I bake",
        )
        assert "A moderator reads your request" in sent.text
        blocked = await submit(browser, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
        assert "A moderator has yet to approve" in blocked.text
        assert blocked.status_code == 403


async def test_closed_and_invited_doors_say_so(tmp_path: Path, dsn: str) -> None:
    async with open_world(settings_with(tmp_path, registrations="closed"), dsn) as world:
        assert "Closed for now" in (await world.anonymous.get("/sign-up")).text
    async with open_world(settings_with(tmp_path, registrations="invite"), dsn) as world:
        page = (await world.anonymous.get("/sign-up")).text
        assert "By invitation" in page
        assert not any(form.action == "/sign-up" and form.method == "post" for form in read_forms(page))
        form = find_form((await world.anonymous.get("/sign-up?invite=wrong")).text, "/sign-up")
        refused = await send(
            world.anonymous, form, "/sign-up", username="alice", email="a@example.org", password=PASSWORD, agreement="1"
        )
        assert refused.status_code == 422
        assert "invite" in refused.text.lower()


async def test_a_held_post_is_marked_for_its_author_and_invisible_to_all_others(world: World) -> None:
    await world.account("spam_sam", age_days=0)
    await world.account("bob")
    sam = await sign_in(world.browser(), "spam_sam", PASSWORD)
    bob = await sign_in(world.browser(), "bob", PASSWORD)
    answer = await submit(sam, "/", "/compose", text="Win a boat at https://boats.example/now")
    assert "Only you can see this for now" in answer.text
    assert "waits for a moderator" in answer.text
    own = await sam.get("/@spam_sam")
    assert "Win a boat" in own.text
    assert "Only you can see this for now" in own.text
    status = re.search(r'data-status="(\d+)"', own.text)
    assert status
    for client in (bob, world.anonymous):
        for path in ("/local", "/public", "/@spam_sam", f"/@spam_sam/{status[1]}", "/search?q=boat"):
            assert "Win a boat" not in (await client.get(path)).text, path


async def test_the_note_about_a_held_post_shows_the_post_and_says_when_it_is_out(world: World) -> None:
    await world.account("spam_sam", age_days=0)
    sam = await sign_in(world.browser(), "spam_sam", PASSWORD)
    await submit(sam, "/", "/compose", text="Win a boat at https://boats.example/now")
    await world.run_jobs()
    told = (await sam.get("/notifications")).text
    assert "A note from the moderators" in told
    assert "Win a boat" in told
    assert "published since" not in told
    client = await world.client("spam_sam")
    held = (await client.get(f"/api/v1/accounts/{world.ids['spam_sam']}/statuses")).json()[0]
    changed = await client.put(f"/api/v1/statuses/{held['id']}", json={"status": "Win a boat"})
    assert changed.status_code == 200, changed.text
    assert "published since" in (await sam.get("/notifications")).text


async def test_who_sounds_as_if_in_danger_is_offered_help_and_nobody_else_sees_the_offer(world: World) -> None:
    await world.account("alice")
    await world.account("bob")
    alice = await sign_in(world.browser(), "alice", PASSWORD)
    bob = await sign_in(world.browser(), "bob", PASSWORD)
    answer = await submit(alice, "/", "/compose", text="I want to kill myself")
    assert "emergency number" in answer.text
    assert "Only you can see this" not in answer.text
    form = find_form((await alice.get("/")).text, "/compose")
    parts = {name: (None, value) for name, value in (form.values | {"text": "I want to kill myself tonight"}).items()}
    piece = await alice.post("/compose", files=parts, headers={"HX-Request": "true"})
    assert 'href="https://findahelpline.com"' in piece.text
    assert "Your post breaks no rule" in piece.text
    seen = await bob.get("/@alice")
    assert "I want to kill myself" in seen.text
    assert "emergency number" not in seen.text
    assert "emergency number" in (await world.anonymous.get("/about")).text


async def test_a_rejected_post_comes_back_with_the_sentence_and_is_on_record(world: World) -> None:
    await world.account("spam_sam", age_days=0)
    sam = await sign_in(world.browser(), "spam_sam", PASSWORD)
    answer = await submit(sam, "/", "/compose", text="I am going to kill you")
    assert answer.status_code == 422
    assert find_form(answer.text, "/compose").values["text"] == "I am going to kill you"
    assert re.search(r'role="alert".*?1\.1', answer.text, re.DOTALL)
    form = find_form((await sam.get("/")).text, "/compose")
    parts = {name: (None, value) for name, value in {**form.values, "text": "I am going to kill you"}.items()}
    piece = await sam.post("/compose", files=parts, headers={"hx-request": "true"})
    assert piece.status_code == 422
    assert piece.headers["hx-retarget"] == "#said-new"
    assert 'role="alert"' in piece.text
    async with world.instance.db.read() as tx:
        refused = await tx.fetchval("SELECT count(*) FROM screening_results WHERE outcome = 'reject'")
    assert refused == 2
    assert "kill you" not in (await sam.get("/@spam_sam")).text


async def test_a_post_is_quoted_and_answered_to_everybody_in_it(world: World) -> None:
    await world.account("bob")
    browser = await sign_in(world.browser(), "bob", PASSWORD)
    await world.account("mod_mia")
    status = await world.post("alice", "Hello @mod_mia")
    quoting = await submit(browser, f"/compose?quote={status['id']}", "/compose", text="Well said")
    assert "Well said" in quoting.text
    assert 'class="quoted"' in quoting.text
    form = find_form((await browser.get(f"/@alice/{status['id']}")).text, "/compose")
    assert form.values["text"] == "@alice @mod_mia "
    answered = await send(browser, form, "/compose", text=form.values["text"] + "I agree")
    assert "I agree" in answered.text
    assert answered.url.path == f"/@alice/{status['id']}"


async def test_a_post_is_made_once_though_its_form_is_sent_twice(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world.browser(), "alice", PASSWORD)
    form = find_form((await browser.get("/")).text, "/compose")
    for _ in range(2):
        await send(browser, form, "/compose", text="Only once please")
    page = (await browser.get("/@alice")).text
    assert len(set(re.findall(r'id="status-(\d+)"', page))) == 1


async def test_this_server_only_means_members_only(world: World) -> None:
    await world.account("alice")
    await world.account("bob")
    alice = await sign_in(world.browser(), "alice", PASSWORD)
    bob = await sign_in(world.browser(), "bob", PASSWORD)
    await submit(alice, "/", "/compose", text="Between us members", visibility="local")
    assert "Between us members" in (await bob.get("/local")).text
    for path in ("/local", "/public", "/@alice"):
        assert "Between us members" not in (await world.anonymous.get(path)).text


async def test_a_hashtag_in_any_script_is_read_and_followed(world: World) -> None:
    await world.account("bob")
    await world.post("alice", "Freshly baked #パン")
    visitor = world.browser()
    shown = await visitor.get("/tags/パン")
    assert "Freshly baked" in shown.text
    sent = await visitor.post("/tags/パン/follow", data={"csrf": "wrong"})
    assert sent.status_code == 403
    landed = await submit(visitor, "/sign-in?next=/tags/パン", "/sign-in", login="bob", password=PASSWORD)
    assert "Freshly baked" in landed.text
    action = next(form.action for form in read_forms(landed.text) if form.action.startswith("/tags/"))
    followed = await submit(visitor, "/tags/パン", action)
    assert "Unfollow #" in followed.text


NASTY = ("%00", "%F0%9F%92%A9", "'%20OR%201=1--", "9" * 30, "-1", "%2e%2e%2f", "a" * 3000, "%ff%fe", "@", "{{7*7}}")


async def test_hostile_addresses_and_queries_never_break_a_page(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world.browser(), "alice", PASSWORD)
    patterns = (
        "/{}",
        "/@{}",
        "/@alice/{}",
        "/@{}/followers",
        "/tags/{}",
        "/search?q={}",
        "/?max_id={}",
        "/local?limit={}",
        "/notifications?kind={}",
        "/statuses/{}/history",
        "/statuses/{}/edit",
        "/statuses/{}/boosts",
        "/lists/{}",
        "/accounts/{}/report",
        "/accounts/1/report?status={}",
        "/compose?quote={}",
        "/compose?text={}",
        "/compose/media/{}",
        "/confirm/{}",
        "/password/new/{}",
        "/sign-up?invite={}",
        "/sign-in?next={}",
        "/oauth/authorize?client_id={}",
        "/live/{}",
        "/static/{}",
    )
    for pattern in patterns:
        for nasty in NASTY:
            path = pattern.format(nasty)
            try:
                answer = await browser.get(path)
            except httpx.InvalidURL:
                continue
            assert answer.status_code < 500, f"{path}: {answer.status_code}"


async def test_hostile_forms_never_break_a_page(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world.browser(), "alice", PASSWORD)
    token = find_form((await browser.get("/menu")).text, "/sign-out").values["csrf"]
    fields = ("text", "title", "acct", "name", "code", "email", "login", "password", "token", "credential", "handle")
    for route in world.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            module = getattr(getattr(handler, "fn", None), "__module__", "")
            methods = getattr(handler, "http_methods", ())
            if not module.startswith("parley.web") or "POST" not in methods or route.path == "/sign-out":
                continue
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            for nasty in ("", "\x00", "\ud83d\udca9".encode("utf-16", "surrogatepass").decode("utf-16"), "x" * 5000):
                form = dict.fromkeys(fields, nasty) | {"csrf": token}
                plain = await browser.post(path, data=form)
                parts = await browser.post(path, files={name: (None, value) for name, value in form.items()})
                assert plain.status_code < 500, f"{path} {nasty!r:.20}: {plain.status_code}"
                assert parts.status_code < 500, f"{path} {nasty!r:.20}: {parts.status_code}"
    assert (await browser.get("/menu")).status_code == 200


async def test_a_longer_home_takes_no_more_queries(world: World) -> None:
    await world.account("bob")
    browser = await sign_in(world.browser(), "bob", PASSWORD)
    await world.follow("bob", "alice")
    counts = []
    for number in range(2):
        for n in range(1 + 10 * number):
            await world.post("alice", f"Post {number} {n}")
        await world.run_jobs()
        await browser.get("/")
        with world.queries() as seen:
            page = await browser.get("/")
        assert page.text.count("<article") == 1 + 10 * number + number
        counts.append(len(seen))
    assert counts[0] == counts[1] <= 20


async def test_an_error_page_needs_no_database(tmp_path: Path, dsn: str) -> None:
    async with open_world(settings_with(tmp_path, email_confirmation=False), dsn) as world:
        await world.account("alice")
        browser = await sign_in(world.browser(), "alice", PASSWORD)
        await world.instance.db.close()
        answer = await browser.get("/")
        assert answer.status_code in (500, 503)
        assert "<h1" in answer.text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "Traceback" not in answer.text


async def test_too_many_tries_are_told_when_to_come_back(tmp_path: Path, dsn: str) -> None:
    settings = Settings(domain="localhost:3000", data_dir=tmp_path / "data", email_confirmation=False)
    async with open_world(settings, dsn) as world:
        await world.account("alice")
        browser = world.browser()
        form = find_form((await browser.get("/sign-in")).text, "/sign-in")
        for _ in range(40):
            answer = await send(browser, form, "/sign-in", login="alice", password="wrong again")
            if answer.status_code == 429:
                break
        assert answer.status_code == 429
        assert "Slow down a little" in answer.text
        assert int(answer.headers["retry-after"]) > 0
