"""The public notice form in a real browser: proof of work by its own script, and no barrier for anybody."""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley.web.build import FRONTEND
from tests.live import LiveServer
from tests.web.test_browser import CHROMIUM, PHONE, open_browser, open_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.usefixtures("_built_assets"),
    pytest.mark.skipif(shutil.which(CHROMIUM) is None, reason="Chromium is missing: apt-get install chromium"),
]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


async def test_somebody_without_an_account_reports_and_follows_the_receipt(
    chromium: Any, live_server: LiveServer
) -> None:
    for options in ({}, {"viewport": PHONE, "color_scheme": "dark"}):
        watched = await open_page(chromium, live_server, **options)
        page = watched.page
        await page.goto("/notice")
        await page.get_by_label("Exact addresses").fill(f"{live_server.base_url}/@nobody_here/17")
        await page.get_by_label("A threat or a call to violence").check()
        await page.get_by_label("Why do you think").fill("It calls for violence against my neighbours.")
        await page.get_by_label("Your name").fill("Ann Example")
        await page.get_by_label("Your mail address").fill("ann@people.example")
        await page.get_by_label("I believe in good faith").check()
        await page.get_by_role("button", name="Send the notice").click()
        await page.wait_for_url(re.compile(r"/notice/[0-9]+-[0-9a-f]{40}$"))
        await page.get_by_role("heading", name=re.compile("Notice [0-9]+")).wait_for()
        assert "Nothing is found at this address" in await page.content()
        assert watched.problems == []


async def test_the_form_has_no_barriers(chromium: Any, live_server: LiveServer) -> None:
    axe = (FRONTEND / "node_modules" / "axe-core" / "axe.min.js").read_text()
    for scheme in ("light", "dark"):
        watched = await open_page(chromium, live_server, color_scheme=scheme)
        await watched.page.goto("/notice")
        await watched.page.get_by_text("Ready to be sent.").wait_for()
        found = await watched.page.evaluate(f"(async () => {{ {axe}; return (await axe.run()).violations; }})()")
        assert [one["id"] for one in found] == []
