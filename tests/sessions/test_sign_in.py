"""Signing in by password, the list of browsers, and changing or forgetting the password."""

from __future__ import annotations

import re
import time
from datetime import timedelta

import httpx
import msgspec
import pytest
from argon2 import PasswordHasher, Type, extract_parameters

from parley.kit.clock import time_travel
from parley.kit.settings import Settings
from parley.social.sessions import passwords
from tests.conftest import PASSWORD, World
from tests.sessions.pages import link_in, mails, send_form, sign_in

NEW_PASSWORD = "another long sentence"


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    """Limits are on in the tests that say so."""
    limits = "on" if "limit" in request.node.name else "off"
    confirm = "confirm" in request.node.name
    return msgspec.structs.replace(settings, rate_limits=limits, email_confirmation=confirm)


async def try_in(world: World, login: str, password: str = PASSWORD) -> httpx.Response:
    return await send_form(world.browser(), "/sign-in", "/sign-in", login=login, password=password)


async def is_in(browser: httpx.AsyncClient) -> bool:
    return (await browser.get("/settings/account")).status_code == 200


@pytest.mark.parametrize(
    "login", ["alice", "ALICE", "@alice", "alice@localhost:3000", " Alice@Example.ORG ", "@alice@localhost:3000"]
)
async def test_a_member_is_found_by_name_or_address(world: World, login: str) -> None:
    await world.account("alice")
    assert (await try_in(world, login)).status_code in (302, 303)


async def test_every_failure_reads_the_same(world: World) -> None:
    await world.account("alice")
    texts = set()
    for login, password in (
        ("alice", "wrong"),
        ("nobody", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("alice@elsewhere.example", PASSWORD),
        ("alice", ""),
        ("", ""),
        ("nul\0", "x"),
        ("alice", "x" * 100_000),
        ("%", PASSWORD),
    ):
        answer = await try_in(world, login, password)
        assert answer.status_code == 422, (login, answer.text)
        found = re.search(r"The e-mail address, username or password is wrong\.", answer.text)
        texts.add(found.group(0) if found else answer.text)
    assert len(texts) == 1


async def test_an_unknown_member_takes_as_long_as_a_wrong_password(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a hash slow enough to see: who exists cannot be told by the clock. Other programs' time is not counted."""
    monkeypatch.setattr(passwords, "HASHER", PasswordHasher(time_cost=6, memory_cost=32 * 1024, parallelism=1))
    await world.account("alice")
    await try_in(world, "nobody", "warm")
    took: dict[str, list[float]] = {"alice": [], "nobody": []}
    for _ in range(5):
        for login, times in took.items():
            start = time.process_time()
            await try_in(world, login, "wrong")
            times.append(time.process_time() - start)
    known, unknown = (min(took[login]) for login in ("alice", "nobody"))
    assert 0.6 < known / unknown < 1.67, took


async def test_the_real_hash_is_argon2id_of_rfc_9106() -> None:
    found = extract_parameters(PasswordHasher().hash("x"))
    assert found.type is Type.ID and found.memory_cost >= 64 * 1024 and found.time_cost >= 3


async def test_an_old_hash_is_made_anew_at_sign_in(world: World) -> None:
    await world.account("alice")
    old = PasswordHasher(time_cost=2, memory_cost=128, parallelism=1).hash(PASSWORD)
    async with world.instance.db.write() as tx:
        await tx.execute("UPDATE users SET password_hash = $1", old)
    assert (await try_in(world, "alice")).status_code in (302, 303)
    async with world.instance.db.read() as tx:
        assert extract_parameters(await tx.fetchval("SELECT password_hash FROM users")).time_cost == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE users SET disabled_at = now()", "disabled"),
        ("UPDATE users SET approved_at = NULL", "moderator has yet to approve"),
        ("UPDATE accounts SET state = 'suspended'", "suspended"),
    ],
)
async def test_who_may_not_use_the_instance_is_told_after_the_right_password_only(
    world: World, change: str, said: str
) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    async with world.instance.db.write() as tx:
        await tx.execute(change)
    assert not await is_in(browser)
    right, wrong = await try_in(world, "alice"), await try_in(world, "alice", "wrong")
    assert right.status_code == 403 and said in right.text
    assert wrong.status_code == 422 and said not in wrong.text


async def test_browsers_are_listed_and_revoked(world: World) -> None:
    await world.account("alice")
    here = await sign_in(world, "alice")
    there = world.browser()
    there.headers["user-agent"] = "Palm Pilot"
    await send_form(there, "/sign-in", "/sign-in", login="alice", password=PASSWORD)
    assert await is_in(there)
    page = (await here.get("/settings/security")).text
    assert "Palm Pilot" in page or "/settings/security/sessions/" in page
    async with world.instance.db.read() as tx:
        session_id = await tx.fetchval("SELECT id FROM sessions WHERE user_agent = 'Palm Pilot'")
    path = f"/settings/security/sessions/{session_id}/revoke"
    await world.account("bob")
    assert (await send_form(await sign_in(world, "bob"), "/settings/security", path)).status_code == 404
    assert (await send_form(here, "/settings/security", path)).status_code in (302, 303)
    assert await is_in(here) and not await is_in(there)


async def test_signing_out_voids_the_cookie_itself(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    kept = dict(browser.cookies)
    await send_form(browser, "/settings/account", "/sign-out")
    thief = world.browser()
    thief.cookies.update(kept)
    assert not await is_in(thief)


async def test_a_session_is_noted_every_few_minutes_and_ends_unused(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world, "alice")
    with world.queries() as seen:
        assert await is_in(browser)
    assert not [query for query in seen if "UPDATE sessions" in query]
    with time_travel(timedelta(minutes=6)), world.queries() as seen:
        assert await is_in(browser)
    assert [query for query in seen if "UPDATE sessions" in query]
    with time_travel(timedelta(days=89)):
        assert await is_in(browser)
    with time_travel(timedelta(days=89 + 91)):
        assert not await is_in(browser)


async def test_a_new_password_signs_other_browsers_out_and_leaves_apps(world: World) -> None:
    app = await world.client("alice")
    here, there = await sign_in(world, "alice"), await sign_in(world, "alice")
    page, path = "/settings/account", "/settings/account/password"
    wrong = await send_form(here, page, path, current_password="wrong", new_password=NEW_PASSWORD)
    short = await send_form(here, page, path, current_password=PASSWORD, new_password="short")
    assert (wrong.status_code, short.status_code) == (422, 422) and await is_in(there)
    done = await send_form(here, page, path, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert done.status_code in (302, 303)
    assert await is_in(here) and not await is_in(there)
    assert (await app.get("/api/v1/preferences")).status_code == 200
    assert (await try_in(world, "alice")).status_code == 422
    assert (await try_in(world, "alice", NEW_PASSWORD)).status_code in (302, 303)
    await world.run_jobs()
    assert "password of your account was changed" in mails(world.settings)[-1].get_content()


async def ask_reset(world: World, email: str) -> httpx.Response:
    return await send_form(world.browser(), "/password/forgotten", "/password/forgotten", email=email)


async def test_a_forgotten_password_is_set_anew_by_mail(world: World) -> None:
    app = await world.client("alice")
    browser = await sign_in(world, "alice")
    assert (await ask_reset(world, "Alice@example.org")).status_code == 200
    await world.run_jobs()
    token = link_in(mails(world.settings)[-1])
    page = await world.browser().get(f"/password/new/{token}")
    assert page.status_code == 200 and await is_in(browser)
    visitor = world.browser()
    short = await send_form(visitor, f"/password/new/{token}", "/password/new", token=token, password="short")
    assert short.status_code == 422
    done = await send_form(visitor, f"/password/new/{token}", "/password/new", token=token, password=NEW_PASSWORD)
    assert done.status_code in (302, 303)
    assert not await is_in(browser)
    assert (await app.get("/api/v1/preferences")).status_code == 401
    assert (await try_in(world, "alice", NEW_PASSWORD)).status_code in (302, 303)
    again = await send_form(visitor, f"/password/new/{token}", "/password/new", token=token, password=PASSWORD)
    assert again.status_code == 422


async def test_a_reset_link_runs_out_and_only_the_last_one_works(world: World) -> None:
    await world.account("alice")
    for _ in range(2):
        await ask_reset(world, "alice@example.org")
        await world.run_jobs()
    first, second = (link_in(mail) for mail in mails(world.settings))
    form = {"password": NEW_PASSWORD}
    visitor = world.browser()
    assert (await send_form(visitor, "/sign-in", "/password/new", token=first, **form)).status_code == 422
    with time_travel(timedelta(hours=3)):
        assert (await send_form(visitor, "/sign-in", "/password/new", token=second, **form)).status_code == 422
    assert (await send_form(visitor, "/sign-in", "/password/new", token=second, **form)).status_code in (302, 303)


async def test_asking_for_a_reset_does_not_tell_who_is_known(world: World) -> None:
    await world.account("alice")
    seen = []
    for email in ("alice@example.org", "nobody@example.org"):
        with world.queries() as queries:
            answer = await ask_reset(world, email)
        seen.append((answer.status_code, answer.text.count("is on its way"), len(queries)))
    assert seen[0] == seen[1] and seen[0][:2] == (200, 1)
    await world.run_jobs()
    assert [mail["To"] for mail in mails(world.settings)] == ["alice@example.org"]


async def test_a_new_address_must_be_confirmed(world: World) -> None:
    await world.account("alice")
    await world.account("bob")
    browser = await sign_in(world, "alice")
    page, path = "/settings/account", "/settings/account/email"
    wrong = await send_form(browser, page, path, current_password="wrong", email="new@example.org")
    assert wrong.status_code == 422
    taken = await send_form(browser, page, path, current_password=PASSWORD, email="bob@example.org")
    assert taken.status_code in (302, 303), "whether somebody has the address is not told"
    await world.run_jobs()
    assert mails(world.settings) == []
    await send_form(browser, page, path, current_password=PASSWORD, email="new@example.org")
    assert (await try_in(world, "new@example.org")).status_code == 422
    await world.run_jobs()
    token = link_in(mails(world.settings)[-1])
    done = await send_form(browser, f"/confirm/{token}", "/confirm", token=token)
    assert done.status_code in (302, 303)
    assert (await try_in(world, "new@example.org")).status_code in (302, 303)
    assert (await try_in(world, "alice@example.org")).status_code == 422
    await world.run_jobs()
    last = mails(world.settings)[-1]
    assert last["To"] == "alice@example.org" and "e-mail address of your account was changed" in last.get_content()


async def test_a_member_is_limited_however_often_the_address_changes(world: World) -> None:
    await world.account("alice")
    answers = [(await try_in(world, "alice", "wrong")).status_code for _ in range(22)]
    assert answers[:20] == [422] * 20 and answers[20:] == [429] * 2
    refused = await try_in(world, "alice")
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    with time_travel(timedelta(hours=2)):
        assert (await try_in(world, "alice")).status_code in (302, 303)


async def test_an_address_is_limited_however_often_the_name_changes(world: World) -> None:
    answers = [(await try_in(world, f"name{number}", "wrong")).status_code for number in range(27)]
    assert answers[:25] == [422] * 25 and answers[25:] == [429] * 2


async def test_resets_are_limited_for_one_mailbox(world: World) -> None:
    await world.account("alice")
    answers = [(await ask_reset(world, "alice@example.org")).status_code for _ in range(6)]
    assert answers == [200] * 5 + [429]
    assert (await ask_reset(world, "bob@example.org")).status_code == 200


async def test_the_tokens_and_apps_of_one_address_are_limited(world: World) -> None:
    form = {"client_name": "x", "redirect_uris": "https://app.example/", "scopes": "read"}
    made = [(await world.anonymous.post("/api/v1/apps", data=form)).status_code for _ in range(31)]
    assert made == [200] * 30 + [429]
    tries = [
        (await world.anonymous.post("/oauth/token", data={"grant_type": "client_credentials"})).status_code
        for _ in range(61)
    ]
    assert tries[:60] == [401] * 60 and tries[60] == 429


async def test_counted_tries_hold_no_address_or_name_when_limits_are_on(world: World) -> None:
    await world.account("alice")
    await try_in(world, "alice@example.org", "wrong")
    await ask_reset(world, "alice@example.org")
    async with world.instance.db.read() as tx:
        buckets = [row["bucket"] for row in await tx.fetch("SELECT bucket FROM rate_limits")]
    assert buckets and not [bucket for bucket in buckets if "alice" in bucket or "127." in bucket]
