"""The pages over plain HTTP: what a browser without JavaScript can do, and what nobody can."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from parley.web.filters import SWATCHES, swatch
from tests.conftest import PASSWORD, World, open_world
from tests.web.forms import find_form, read_forms, send, sign_in, submit

pytestmark = pytest.mark.usefixtures("_built_assets")

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154789c63f8cfc000000301010018dd8d"
    "b00000000049454e44ae426082"
)
SIGNED_OUT_PAGES = (
    "/",
    "/local",
    "/public",
    "/search",
    "/search?q=alice",
    "/about",
    "/transparency",
    "/sign-up",
    "/sign-in",
    "/password/forgotten",
    "/password/new/some-token",
    "/confirm/some-token",
    "/confirm/again",
    "/settings/preferences",
    "/@alice",
    "/@alice/with_replies",
    "/@alice/media",
    "/@alice/followers",
    "/@alice/following",
    "/tags/bread",
    "/nothing-here",
)
MEMBER_PAGES = (
    "/",
    "/compose",
    "/menu",
    "/notifications",
    "/notifications?kind=mentions",
    "/messages",
    "/bookmarks",
    "/favourites",
    "/lists",
    "/follow-requests",
    "/settings/profile",
    "/settings/account",
    "/settings/security",
    "/settings/apps",
    "/settings/preferences",
    "/settings/blocks",
    "/settings/mutes",
    "/@alice",
    "/@bob",
    "/search?q=bread",
)


async def signed_in(world: World, name: str) -> httpx.AsyncClient:
    await world.account(name)
    return await sign_in(world.browser(), name, PASSWORD)


async def test_a_person_signs_up_posts_and_signs_out_without_javascript(world: World) -> None:
    browser = world.browser()
    home = await submit(
        browser, "/sign-up", "/sign-up", username="alice", email="a@example.org", password=PASSWORD, agreement="1"
    )
    assert "@alice" in home.text
    assert "Home" in home.text
    posted = await submit(browser, "/", "/compose", text="My first post here")
    assert "My first post here" in posted.text
    out = await submit(browser, "/menu", "/sign-out")
    assert "You are signed out" in out.text
    assert (await browser.get("/notifications")).status_code == 303


async def test_the_sign_up_form_keeps_what_was_typed_and_says_what_is_wrong(world: World) -> None:
    await world.account("alice")
    answer = await submit(
        world.browser(), "/sign-up", "/sign-up", username="alice", email="new@example.org", password="short"
    )
    assert answer.status_code == 422
    form = find_form(answer.text, "/sign-up")
    assert form.values["username"] == "alice"
    assert form.values["password"] == ""
    assert answer.text.count('class="wrong"') >= 3
    assert 'aria-invalid="true"' in answer.text


async def test_a_wrong_password_and_an_unknown_name_read_the_same(world: World) -> None:
    await world.account("alice")
    wrong = await submit(world.browser(), "/sign-in", "/sign-in", login="alice", password="not it at all")
    unknown = await submit(world.browser(), "/sign-in", "/sign-in", login="nobody", password="not it at all")
    assert wrong.status_code == unknown.status_code == 422
    said = [re.search(r'role="alert".*?<p>(.*?)</p>', answer.text, re.DOTALL) for answer in (wrong, unknown)]
    assert said[0]
    assert said[1]
    assert said[0][1] == said[1][1]


@pytest.mark.parametrize("trick", ["//evil.example", "https://evil.example/", "/\\evil.example", "javascript:alert(1)"])
async def test_signing_in_never_leads_to_another_site(world: World, trick: str) -> None:
    await world.account("alice")
    browser = world.browser()
    shown = await browser.get("/sign-in", params={"next": trick})
    form = find_form(shown.text, "/sign-in")
    answer = await browser.post("/sign-in", data={**form.values, "next": trick, "login": "alice", "password": PASSWORD})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"


async def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(world: World) -> None:
    await world.account("alice")
    browser = world.browser()
    form = find_form((await browser.get("/sign-in")).text, "/sign-in")
    answer = await browser.post("/sign-in", data={**form.values, "login": "alice", "password": PASSWORD})
    cookie = next(line for line in answer.headers.get_list("set-cookie") if line.startswith("parley_session="))
    assert "httponly" in cookie.lower()
    assert "samesite=lax" in cookie.lower()


async def test_on_https_cookies_are_bound_to_the_host(settings: object, dsn: str, tmp_path: Path) -> None:
    from parley.kit.settings import Settings

    public = Settings(domain="social.example", data_dir=tmp_path, email_confirmation=False)
    async with open_world(public, dsn) as world:
        answer = await world.anonymous.get("/sign-in")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-parley_csrf=")
        assert "secure" in cookie.lower()
        assert "domain=" not in cookie.lower()
        assert "path=/" in cookie.lower()


async def test_a_form_without_its_token_is_refused(world: World) -> None:
    browser = await signed_in(world, "alice")
    for action in ("/compose", "/sign-out", "/notifications/clear", "/settings/profile", "/accounts/1/follow", "/look"):
        answer = await browser.post(action, data={"text": "forged", "csrf": "0" * 64})
        multipart = await browser.post(action, files={"text": (None, "forged"), "csrf": (None, "0" * 64)})
        assert answer.status_code in (403, 422), action
        assert multipart.status_code in (403, 422), action
    home = await browser.get("/")
    assert home.status_code == 200
    assert "forged" not in home.text


async def test_every_page_carries_another_token_and_all_of_them_are_good(world: World) -> None:
    browser = await signed_in(world, "alice")
    tokens = {find_form((await browser.get("/menu")).text, "/sign-out").values["csrf"] for _ in range(3)}
    assert len(tokens) == 3
    for token in tokens:
        assert (await browser.post("/look", data={"csrf": token, "theme": "dark"})).status_code == 303
        assert (await browser.post("/look", data={"csrf": token[:-1] + "x"})).status_code == 403


async def test_a_token_of_another_visitor_is_refused(world: World) -> None:
    alice, bob = await signed_in(world, "alice"), await signed_in(world, "bob")
    token = find_form((await bob.get("/menu")).text, "/sign-out").values["csrf"]
    answer = await alice.post("/sign-out", data={"csrf": token})
    assert answer.status_code == 403
    assert (await alice.get("/menu")).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}],
)
async def test_a_form_from_another_site_is_refused_even_with_its_token(world: World, headers: dict[str, str]) -> None:
    browser = await signed_in(world, "alice")
    token = find_form((await browser.get("/menu")).text, "/sign-out").values["csrf"]
    answer = await browser.post("/sign-out", data={"csrf": token}, headers=headers)
    assert answer.status_code == 403


async def test_every_state_changing_route_asks_for_a_token(world: World) -> None:
    browser = await signed_in(world, "alice")
    asked = 0
    for route in world.app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if not handler.fn.__module__.startswith("parley.web") or "POST" not in getattr(handler, "http_methods", ()):
                continue
            path = re.sub(r"\{[^}]*\}", "1", route.path)
            answer = await browser.post(path, data={"csrf": "wrong"})
            multipart = await browser.post(path, files={"csrf": (None, "wrong")})
            assert {answer.status_code, multipart.status_code} <= {403, 422}, path
            assert 403 in (answer.status_code, multipart.status_code), path
            asked += 1
    assert asked > 30


async def test_no_page_has_inline_script_or_style_and_all_have_a_strict_policy(world: World) -> None:
    browser = await signed_in(world, "alice")
    await world.account("bob")
    await world.post("alice", "Hello #bread")
    pages = [(world.anonymous, path) for path in SIGNED_OUT_PAGES] + [(browser, path) for path in MEMBER_PAGES]
    for client, path in pages:
        answer = await client.get(path)
        assert answer.status_code in (200, 404), f"{path}: {answer.status_code}"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        body = answer.text
        assert not re.search(r"<script(?![^>]*\bsrc=)", body), path
        assert "<style" not in body, path
        assert not re.search(r"\s(style|on[a-z]+)\s*=\s*[\"']", body), path
        assert "javascript:" not in body, path
    member = await browser.get("/")
    assert "no-store" in member.headers["cache-control"]


async def test_members_pages_send_signed_out_visitors_to_sign_in_and_back(world: World) -> None:
    await world.account("alice")
    browser = world.browser()
    answer = await browser.get("/bookmarks")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fbookmarks"
    landed = await submit(browser, answer.headers["location"], "/sign-in", login="alice", password=PASSWORD)
    assert landed.url.path == "/bookmarks"


async def test_names_and_searches_are_shown_as_text_never_as_html(world: World) -> None:
    await world.account("alice", display_name="<img src=x onerror=alert(1)>", note='"><script>alert(1)</script>')
    await world.post("alice", "<script>alert(1)</script> & <b>bold</b>", spoiler_text="<i>warning</i>")
    for path in ("/@alice", "/local", "/search?q=%22%3E%3Cscript%3Ealert(1)%3C/script%3E"):
        body = (await world.anonymous.get(path)).text
        assert "<script>alert" not in body, path
        assert "onerror=alert" not in re.sub(r"&lt;.*?&gt;", "", body), path
        assert "<i>warning" not in body, path


async def test_a_member_boosts_favourites_bookmarks_and_takes_it_back(world: World) -> None:
    browser = await signed_in(world, "bob")
    status = await world.post("alice", "Something worth keeping")
    page = f"/@alice/{status['id']}"
    for verb, undo in (("boost", "unboost"), ("favourite", "unfavourite"), ("bookmark", "unbookmark")):
        done = await submit(browser, page, f"/statuses/{status['id']}/{verb}")
        assert f"/statuses/{status['id']}/{undo}" in done.text
        undone = await submit(browser, page, f"/statuses/{status['id']}/{undo}")
        assert f"/statuses/{status['id']}/{verb}" in undone.text


async def test_htmx_gets_the_piece_and_a_plain_form_the_page(world: World) -> None:
    browser = await signed_in(world, "bob")
    status = await world.post("alice", "Something worth keeping")
    form = find_form((await browser.get("/local")).text, f"/statuses/{status['id']}/favourite")
    answer = await browser.post(f"/statuses/{status['id']}/favourite", data=form.values, headers={"hx-request": "true"})
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith("<form")
    assert "<html" not in answer.text
    refused = await browser.post("/statuses/1/favourite", data=form.values, headers={"hx-request": "true"})
    assert refused.status_code == 404
    assert refused.headers["hx-retarget"] == "#toasts"


async def test_following_reading_and_unfollowing(world: World) -> None:
    browser = await signed_in(world, "bob")
    alice = await world.account("alice")
    followed = await submit(browser, "/@alice", f"/accounts/{alice}/follow")
    assert "Unfollow" in followed.text
    await world.post("alice", "For my followers", visibility="private")
    await world.run_jobs()
    assert "For my followers" in (await browser.get("/")).text
    unfollowed = await submit(browser, "/@alice", f"/accounts/{alice}/unfollow")
    assert "Unfollow" not in unfollowed.text
    assert "For my followers" not in (await browser.get("/@alice")).text
    assert "For my followers" not in (await world.anonymous.get("/@alice")).text


async def test_a_private_post_is_missing_for_strangers_like_one_that_never_was(world: World) -> None:
    browser = await signed_in(world, "bob")
    status = await world.post("alice", "Only for followers", visibility="private")
    there, nowhere = await browser.get(f"/@alice/{status['id']}"), await browser.get("/@alice/1")
    assert there.status_code == nowhere.status_code == 404
    assert "Only for followers" not in there.text


async def test_a_picture_is_posted_with_its_description_without_javascript(world: World) -> None:
    browser = await signed_in(world, "alice")
    answer = await submit(
        browser,
        "/",
        "/compose",
        files={"file_1": ("pixel.png", PIXEL, "image/png")},
        text="Look at this",
        file_description_1="One single pixel",
    )
    assert answer.status_code == 200, answer.text[:500]
    await world.run_jobs()
    body = (await browser.get("/@alice")).text
    assert 'alt="One single pixel"' in body


async def test_a_poll_is_posted_and_voted_in(world: World) -> None:
    alice, bob = await signed_in(world, "alice"), await signed_in(world, "bob")
    await submit(alice, "/", "/compose", text="Rye or spelt?", poll_option_1="Rye", poll_option_2="Spelt")
    page = (await bob.get("/local")).text
    form = next(form for form in read_forms(page) if form.action.startswith("/polls/"))
    voted = await send(bob, form, form.action, choice="1")
    assert "(your vote)" in voted.text
    assert "100 %" in voted.text


async def test_where_several_choices_are_allowed_the_shares_are_of_people(world: World) -> None:
    bob = await signed_in(world, "bob")
    asked = {"options": ["Rye", "Spelt"], "expires_in": 3600, "multiple": True}
    status = await world.post("alice", "Rye or spelt?", poll=asked)
    page = (await bob.get("/local")).text
    form = next(form for form in read_forms(page) if form.action == f"/polls/{status['poll']['id']}/vote")
    voted = await send(bob, form, form.action, choice=["0", "1"])
    assert voted.text.count("100 %") == 2
    assert "1 person" in voted.text


async def test_a_post_is_edited_its_versions_shown_and_then_deleted(world: World) -> None:
    browser = await signed_in(world, "alice")
    status = await world.post("alice", "Frist post")
    edited = await submit(
        browser, f"/statuses/{status['id']}/edit", f"/statuses/{status['id']}/edit", text="First post"
    )
    assert "First post" in edited.text
    history = await world.anonymous.get(f"/statuses/{status['id']}/history")
    assert "Frist post" in history.text
    gone = await submit(browser, f"/statuses/{status['id']}/delete", f"/statuses/{status['id']}/delete")
    assert "First post" not in gone.text
    assert (await world.anonymous.get(f"/@alice/{status['id']}")).status_code == 404


async def test_nobody_edits_or_deletes_what_another_wrote(world: World) -> None:
    browser = await signed_in(world, "bob")
    status = await world.post("alice", "Mine alone")
    token = find_form((await browser.get("/menu")).text, "/sign-out").values["csrf"]
    assert (await browser.get(f"/statuses/{status['id']}/edit")).status_code == 404
    deleted = await browser.post(f"/statuses/{status['id']}/delete", data={"csrf": token})
    edited = await browser.post(
        f"/statuses/{status['id']}/edit", files={"csrf": (None, token), "text": (None, "Not yours")}
    )
    assert deleted.status_code == edited.status_code == 404
    assert "Mine alone" in (await world.anonymous.get(f"/@alice/{status['id']}")).text


async def test_a_post_that_is_too_long_comes_back_with_its_text(world: World) -> None:
    browser = await signed_in(world, "alice")
    answer = await submit(browser, "/", "/compose", text="long " * 300)
    assert answer.status_code == 422
    assert "long long" in find_form(answer.text, "/compose").values["text"]
    assert 'role="alert"' in answer.text


async def test_the_profile_is_changed_and_its_picture_with_it(world: World) -> None:
    browser = await signed_in(world, "alice")
    saved = await submit(
        browser,
        "/settings/profile",
        "/settings/profile",
        files={"avatar": ("me.png", PIXEL, "image/png")},
        display_name="Alice Okafor",
        note="Baker and sailor",
        field_name_0="Town",
        field_value_0="Harbour",
    )
    assert saved.status_code == 200, saved.text[:500]
    body = (await world.anonymous.get("/@alice")).text
    for words in ("Alice Okafor", "Baker and sailor", "Town", "Harbour", 'src="/media/'):
        assert words in body, words


async def test_a_second_step_is_set_up_and_asked_for(world: World) -> None:
    import pyotp

    browser = await signed_in(world, "alice")
    setup = await submit(browser, "/settings/security", "/settings/security/otp")
    assert "<svg" in setup.text
    form = find_form(setup.text, "/settings/security/otp/enable")
    generator = pyotp.parse_uri(form.values["uri"])
    wrong = await send(browser, form, form.action, code="000000")
    assert wrong.status_code == 422
    assert "<svg" in wrong.text
    on = await send(browser, find_form(wrong.text, form.action), form.action, code=generator.now())
    assert on.status_code == 200
    codes = re.findall(r"<li>([a-z0-9]{4}(?:-[a-z0-9]{4}){3})</li>", on.text)
    assert len(codes) >= 8

    fresh = world.browser()
    step = await submit(fresh, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert "One more step" in step.text
    assert (await fresh.get("/bookmarks")).status_code == 303
    pending = [form for form in read_forms(step.text) if form.action == "/sign-in/code"][-1].values
    done = await fresh.post("/sign-in/code", data={**pending, "recovery_code": codes[0]}, follow_redirects=True)
    assert done.url.path == "/"
    assert (await fresh.get("/bookmarks")).status_code == 200


async def test_another_browser_is_signed_out_from_the_list(world: World) -> None:
    here, there = await signed_in(world, "alice"), await signed_in(world, "alice")
    page = (await here.get("/settings/security")).text
    form = next(form for form in read_forms(page) if "/sessions/" in form.action)
    await send(here, form, form.action)
    assert (await there.get("/bookmarks")).status_code == 303
    assert (await here.get("/bookmarks")).status_code == 200


async def test_all_other_browsers_are_signed_out_at_once(world: World) -> None:
    here, there = await signed_in(world, "alice"), await signed_in(world, "alice")
    await submit(here, "/settings/security", "/settings/security/sessions/revoke-others")
    assert (await there.get("/bookmarks")).status_code == 303
    assert (await here.get("/bookmarks")).status_code == 200


async def test_a_private_message_is_listed_opened_answered_and_seen_by_nobody_else(world: World) -> None:
    alice, bob = await signed_in(world, "alice"), await signed_in(world, "bob")
    stranger = await signed_in(world, "spam_sam")
    await submit(alice, "/compose", "/compose", text="@bob meet me at the pier", visibility="direct")
    await world.run_jobs()
    listed = await bob.get("/messages")
    assert "meet me at the pier" in listed.text
    assert ">new<" in listed.text
    form = next(form for form in read_forms(listed.text) if form.action.endswith("/open"))
    opened = await send(bob, form, form.action)
    assert find_form(opened.text, "/compose").values["visibility"] == "direct"
    assert ">new<" not in (await bob.get("/messages")).text
    for client in (stranger, world.anonymous):
        for path in ("/messages", "/local", "/@alice", "/search?q=pier", str(opened.url.path)):
            assert "meet me at the pier" not in (await client.get(path, follow_redirects=True)).text, path
    token = find_form((await stranger.get("/menu")).text, "/sign-out").values["csrf"]
    for verb in ("open", "delete"):
        answer = await stranger.post(form.action.replace("open", verb), data={"csrf": token})
        assert answer.status_code == 404
    await send(bob, form, form.action.replace("open", "delete"))
    assert "meet me at the pier" not in (await bob.get("/messages")).text


async def test_an_app_is_let_in_in_plain_words_and_taken_off_again(world: World) -> None:
    browser = await signed_in(world, "alice")
    app = await world.anonymous.post(
        "/api/v1/apps",
        json={"client_name": "Some app", "redirect_uris": "https://app.example/back", "scopes": "read write"},
    )
    client_id = app.json()["client_id"]
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": "https://app.example/back",
        "scope": "read write",
        "state": "s p&ice",
    }
    shown = await browser.get("/oauth/authorize", params=asked)
    assert "Act in your name" in shown.text
    assert "app.example" in shown.headers["content-security-policy"]
    form = find_form(shown.text, "/oauth/authorize")
    refused = await browser.post("/oauth/authorize", data={**form.values, "decision": "deny"})
    assert "error=access_denied" in refused.headers["location"]
    allowed = await browser.post("/oauth/authorize", data={**form.values, "decision": "allow"})
    back = httpx.URL(allowed.headers["location"])
    assert back.host == "app.example"
    assert back.params["state"] == "s p&ice"
    token = await world.anonymous.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": back.params["code"],
            "client_id": client_id,
            "client_secret": app.json()["client_secret"],
            "redirect_uri": "https://app.example/back",
        },
    )
    assert token.status_code == 200, token.text
    bearer = {"authorization": f"Bearer {token.json()['access_token']}"}
    apps = (await browser.get("/settings/apps")).text
    assert "Some app" in apps
    form = next(form for form in read_forms(apps) if form.action.endswith("/revoke"))
    await send(browser, form, form.action)
    check = await world.anonymous.get("/api/v1/accounts/verify_credentials", headers=bearer)
    assert check.status_code == 401


async def test_a_wrong_redirect_address_is_never_followed(world: World) -> None:
    browser = await signed_in(world, "alice")
    app = await world.anonymous.post(
        "/api/v1/apps", json={"client_name": "Some app", "redirect_uris": "https://app.example/back"}
    )
    answer = await browser.get(
        "/oauth/authorize",
        params={
            "response_type": "code",
            "client_id": app.json()["client_id"],
            "redirect_uri": "https://evil.example/",
        },
    )
    assert answer.status_code in (400, 401, 422)
    assert "location" not in answer.headers


async def test_an_out_of_band_code_is_shown_for_copying(world: World) -> None:
    browser = await signed_in(world, "alice")
    app = await world.anonymous.post(
        "/api/v1/apps", json={"client_name": "Some app", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob"}
    )
    shown = await browser.get(
        "/oauth/authorize",
        params={
            "response_type": "code",
            "client_id": app.json()["client_id"],
            "redirect_uri": "urn:ietf:wg:oauth:2.0:oob",
        },
    )
    form = find_form(shown.text, "/oauth/authorize")
    answer = await browser.post("/oauth/authorize", data={**form.values, "decision": "allow"})
    assert re.search(r'id="authorization-code">[\w-]{20,}<', answer.text)


async def test_a_report_is_filed_with_the_post_that_it_is_about(world: World) -> None:
    browser = await signed_in(world, "bob")
    sam = await world.account("spam_sam")
    status = await world.post("spam_sam", "Buy my boats")
    page = f"/accounts/{sam}/report?status={status['id']}"
    shown = await browser.get(page)
    form = find_form(shown.text, f"/accounts/{sam}/report")
    assert form.values["status_ids"] == status["id"]
    sent = await send(browser, form, form.action, category="spam", comment="Only ads")
    assert "The moderators will look at it" in sent.text


async def test_a_list_is_made_filled_and_read(world: World) -> None:
    browser = await signed_in(world, "bob")
    await world.follow("bob", "alice")
    made = await submit(browser, "/lists", "/lists", title="Bakers")
    base = made.url.path.removesuffix("/edit")
    filled = await submit(browser, f"{base}/edit", f"{base}/add", acct="@alice")
    assert "@alice" in filled.text
    await world.post("alice", "Fresh rolls")
    assert "Fresh rolls" in (await browser.get(base)).text


async def test_blocking_hides_both_ways_and_can_be_undone(world: World) -> None:
    browser = await signed_in(world, "bob")
    alice = await world.account("alice")
    await submit(browser, "/@alice", f"/accounts/{alice}/block")
    blocks = await browser.get("/settings/blocks")
    assert "@alice" in blocks.text
    await submit(browser, "/settings/blocks", f"/accounts/{alice}/unblock")
    assert "@alice" not in (await browser.get("/settings/blocks")).text


async def test_the_look_is_kept_and_written_into_the_page(world: World) -> None:
    browser = world.browser()
    answer = await submit(browser, "/settings/preferences", "/look", theme="dark")
    assert '<html lang="en" data-theme="dark">' in answer.text
    again = await submit(browser, "/settings/preferences", "/look", theme='"><script>')
    assert '<html lang="en">' in again.text


async def test_notifications_tell_who_did_what_and_are_read_once(world: World) -> None:
    browser = await signed_in(world, "alice")
    status = await world.post("alice", "Praise me")
    bob = await world.client("bob")
    await bob.post(f"/api/v1/statuses/{status['id']}/favourite")
    await world.run_jobs()
    assert "1 unread" in (await browser.get("/local")).text
    for headers in ({"sec-purpose": "prefetch"}, {}):
        page = await browser.get("/notifications", headers=headers)
        assert "liked your post" in page.text
        assert "1 unread" in (await browser.get("/local")).text, "a GET changes nothing"
    form = find_form(page.text, "/notifications/seen").values
    assert (await browser.post("/notifications/seen", data=form)).status_code == 303
    assert "unread</span>" not in (await browser.get("/local")).text
    assert "/notifications/seen" not in (await browser.get("/notifications")).text
    older = {**form, "id": "1"}
    assert (await browser.post("/notifications/seen", data=older)).status_code == 303
    assert "unread</span>" not in (await browser.get("/local")).text, "the marker never moves back"
    assert (await browser.post("/notifications/seen", data={"id": form["id"]})).status_code == 403


async def test_hashed_assets_are_kept_for_ever_and_pages_are_not(world: World) -> None:
    page = await world.anonymous.get("/sign-in")
    script = re.search(r'src="(/static/build/assets/[^"]+\.js)"', page.text)
    assert script
    answer = await world.anonymous.get(script[1])
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]
    assert "javascript" in answer.headers["content-type"]
    assert answer.headers["content-encoding"] == "gzip"
    plain = await world.anonymous.get(script[1], headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    for trick in ("/static/../pages.py", "/static/%2e%2e/pages.py", "/static/build/../../visits.py"):
        assert (await world.anonymous.get(trick)).status_code == 404


def test_accounts_without_a_picture_differ_in_colour_and_white_stands_out_on_each() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    assert min(1.05 / (light(colour) + 0.05) for colour in SWATCHES) >= 4.5
    # Ids of accounts that different connections made: the lower sixteen bits are multiples of 32.
    made = [((1_795_000_000_000 + 977 * number) << 16) | (32 * number) for number in range(64)]
    assert {swatch(one) for one in made} == set(SWATCHES)


async def test_the_addresses_that_programs_know_lead_to_pages(world: World) -> None:
    status = await world.post("alice", "Found by its uri")
    for uri, page in (
        (status["uri"], status["url"]),
        (status["account"]["uri"], status["account"]["url"]),
        ("/.well-known/change-password", "/settings/account"),
    ):
        answer = await world.anonymous.get(uri)
        assert answer.status_code == 303
        assert answer.headers["location"] == page.removeprefix(world.settings.base_url)
    shown = await world.anonymous.get(status["uri"], follow_redirects=True)
    assert "Found by its uri" in shown.text
    for wrong in ("/users/a%2F%2Fevil.example", "/users/%40alice", "/users/alice/statuses/first"):
        assert (await world.anonymous.get(wrong)).status_code == 404, wrong
    robots = await world.anonymous.get("/robots.txt")
    assert robots.headers["content-type"].startswith("text/plain")
    assert "Disallow: /api/" in robots.text


async def test_search_engines_keep_only_pages_of_those_who_want_it(world: World) -> None:
    status = await world.post("alice", "For everybody")
    own, thread = "/@alice", f"/@alice/{status['id']}"
    client = await world.client("alice")
    for wanted in (True, False):
        await client.patch("/api/v1/accounts/update_credentials", json={"indexable": wanted})
        for path in ("/", own, thread):
            kept = 'content="noindex"' not in (await world.anonymous.get(path)).text
            assert kept == (wanted or path == "/"), (path, wanted)
        for path in ("/local", "/public", f"{own}/followers", f"/statuses/{status['id']}/history"):
            assert 'content="noindex"' in (await world.anonymous.get(path)).text, path
