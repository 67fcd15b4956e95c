"""The pages of law over plain HTTP, as a browser without JavaScript uses them."""

from __future__ import annotations

import io
import zipfile

import pytest

from parley.safety.log.views import Subject
from tests.conftest import World
from tests.safety.auditing import assert_audit_holds
from tests.safety.evidence.test_retention import OPEN_CASE, change
from tests.web.forms import find_form, send
from tests.web.test_desk import signed_in

pytestmark = pytest.mark.usefixtures("_built_assets")


async def test_nobody_but_the_staff_finds_the_page(world: World) -> None:
    member = await signed_in(world, "alice", "member")
    assert (await member.get("/desk/legal")).status_code == 404
    assert (await world.browser().get("/desk/legal")).status_code in (302, 303)
    answer = await member.post("/desk/legal/holds", data={"subjects": "@alice"})
    assert answer.status_code in (403, 404)


async def test_a_request_is_registered_held_and_answered(world: World) -> None:
    await world.post("spam_sam", "a threat")
    browser = await signed_in(world, "mod_mia", "admin")
    page = await browser.get("/desk/legal")
    assert page.status_code == 200
    form = find_form(page.text, "/desk/legal/requests")
    said = await send(
        browser, form, "/desk/legal/requests", kind="preservation", authority="State police", reference="A-7"
    )
    assert "State police, A-7" in said.text
    assert "<script>" not in said.text
    form = find_form(said.text, "/desk/legal/holds")
    wrong = await send(
        browser, form, "/desk/legal/holds", subjects="@nobody_here", hold_kind="preservation", reason="they asked"
    )
    assert wrong.status_code == 422
    assert "write @name" in wrong.text
    assert "they asked" in wrong.text, "what was typed is still there"
    held = await send(
        browser, form, "/desk/legal/holds", subjects="@spam_sam", hold_kind="preservation", reason="they asked"
    )
    assert f'<a href="/desk/accounts/{world.ids["spam_sam"]}" data-opens>@spam_sam</a>' in held.text
    async with world.instance.db.read() as tx:
        hold_id = await tx.fetchval("SELECT id FROM legal_holds")
        request_id = await tx.fetchval("SELECT id FROM legal_requests")
    path = f"/desk/legal/holds/{hold_id}/release"
    released = await send(browser, find_form(held.text, path), path, why="the time is over")
    assert "Nothing is held." in released.text
    path = f"/desk/legal/requests/{request_id}/end"
    done = await send(browser, find_form(released.text, path), path, answer="kept for 90 days", state="answered")
    assert "None waits." in done.text
    assert "kept for 90 days" in (await browser.get("/desk/legal?all=1")).text
    burn = await browser.post(f"/desk/legal/holds/{hold_id}/burn", data=form.values)
    assert burn.status_code == 404
    await world.run_jobs()
    await assert_audit_holds(world)


async def test_a_moderator_asks_and_another_lets_a_package_go(world: World) -> None:
    from parley.safety.evidence.actions import capture_evidence

    status = await world.post("spam_sam", "a threat")
    case_id = await change(world, OPEN_CASE, world.ids["spam_sam"])
    async with world.instance.db.write() as tx:
        await capture_evidence(tx, Subject("status", int(status["id"])), case_id=case_id, why="test")
    moderator = await signed_in(world, "mod_max")
    page = await moderator.get("/desk/legal")
    path = "/desk/legal/disclosures"
    said = await send(
        moderator,
        find_form(page.text, path),
        path,
        recipient="The host",
        disclosure_basis="their notice of today",
        what="the threat and what we did",
        for_case=str(case_id),
    )
    assert "The host" in said.text
    async with world.instance.db.read() as tx:
        disclosure = await tx.fetchval("SELECT id FROM legal_disclosures")
    assert f"/desk/legal/disclosures/{disclosure}/decide" not in said.text
    admin = await signed_in(world, "mod_mia", "admin")
    page = await admin.get("/desk/legal")
    path = f"/desk/legal/disclosures/{disclosure}/decide"
    approved = await send(admin, find_form(page.text, path), path, answer="approve")
    path = f"/desk/legal/disclosures/{disclosure}/package"
    form = find_form(approved.text, path)
    package = await admin.post(path, data={**form.values, "audience": "host"})
    assert package.status_code in (200, 201), package.text[:300]
    assert package.headers["content-type"] == "application/zip"
    assert "manifest.json" in zipfile.ZipFile(io.BytesIO(package.content)).namelist()
    again = await admin.post(path, data={**form.values, "audience": "host"})
    assert again.status_code == 403
    assert not list(world.settings.path("tmp").glob("package-*")), "nothing is left on the server"
    await assert_audit_holds(world)
