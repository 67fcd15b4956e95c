"""Passkeys, with a software authenticator."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from parley.kit.clock import time_travel
from tests.conftest import PASSWORD, World
from tests.sessions.authenticator import SoftKey
from tests.sessions.pages import csrf_of, mails, send_form, sign_in
from tests.sessions.test_otp import turn_otp_on


async def options_from(browser: httpx.AsyncClient, page: str, path: str) -> dict[str, Any]:
    answer = await browser.post(path, data={"csrf": await csrf_of(browser, page)})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def add(browser: httpx.AsyncClient, key: SoftKey, name: str = "My key") -> httpx.Response:
    begun = await options_from(browser, "/settings/security", "/settings/security/passkeys/options")
    form = {"handle": begun["handle"], "credential": key.create(begun["options"]), "name": name}
    return await send_form(browser, "/settings/security", "/settings/security/passkeys", **form)


async def begin(browser: httpx.AsyncClient) -> dict[str, Any]:
    return await options_from(browser, "/sign-in", "/sign-in/passkey/options")


async def use(browser: httpx.AsyncClient, key: SoftKey, begun: dict[str, Any] | None = None) -> httpx.Response:
    begun = begun or await begin(browser)
    form = {"handle": begun["handle"], "credential": key.get(begun["options"])}
    return await send_form(browser, "/sign-in", "/sign-in/passkey", **form)


async def is_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/settings/account")).status_code == 200


@pytest.fixture
async def alice(world: World) -> httpx.AsyncClient:
    await world.account("alice")
    return await sign_in(world, "alice")


@pytest.fixture
def key(world: World) -> SoftKey:
    return SoftKey(world.settings.base_url)


async def test_a_passkey_signs_in_without_a_name_or_password(
    world: World, alice: httpx.AsyncClient, key: SoftKey
) -> None:
    begun = await options_from(alice, "/settings/security", "/settings/security/passkeys/options")
    assert begun["options"]["rp"] == {"name": "Test", "id": "localhost"}
    assert begun["options"]["authenticatorSelection"]["residentKey"] == "required"
    assert (await add(alice, key)).status_code in (302, 303)
    assert "My key" in (await alice.get("/settings/security")).text
    for _ in range(2):
        browser = world.browser()
        begun = await begin(browser)
        assert begun["options"].get("allowCredentials", []) == []
        assert (await use(browser, key, begun)).status_code in (302, 303)
        assert await is_in(browser)
    await world.run_jobs()
    assert "A passkey was added" in mails(world.settings)[-1].get_content()


async def test_adding_a_passkey_takes_the_password_once_signing_in_is_long_ago(
    alice: httpx.AsyncClient, key: SoftKey
) -> None:
    page, path = "/settings/security", "/settings/security/passkeys/options"
    with time_travel(timedelta(minutes=11)):
        assert 'id="passkey-pw"' in (await alice.get(page)).text
        for wrong in ({}, {"password": "wrong"}):
            answer = await send_form(alice, page, path, **wrong)
            assert (answer.status_code, answer.json()) == (422, {"error": "The password is wrong."})
        begun = (await send_form(alice, page, path, password=PASSWORD)).json()
        form = {"handle": begun["handle"], "credential": key.create(begun["options"]), "name": "Late key"}
        assert (await send_form(alice, page, "/settings/security/passkeys", **form)).status_code == 303


async def test_an_answer_is_good_once(world: World, alice: httpx.AsyncClient, key: SoftKey) -> None:
    key.counts = False
    await add(alice, key)
    browser = world.browser()
    begun = await begin(browser)
    form = {"handle": begun["handle"], "credential": key.get(begun["options"])}
    assert (await send_form(browser, "/sign-in", "/sign-in/passkey", **form)).status_code in (302, 303)
    thief = world.browser()
    assert (await send_form(thief, "/sign-in", "/sign-in/passkey", **form)).status_code == 422
    assert not await is_in(thief)


async def test_a_challenge_runs_out(world: World, alice: httpx.AsyncClient, key: SoftKey) -> None:
    await add(alice, key)
    browser = world.browser()
    begun = await begin(browser)
    with time_travel(timedelta(minutes=6)):
        assert (await use(browser, key, begun)).status_code == 422


async def test_a_copied_key_is_noticed_by_its_counter(world: World, alice: httpx.AsyncClient, key: SoftKey) -> None:
    await add(alice, key)
    for _ in range(3):
        assert (await use(world.browser(), key)).status_code in (302, 303)
    key.count = 1
    assert (await use(world.browser(), key)).status_code == 422


async def test_what_does_not_fit_is_refused(world: World, alice: httpx.AsyncClient, key: SoftKey) -> None:
    await add(alice, key)
    browser = world.browser()

    async def refused(change: Any) -> None:
        begun = await begin(browser)
        credential = json.loads(key.get(begun["options"]))
        change(credential)
        form = {"handle": begun["handle"], "credential": json.dumps(credential)}
        answer = await send_form(browser, "/sign-in", "/sign-in/passkey", **form)
        assert answer.status_code in (400, 422), answer.text
        assert not await is_in(browser)

    stranger = SoftKey(world.settings.base_url)
    await refused(lambda found: found["response"].update(signature="AAAA"))
    await refused(lambda found: found["response"].update(userHandle="AAAA"))
    await refused(lambda found: found["response"].update(userHandle="\u00e4!"))
    await refused(lambda found: found["response"].update(authenticatorData="AAAA"))
    await refused(lambda found: found["response"].update(clientDataJSON="e30"))
    await refused(lambda found: found.update(response="x"))
    await refused(lambda found: found.update(response=None))
    await refused(lambda found: found.update(id="x" * 5000))
    await refused(lambda found: found.update(id=json.loads(stranger._credential())["id"]))
    await refused(lambda found: found.clear())
    key.origin = "https://evil.example"
    assert (await use(browser, key)).status_code == 422
    key.origin, key.rp_id = world.settings.base_url, "evil.example"
    assert (await use(browser, key)).status_code == 422
    assert (await send_form(browser, "/sign-in", "/sign-in/passkey", handle="x", credential="[]")).status_code == 400


async def test_a_registration_belongs_to_the_browser_that_began_it(
    world: World, alice: httpx.AsyncClient, key: SoftKey
) -> None:
    await world.account("bob")
    bob = await sign_in(world, "bob")
    begun = await options_from(alice, "/settings/security", "/settings/security/passkeys/options")
    form = {"handle": begun["handle"], "credential": key.create(begun["options"]), "name": "x"}
    stolen = await send_form(bob, "/settings/security", "/settings/security/passkeys", **form)
    assert stolen.status_code == 422
    key.origin = "https://evil.example"
    assert (await add(alice, key)).status_code == 422
    key.origin = world.settings.base_url
    assert (await add(alice, key)).status_code in (302, 303)
    assert (await add(alice, key)).status_code == 409
    assert (await add(bob, key)).status_code == 409


async def test_without_user_verification_the_code_is_still_asked_for(world: World, alice: httpx.AsyncClient) -> None:
    plain, verifying = (SoftKey(world.settings.base_url, verifies_user=flag) for flag in (False, True))
    await add(alice, plain)
    await add(alice, verifying)
    assert (await use(world.browser(), plain)).status_code in (302, 303)
    await turn_otp_on(alice)
    browser = world.browser()
    answer = await use(browser, plain)
    assert answer.status_code == 200 and 'name="pending"' in answer.text and not await is_in(browser)
    assert (await use(world.browser(), verifying)).status_code in (302, 303)


async def test_a_removed_passkey_is_of_no_use(world: World, alice: httpx.AsyncClient, key: SoftKey) -> None:
    await add(alice, key)
    async with world.instance.db.read() as tx:
        passkey_id = await tx.fetchval("SELECT id FROM passkeys")
    await world.account("bob")
    bob = await sign_in(world, "bob")
    path = f"/settings/security/passkeys/{passkey_id}/delete"
    assert (await send_form(bob, "/settings/security", path)).status_code == 404
    assert (await send_form(alice, "/settings/security", path)).status_code in (302, 303)
    assert (await use(world.browser(), key)).status_code == 422


async def test_a_disabled_member_does_not_get_in_by_passkey(
    world: World, alice: httpx.AsyncClient, key: SoftKey
) -> None:
    await add(alice, key)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET disabled_at = now()")
    answer = await use(world.browser(), key)
    assert answer.status_code == 403 and "disabled" in answer.text
