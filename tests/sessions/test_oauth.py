"""Apps sign in as Mastodon's clients do, and nothing but what a member allowed comes of it."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import httpx
import pytest

from parley.kit.clock import time_travel
from tests.conftest import World
from tests.sessions.pages import (
    CALLBACK,
    CHALLENGE,
    authorize_params,
    code_for,
    consent,
    csrf_of,
    register,
    send_form,
    sign_in,
    token_params,
)

INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the redirection URI used in the "
    "authorization request, or was issued to another client."
)
INVALID_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication included, or unsupported "
    "authentication method."
)


async def exchange(world: World, params: dict[str, str], **headers: str) -> httpx.Response:
    return await world.anonymous.post("/oauth/token", data=params, headers=headers)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def works(world: World, token: str) -> bool:
    """Whether the token opens a door; each ask is from a client without any memory."""
    answer = await world.anonymous.get("/api/v1/preferences", headers=bearer(token))
    assert answer.status_code in (200, 401), answer.text
    return answer.status_code == 200


@pytest.fixture
async def alice(world: World) -> httpx.AsyncClient:
    await world.account("alice")
    return await sign_in(world, "alice")


async def test_an_app_gets_a_token_by_code_and_pkce(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    params = authorize_params(app)
    page = await alice.get("/oauth/authorize", params=params)
    assert "Test app" in page.text and "Act in your name" in page.text and "app.example" in page.text
    answer = await consent(alice, params)
    target = httpx.URL(answer.headers["location"])
    assert str(target).startswith(CALLBACK) and target.params["state"] == "the state"

    given = await exchange(world, token_params(app, target.params["code"]))
    assert given.status_code == 200 and given.headers["cache-control"] == "no-store"
    token = given.json()
    assert token["token_type"] == "Bearer" and token["scope"] == "read write"
    assert isinstance(token["created_at"], int) and "refresh_token" not in token
    me = await world.anonymous.get("/api/v1/accounts/verify_credentials", headers=bearer(token["access_token"]))
    assert me.json()["username"] == "alice"


async def test_a_public_client_needs_no_secret_but_pkce(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    given = await exchange(world, token_params(app, code, client_secret=None))
    assert given.status_code == 200 and await works(world, given.json()["access_token"])

    bare = authorize_params(app, code_challenge=None, code_challenge_method=None)
    code = await code_for(alice, bare)
    refused = await exchange(world, token_params(app, code, client_secret=None, code_verifier=None))
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_request"
    # The same code is good with the secret: the older flow without PKCE.
    assert (await exchange(world, token_params(app, code, code_verifier=None))).status_code == 200


async def test_a_wrong_verifier_is_refused(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    for verifier in ("x" * 50, CHALLENGE, "short", None):
        refused = await exchange(world, token_params(app, code, code_verifier=verifier))
        assert refused.status_code == 400 and refused.json()["error"] in ("invalid_grant", "invalid_request")
    assert (await exchange(world, token_params(app, code))).status_code == 200


@pytest.mark.parametrize("method", ["plain", None, "s256"])
async def test_pkce_is_s256_or_nothing(world: World, alice: httpx.AsyncClient, method: str | None) -> None:
    app = await register(world)
    page = await alice.get("/oauth/authorize", params=authorize_params(app, code_challenge_method=method))
    assert page.status_code == 400 and "code_challenge_method" in page.text


async def test_a_replayed_code_revokes_what_it_gave(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    token = (await exchange(world, token_params(app, code))).json()["access_token"]
    assert await works(world, token)
    again = await exchange(world, token_params(app, code))
    assert again.status_code == 400
    assert again.json() == {"error": "invalid_grant", "error_description": INVALID_GRANT}
    assert not await works(world, token)


async def test_two_exchanges_at_once_leave_no_usable_token(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    answers = await asyncio.gather(*(exchange(world, token_params(app, code)) for _ in range(4)))
    good = [answer.json()["access_token"] for answer in answers if answer.status_code == 200]
    assert len(good) == 1 and not await works(world, good[0])


async def test_a_code_runs_out(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    with time_travel(timedelta(minutes=11)):
        assert (await exchange(world, token_params(app, code))).json()["error"] == "invalid_grant"


async def test_a_code_belongs_to_its_app_and_its_redirect(world: World, alice: httpx.AsyncClient) -> None:
    app, other = await register(world), await register(world, client_name="Other")
    code = await code_for(alice, authorize_params(app))
    for wrong in (
        token_params(other, code),
        token_params(app, code, redirect_uri="https://app.example/callback/"),
        token_params(app, code, redirect_uri=None),
        token_params(app, "no such code"),
    ):
        refused = await exchange(world, wrong)
        assert refused.status_code == 400 and refused.json()["error"] == "invalid_grant"
    assert (await exchange(world, token_params(app, code))).status_code == 200


async def test_a_wrong_secret_is_refused_in_both_ways_of_sending_it(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    refused = await exchange(world, token_params(app, code, client_secret="wrong"))
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Basic")
    assert refused.json() == {"error": "invalid_client", "error_description": INVALID_CLIENT}

    bare = token_params(app, code, client_id=None, client_secret=None)
    wrong = base64.b64encode(f"{app['client_id']}:wrong".encode()).decode()
    assert (await exchange(world, bare, Authorization=f"Basic {wrong}")).status_code == 401
    right = base64.b64encode(f"{app['client_id']}:{app['client_secret']}".encode()).decode()
    assert (await exchange(world, bare, Authorization=f"Basic {right}")).status_code == 200


async def test_there_is_no_password_grant_and_no_refresh(world: World) -> None:
    await world.account("alice")
    app = await register(world)
    for grant in ("password", "refresh_token", "implicit", "urn:ietf:params:oauth:grant-type:device_code"):
        params = token_params(app, "x", grant_type=grant, username="alice", password="correct horse battery staple")
        refused = await exchange(world, params)
        assert refused.status_code == 400 and refused.json()["error"] == "unsupported_grant_type"
    missing = await exchange(world, token_params(app, "x", grant_type=None))
    assert missing.json()["error"] == "invalid_request"


async def test_an_app_gets_a_token_in_its_own_name(world: World) -> None:
    app = await register(world)
    secret = {name: app[name] for name in ("client_id", "client_secret")}
    params = {"grant_type": "client_credentials", "scope": "read", **secret}
    token = (await exchange(world, params)).json()
    assert token["scope"] == "read"
    seen = await world.anonymous.get("/api/v1/apps/verify_credentials", headers=bearer(token["access_token"]))
    assert seen.json()["name"] == "Test app" and "client_secret" not in seen.json()
    denied = await world.anonymous.get("/api/v1/preferences", headers=bearer(token["access_token"]))
    assert denied.status_code == 401
    refused = await exchange(world, {**params, "scope": "read admin:write"})
    assert refused.status_code == 400 and refused.json()["error"] == "invalid_scope"
    # Without its secret nobody speaks in an app's name, PKCE or not.
    bare = {name: value for name, value in params.items() if name != "client_secret"}
    assert (await exchange(world, bare)).status_code == 401


@pytest.mark.parametrize(
    ("registered", "asked", "granted"),
    [
        ("read write", "read:statuses", "read:statuses"),
        ("read", None, "read"),
        ("read write follow push", "read write follow push", "read write follow push"),
        ("read", "profile", "profile"),
        ("read", "read write", None),
        ("read:statuses", "read", None),
        ("write", "write read:nonsense", None),
        ("read admin:read", "admin:read:accounts", "admin:read:accounts"),
    ],
)
async def test_scopes_are_at_most_what_the_app_registered(
    world: World, alice: httpx.AsyncClient, registered: str, asked: str | None, granted: str | None
) -> None:
    app = await register(world, scopes=registered)
    params = authorize_params(app, scope=asked)
    if granted is None:
        page = await alice.get("/oauth/authorize", params=params)
        assert page.status_code == 400 and "requested scope is invalid" in page.text
        return
    code = await code_for(alice, params)
    assert (await exchange(world, token_params(app, code))).json()["scope"] == granted


async def test_a_scope_bounds_what_a_token_may_do(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app, scope="read:statuses"))
    token = (await exchange(world, token_params(app, code))).json()["access_token"]
    refused = await world.anonymous.get("/api/v1/preferences", headers=bearer(token))
    assert refused.status_code == 403
    assert refused.json()["error"] == "This action is outside the authorized scopes"


async def test_a_redirect_must_be_exactly_one_that_was_registered(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    for uri in ("https://app.example/callback?x", "https://app.example/", "https://evil.example/callback", ""):
        params = authorize_params(app, redirect_uri=uri)
        page = await alice.get("/oauth/authorize", params=params)
        assert page.status_code == 400 and "location" not in page.headers
        token = await csrf_of(alice, "/settings/account")
        answer = await alice.post("/oauth/authorize", data={**params, "csrf": token, "decision": "allow"})
        assert answer.status_code == 400 and "location" not in answer.headers


async def test_a_wrong_request_never_redirects(world: World, alice: httpx.AsyncClient) -> None:
    """Anybody may register an app: the instance must not lend its name to a redirect that nobody agreed to."""
    app = await register(world)
    for changes in ({"response_type": "token"}, {"scope": "nonsense"}, {"response_type": None}):
        page = await alice.get("/oauth/authorize", params=authorize_params(app, **changes))
        assert page.status_code == 400 and "location" not in page.headers, changes


@pytest.mark.parametrize(
    "uri",
    ["com.example.app://oauth", "app:/callback", "app://", "http://localhost:8080/cb?x=1", "http://127.0.0.1/"],
)
async def test_an_apps_own_scheme_is_kept_to_the_letter(world: World, alice: httpx.AsyncClient, uri: str) -> None:
    app = await register(world, redirect_uris=[uri])
    answer = await consent(alice, authorize_params(app))
    location = answer.headers["location"]
    assert location.startswith(uri + ("&" if "?" in uri else "?") + "code=")


async def test_out_of_band_shows_the_code(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world, redirect_uris="urn:ietf:wg:oauth:2.0:oob")
    answer = await consent(alice, authorize_params(app))
    assert answer.status_code in (200, 201) and "location" not in answer.headers
    text = answer.text.split('id="authorization-code">')[1].split("<")[0]
    assert (await exchange(world, token_params(app, text))).status_code == 200


async def test_a_refusal_tells_the_app_and_gives_nothing(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    answer = await consent(alice, authorize_params(app), decision="deny")
    target = httpx.URL(answer.headers["location"])
    assert target.params["error"] == "access_denied" and target.params["state"] == "the state"
    assert "code" not in target.params


async def test_consent_takes_the_members_own_form(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    params = {**authorize_params(app), "decision": "allow"}
    assert (await alice.post("/oauth/authorize", data={**params, "csrf": "x" * 64})).status_code == 403
    assert (await alice.post("/oauth/authorize", data=params)).status_code == 403
    signed_out = world.browser()
    page = await signed_out.get("/oauth/authorize", params=authorize_params(app))
    assert page.status_code in (302, 303) and page.headers["location"].startswith("/sign-in")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "no such app"},
        {"client_id": 'quo"te'},
        {"client_id": "nul\0"},
        {"client_id": "größer"},
        {"redirect_uri": 'https://app.example/"><script>'},
        {"response_type": 'c"ode'},
        {"response_type": "cöde"},
        {"code_challenge": "ü" * 43},
        {"scope": 'read "'},
        {"state": "\u2028<script>"},
    ],
)
async def test_hostile_requests_are_refused_and_not_errors(
    world: World, alice: httpx.AsyncClient, changes: dict[str, str]
) -> None:
    app = await register(world)
    page = await alice.get("/oauth/authorize", params=authorize_params(app, **changes))
    assert page.status_code < 500 and "<script>" not in page.text.replace('<script type="module"', "")
    answer = await exchange(world, token_params(app, "x", **changes))
    assert answer.status_code in (400, 401) and set(answer.json()) == {"error", "error_description"}


@pytest.mark.parametrize("header", ["Basic !!!", "Basic /////w==", "Basic", "Basic Og==", "Basic b25seS1uYW1l"])
async def test_a_broken_basic_header_is_a_refused_client(world: World, header: str) -> None:
    app = await register(world)
    params = token_params(app, "x", client_id=None, client_secret=None)
    answer = await exchange(world, params, Authorization=header)
    assert answer.status_code == 401 and answer.json()["error"] == "invalid_client"


async def test_parameters_that_are_not_text_are_refused(world: World) -> None:
    app = await register(world)
    body = {**token_params(app, "x"), "code": ["a", "b"], "client_secret": {"a": 1}}
    answer = await world.anonymous.post("/oauth/token", json=body)
    assert answer.status_code in (400, 401) and "error_description" in answer.json()


async def test_a_token_is_revoked_by_its_app_alone(world: World, alice: httpx.AsyncClient) -> None:
    app, other = await register(world), await register(world, client_name="Other")
    code = await code_for(alice, authorize_params(app))
    token = (await exchange(world, token_params(app, code))).json()["access_token"]

    async def revoke(by: dict[str, Any], **changes: str) -> httpx.Response:
        form = {"client_id": by["client_id"], "client_secret": by["client_secret"], "token": token, **changes}
        return await world.anonymous.post("/oauth/revoke", data=form)

    stranger = await revoke(other)
    assert stranger.status_code == 403
    assert stranger.json() == {
        "error": "unauthorized_client",
        "error_description": "You are not authorized to revoke this token",
    }
    assert (await revoke(app, client_secret="wrong")).status_code == 401
    assert (await revoke(app, token="unknown")).status_code == 200
    assert await works(world, token)
    done = await revoke(app)
    assert done.status_code == 200 and done.json() == {}
    assert not await works(world, token)
    assert (await revoke(app)).status_code == 200


async def test_a_member_sees_and_takes_back_what_apps_may_do(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world, client_name="Nosy app")
    tokens = []
    for scope in ("read", "write:media"):
        code = await code_for(alice, authorize_params(app, scope=scope))
        tokens.append((await exchange(world, token_params(app, code))).json()["access_token"])
    page = await alice.get("/settings/apps")
    assert "Nosy app" in page.text and "Upload pictures" in page.text
    answer = await send_form(alice, "/settings/apps", f"/settings/apps/{app['id']}/revoke")
    assert answer.status_code in (302, 303)
    assert [await works(world, token) for token in tokens] == [False, False]
    await world.account("bob")
    bob = await sign_in(world, "bob")
    assert (await send_form(bob, "/settings/account", f"/settings/apps/{app['id']}/revoke")).status_code == 404


async def test_userinfo_names_the_member(world: World) -> None:
    client = await world.client("alice", scopes="profile")
    found = (await client.get("/oauth/userinfo")).json()
    assert found["iss"] == world.settings.base_url and found["preferred_username"] == "alice"
    assert found["sub"].startswith(world.settings.base_url) and found["profile"].endswith("/@alice")
    assert (await client.post("/oauth/userinfo")).json() == found
    narrow = await world.client("alice", scopes="write:media")
    assert (await narrow.get("/oauth/userinfo")).status_code == 403


async def test_no_usable_secret_lies_in_the_database(world: World, alice: httpx.AsyncClient) -> None:
    app = await register(world)
    code = await code_for(alice, authorize_params(app))
    used = await code_for(alice, authorize_params(app))
    token = (await exchange(world, token_params(app, used))).json()["access_token"]
    cookie = next(value for name, value in alice.cookies.items() if "session" in name)
    async with world.instance.db.read() as tx:
        tables = await tx.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        dump = ""
        for table in tables:
            dump += str(await tx.fetchval(f'SELECT json_agg(t)::text FROM "{table["tablename"]}" t'))
    assert "alice" in dump and app["client_id"] in dump
    for secret in (app["client_secret"], code, token, cookie, "correct horse"):
        assert secret not in dump
        assert secret.encode().hex() not in dump
