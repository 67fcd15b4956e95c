"""Large lists for banks on the page of second eyes, as a browser without JavaScript shows it."""

from __future__ import annotations

import httpx
import pytest

from parley.social.policies.live import follow_policy
from tests.conftest import PASSWORD, World
from tests.policies.conftest import staff
from tests.policies.test_bank_drafts import LARGE, bring, domains, held
from tests.web.forms import find_form, send, sign_in

pytestmark = pytest.mark.usefixtures("_built_assets")


async def browser(world: World, name: str, role: str = "moderator") -> httpx.AsyncClient:
    await world.account(name, role=role)
    return await sign_in(world.browser(), name, PASSWORD)


async def test_the_page_of_second_eyes_shows_and_confirms_lists(world: World) -> None:
    await follow_policy(world.instance)
    mia = await staff(world, "mod_mia", "moderator")
    waits = await bring(world, mia, domains())
    other = await bring(world, mia, domains(LARGE, at=5000))
    hers, his = await browser(world, "mod_mia"), await browser(world, "mod_ben")
    path = f"/desk/lists/{waits.draft}"
    own = (await hers.get("/desk/proposals")).text
    assert "You brought it in" in own
    assert f"{path}/confirm" not in own
    token = find_form(own, f"{path}/refuse").values["csrf"]
    assert (await hers.post(f"{path}/confirm", data={"csrf": token})).status_code == 403
    assert (await his.post(f"{path}/confirm", data={"csrf": "wrong"})).status_code == 403
    member = await browser(world, "bob", "member")
    csrf = find_form((await member.get("/settings/preferences")).text, "/settings/preferences").values["csrf"]
    for verb in ("confirm", "refuse"):
        assert (await member.post(f"{path}/{verb}", data={"csrf": csrf, "answer": "x"})).status_code == 404
    page = (await his.get("/desk/proposals")).text
    assert "501 entries" in page
    assert "bad0.example" in page
    done = await send(his, find_form(page, f"{path}/confirm"), f"{path}/confirm")
    assert "it is looked for now" in done.text
    assert await held(world) == LARGE
    second = f"/desk/lists/{other.draft}"
    form = find_form(done.text, f"{second}/confirm")
    silent = await send(his, form, f"{second}/refuse", answer=" ")
    assert silent.status_code == 422
    refused = await send(his, form, f"{second}/refuse", answer="Where is it from?")
    assert "Nothing waits for a second person" in refused.text
    assert await held(world) == LARGE
