"""One-time passwords and recovery codes."""

from __future__ import annotations

import asyncio
import re
from datetime import timedelta

import httpx
import pyotp
import pytest

from parley.kit.clock import now, time_travel
from parley.kit.errors import Forbidden
from parley.social.accounts.views import Viewer
from parley.social.sessions.actions import begin_otp_setup, disable_otp, enable_otp
from tests.conftest import PASSWORD, World
from tests.sessions.pages import send_form, sign_in

RECOVERY = re.compile(r"\b[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4}-[a-z2-9]{4}\b")


async def turn_otp_on(browser: httpx.AsyncClient) -> tuple[pyotp.TOTP, list[str]]:
    """Set one-time codes up in the settings; returns the authenticator and the recovery codes."""
    page = await send_form(browser, "/settings/security", "/settings/security/otp")
    secret = re.search(r"secret=([A-Z2-7]+)", page.text)
    assert secret, page.text
    generator = pyotp.TOTP(secret.group(1))
    done = await send_form(
        browser, "/settings/security", "/settings/security/otp/enable", code=generator.at(now() - timedelta(seconds=30))
    )
    codes = list(dict.fromkeys(RECOVERY.findall(done.text)))
    assert len(codes) == 10, done.text
    return generator, codes


async def half_signed_in(world: World, name: str = "alice") -> tuple[httpx.AsyncClient, str]:
    """A browser after the right password, and its pending token."""
    browser = world.browser()
    answer = await send_form(browser, "/sign-in", "/sign-in", login=name, password=PASSWORD)
    assert answer.status_code == 200
    pending = re.search(r'name="pending" value="([^"]+)"', answer.text)
    assert pending
    assert (await browser.get("/settings/account")).status_code != 200
    return browser, pending.group(1)


async def give(browser: httpx.AsyncClient, pending: str, **code: str) -> httpx.Response:
    return await send_form(browser, "/sign-in", "/sign-in/code", pending=pending, **code)


@pytest.fixture
async def alice(world: World) -> httpx.AsyncClient:
    await world.account("alice")
    return await sign_in(world, "alice")


async def test_a_code_is_asked_for_and_good_once(world: World, alice: httpx.AsyncClient) -> None:
    generator, _ = await turn_otp_on(alice)
    browser, pending = await half_signed_in(world)
    code = generator.at(now())
    assert (await give(browser, pending, code="000000" if code != "000000" else "111111")).status_code == 422
    assert (await give(browser, pending, code=f" {code[:3]} {code[3:]} ")).status_code in (302, 303)
    assert (await browser.get("/settings/account")).status_code == 200
    again, pending = await half_signed_in(world)
    assert (await give(again, pending, code=code)).status_code == 422
    with time_travel(timedelta(seconds=60)):
        assert (await give(again, pending, code=generator.at(now()))).status_code in (302, 303)


async def test_one_code_at_two_doors_opens_one(world: World, alice: httpx.AsyncClient) -> None:
    generator, _ = await turn_otp_on(alice)
    halves = [await half_signed_in(world) for _ in range(3)]
    code = generator.at(now())
    answers = await asyncio.gather(*(give(browser, pending, code=code) for browser, pending in halves))
    assert sorted(answer.status_code for answer in answers)[1:] == [422, 422]


@pytest.mark.parametrize(("seconds", "works"), [(-90, False), (-30, True), (0, True), (30, True), (90, False)])
async def test_clocks_may_differ_by_one_step(world: World, alice: httpx.AsyncClient, seconds: int, works: bool) -> None:
    generator, _ = await turn_otp_on(alice)
    with time_travel(timedelta(minutes=3)):
        browser, pending = await half_signed_in(world)
        code = generator.at(now() + timedelta(seconds=seconds))
        answer = await give(browser, pending, code=code)
    assert (answer.status_code in (302, 303)) is works


async def test_a_recovery_code_works_once(world: World, alice: httpx.AsyncClient) -> None:
    _, codes = await turn_otp_on(alice)
    browser, pending = await half_signed_in(world)
    assert (await give(browser, pending, recovery_code="aaaa-bbbb-cccc-dddd")).status_code == 422
    typed = codes[0].upper().replace("-", " ")
    assert (await give(browser, pending, recovery_code=typed)).status_code in (302, 303)
    again, pending = await half_signed_in(world)
    assert (await give(again, pending, recovery_code=codes[0])).status_code == 422
    assert (await give(again, pending, recovery_code=codes[1])).status_code in (302, 303)


async def test_another_members_recovery_code_is_of_no_use(world: World, alice: httpx.AsyncClient) -> None:
    await turn_otp_on(alice)
    await world.account("bob")
    _, codes = await turn_otp_on(await sign_in(world, "bob"))
    browser, pending = await half_signed_in(world)
    assert (await give(browser, pending, recovery_code=codes[0])).status_code == 422


async def test_new_recovery_codes_take_the_password_and_void_the_old(world: World, alice: httpx.AsyncClient) -> None:
    _, old = await turn_otp_on(alice)
    page, path = "/settings/security", "/settings/security/otp/codes"
    assert (await send_form(alice, page, path, password="wrong")).status_code == 422
    made = await send_form(alice, page, path, password=PASSWORD)
    new = list(dict.fromkeys(RECOVERY.findall(made.text)))
    assert len(new) == 10 and not set(new) & set(old)
    browser, pending = await half_signed_in(world)
    assert (await give(browser, pending, recovery_code=old[0])).status_code == 422
    assert (await give(browser, pending, recovery_code=new[0])).status_code in (302, 303)


async def test_a_half_done_sign_in_runs_out(world: World, alice: httpx.AsyncClient) -> None:
    generator, _ = await turn_otp_on(alice)
    browser, pending = await half_signed_in(world)
    with time_travel(timedelta(minutes=11)):
        assert (await give(browser, pending, code=generator.at(now()))).status_code == 422
    assert (await give(browser, "made up", code=generator.at(now()))).status_code == 422


async def test_turning_codes_off_takes_the_password(world: World, alice: httpx.AsyncClient) -> None:
    await turn_otp_on(alice)
    page, path = "/settings/security", "/settings/security/otp/disable"
    assert (await send_form(alice, page, path, password="wrong")).status_code == 422
    await half_signed_in(world)
    assert (await send_form(alice, page, path, password=PASSWORD)).status_code in (302, 303)
    assert (await (await sign_in(world, "alice")).get("/settings/account")).status_code == 200


async def test_setting_codes_up_takes_the_password_once_signing_in_is_long_ago(
    world: World, alice: httpx.AsyncClient
) -> None:
    page, path = "/settings/security", "/settings/security/otp"
    with time_travel(timedelta(minutes=9)):
        assert "secret=" in (await send_form(alice, page, path)).text
    with time_travel(timedelta(minutes=11)):
        assert 'id="otp-begin-pw"' in (await alice.get(page)).text
        for wrong in ({}, {"password": "wrong"}):
            answer = await send_form(alice, page, path, **wrong)
            assert answer.status_code == 422
            assert "The password is wrong." in answer.text
            assert "secret=" not in answer.text
        assert "secret=" in (await send_form(alice, page, path, password=PASSWORD)).text


async def test_a_second_setup_cannot_replace_the_secret_in_force(world: World, alice: httpx.AsyncClient) -> None:
    generator, _ = await turn_otp_on(alice)
    answer = await send_form(alice, "/settings/security", "/settings/security/otp")
    assert answer.status_code == 409
    browser, pending = await half_signed_in(world)
    assert (await give(browser, pending, code=generator.at(now()))).status_code in (302, 303)


async def test_the_secret_is_sealed_and_unlocks_nothing_elsewhere(world: World, alice: httpx.AsyncClient) -> None:
    generator, _ = await turn_otp_on(alice)
    async with world.instance.db.read() as tx:
        sealed = await tx.fetchval("SELECT otp_secret_sealed FROM users WHERE otp_enabled_at IS NOT NULL")
    assert generator.secret.encode() not in sealed and generator.byte_secret() not in sealed


async def test_an_apps_token_cannot_touch_how_a_member_signs_in(world: World) -> None:
    account_id = await world.account("alice")
    app = Viewer(account_id=account_id, username="alice", scopes=frozenset({"read", "write"}), token_id=1)
    async with world.instance.db.write() as tx:
        with pytest.raises(Forbidden):
            await enable_otp(tx, world.settings, app, "000000")
    with pytest.raises(Forbidden):
        await begin_otp_setup(world.instance, app, PASSWORD)
    with pytest.raises(Forbidden):
        await disable_otp(world.instance, app, PASSWORD)
