"""What the application does for every door: health, errors, HEAD, CORS."""

from __future__ import annotations

import httpx
import pytest

from parley.kit.settings import Settings
from parley.main import create_app
from tests.conftest import World


async def test_the_application_opens_and_closes_its_instance_by_itself(settings: Settings, dsn: str) -> None:
    app = create_app(settings, dsn)
    async with app.lifespan(), httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://t") as client:
        assert (await client.get("/health")).status_code == 200


async def test_health_says_whether_writes_are_taken(world: World) -> None:
    answer = await world.anonymous.get("/health")
    assert (answer.status_code, answer.text) == (200, "OK")


async def test_head_is_get_without_a_body(world: World) -> None:
    for path in ("/", "/api/v2/instance", "/.well-known/nodeinfo", "/static/avatar.png"):
        got = await world.anonymous.get(path)
        head = await world.anonymous.head(path)
        assert got.status_code == head.status_code == 200, path
        assert head.content == b""
        assert head.headers["content-type"] == got.headers["content-type"]


async def test_what_is_not_there_is_json_for_apps_and_a_page_for_people(world: World) -> None:
    api = await world.anonymous.get("/api/v1/no/such/thing")
    assert api.status_code == 404
    assert set(api.json()) == {"error"}
    page = await world.anonymous.get("/no-such-page", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "<html" in page.text


async def test_a_wrong_method_is_405(world: World) -> None:
    assert (await world.anonymous.delete("/api/v2/instance")).status_code == 405


async def test_apps_on_other_origins_may_call_the_api_but_never_with_cookies(world: World) -> None:
    origin = {"Origin": "https://app.example"}
    for path in ("/api/v1/instance", "/.well-known/oauth-authorization-server"):
        answer = await world.anonymous.get(path, headers=origin)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "Link" in answer.headers["access-control-expose-headers"]
    asked = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    answer = await world.anonymous.options("/api/v1/statuses", headers=asked)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] in ("*", origin["Origin"])


async def test_a_body_that_is_not_json_is_a_clear_400(world: World) -> None:
    client = await world.client("alice")
    answer = await client.post("/api/v1/statuses", content=b"{nope", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


async def test_ids_that_are_no_ids_are_not_found(world: World) -> None:
    for text in ("x", "-1", "0", "99999999999999999999", "１２３", "1%00"):
        assert (await world.anonymous.get(f"/api/v1/statuses/{text}")).status_code == 404, text


async def test_a_secret_in_an_address_never_reaches_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from parley.web import sign_in, sign_up

    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    caplog.set_level("DEBUG", logger="parley")
    for path, page in (("/confirm/SeCrEtToKeN", sign_up), ("/password/new/SeCrEtToKeN", sign_in)):
        monkeypatch.setattr(page, "visit_of", fail)
        assert (await world.anonymous.get(path)).status_code == 500
    assert "/password/new/{token" in caplog.text
    assert "RuntimeError" in caplog.text
    assert "SeCrEtToKeN" not in caplog.text


def test_the_http_server_writes_no_addresses_down(monkeypatch: pytest.MonkeyPatch) -> None:
    import granian

    from parley.kit.processes import serve_http

    asked: dict[str, object] = {}

    class Server:
        def __init__(self, *_: object, **options: object) -> None:
            asked.update(options)

        def serve(self) -> None:
            pass

    monkeypatch.setattr(granian, "Granian", Server)
    serve_http(Settings())
    assert asked["log_access"] is False
