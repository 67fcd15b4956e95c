"""Export and import in a real browser: with a keyboard, in light and dark, on a wide screen and on a phone."""

from __future__ import annotations

import os
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from parley.web.build import FRONTEND
from tests.archives.helpers import note, zipped
from tests.live import LiveServer
from tests.web.conftest import _built_assets as _built_assets
from tests.web.test_browser import PHONE, open_browser, open_page, pytestmark, sign_up

AXE = FRONTEND / "node_modules" / "axe-core" / "axe.min.js"
__all__ = ["pytestmark"]


@pytest.fixture
async def chromium() -> AsyncIterator[Any]:
    async with open_browser() as browser:
        yield browser


async def check_page(page: Any, name: str) -> None:
    """No rule of axe-core is broken and nothing is wider than the screen; a picture where somebody wants to look."""
    await page.evaluate(AXE.read_text())
    broken = await page.evaluate(
        "async () => (await axe.run(document)).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join(' | '))"
    )
    assert broken == [], f"{name}: {broken}"
    wider = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{name} is {wider} px too wide"
    folder = os.environ.get("PARLEY_TEST_SHOTS")
    if folder:
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)


@pytest.mark.parametrize(("scheme", "viewport"), [("light", None), ("dark", PHONE)])
async def test_a_member_takes_everything_away_and_brings_an_archive_along(
    chromium: Any, live_server: LiveServer, tmp_path: Path, scheme: str, viewport: Any
) -> None:
    options = {"color_scheme": scheme, "accept_downloads": True, **({"viewport": viewport} if viewport else {})}
    watched = await open_page(chromium, live_server, **options)
    page = watched.page
    await sign_up(page, f"mover_{scheme}")
    await page.goto("/settings/export")
    await check_page(page, f"export-{scheme}")
    tab = await page.locator(".tabs [aria-current]").bounding_box()
    assert tab["x"] >= 0 and tab["x"] + tab["width"] <= page.viewport_size["width"], "the tab is on the screen"
    async with page.expect_download() as waiting:
        await page.get_by_role("link", name="Download People you follow").click()
    download = await waiting.value
    assert download.suggested_filename == "following_accounts.csv"

    await page.get_by_label("Your account elsewhere").fill("me@new.example")
    await page.keyboard.press("Enter")
    link = page.get_by_role("link", name="Download your archive")
    await link.wait_for(timeout=60_000)
    await check_page(page, f"export-ready-{scheme}")
    async with page.expect_download() as waiting:
        await link.click()
    archive = tmp_path / "archive.zip"
    await (await waiting.value).save_as(archive)
    assert "acct:me@new.example" in zipfile.ZipFile(archive).read("actor.json").decode()

    old = tmp_path / "old.zip"
    old.write_bytes(zipped([note(1), note(2), note(3, "<p>I am going to kill you</p>")]))
    await page.goto("/settings/import")
    await check_page(page, f"import-{scheme}")
    await page.get_by_label("Archive", exact=True).set_input_files(str(old))
    await page.get_by_role("button", name="Send the archive").click()
    await page.get_by_text("Nothing in this archive proves").wait_for(timeout=60_000)
    await check_page(page, f"import-archive-{scheme}")
    await page.get_by_role("button", name="Import 3 posts").click()
    await page.get_by_text("Done: 2 of 3 taken, 1 could not be").wait_for(timeout=90_000)
    await check_page(page, f"import-done-{scheme}")
    await page.goto(f"/@mover_{scheme}")
    await page.get_by_text("imported, not proven").first.wait_for()
    await check_page(page, f"profile-{scheme}")

    rows = tmp_path / "rows.csv"
    rows.write_text("Account address,Show boosts,Notify on new posts,Languages\nremi@remote.example,true,false,\n")
    await page.goto("/settings/import")
    await page.get_by_label("File", exact=True).set_input_files(str(rows))
    await page.get_by_role("button", name="Read the file").click()
    await page.get_by_text("1 row in the file.").wait_for()
    await check_page(page, f"import-rows-{scheme}")
    assert watched.problems == []
