"""The desk in a real browser, by keyboard alone, and what a screen reader and a narrow screen make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from parley.web.build import FRONTEND
from tests.live import LiveServer
from tests.web.test_browser import PHONE, Watched, chromium, open_page, run_axe, sign_in
from tests.web.test_browser import pytestmark as pytestmark

__all__ = ["chromium"]

Reported = Callable[..., str]


class Street:
    """People of a live instance who post and report over the API."""

    def __init__(self, server: LiveServer) -> None:
        self.server = server
        self.clients: dict[str, httpx.Client] = {}
        self.ids: dict[str, str] = {}

    def member(self, name: str, role: str = "member") -> httpx.Client:
        if name not in self.clients:
            self.ids[name] = self.server.account(name, role=role)["id"]
            token = self.server.token(name)
            headers = {"authorization": f"Bearer {token}"}
            self.clients[name] = httpx.Client(base_url=self.server.base_url, headers=headers)
        return self.clients[name]

    def post(self, name: str, text: str) -> str:
        answer = self.member(name).post("/api/v1/statuses", json={"status": text})
        answer.raise_for_status()
        assert "moderation" not in answer.json(), answer.json()["moderation"]  # nobody could report what is held
        return str(answer.json()["id"])

    def report(self, by: str, about: str, *status_ids: str, clause: str = "7.1") -> None:
        self.member(about)
        body = {"account_id": self.ids[about], "status_ids": status_ids, "rule_ids": [clause], "category": "violation"}
        self.member(by).post("/api/v1/reports", json=body).raise_for_status()

    def is_there(self, status_id: str) -> bool:
        return httpx.get(f"{self.server.base_url}/api/v1/statuses/{status_id}").status_code == 200


@pytest.fixture(scope="module")
def live_server() -> Iterator[LiveServer]:
    """An instance whose desk holds the cases of this file alone."""
    with LiveServer.started() as server:
        yield server


@pytest.fixture
def street(live_server: LiveServer) -> Street:
    return Street(live_server)


async def focused(page: Any) -> str:
    return str(await page.evaluate("document.activeElement.innerText || document.activeElement.value || ''"))


async def at_desk(browser: Any, server: LiveServer, name: str, **options: Any) -> Watched:
    watched = await open_page(browser, server, **options)
    await sign_in(watched.page, name)
    await watched.page.goto("/desk")
    return watched


async def empty_desk(page: Any) -> None:
    """Decide whatever other tests left: nothing is broken, everything stays."""
    await page.goto("/desk")
    for _ in range(30):
        await page.keyboard.press("n")
        await page.wait_for_load_state()
        if "/desk/cases/" not in page.url:
            return
        await page.keyboard.press("0")
        await page.keyboard.press("Enter")
        await page.locator("[data-confirms]").click()
        await page.wait_for_load_state()
    raise AssertionError("the desk is never empty")


async def go_to_row(page: Any, name: str) -> None:
    """With the key j, to the case of `name`: screening may have brought others up."""
    for _ in range(20):
        await page.keyboard.press("j")
        if f"@{name}" in await focused(page):
            return
    raise AssertionError(f"there is no case of {name} in the list")


async def take_case(page: Any, name: str) -> None:
    """Open the case of `name` by keyboard, and claim it."""
    await page.goto("/desk")
    await go_to_row(page, name)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/cases/*")
    await page.keyboard.press("c")
    await page.get_by_text("Yours until").wait_for()


async def test_routine_cases_take_at_most_four_keys_each(
    chromium: Any, live_server: LiveServer, street: Street
) -> None:
    street.member("desk_mia", "moderator")
    watched = await at_desk(chromium, live_server, "desk_mia")
    page = watched.page
    await empty_desk(page)
    tonic = street.post("desk_sam", "My tonic cures every illness, ask me how to pay for it")
    rude = street.post("desk_gus", "Nobody here likes you, go away and never come back again")
    street.report("desk_ann", "desk_sam", tonic)
    street.report("desk_ann", "desk_gus", rude, clause="3.1")
    await page.goto("/desk")

    # 1: the next case; 2: what would be done; 3: done, and on to the next case.
    await page.keyboard.press("n")
    await page.wait_for_url("**/desk/cases/*")
    first = page.url
    shown = await page.locator(".subject").first.inner_text()
    await page.keyboard.press("Enter")
    confirm = page.locator("dialog#review [data-confirms]")
    await confirm.wait_for()
    assert "Decide" in await focused(page)
    assert "A decision about your account" in await page.locator("dialog#review .letter").inner_text()
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/desk/cases/" in url and not url.startswith(first))
    assert "Decided:" in await page.locator(".undobar").inner_text()
    assert not street.is_there(tonic if "tonic" in shown else rude)

    # The second: another clause by its number (7.3), then look, then decide.
    second = page.url
    await page.keyboard.press("7")
    await page.keyboard.press("3")
    assert await page.locator("input[name=clause]:checked").get_attribute("value") == "7.3"
    assert "7.3 Impersonation" in await page.locator("#live-region").inner_text()
    await page.keyboard.press("Enter")
    await confirm.wait_for()
    assert "Under clause 7.3" in await page.locator("dialog#review").inner_text()
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "done=" in url and url != second)
    assert not street.is_there(tonic)
    assert not street.is_there(rude)

    # The last decision is taken back: one key leads to the button, a second one presses it.
    await page.keyboard.press("z")
    assert "Undo" in await focused(page)
    await page.keyboard.press("Enter")
    await page.get_by_text("Undone: everything is as it was before").wait_for()
    assert street.is_there(rude if "tonic" in shown else tonic)
    assert watched.problems == []
    await empty_desk(page)


async def test_one_key_takes_the_copies_along(chromium: Any, live_server: LiveServer, street: Street) -> None:
    street.member("copy_mia", "moderator")
    watched = await at_desk(chromium, live_server, "copy_mia")
    page = watched.page
    await empty_desk(page)
    text = "Whoever buys my seven secret letters will never have to work again in this life"
    posts = [street.post(name, text) for name in ("copy_sam", "copy_tom")]
    street.report("copy_tom", "copy_sam", posts[0])
    await take_case(page, "copy_sam")
    box = page.locator("input[name=copies]")
    for _ in range(60):  # who says the same is remembered by a job
        if await box.count():
            break
        await page.wait_for_timeout(250)
        await page.reload()
    assert not await box.is_checked()
    await page.keyboard.press("y")
    assert await box.is_checked()
    await page.keyboard.press("y")
    assert not await box.is_checked(), "the same key leaves them out again"
    await page.keyboard.press("y")
    await page.locator(".subject").first.focus()
    await page.keyboard.press("Enter")
    await page.locator("dialog#review [data-confirms]").wait_for()
    assert "1 copy" in await page.locator("dialog#review").inner_text()
    assert all(street.is_there(post) for post in posts), "looking decides nothing"
    await page.keyboard.press("Enter")
    await page.locator(".undobar").wait_for()
    assert not any(street.is_there(post) for post in posts)
    await page.keyboard.press("z")
    await page.keyboard.press("Enter")
    await page.get_by_text("copies that were decided with it too").wait_for()
    assert all(street.is_there(post) for post in posts)
    assert watched.problems == []
    await empty_desk(page)


async def test_no_single_key_decides_and_escape_leaves_everything_as_it_was(
    chromium: Any, live_server: LiveServer, street: Street
) -> None:
    street.member("calm_mia", "moderator")
    watched = await at_desk(chromium, live_server, "calm_mia")
    page = watched.page
    await empty_desk(page)
    posts = [street.post("calm_sam", f"Pay me and be healthy for ever, number {n} of my tonics") for n in range(2)]
    street.report("calm_ann", "calm_sam", *posts)
    await page.goto("/desk")
    await go_to_row(page, "calm_sam")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/desk/cases/*")
    assert "Nobody has it" in await page.locator("#lease").inner_text()
    await page.keyboard.press("c")
    await page.get_by_text("Yours until").wait_for()
    for key in "rsluaxtypq0123456789f"[:-1].replace("q", ""):
        await page.keyboard.press(key)
    assert all(street.is_there(post) for post in posts)
    await page.goto(page.url)

    await page.keyboard.press("j")
    await page.keyboard.press("t")
    assert await page.locator("#chosen").inner_text() == "1 of 2 chosen"
    await page.keyboard.press("/")
    await page.keyboard.type("imperson")
    assert await page.locator(".clause:visible").count() == 1
    await page.keyboard.press("Enter")
    assert await page.locator("input[name=clause]:checked").get_attribute("value") == "7.3"
    await page.keyboard.press("f")
    await page.keyboard.type("He sells water as medicine.")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Enter")
    await page.locator("dialog#review [data-confirms]").wait_for()
    assert "He sells water as medicine." in await page.locator("dialog#review").inner_text()
    assert "1 post of" in await page.locator("dialog#review").inner_text()
    await page.keyboard.press("Escape")
    assert not await page.locator("dialog#review").is_visible()
    assert await page.locator("#facts").input_value() == "He sells water as medicine."
    await page.keyboard.press("w")
    await page.keyboard.type("Known from last week")
    assert await page.evaluate("document.activeElement.id") == "note"
    assert all(street.is_there(post) for post in posts)
    await page.keyboard.press("Escape")
    await page.keyboard.press("?")
    assert await page.get_by_role("dialog", name="Keyboard").is_visible()
    await page.keyboard.press("Escape")
    assert watched.problems == []
    await empty_desk(page)


async def test_a_case_that_somebody_else_took_says_so_and_keeps_what_was_typed(
    chromium: Any, live_server: LiveServer, street: Street
) -> None:
    street.member("own_mia", "moderator")
    street.member("own_ben", "moderator")
    mia = await at_desk(chromium, live_server, "own_mia")
    await empty_desk(mia.page)
    post = street.post("own_sam", "Pay me and be healthy, this tonic is the one for you")
    street.report("own_ann", "own_sam", post)
    ben = await at_desk(chromium, live_server, "own_ben")
    await take_case(mia.page, "own_sam")
    await mia.page.keyboard.press("f")
    await mia.page.keyboard.type("Nobody should lose these words")
    await ben.page.goto(mia.page.url)
    assert "@own_mia works on this case" in await ben.page.locator(".readonly").inner_text()
    assert await ben.page.locator("form#decide").count() == 0
    # Mia goes to lunch: the case is given back in another window, and Ben takes it.
    await mia.page.request.post(mia.page.url + "/release", form={"csrf": await _token(mia.page)})
    await take_case(ben.page, "own_sam")
    await mia.page.locator(".subject").first.focus()
    await mia.page.keyboard.press("Enter")
    await mia.page.locator("dialog#review [data-confirms]").wait_for()
    await mia.page.keyboard.press("Enter")
    await mia.page.get_by_text("@own_ben works on this case").first.wait_for()
    assert "Nobody should lose these words" in await mia.page.locator("#kept").input_value()
    assert street.is_there(post)
    assert [one for one in mia.problems if "status of 409" not in one] == []
    await ben.page.keyboard.press("0")
    await ben.page.keyboard.press("Enter")
    await ben.page.locator("[data-confirms]").click()
    assert ben.problems == []


async def _token(page: Any) -> str:
    return str(await page.locator("input[name=csrf]").first.input_value())


async def test_the_desk_works_with_javascript_off(chromium: Any, live_server: LiveServer, street: Street) -> None:
    street.member("plain_mia", "moderator")
    watched = await at_desk(chromium, live_server, "plain_mia")
    await empty_desk(watched.page)
    post = street.post("plain_sam", "The ferry leaves at noon and I shall be late once more")
    street.report("plain_ann", "plain_sam", post)
    page = (await at_desk(chromium, live_server, "plain_mia", java_script_enabled=False)).page
    await page.locator(".case", has_text="@plain_sam").get_by_role("link").click()
    await page.get_by_role("button", name="Claim").click()
    await page.locator("input[name=action][value=remove]").check()
    await page.get_by_role("button", name="Review").click()
    await page.get_by_role("heading", name="Decide this?").wait_for()
    await page.get_by_role("button", name="Decide, and take the next case").click()
    await page.get_by_text("Decided:").wait_for()
    assert not street.is_there(post)


SAID = {
    "light": ("Good morning from the old bridge", "Planted the last of the garlic", "Sunrise over the harbour"),
    "dark": ("A sunny day, at last", "Tea or coffee this afternoon?", "The new timetable of the ferry is here"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_of_the_desk_passes_axe_and_fits_a_phone(
    chromium: Any, live_server: LiveServer, street: Street, scheme: str
) -> None:
    axe = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed: run `python -m parley.web.build --force`")
    name = f"axe_mia_{scheme}"
    street.member(name, "moderator")
    options = {"color_scheme": scheme, "bypass_csp": True, "reduced_motion": "reduce"}
    watched = await at_desk(chromium, live_server, name, **options)
    page = watched.page
    await empty_desk(page)
    sam = f"axe_sam_{scheme}"
    posts = [street.post(sam, text) for text in SAID[scheme]]
    street.report(f"axe_ann_{scheme}", sam, *posts)
    await take_case(page, sam)
    case = page.url
    await page.locator("#note").evaluate("note => note.closest('details').open = true")
    await page.locator("#note").fill("Seen before")
    await page.get_by_role("button", name="Keep the note").click()
    await page.get_by_text("Seen before").wait_for()
    await page.goto(case)
    found = [f"review: {one}" for one in await _review_axe(page, axe)]
    await page.locator("[data-confirms]").click()
    await page.locator(".undobar").wait_for()
    decision = await page.get_by_role("link", name="What was decided").get_attribute("href")
    paths = (page.url, "/desk?severity=3", case, decision, f"/desk/accounts/{street.ids[sam]}", "/desk/proposals")
    for path in paths:
        await page.goto(path)
        for details in await page.locator("main details").all():
            await details.evaluate("details => details.open = true")
        found += [f"{path}: {one}" for one in await run_axe(page, axe)]
        for width in (1280, PHONE["width"], 320):
            await page.set_viewport_size({"width": width, "height": 800})
            if await page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
                found.append(f"{path}: scrolls sideways at {width}: {await page.evaluate(WIDE)}")
        await page.set_viewport_size({"width": 1280, "height": 900})
    assert not found, "\n".join(found)
    assert watched.problems == []


WIDE = """[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll')
    && one.getBoundingClientRect().right > window.innerWidth + 1).map(one => one.outerHTML.slice(0, 90)).slice(0, 4)"""


async def _review_axe(page: Any, axe: Any) -> list[str]:
    await page.locator(".subject").first.focus()
    problems = await run_axe(page, axe)
    await page.keyboard.press("Enter")
    await page.locator("dialog#review [data-confirms]").wait_for()
    return problems + await run_axe(page, axe)
