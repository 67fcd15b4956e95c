"""Joining, by every mode and both doors."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest

from parley.kit.clock import time_travel
from parley.kit.settings import Settings
from parley.social.accounts.views import Viewer
from parley.social.sessions.actions import approve_account, create_invite, create_operator_invite, reject_account
from parley.social.sessions.jobs import delete_unconfirmed_accounts
from parley.social.sessions.scopes import STAFF_SCOPES
from tests.conftest import PASSWORD, World
from tests.sessions.pages import link_in, mails, register, send_form, sign_in

NEW = {
    "username": "newbie",
    "email": "newbie@example.org",
    "password": "a quite long sentence",
    "agreement": True,
    "locale": "en",
}


async def app_token(world: World, scopes: str = "read write") -> str:
    app = await register(world, scopes=scopes)
    form = {"grant_type": "client_credentials", "scope": scopes}
    form |= {name: app[name] for name in ("client_id", "client_secret")}
    return (await world.anonymous.post("/oauth/token", data=form)).json()["access_token"]


async def join(world: World, token: str | None = None, **changes: Any) -> httpx.Response:
    """Sign up through the API."""
    token = token or await app_token(world)
    headers = {"Authorization": f"Bearer {token}"}
    return await world.anonymous.post("/api/v1/accounts", json={**NEW, **changes}, headers=headers)


async def me(world: World, answer: httpx.Response) -> httpx.Response:
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    return await world.anonymous.get("/api/v1/accounts/verify_credentials", headers=headers)


def staff(account_id: int) -> Viewer:
    return Viewer(account_id=account_id, username="mod_mia", role="moderator", scopes=STAFF_SCOPES, session_id=1)


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """The settings of the world, changed as the test says by `with_mode`."""
    marker = request.node.get_closest_marker("parametrize")
    return msgspec.structs.replace(settings, **(request.node.callspec.params["mode"] if marker else {}))


def with_mode(**settings: Any) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("mode", [settings], ids=["-".join(map(str, settings.values()))])


@pytest.fixture
def mode() -> None:
    """Taken by `with_mode`."""


async def test_where_joining_is_open_the_token_works_at_once(world: World) -> None:
    answer = await join(world)
    assert answer.status_code == 200, answer.text
    assert answer.json()["scope"] == "read write"
    assert (await me(world, answer)).json()["username"] == "newbie"


async def test_joining_by_the_page_signs_the_browser_in(world: World) -> None:
    browser = world.browser()
    form = {**NEW, "agreement": "1"}
    answer = await send_form(browser, "/sign-up", "/sign-up", **form)
    assert answer.status_code in (302, 303), answer.text
    assert (await browser.get("/settings/account")).status_code == 200


async def test_every_mistake_is_told_with_mastodons_codes(world: World) -> None:
    await world.account("alice")
    token = await app_token(world)

    async def codes(**changes: Any) -> dict[str, list[str]]:
        answer = await join(world, token, **changes)
        assert answer.status_code == 422, answer.text
        body = answer.json()
        assert body["error"].startswith("Validation failed: ")
        return {field: [one["error"] for one in found] for field, found in body["details"].items()}

    assert await codes(username="", email="", password="", agreement=False) == {
        "username": ["ERR_BLANK"],
        "email": ["ERR_BLANK"],
        "password": ["ERR_BLANK"],
        "agreement": ["ERR_ACCEPTED"],
    }
    assert await codes(username="Alice") == {"username": ["ERR_TAKEN"]}
    assert await codes(email="ALICE@example.org") == {"email": ["ERR_TAKEN"]}
    assert await codes(username="admin") == {"username": ["ERR_RESERVED"]}
    assert await codes(username="x" * 31) == {"username": ["ERR_TOO_LONG"]}
    for username in ("new bie", "new-bie", "nеwbie", "a@b", "new\0bie"):
        assert await codes(username=username) == {"username": ["ERR_INVALID"]}
    for email in (
        "newbie",
        "a@b\r\nBcc: c@d.example",
        "a b@c.example",
        "a@-b.example",
        "a..b@c.example",
        "é@c.example",
    ):
        assert await codes(email=email) == {"email": ["ERR_INVALID"]}
    assert await codes(password="short") == {"password": ["ERR_TOO_SHORT"]}
    assert await codes(password="aaaaaaaaaa") == {"password": ["ERR_INVALID"]}
    assert await codes(password="x1" * 200) == {"password": ["ERR_TOO_LONG"]}
    assert await codes(password="newbie@EXAMPLE.org") == {"password": ["ERR_INVALID"]}
    assert await codes(username="longusername", password="LongUsername") == {"password": ["ERR_INVALID"]}


async def test_joining_takes_an_apps_token_with_the_scope(world: World) -> None:
    assert (await world.anonymous.post("/api/v1/accounts", json=NEW)).status_code == 401
    assert (await join(world, await app_token(world, "read"))).status_code == 403
    client = await world.client("alice")
    assert (await client.post("/api/v1/accounts", json=NEW)).status_code == 403


async def test_of_two_who_want_one_name_or_address_one_gets_it(world: World) -> None:
    token = await app_token(world)
    answers = await asyncio.gather(
        *(join(world, token, email=f"n{number}@example.org") for number in range(3)),
        *(join(world, token, username=f"user{number}") for number in range(3)),
    )
    assert {answer.status_code for answer in answers} <= {200, 422}
    names = [answer for answer in answers[:3] if answer.status_code == 200]
    addresses = [answer for answer in answers[3:] if answer.status_code == 200]
    assert len(names) == 1 and len(addresses) == 1


@with_mode(email_confirmation=True)
async def test_an_address_is_confirmed_by_the_link_in_a_mail(world: World, mode: dict[str, Any]) -> None:
    answer = await join(world)
    refused = await me(world, answer)
    assert refused.status_code == 403
    assert refused.json()["error"] == "Your login is missing a confirmed e-mail address"
    assert (await world.anonymous.get("/api/v1/accounts/lookup?acct=newbie")).status_code == 404

    await world.run_jobs()
    (mail,) = mails(world.settings)
    assert mail["To"] == "newbie@example.org" and "Confirm" in mail["Subject"]
    token = link_in(mail)
    browser = world.browser()
    page = await browser.get(f"/confirm/{token}")
    assert page.status_code == 200 and (await me(world, answer)).status_code == 403, "opening the link changes nothing"
    done = await send_form(browser, f"/confirm/{token}", "/confirm", token=token)
    assert done.status_code in (302, 303)
    assert (await me(world, answer)).json()["username"] == "newbie"
    assert (await world.anonymous.get("/api/v1/accounts/lookup?acct=newbie")).status_code == 200
    again = await send_form(browser, "/sign-in", "/confirm", token=token)
    assert again.status_code == 422


@with_mode(email_confirmation=True)
async def test_signing_in_before_confirming_says_what_to_do(world: World, mode: dict[str, Any]) -> None:
    await join(world)
    browser = world.browser()
    form = {"login": "newbie", "password": NEW["password"]}
    answer = await send_form(browser, "/sign-in", "/sign-in", **form)
    assert answer.status_code == 403 and "Confirm your e-mail address" in answer.text
    wrong = await send_form(browser, "/sign-in", "/sign-in", **{**form, "password": "wrong wrong"})
    assert wrong.status_code == 422 and "Confirm" not in wrong.text


@with_mode(email_confirmation=True)
async def test_the_app_can_have_the_mail_sent_again_and_corrected(world: World, mode: dict[str, Any]) -> None:
    token = await app_token(world)
    answer = await join(world, token)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    other = await app_token(world)
    fixed = {"email": "right@example.org"}
    await world.run_jobs()
    assert (
        await world.anonymous.post("/api/v1/emails/confirmations", headers={"Authorization": f"Bearer {other}"})
    ).status_code == 403
    sent = await world.anonymous.post("/api/v1/emails/confirmations", json=fixed, headers=headers)
    assert sent.status_code == 200
    await world.run_jobs()
    first, second = mails(world.settings)
    assert second["To"] == "right@example.org"
    browser = world.browser()
    void = await send_form(browser, "/sign-in", "/confirm", token=link_in(first))
    assert void.status_code == 422
    assert (await send_form(browser, "/sign-in", "/confirm", token=link_in(second))).status_code in (302, 303)
    done = await world.anonymous.post("/api/v1/emails/confirmations", headers=headers)
    assert done.status_code == 403 and "awaiting confirmation" in done.json()["error"]


@with_mode(email_confirmation=True)
async def test_asking_again_does_not_tell_who_is_known(world: World, mode: dict[str, Any]) -> None:
    await world.account("alice")
    await join(world)
    await world.run_jobs()
    answers = []
    for email in ("newbie@example.org", "alice@example.org", "nobody@example.org", "not an address"):
        answer = await send_form(world.browser(), "/sign-up", "/confirm/again", email=email)
        answers.append((answer.status_code, "Check your mail" in answer.text))
    assert set(answers) == {(200, True)}
    await world.run_jobs()
    assert [mail["To"] for mail in mails(world.settings)] == ["newbie@example.org"] * 2


@with_mode(email_confirmation=True)
async def test_an_address_that_is_never_confirmed_is_free_again(world: World, mode: dict[str, Any]) -> None:
    answer = await join(world)
    with time_travel(timedelta(days=8)):
        await delete_unconfirmed_accounts(world.instance, {})
    assert (await me(world, answer)).status_code == 401
    assert (await join(world)).status_code == 200


@with_mode(registrations="approval")
async def test_where_newcomers_are_approved_a_reason_is_asked_for(world: World, mode: dict[str, Any]) -> None:
    token = await app_token(world)
    blank = await join(world, token)
    assert blank.json()["details"] == {"reason": [{"error": "ERR_BLANK", "description": "can't be blank"}]}
    answer = await join(world, token, reason="I like it here.")
    refused = await me(world, answer)
    assert refused.status_code == 403 and refused.json()["error"] == "Your login is currently pending approval"
    mia = await world.account("mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        newbie = await tx.fetchval("SELECT id FROM accounts WHERE username = 'newbie'")
        await approve_account(tx, staff(mia), newbie)
    await world.run_jobs()
    assert (await me(world, answer)).status_code == 200
    assert [mail["Subject"] for mail in mails(world.settings)] == ["Welcome to Test"]


@with_mode(registrations="approval")
async def test_a_rejected_newcomer_leaves_no_trace(world: World, mode: dict[str, Any]) -> None:
    answer = await join(world, reason="please")
    mia = await world.account("mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        newbie = await tx.fetchval("SELECT id FROM accounts WHERE username = 'newbie'")
        await reject_account(tx, staff(mia), newbie)
        assert not await tx.fetchval("SELECT count(*) FROM users WHERE email = 'newbie@example.org'")
    assert (await me(world, answer)).status_code == 401
    assert (await join(world, reason="again")).status_code == 200


@with_mode(registrations="approval")
async def test_an_invitation_by_staff_stands_for_approval(world: World, mode: dict[str, Any]) -> None:
    mia = await world.account("mod_mia", role="moderator")
    async with world.instance.db.write() as tx:
        invite = await create_invite(tx, world.settings, staff(mia), max_uses=1)
    answer = await join(world, invite_code=invite.code)
    assert (await me(world, answer)).status_code == 200


@with_mode(registrations="invite")
async def test_an_invitation_works_as_often_as_it_says(world: World, mode: dict[str, Any]) -> None:
    async with world.instance.db.write() as tx:
        code = await create_operator_invite(tx, max_uses=1)
    token = await app_token(world)
    for wrong, error in (("", "ERR_BLANK"), ("nonsense", "ERR_INVALID"), ("n\0", "ERR_INVALID")):
        refused = await join(world, token, invite_code=wrong)
        assert refused.status_code == 422
        assert refused.json()["details"]["invite_code"][0]["error"] == error
    answers = await asyncio.gather(
        *(
            join(world, token, invite_code=code, username=f"guest{number}", email=f"g{number}@example.org")
            for number in range(3)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422]


@with_mode(registrations="closed")
async def test_where_joining_is_closed_nobody_joins(world: World, mode: dict[str, Any]) -> None:
    assert (await join(world)).status_code == 403


@with_mode(rate_limits="on")
async def test_one_address_cannot_try_names_without_end(world: World, mode: dict[str, Any]) -> None:
    token = await app_token(world)
    answers = [(await join(world, token, username="admin")).status_code for _ in range(22)]
    assert answers[:20] == [422] * 20 and answers[-1] == 429


async def test_an_operators_member_signs_in_at_once(world: World) -> None:
    await world.account("admin", role="owner")
    browser = await sign_in(world, "admin", PASSWORD)
    assert (await browser.get("/settings/account")).status_code == 200


@with_mode(registrations="approval")
async def test_the_operator_decides_from_the_shell(world: World, mode: dict[str, Any], dsn: str) -> None:
    async def parley(*arguments: str) -> dict[str, Any]:
        environment = {
            "PATH": os.environ["PATH"],
            "PARLEY_DATABASE_URL": dsn,
            "PARLEY_DATA_DIR": str(world.settings.data_dir),
            "PARLEY_DOMAIN": "localhost:3000",
        }
        command = [sys.executable, "-m", "parley.cli", "account", *arguments, "--json"]
        process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return msgspec.json.decode(out)

    good = await join(world, reason="Friend of @alice")
    await join(world, username="spammer", email="s@example.org", reason="BUY")
    waiting = (await parley("pending"))["pending"]
    assert [(one["username"], one["reason"]) for one in waiting] == [("spammer", "BUY"), ("newbie", "Friend of @alice")]
    await parley("reject", "spammer")
    await parley("approve", "@newbie")
    assert (await parley("pending"))["pending"] == []
    assert (await me(world, good)).status_code == 200
