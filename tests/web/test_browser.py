"""The pages in a real browser: Debian's Chromium, driven by Playwright, against a whole live instance."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from parley.web.build import FRONTEND
from tests.live import PASSWORD, LiveServer

CHROMIUM = os.environ.get("PARLEY_TEST_CHROMIUM") or "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("_built_assets"),
    pytest.mark.skipif(
        shutil.which(CHROMIUM) is None,
        reason="Chromium is missing: install it with `apt-get install chromium`",
    ),
]


class Watched:
    """A page, and everything that went wrong in it: errors of scripts, of the console and of the policy."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("console", self._hear)

    def _hear(self, message: Any) -> None:
        # A refused form is an answer, which Chromium's console counts as a resource that failed to load.
        refused = "status of 422" in message.text or "Error Code 422" in message.text
        if message.type in ("error", "warning") and not refused:
            self.problems.append(f"{self.page.url}: {message.text}")


@asynccontextmanager
async def open_browser() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


async def open_page(browser: Any, server: LiveServer, **options: Any) -> Watched:
    context = await browser.new_context(base_url=server.base_url, **{"viewport": DESKTOP, **options})
    context.set_default_timeout(15_000)
    return Watched(await context.new_page())


async def sign_up(page: Any, name: str) -> None:
    await page.goto("/sign-up")
    await page.get_by_label("Username").fill(name)
    await page.get_by_label("E-mail address").fill(f"{name}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_label("I agree to the rules of this place").check()
    await page.get_by_role("button", name="Create my account").click()
    await page.wait_for_url("/")


async def sign_in(page: Any, name: str) -> None:
    await page.goto("/sign-in")
    await page.get_by_label("E-mail address or username").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await page.wait_for_url("/")


def picture() -> dict[str, Any]:
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (640, 480), (190, 120, 60)).save(out, "JPEG")
    return {"name": "loaf.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}


async def test_two_members_meet_and_see_each_others_posts_arrive_live(chromium: Any, live_server: LiveServer) -> None:
    ana, ben = await open_page(chromium, live_server), await open_page(chromium, live_server, viewport=PHONE)
    await sign_up(ana.page, "live_ana")
    await sign_up(ben.page, "live_ben")
    for reader, author in ((ana, "live_ben"), (ben, "live_ana")):
        await reader.page.goto(f"/@{author}")
        await reader.page.get_by_role("button", name="Follow").first.click()
        await reader.page.get_by_role("button", name="Unfollow").wait_for()
        await reader.page.goto("/")

    await ana.page.get_by_role("textbox", name="What is on your mind?").fill("First loaf out of the new oven")
    await ana.page.locator("form.composer input.picker").set_input_files(picture())
    await ana.page.get_by_label("Describe it for people who cannot see it").fill("A round loaf with a dark crust")
    assert await ana.page.locator(".counter").inner_text() == "970"
    await ana.page.get_by_role("button", name="Post", exact=True).click()
    await ana.page.locator("#timeline").get_by_text("First loaf out of the new oven").wait_for()

    arrived = ben.page.locator("#timeline .status", has_text="First loaf out of the new oven")
    await arrived.wait_for()
    assert await ben.page.locator("#live-region").inner_text() == "New post by live_ana."
    await ben.page.get_by_alt_text("A round loaf with a dark crust").first.wait_for(timeout=30_000)

    await arrived.get_by_role("link", name="Reply").click()
    await ben.page.get_by_role("textbox", name="Reply to live_ana").press_sequentially("Save me a slice")
    await ben.page.get_by_role("button", name="Reply", exact=True).click()
    await ben.page.locator("#thread").get_by_text("Save me a slice").wait_for()

    reply = ana.page.locator("#timeline .status", has_text="Save me a slice")
    await reply.wait_for()
    badge = ana.page.locator("[data-unread]")
    await badge.filter(has_text="1").wait_for()
    await reply.get_by_role("button", name="Favourite").click()
    await reply.locator("button.favourite[aria-pressed=true]").wait_for()
    async with ana.page.expect_response("**/notifications/seen"):
        await ana.page.goto("/notifications")
    await ana.page.goto("/")
    assert await ana.page.locator("[data-unread]:visible").count() == 0
    assert await ana.page.locator("#timeline .status", has_text="First loaf").count() == 1
    assert ana.problems == []
    assert ben.problems == []


async def test_a_deleted_post_leaves_open_pages(chromium: Any, live_server: LiveServer) -> None:
    live_server.account("gone_gil")
    author, reader = await open_page(chromium, live_server), await open_page(chromium, live_server)
    await sign_in(author.page, "gone_gil")
    await reader.page.goto("/local")
    await author.page.get_by_role("textbox", name="What is on your mind?").fill("I will regret this")
    await author.page.get_by_role("button", name="Post", exact=True).click()
    shown = reader.page.locator("#timeline .status", has_text="I will regret this")
    await shown.wait_for()
    own = author.page.locator("#timeline .status", has_text="I will regret this")
    await own.get_by_label("More").click()
    await own.get_by_role("link", name="Delete").click()
    await author.page.get_by_role("button", name="Delete").click()
    await shown.wait_for(state="detached")
    assert author.problems + reader.problems == []


async def test_new_posts_wait_behind_a_button_while_somebody_reads_further_down(
    chromium: Any, live_server: LiveServer
) -> None:
    live_server.account("busy_bea")
    with httpx.Client(
        base_url=live_server.base_url, headers={"authorization": f"Bearer {live_server.token('busy_bea')}"}
    ) as api:
        for n in range(12):
            api.post("/api/v1/statuses", json={"status": f"Filling the page {n}"}).raise_for_status()
        reader = await open_page(chromium, live_server, viewport=PHONE)
        page = reader.page
        await page.goto("/local")
        await page.locator("#timeline .status").nth(11).scroll_into_view_if_needed()
        await page.wait_for_function("window.scrollY > 300")
        before = await page.evaluate("window.scrollY")
        api.post("/api/v1/statuses", json={"status": "Fresh off the press"}).raise_for_status()
        button = page.get_by_role("button", name="1 new post")
        await button.wait_for()
        assert await page.get_by_text("Fresh off the press").count() == 0
        assert await page.evaluate("window.scrollY") == before
        await button.click()
        first = page.locator("#timeline .status").first
        assert "Fresh off the press" in await first.inner_text()
        assert await page.evaluate("document.activeElement.id") == await first.get_attribute("id")
        assert await button.is_hidden()
    assert reader.problems == []


async def test_a_held_post_says_so_at_once_and_a_refused_one_stays_in_the_composer(
    chromium: Any, live_server: LiveServer
) -> None:
    watched = await open_page(chromium, live_server)
    page = watched.page
    await sign_up(page, "held_hal")
    write = page.get_by_role("textbox", name="What is on your mind?")
    await write.fill("Win a boat at https://boats.example/now")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline").get_by_text("Only you can see this for now").wait_for()
    assert await write.input_value() == ""
    await write.fill("I am going to kill you")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator(".composer [role=alert]").wait_for()
    assert await write.input_value() == "I am going to kill you"
    assert watched.problems == []


async def test_what_is_written_before_the_answer_to_a_post_comes_stays(chromium: Any, live_server: LiveServer) -> None:
    watched = await open_page(chromium, live_server)
    page = watched.page
    await sign_up(page, "slow_sol")
    answered = asyncio.Event()

    async def answer_late(route: Any) -> None:
        response = await route.fetch()
        await answered.wait()
        await route.fulfill(response=response)

    await page.route("**/compose", answer_late)
    write = page.get_by_role("textbox", name="What is on your mind?")
    await write.fill("Sent over a slow line")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline").get_by_text("Sent over a slow line").wait_for()
    await write.fill("Written while waiting")
    await page.get_by_title("Add a content warning").click()
    answered.set()
    await page.get_by_role("button", name="Post", exact=True).and_(page.locator(":enabled")).wait_for()
    assert await write.input_value() == "Written while waiting"
    await page.get_by_label("Content warning").fill("Patience")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline .status", has_text="Patience").first.wait_for()
    await page.wait_for_function("document.querySelector('form.composer textarea').value === ''")
    assert not await page.get_by_label("Content warning").is_visible()
    assert await page.locator("#timeline .status", has_text="Sent over a slow line").count() == 1
    assert watched.problems == []


async def test_everything_works_with_javascript_off(chromium: Any, live_server: LiveServer) -> None:
    page = (await open_page(chromium, live_server, java_script_enabled=False)).page
    await sign_up(page, "plain_pat")
    await page.get_by_role("textbox", name="What is on your mind?").fill("Written without a script")
    await page.locator("summary", has_text="Media").click()
    await page.get_by_label("File 1", exact=True).set_input_files(picture())
    await page.get_by_label("What file 1 shows").fill("A brown square")
    await page.get_by_role("button", name="Post", exact=True).click()
    status = page.locator(".status", has_text="Written without a script")
    await status.wait_for()
    await status.get_by_role("button", name="Favourite").click()
    await page.locator("button.favourite[aria-pressed=true]").wait_for()
    await page.locator(".status", has_text="Written without a script").get_by_role("link", name="Reply").click()
    await page.get_by_role("textbox", name="Reply to").fill("And answered without one")
    await page.get_by_role("button", name="Reply", exact=True).click()
    await page.locator(".status", has_text="And answered without one").wait_for()
    await page.goto("/settings/profile")
    await page.get_by_label("Display name").fill("Plain Pat")
    await page.get_by_role("button", name="Save the profile").click()
    await page.goto("/@plain_pat")
    assert await page.get_by_role("heading", level=1).inner_text() == "Plain Pat"
    await page.goto("/search?q=plain")
    await page.locator(".person", has_text="Plain Pat").wait_for()
    await page.goto("/menu")
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_text("You are signed out").wait_for()


async def test_the_keyboard_moves_writes_and_helps(chromium: Any, live_server: LiveServer) -> None:
    live_server.account("key_kim")
    watched = await open_page(chromium, live_server)
    page = watched.page
    await sign_in(page, "key_kim")
    for text in ("Lower post", "Upper post"):
        await page.get_by_role("textbox", name="What is on your mind?").fill(text)
        await page.keyboard.press("Control+Enter")
        await page.locator("#timeline").get_by_text(text).wait_for()
    await page.locator("body").click(position={"x": 5, "y": 890})
    await page.keyboard.press("j")
    first = await page.evaluate("document.activeElement.innerText")
    await page.keyboard.press("j")
    second = await page.evaluate("document.activeElement.innerText")
    assert "Upper post" in first
    assert "Lower post" in second
    await page.keyboard.press("f")
    await page.locator(".status", has_text="Lower post").locator("button.favourite[aria-pressed=true]").wait_for()
    await page.keyboard.press("?")
    assert await page.get_by_role("dialog", name="Keyboard").is_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("n")
    assert await page.evaluate("document.activeElement.name") == "text"
    await page.keyboard.type("jjj?")
    assert not await page.get_by_role("dialog", name="Keyboard").is_visible()
    assert watched.problems == []


async def test_a_passkey_is_added_and_signs_in(chromium: Any, live_server: LiveServer) -> None:
    live_server.account("pass_pia")
    watched = await open_page(chromium, live_server)
    page = watched.page
    device = await page.context.new_cdp_session(page)
    await device.send("WebAuthn.enable")
    await device.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": True,
                "automaticPresenceSimulation": True,
            }
        },
    )
    await sign_in(page, "pass_pia")
    await page.goto("/settings/security")
    await page.get_by_label("Name of the new passkey").fill("My laptop")
    await page.get_by_role("button", name="Add a passkey").click()
    await page.get_by_text("The passkey is added").wait_for()
    assert await page.get_by_text("My laptop").count() >= 1
    await page.goto("/menu")
    await page.get_by_role("button", name="Sign out").click()
    await page.goto("/sign-in?next=/bookmarks")
    await page.get_by_role("button", name="Use a passkey").click()
    await page.wait_for_url("/bookmarks")
    assert watched.problems == []


PAGES = (
    ("-", "/"),
    ("-", "/sign-up"),
    ("-", "/sign-in"),
    ("-", "/password/forgotten"),
    ("-", "/about"),
    ("-", "/local"),
    ("-", "/search?q=axe"),
    ("-", "/settings/preferences"),
    ("-", "/no-such-page"),
    ("axe_ada", "/"),
    ("axe_ada", "/compose"),
    ("axe_ada", "/menu"),
    ("axe_ada", "/notifications"),
    ("axe_ada", "/messages"),
    ("axe_ada", "/lists"),
    ("axe_ada", "/follow-requests"),
    ("axe_ada", "/@axe_ada"),
    ("axe_ada", "/settings/profile"),
    ("axe_ada", "/settings/account"),
    ("axe_ada", "/settings/security"),
    ("axe_ada", "/settings/apps"),
    ("axe_ada", "/settings/preferences"),
)


async def _post_samples(page: Any) -> str:
    """Posts of several kinds, so that the pages have something to show; returns the path of a thread."""
    await page.get_by_role("textbox", name="What is on your mind?").fill("A post about #bread with a picture")
    await page.locator("form.composer input.picker").set_input_files(picture())
    await page.get_by_label("Describe it for people who cannot see it").fill("A brown square")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline").get_by_text("A post about").first.wait_for()
    await page.get_by_role("textbox", name="What is on your mind?").fill("Hidden words")
    await page.get_by_title("Add a content warning").click()
    await page.get_by_label("Content warning").fill("Spoilers")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline").get_by_text("Spoilers").first.wait_for()
    await page.get_by_role("textbox", name="What is on your mind?").fill("Rye or spelt?")
    await page.get_by_title("Add a poll").click()
    await page.get_by_label("Choice 1").fill("Rye")
    await page.get_by_label("Choice 2").fill("Spelt")
    await page.get_by_role("button", name="Post", exact=True).click()
    await page.locator("#timeline .poll").first.wait_for()
    await page.locator("#timeline .status", has_text="A post about").first.locator(".when").click()
    await page.locator("#thread").wait_for()
    return str(page.url)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_passes_axe_without_console_errors(
    chromium: Any, live_server: LiveServer, scheme: str
) -> None:
    axe = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: run `python -m parley.web.build --force`")
    if scheme == "light":
        live_server.account("axe_ada")
    # The policy would refuse the test's own script; the other tests run with it in force.
    options = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    visitor = await open_page(chromium, live_server, **options)
    member = await open_page(chromium, live_server, **options)
    await sign_in(member.page, "axe_ada")
    thread = await _post_samples(member.page)
    found: list[str] = []
    for who, path in (*PAGES, ("axe_ada", thread), ("-", thread)):
        page = (visitor if who == "-" else member).page
        await page.goto(path)
        found += [f"{who} {path}: {problem}" for problem in await run_axe(page, axe)]
        wide = await page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
        if wide:
            found.append(f"{who} {path}: scrolls sideways")
    assert found == []
    problems = [one for one in visitor.problems + member.problems if "status of 404" not in one]
    assert problems == []


async def run_axe(page: Any, axe: Path) -> list[str]:
    await page.add_script_tag(path=axe)
    result = await page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})"
    )
    return [
        f"{violation['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for violation in result["violations"]
        for node in violation["nodes"][:3]
    ]


async def test_no_page_scrolls_sideways_on_a_phone(chromium: Any, live_server: LiveServer) -> None:
    live_server.account("slim_sue")
    watched = await open_page(chromium, live_server, viewport={"width": 320, "height": 640})
    page = watched.page
    wide = []
    for who in ("-", "slim_sue"):
        if who != "-":
            await sign_in(page, who)
        for _, path in PAGES:
            await page.goto(path.replace("axe_ada", "slim_sue"))
            if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                wide.append(f"{who} {path}")
    assert wide == []
    assert [one for one in watched.problems if "status of 404" not in one] == []
