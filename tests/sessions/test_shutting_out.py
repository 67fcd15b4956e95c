"""Who was shut out is out: open streams, invitations, and ways to take an account over."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from parley.kit.settings import Settings
from parley.social.sessions.actions import create_invite, set_disabled
from tests.conftest import PASSWORD, World, open_world
from tests.sessions.pages import send_form, sign_in
from tests.sessions.test_members import viewer

Ending = Callable[[World, httpx.AsyncClient], Awaitable[httpx.Response]]


async def _revoke(world: World, browser: httpx.AsyncClient) -> httpx.Response:
    async with world.instance.db.read() as tx:
        stolen = await tx.fetchval("SELECT min(id) FROM sessions")
    return await send_form(browser, "/settings/security", f"/settings/security/sessions/{stolen}/revoke")


async def _change_password(world: World, browser: httpx.AsyncClient) -> httpx.Response:
    fields = {"current_password": PASSWORD, "new_password": "another horse, another battery"}
    return await send_form(browser, "/settings/account", "/settings/account/password", **fields)


@pytest.mark.parametrize("end", [_revoke, _change_password])
async def test_a_stolen_session_hears_nothing_more_once_it_is_ended(world: World, end: Ending) -> None:
    await world.account("alice")
    thief = await sign_in(world, "alice")
    owner = await sign_in(world, "alice")
    listening = asyncio.create_task(thief.get("/live/home", timeout=30))
    await asyncio.sleep(0.3)
    assert not listening.done()
    assert (await end(world, owner)).status_code == 303
    heard = await asyncio.wait_for(listening, 20)
    assert "event: status" not in heard.text
    assert (await thief.get("/live/home")).status_code == 204
    assert (await owner.get("/settings/account")).status_code == 200


async def test_signing_out_ends_what_the_browser_listens_to(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    listening = asyncio.create_task(browser.get("/live/home", timeout=30))
    await asyncio.sleep(0.3)
    assert (await send_form(browser, "/settings/account", "/sign-out")).status_code == 303
    await asyncio.wait_for(listening, 20)


async def test_an_app_cannot_replace_a_confirmed_address_while_a_change_waits(settings: Settings, dsn: str) -> None:
    confirming = Settings(name="Test", domain="localhost:3000", data_dir=settings.data_dir, rate_limits="off")
    async with open_world(confirming, dsn) as world:
        client = await world.client("alice")
        async with world.instance.db.write() as tx:
            await tx.execute(
                "UPDATE users SET unconfirmed_email = 'alice@new.example', app_id = (SELECT app_id FROM access_tokens)"
            )
        theirs = await client.post("/api/v1/emails/confirmations", json={"email": "thief@example.org"})
        assert theirs.status_code == 403 and "settings" in theirs.json()["error"]
        assert (await client.post("/api/v1/emails/confirmations")).status_code == 200
        async with world.instance.db.read() as tx:
            row = await tx.fetchrow("SELECT email, unconfirmed_email, email_confirmed_at FROM users")
        assert row["email"] == "alice@example.org" and row["unconfirmed_email"] == "alice@new.example"
        assert row["email_confirmed_at"] is not None


async def test_invitations_of_a_member_who_was_shut_out_let_nobody_in(world: World) -> None:
    by, alice = await viewer(world, "olga"), await viewer(world, "alice")
    async with world.instance.db.write() as tx:
        invite = await create_invite(tx, world.settings, alice)
        await set_disabled(tx, by, alice.account_id, True)
    fields = {"username": "carol", "email": "carol@example.org", "password": PASSWORD, "agreement": "1"}
    answer = await send_form(world.browser(), "/sign-up", "/sign-up", invite_code=invite.code, **fields)
    assert answer.status_code == 422 and "unknown, used up or expired" in answer.text
    async with world.instance.db.write() as tx:
        await set_disabled(tx, by, alice.account_id, False)
    answer = await send_form(world.browser(), "/sign-up", "/sign-up", invite_code=invite.code, **fields)
    assert answer.status_code == 303
