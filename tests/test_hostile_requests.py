"""Requests that no client sends by mistake: bodies without end, addresses that are none, forged hops."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from parley.kit.http import MAX_BODY
from parley.kit.limits import RequestLimiter
from parley.kit.settings import Settings
from tests.conftest import World, open_world
from tests.media.samples import png
from tests.sessions.pages import sign_in

ENDLESS = 3 * MAX_BODY


async def _endless(begin: bytes) -> AsyncIterator[bytes]:
    """A body of unannounced length (chunked), which would fill the memory if it were collected."""
    yield begin
    for _ in range(ENDLESS // 65536):
        yield b"a" * 65536


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/api/v1/accounts/update_credentials"),
        ("PATCH", "/api/v1/profile"),
        ("POST", "/api/v1/statuses"),
    ],
)
@pytest.mark.parametrize(
    ("kind", "begin"), [("application/json", b'{"note": "'), ("application/x-www-form-urlencoded", b"note=")]
)
async def test_a_text_without_end_is_not_collected(
    world: World, method: str, path: str, kind: str, begin: bytes
) -> None:
    client = await world.client("alice")
    answer = await client.request(method, path, content=_endless(begin), headers={"Content-Type": kind})
    assert answer.status_code == 413 and "too large" in answer.json()["error"]


async def test_the_text_of_an_attachment_has_a_limit_though_its_file_may_be_large(world: World) -> None:
    client = await world.client("alice")
    made = (await client.post("/api/v2/media", files={"file": ("a.png", png(), "image/png")})).json()
    path = f"/api/v1/media/{made['id']}"
    headers = {"Content-Type": "application/json"}
    answer = await client.put(path, content=_endless(b'{"description": "'), headers=headers)
    assert answer.status_code == 413


async def test_a_form_in_the_body_is_read_as_before(world: World) -> None:
    client = await world.client("alice")
    data = {"status": "a poll", "poll[options][]": ["yes", "no"], "poll[expires_in]": "600"}
    answer = await client.post("/api/v1/statuses", data=data)
    assert [option["title"] for option in answer.json()["poll"]["options"]] == ["yes", "no"]


async def test_addresses_that_cannot_be_read_are_nobodys(world: World) -> None:
    answer = await world.anonymous.get("/.well-known/webfinger", params={"resource": "http://[a"})
    assert answer.status_code == 404
    new = {"client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob", "website": "http://[a"}
    answer = await world.anonymous.post("/api/v1/apps", json=new)
    assert answer.status_code == 422 and "Website" in answer.json()["error"]
    answer = await world.browser().get("/sign-in", params={"next": "//[a"})
    assert answer.status_code == 200 and 'value="/"' in answer.text
    answer = await world.browser().get("/local", headers={"HX-Request": "true", "HX-Current-URL": "http://[a"})
    assert answer.status_code == 200
    answer = await world.browser().post("/sign-in", data={"login": "x"}, headers={"Origin": "http://[a"})
    assert answer.status_code == 403


async def test_no_line_of_a_path_reaches_the_link_header(world: World) -> None:
    await world.post("alice", "hello #日本")
    answer = await world.anonymous.get("/api/v1/timelines/tag/日本")
    assert len(answer.json()) == 1
    assert "/api/v1/timelines/tag/%E6%97%A5%E6%9C%AC?max_id=" in answer.headers["link"]


@pytest.fixture
async def limited(settings: Settings, dsn: str) -> AsyncIterator[World]:
    """A world with limits on, behind a proxy."""
    strict = Settings(
        name="Test",
        domain="localhost:3000",
        data_dir=settings.data_dir,
        email_confirmation=False,
        trusted_proxies=("127.0.0.1",),
    )
    async with open_world(strict, dsn) as world:
        yield world


async def test_tokens_do_not_multiply_what_one_may_ask(limited: World) -> None:
    limited.app.state.request_limiter = RequestLimiter(most=5)
    first = await limited.client("alice", scopes="read")
    second = await limited.client("alice", scopes="read write")
    answers = [await client.get("/api/v1/preferences") for client in (first, second) * 3]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 429]
    limited.app.state.request_limiter = RequestLimiter(most=100)
    new = {"client_name": "x", "redirect_uris": "urn:ietf:wg:oauth:2.0:oob"}
    app = (await limited.anonymous.post("/api/v1/apps", json=new)).json()
    asked = {name: app[name] for name in ("client_id", "client_secret")} | {"grant_type": "client_credentials"}
    tokens = [(await limited.anonymous.post("/oauth/token", json=asked)).json()["access_token"] for _ in range(2)]
    limited.app.state.request_limiter = RequestLimiter(most=1)
    for token, expected in zip(tokens, (200, 429), strict=True):
        headers = {"Authorization": f"Bearer {token}"}
        answer = await limited.anonymous.get("/api/v1/apps/verify_credentials", headers=headers)
        assert answer.status_code == expected


async def test_a_client_cannot_choose_its_address_above_the_line_of_the_proxy(limited: World) -> None:
    limited.app.state.request_limiter = RequestLimiter(most=1)
    for forged, expected in (("203.0.113.1", 200), ("203.0.113.2", 429)):
        headers = [("X-Forwarded-For", forged), ("X-Forwarded-For", "198.51.100.7")]
        answer = await limited.anonymous.get("/api/v1/instance/rules", headers=headers)
        assert answer.status_code == expected


async def test_pages_are_limited_by_member_or_else_by_address_and_say_when_to_come_back(limited: World) -> None:
    def start(most: int) -> None:
        limited.app.state.page_limiter = RequestLimiter(most=most)

    start(100)
    await limited.account("alice")
    first, second = [await sign_in(limited, "alice") for _ in range(2)]
    start(5)
    answers = [await browser.get("/settings/account") for browser in (first, second) * 3]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 200, 429]
    assert 0 < int(answers[-1].headers["retry-after"]) <= 301
    assert "Slow down a little" in answers[-1].text
    assert (await limited.anonymous.get("/about")).status_code == 200, "others are not held up"
    start(1)
    stranger = {"X-Forwarded-For": "198.51.100.8"}
    for path, expected in (("/about", 200), ("/sign-in", 429), ("/static/avatar.png", 200)):
        assert (await limited.anonymous.get(path, headers=stranger)).status_code == expected
    with limited.queries() as seen:
        assert (await limited.anonymous.get("/local", headers=stranger)).status_code == 429
    assert seen == []
    piece = await limited.anonymous.get("/local", headers={**stranger, "HX-Request": "true"})
    assert (piece.status_code, piece.headers["hx-retarget"]) == (429, "#toasts")


async def test_pages_are_not_limited_where_limits_are_off(world: World) -> None:
    world.app.state.page_limiter = RequestLimiter(most=1)
    for _ in range(3):
        assert (await world.anonymous.get("/about")).status_code == 200
