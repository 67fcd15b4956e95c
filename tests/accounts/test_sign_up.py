"""Joining through an app: the token, the names that cannot be had, and the mail."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from parley.kit.clock import now
from parley.kit.settings import Settings
from parley.screening import Facts
from tests.accounts.people import app_client, change, with_token
from tests.conftest import PASSWORD, World, open_world
from tests.oracle import assert_entity, assert_matches


def form(username: str = "dora", **changes: Any) -> dict[str, Any]:
    return {
        "username": username,
        "email": f"{username}@example.org",
        "password": PASSWORD,
        "agreement": "true",
        "locale": "en",
        **changes,
    }


async def test_a_person_joins_through_an_app_and_the_token_works_at_once(world: World) -> None:
    app = await app_client(world)
    token = assert_matches("createAccount", await app.post("/api/v1/accounts", data=form("Dora")))
    assert token["token_type"] == "Bearer"
    assert token["scope"] == "read write"
    own = await with_token(world, token["access_token"]).get("/api/v1/accounts/verify_credentials")
    assert own.json()["username"] == "dora"


async def test_only_an_apps_token_signs_people_up(world: World) -> None:
    assert (await world.anonymous.post("/api/v1/accounts", data=form())).status_code == 401
    assert (await (await world.client("alice")).post("/api/v1/accounts", data=form())).status_code == 403
    reader = await app_client(world, scopes="read")
    assert (await reader.post("/api/v1/accounts", data=form())).status_code == 403


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"username": ""}, "username", "ERR_BLANK"),
        ({"username": "dora explorer"}, "username", "ERR_INVALID"),
        ({"username": "dör"}, "username", "ERR_INVALID"),
        ({"username": "d" * 31}, "username", "ERR_TOO_LONG"),
        ({"username": "Admin"}, "username", "ERR_RESERVED"),
        ({"username": "_support_"}, "username", "ERR_RESERVED"),
        ({"username": "ALICE"}, "username", "ERR_TAKEN"),
        ({"email": "nonsense"}, "email", "ERR_INVALID"),
        ({"password": "short"}, "password", "ERR_TOO_SHORT"),
        ({"agreement": "false"}, "agreement", "ERR_ACCEPTED"),
    ],
)
async def test_what_is_wrong_is_said_field_by_field(
    world: World, changes: dict[str, str], field: str, code: str
) -> None:
    await world.account("alice")
    app = await app_client(world)
    answer = await app.post("/api/v1/accounts", data=form(**changes))
    assert answer.status_code == 422, answer.text
    assert_entity("ValidationError", answer.json())
    assert [problem["error"] for problem in answer.json()["details"][field]] == [code]


async def test_two_who_want_one_name_at_the_same_moment_do_not_both_get_it(world: World) -> None:
    import asyncio

    app = await app_client(world)
    answers = await asyncio.gather(
        *(app.post("/api/v1/accounts", data=form("dora", email=f"{number}@example.org")) for number in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 422, 422, 422]


async def test_a_name_that_policy_holds_waits_unseen_until_it_is_approved(world: World) -> None:
    from parley.social.accounts.actions import NewAccount, create_account, set_account_state
    from parley.social.accounts.reads import get_account_id

    async with world.instance.db.write() as tx:
        new = NewAccount(username="dora", display_name="the shooter is a hero")
        dora = await create_account(tx, world.settings, new)
        assert await get_account_id(tx, "Dora") == dora
    assert (await world.anonymous.get(f"/api/v1/accounts/{dora}")).status_code == 404
    async with world.instance.db.write() as tx:
        await set_account_state(tx, None, dora, "active")
    shown = (await world.anonymous.get(f"/api/v1/accounts/{dora}")).json()
    assert shown["display_name"] == "the shooter is a hero"


async def test_confirming_the_address_does_not_let_in_whom_screening_holds(
    settings: Settings, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from parley.screening import screen_failed
    from parley.social.verdicts import actions as verdicts

    async with open_world(msgspec.structs.replace(settings, email_confirmation=True), dsn) as world:
        app = await app_client(world)
        held = screen_failed(_stranger(), RuntimeError("the judge is broken"))
        assert not held.outcome.published
        monkeypatch.setattr(verdicts, "judge_safely", lambda content, facts: held)
        token = (await app.post("/api/v1/accounts", data=form())).json()["access_token"]
        monkeypatch.undo()
        async with world.instance.db.write() as tx:
            from parley.social.sessions import store
            from parley.social.sessions.joining import let_in

            dora = await tx.fetchval("SELECT id FROM accounts WHERE username = 'dora'")
            await store.update_confirmed(tx, dora)
            assert not await let_in(tx, dora)
        assert (await world.anonymous.get(f"/api/v1/accounts/{dora}")).status_code == 404
        refused = await with_token(world, token).get("/api/v1/accounts/verify_credentials")
        assert refused.status_code == 403


def _stranger() -> Facts:
    return Facts(now=now())


async def test_a_name_that_policy_rejects_cannot_be_had(world: World) -> None:
    from parley.social.accounts.actions import NewAccount, create_account
    from parley.social.verdicts.actions import Rejection

    async def join() -> None:
        async with world.instance.db.write() as tx:
            new = NewAccount(username="dora", display_name="I will kill you all")
            await create_account(tx, world.settings, new)

    with pytest.raises(Rejection):
        await join()


async def test_a_held_later_profile_is_not_let_through_by_a_change_of_state(world: World) -> None:
    from parley.social.accounts.actions import set_account_state

    alice = await world.account("alice")
    await change(world, "alice", note="the shooter is a hero")
    async with world.instance.db.write() as tx:
        await set_account_state(tx, None, alice, "limited")
        await set_account_state(tx, None, alice, "active")
    assert (await world.anonymous.get(f"/api/v1/accounts/{alice}")).json()["note"] == ""


async def test_members_cannot_change_the_state_of_others(world: World) -> None:
    from parley.kit.errors import Forbidden
    from parley.social.accounts.actions import set_account_state
    from parley.social.accounts.views import Viewer

    alice, bob = await world.account("alice"), await world.account("bob")
    mia = await world.account("mod_mia", role="moderator")
    cases = [
        (Viewer(account_id=alice, username="alice"), bob, "suspended"),
        (Viewer(account_id=alice, username="alice"), alice, "active"),
        (Viewer(account_id=mia, username="mod_mia", role="moderator"), mia, "suspended"),
    ]
    for actor, target, state in cases:
        with pytest.raises(Forbidden):
            async with world.instance.db.write() as tx:
                await set_account_state(tx, actor, target, state)


async def test_the_app_asks_for_the_confirmation_mail_again(settings, dsn: str) -> None:
    async with open_world(msgspec.structs.replace(settings, email_confirmation=True), dsn) as world:
        app = await app_client(world)
        token = (await app.post("/api/v1/accounts", data=form())).json()["access_token"]
        dora = with_token(world, token)
        assert (await dora.get("/api/v1/accounts/verify_credentials")).status_code == 403
        assert (await dora.get("/api/v1/emails/check_confirmation")).json() is False
        assert (await dora.post("/api/v1/emails/confirmations")).status_code == 200
        corrected = await dora.post("/api/v1/emails/confirmations", data={"email": "nonsense"})
        assert corrected.status_code == 422
        for client in (app, world.anonymous):
            refused: httpx.Response = await client.post("/api/v1/emails/confirmations")
            assert refused.status_code in (401, 403)
        alice = await world.client("alice")
        assert (await alice.post("/api/v1/emails/confirmations")).status_code == 403


async def test_a_confirmed_member_is_told_so(world: World) -> None:
    alice = await world.client("alice")
    assert (await alice.get("/api/v1/emails/check_confirmation")).json() is True
