"""What tests of accounts do again and again."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import httpx

from tests.conftest import World


def png(width: int = 64, height: int = 64, colour: str = "#c03020") -> bytes:
    """A small picture."""
    from PIL import Image

    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "PNG")
    return file.getvalue()


async def change(world: World, name: str, **params: Any) -> httpx.Response:
    """`name` changes the own profile, by JSON."""
    return await (await world.client(name)).patch("/api/v1/accounts/update_credentials", json=params)


async def account(world: World, name: str, *, viewer: str | None = None) -> dict[str, Any]:
    """The account of `name` as `viewer` (None: signed out) sees it."""
    client = world.anonymous if viewer is None else await world.client(viewer)
    answer = await client.get(f"/api/v1/accounts/{await world.account(name)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def set_state(world: World, name: str, state: Any) -> None:
    """Put an account into a state, as an operator would."""
    from parley.social.accounts.actions import set_account_state

    async with world.instance.db.write() as tx:
        await set_account_state(tx, None, await world.account(name), state)


async def app_client(world: World, scopes: str = "read write") -> httpx.AsyncClient:
    """A client with an app's own token."""
    made = await world.anonymous.post(
        "/api/v1/apps", data={"client_name": "Test", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "scopes": scopes}
    )
    assert made.status_code == 200, made.text
    app = made.json()
    answer = await world.anonymous.post(
        "/oauth/token",
        data={
            "grant_type": "client_credentials",
            "client_id": app["client_id"],
            "client_secret": app["client_secret"],
            "scope": scopes,
        },
    )
    assert answer.status_code == 200, answer.text
    return with_token(world, answer.json()["access_token"])


def with_token(world: World, token: str) -> httpx.AsyncClient:
    """A client that holds `token`."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=world.app, raise_app_exceptions=False),
        base_url=world.settings.base_url,
        headers={"authorization": f"Bearer {token}"},
    )
