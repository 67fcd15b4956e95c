"""The operator's page in a real browser: accessible, and at home on every screen."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from parley.web.build import FRONTEND
from tests.live import LiveServer, free_port
from tests.web.test_browser import DESKTOP, PHONE, open_browser, open_page, pytestmark, run_axe, sign_in

__all__ = ["pytestmark"]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def host_with_agent() -> Iterator[LiveServer]:
    """An instance that is ready for a second host."""
    with LiveServer.started(PARLEY_LINK_LISTEN=f"127.0.0.1:{free_port()}") as server:
        yield server


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


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_hosts_are_shown_accessibly_on_a_phone_and_a_desk(
    chromium: Any, host_with_agent: LiveServer, scheme: str
) -> None:
    name = f"hosts_{scheme}"
    host_with_agent.account(name, role="owner")
    for viewport in (DESKTOP, PHONE):
        watched = await open_page(chromium, host_with_agent, color_scheme=scheme, viewport=viewport, bypass_csp=True)
        page = watched.page
        await sign_in(page, name)
        await page.goto("/operator")
        card = page.get_by_role("region", name="Hosts").get_by_role("listitem").first
        await card.get_by_text("serves").wait_for()
        assert "this host" in await card.inner_text()
        assert "no other host could take over" in await page.get_by_role("region", name="Hosts").inner_text()
        assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert await run_axe(page, FRONTEND / "node_modules" / "axe-core" / "axe.min.js") == []
        assert watched.problems == []
