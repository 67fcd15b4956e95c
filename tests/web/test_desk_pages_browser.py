"""The desk's other pages in a real browser: appeals, notices, legal, incidents, quality, accounts. By keyboard, and as
axe and a narrow screen see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from parley.web.build import FRONTEND
from tests.live import LiveServer
from tests.web.test_browser import PHONE, chromium, run_axe
from tests.web.test_browser import pytestmark as pytestmark
from tests.web.test_desk_browser import WIDE, Street, at_desk, focused, take_case

__all__ = ["chromium"]


@pytest.fixture(scope="module")
def live_server() -> Iterator[LiveServer]:
    """An instance of this file's own: an incident is declared on it."""
    with LiveServer.started() as server:
        yield server


async def file_notice(page: Any, url: str) -> str:
    """What came by telephone; returns the notice's page."""
    await page.goto("/desk/notices/new")
    await page.locator("input[name=from][value=provider_notice]").check()
    await page.locator("#n-urls").fill(url)
    await page.locator("#n-statement").fill("It sells what does not work.")
    await page.locator("#n-name").fill("Some Host")
    await page.locator("#n-mail").fill("noc@host.example")
    await page.get_by_role("button", name="File it").click()
    await page.get_by_role("heading", name="Address by address").wait_for()
    return str(page.url).partition("?")[0]


async def open_by_keys(page: Any, path: str, pattern: str) -> None:
    """j and Enter on a list lead to what its first row names; k stays on it."""
    await page.goto(path)
    await page.keyboard.press("j")
    assert await page.locator("main [data-row].current").count() == 1, path
    await page.keyboard.press("k")
    assert await page.evaluate("document.activeElement.matches('[data-row].current')"), path
    await page.keyboard.press("Enter")
    await page.wait_for_url(pattern)
    await page.keyboard.press("?")
    await page.get_by_role("dialog", name="Keyboard").wait_for()
    await page.keyboard.press("Escape")


async def appeal(page: Any, decision: str, sam: Any) -> None:
    """The author says that a decision is wrong."""
    await sam.page.goto(f"/moderation/decisions/{decision}")
    await sam.page.get_by_label("Why the decision is wrong").fill("It was a joke between friends.")
    await sam.page.get_by_role("button", name="Send appeal").click()
    await sam.page.get_by_role("heading", name="Your appeal").wait_for()


@pytest.mark.timeout(420)
async def test_every_other_page_of_the_desk_has_keys_passes_axe_and_fits_a_phone(
    chromium: Any, live_server: LiveServer
) -> None:
    axe = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: run `python -m parley.web.build --force`")
    street = Street(live_server)
    street.member("page_mia", "moderator")
    street.member("page_olga", "owner")
    street.member("page_sam")
    options = {"bypass_csp": True, "reduced_motion": "reduce"}
    mia = await at_desk(chromium, live_server, "page_mia", **options)
    olga = await at_desk(chromium, live_server, "page_olga", **options)
    page = mia.page
    first = street.post("page_sam", "Good morning from the old bridge")
    second = street.post("page_sam", "Planted the last of the garlic today")
    street.report("page_ann", "page_sam", first)

    # The keys of a case that nothing else presses: account, action, suggestion, note; none of them decides.
    await take_case(page, "page_sam")
    case = page.url
    await page.keyboard.press("7")
    for key, inside in (("a", "input[name=action]"), ("b", "input[name=account_action]")):
        await page.keyboard.press(key)
        assert await page.evaluate(f"document.activeElement.matches('{inside}')"), key
    for key, value in (("r", "remove"), ("l", "limit"), ("s", "sensitive"), ("m", None), ("p", None)):
        await page.locator("main").focus()
        await page.keyboard.press(key)
        if value is not None:
            assert await page.locator("input[name=action]:checked").get_attribute("value") == value, key
    await page.locator("main").focus()
    await page.keyboard.press("u")
    assert await page.locator("input[name=account_action]:checked").get_attribute("value") == "suspend"
    for key, heading in (("h", "hand"), ("e", "scalate")):
        await page.goto(case)
        await page.keyboard.press(key)
        assert heading in (await page.evaluate("document.activeElement.closest('details').innerText")).lower(), key
    assert street.is_there(first)

    await page.goto(case)
    await page.keyboard.press("7")
    await page.keyboard.press("r")
    await page.locator(".subject").first.focus()
    await page.keyboard.press("Enter")
    await page.locator("[data-confirms]").click()
    await page.locator(".undobar").wait_for()
    link = await page.get_by_role("link", name="What was decided").get_attribute("href")
    sam = await at_desk(chromium, live_server, "page_sam")
    await appeal(page, link.rsplit("/", 1)[1], sam)

    notice = await file_notice(page, f"{live_server.base_url}/@page_sam/{second}")
    account = f"/desk/accounts/{street.ids['page_sam']}"
    await open_by_keys(olga.page, "/desk/appeals", "**/desk/appeals/*")
    review = olga.page.url
    await olga.page.keyboard.press("c")
    await olga.page.keyboard.press("Enter")
    await olga.page.get_by_role("heading", name="Your answer").wait_for()
    await open_by_keys(page, "/desk/notices", "**/desk/notices/*")
    await open_by_keys(page, notice, "**/desk/cases/*")
    await page.goto(notice)
    await page.keyboard.press("c")
    await page.wait_for_url("**/desk/cases/*")
    await open_by_keys(page, account, "**/desk/cases/*")
    await page.goto("/desk/incidents")
    await page.keyboard.press("d")
    assert await page.evaluate("document.activeElement.id") == "i-title"
    await page.keyboard.type("Unrest in London")
    await page.locator("input[name=kind][value=riot]").check()
    await page.locator("#i-why").fill("Calls to burn shelters go round.")
    await page.get_by_role("button", name="Declare it now").click()
    await page.get_by_role("heading", name="Unrest in London").wait_for()
    await open_by_keys(page, "/desk/incidents", "**/desk/incidents/*")
    incident = page.url
    await olga.page.goto("/desk/legal")
    await olga.page.locator("form[action='/desk/legal/requests'] input[name=kind]").first.check()
    await olga.page.goto("/desk/quality")
    assert await focused(olga.page) is not None

    found: list[str] = []
    everybody = ("/desk/appeals", "/desk/notices", "/desk/notices/new", notice, "/desk/incidents", incident)
    for reader, paths in (
        (page, (*everybody, "/desk/quality", account)),
        (olga.page, (review, "/desk/legal", "/desk/legal?all=1")),
    ):
        for path in paths:
            await reader.goto(path)
            for details in await reader.locator("main details").all():
                await details.evaluate("details => details.open = true")
            found += [f"{path}: {one}" for one in await run_axe(reader, axe)]
            for width in (1280, PHONE["width"], 320):
                await reader.set_viewport_size({"width": width, "height": 800})
                if await reader.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                    found.append(f"{path}: scrolls sideways at {width}: {await reader.evaluate(WIDE)}")
            await reader.set_viewport_size({"width": 1280, "height": 900})
    assert not found, "\n".join(found)
    assert mia.problems + olga.problems == []
