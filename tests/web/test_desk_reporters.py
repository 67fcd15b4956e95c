"""Muting somebody's reports on the desk, by form alone."""

from __future__ import annotations

from tests.conftest import World
from tests.safety.cases.desk import report, value
from tests.web.forms import find_form
from tests.web.test_desk import signed_in


async def test_a_moderator_mutes_a_reporter_and_listens_again(world: World) -> None:
    mia = await signed_in(world, "mod_mia")
    path = f"/desk/accounts/{await world.account('troll')}"
    assert "no report decided yet" in (await mia.get(path)).text
    form = find_form((await mia.get(path)).text, f"{path}/mute")
    answer = await mia.post(f"{path}/mute", data=form.values, follow_redirects=True)
    assert answer.status_code == 200
    assert "muted" in answer.text
    await report(world, "troll", "bob")
    assert await value(world, "SELECT count(*) FROM cases") == 0
    again = find_form(answer.text, f"{path}/mute")
    assert again.values["muted"] == "no"
    answer = await mia.post(f"{path}/mute", data=again.values, follow_redirects=True)
    assert "Mute as a reporter" in answer.text
    await report(world, "troll", "bob")
    assert await value(world, "SELECT count(*) FROM cases") == 1


async def test_only_moderators_mute_and_never_each_other(world: World) -> None:
    mia = await signed_in(world, "mod_mia")
    path = f"/desk/accounts/{await world.account('troll')}"
    form = find_form((await mia.get(path)).text, f"{path}/mute")
    bob = await signed_in(world, "bob", "member")
    token = find_form((await bob.get("/settings/preferences")).text, "/settings/preferences").values["csrf"]
    assert (await bob.post(f"{path}/mute", data={**form.values, "csrf": token})).status_code == 404
    assert (await mia.post(f"{path}/mute", data={**form.values, "csrf": "wrong"})).status_code == 403
    own = f"/desk/accounts/{world.ids['mod_mia']}"
    assert (await mia.post(f"{own}/mute", data=form.values)).status_code == 404
    other = f"/desk/accounts/{await world.account('mod_mo', role='moderator')}"
    assert f"{other}/mute" not in (await mia.get(other)).text
    refused = await mia.post(f"{other}/mute", data=form.values)
    assert refused.status_code == 422
    assert "cannot be muted" in refused.text
