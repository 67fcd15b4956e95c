"""The drift page in a real browser, with seven weeks behind it: accessible, and at home on every screen."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest

from parley.kit.db import connect
from parley.kit.postgres import EmbeddedPostgres
from parley.kit.settings import load_settings
from parley.web.build import FRONTEND
from tests.live import LiveServer
from tests.web.test_browser import DESKTOP, PHONE, open_browser, open_page, pytestmark, run_axe, sign_in

__all__ = ["pytestmark"]

# Quiet weeks, and one in which what people write has changed.
SEVEN_WEEKS = """
    INSERT INTO screening_results (id, subject_type, subject_id, revision, account_id, outcome, ruleset, detail,
        latency_us, created_at)
    SELECT ((extract(epoch FROM at) * 1000)::bigint << 16) | n % 65536, 'status', -n, 1, -1,
        CASE WHEN n % 40 = 0 THEN 'hold' WHEN n % 25 = 0 THEN 'allow_flag' ELSE 'allow' END::verdict_outcome, 'x',
        jsonb_build_object('signals', jsonb_build_object('text.violence.score',
            CASE WHEN n % 7 = 0 THEN (n % 97) / 97.0 ELSE (n % 89) / 900.0 END)), 1, at
    FROM (SELECT n, now() - make_interval(weeks => n % 7, secs => n) AS at FROM generate_series(1, 4200) AS n) AS made
"""


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
async def seven_weeks(live_server: LiveServer) -> None:
    settings = load_settings(
        {key: value for key, value in live_server.environment.items() if key.startswith("PARLEY_")}
    )
    connection = await connect(settings.database_url or EmbeddedPostgres(settings).dsn)
    try:
        if not await connection.fetchval("SELECT EXISTS (SELECT FROM screening_results WHERE account_id = -1)"):
            await connection.execute(SEVEN_WEEKS)
    finally:
        await connection.close()


@pytest.mark.usefixtures("seven_weeks")
@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESKTOP), ("dark", PHONE)], ids=["desktop", "phone"])
async def test_the_drift_page_passes_axe_and_never_scrolls_sideways(
    chromium: Any, live_server: LiveServer, scheme: str, viewport: dict[str, int]
) -> None:
    name = f"drift_{scheme}"
    live_server.account(name, role="owner")
    watched = await open_page(chromium, live_server, color_scheme=scheme, viewport=viewport, bypass_csp=True)
    page = watched.page
    await sign_in(page, name)
    await page.goto("/operator")
    await page.get_by_role("link", name="Drift: what has changed").click()
    await page.get_by_role("heading", name="Drift of the judge", level=1).wait_for()
    assert await page.get_by_role("region", name="Verdicts by the week").get_by_role("row").count() >= 7
    assert await page.get_by_text("scores very differently").count() + await page.get_by_text("moving").count() > 0
    assert await page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert await run_axe(page, FRONTEND / "node_modules" / "axe-core" / "axe.min.js") == []
    assert watched.problems == []
    if folder := os.environ.get("PARLEY_TEST_PICTURES"):
        await page.screenshot(path=f"{folder}/drift_{scheme}.png", full_page=True)
