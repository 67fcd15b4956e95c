"""Registering apps."""

from __future__ import annotations

import pytest

from tests.conftest import World
from tests.sessions.pages import CALLBACK, register


async def test_a_new_app_is_shown_as_mastodon_shows_it(world: World) -> None:
    app = await register(world, website="https://app.example")
    assert set(app) == {
        "id",
        "name",
        "website",
        "scopes",
        "redirect_uri",
        "redirect_uris",
        "client_id",
        "client_secret",
        "client_secret_expires_at",
        "vapid_key",
    }
    assert isinstance(app["id"], str) and app["client_secret_expires_at"] == 0
    assert app["scopes"] == ["read", "write", "follow", "push"]
    assert app["redirect_uris"] == [CALLBACK] and app["redirect_uri"] == CALLBACK


async def test_redirects_come_as_a_list_or_as_lines(world: World) -> None:
    uris = ["https://app.example/a", "app://b"]
    listed = await register(world, redirect_uris=uris)
    lined = await register(world, redirect_uris="\n".join(uris))
    form = await world.anonymous.post(
        "/api/v1/apps", data={"client_name": "Form", "redirect_uris[]": uris, "scopes": "read"}
    )
    assert listed["redirect_uris"] == lined["redirect_uris"] == form.json()["redirect_uris"] == uris
    assert lined["redirect_uri"] == "\n".join(uris)


async def test_without_scopes_an_app_may_read(world: World) -> None:
    assert (await register(world, scopes=""))["scopes"] == ["read"]


@pytest.mark.parametrize(
    "uri",
    [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example/x",
        "/relative",
        "https://app.example/#fragment",
        "https://",
        "https://app.example/\x00",
        'https://app.example/"',
        "https://app.example/ä",
        "https://app.example:99999/",
        "",
    ],
)
async def test_a_redirect_that_could_hurt_is_refused(world: World, uri: str) -> None:
    answer = await world.anonymous.post("/api/v1/apps", json={"client_name": "x", "redirect_uris": [uri]})
    assert answer.status_code == 422 and answer.json()["error"].startswith("Validation failed: Redirect URI")


@pytest.mark.parametrize(
    "fields",
    [
        {"client_name": ""},
        {"client_name": "x" * 61},
        {"scopes": "read everything"},
        {"website": "javascript:alert(1)"},
        {"client_name": ["a"]},
        {"redirect_uris": [["a"]]},
    ],
)
async def test_what_an_app_says_is_checked(world: World, fields: dict[str, object]) -> None:
    form = {"client_name": "App", "redirect_uris": CALLBACK, **fields}
    answer = await world.anonymous.post("/api/v1/apps", json=form)
    assert answer.status_code == 422 and answer.json()["error"].startswith("Validation failed")
