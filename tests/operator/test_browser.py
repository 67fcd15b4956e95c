"""The operator's page in a real browser: accessible, and at home on every screen."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley.web.build import FRONTEND
from tests.live import LiveServer
from tests.web.test_browser import DESKTOP, PHONE, open_browser, open_page, pytestmark, run_axe, sign_in

__all__ = ["pytestmark"]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


@pytest.mark.parametrize(
    ("scheme", "viewport"),
    [("light", DESKTOP), ("dark", DESKTOP), ("dark", PHONE), ("light", {"width": 320, "height": 640})],
    ids=["desktop light", "desktop dark", "phone dark", "small light"],
)
async def test_the_operators_page_passes_axe_and_never_scrolls_sideways(
    chromium: Any, live_server: LiveServer, scheme: str, viewport: dict[str, int]
) -> None:
    name = f"op_{scheme}_{viewport['width']}"
    live_server.account(name, role="owner")
    watched = await open_page(chromium, live_server, color_scheme=scheme, viewport=viewport, bypass_csp=True)
    page = watched.page
    await sign_in(page, name)
    await page.goto("/menu" if viewport != DESKTOP else "/")
    await page.get_by_role("link", name="Operator").last.click()
    await page.get_by_role("heading", name="Operator", level=1).wait_for()
    for summary in await page.locator("details.figures > summary").all():
        await summary.focus()
        await page.keyboard.press("Enter")
    assert await page.get_by_role("region", name="Verdicts by the hour").get_by_role("row").count() == 25
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert await run_axe(page, FRONTEND / "node_modules" / "axe-core" / "axe.min.js") == []
    assert watched.problems == []


async def test_the_operators_page_keeps_to_the_policy_of_the_pages(chromium: Any, live_server: LiveServer) -> None:
    live_server.account("op_policy", role="admin")
    watched = await open_page(chromium, live_server)
    await sign_in(watched.page, "op_policy")
    await watched.page.goto("/operator")
    await watched.page.get_by_role("heading", name="Operator", level=1).wait_for()
    assert watched.problems == []
