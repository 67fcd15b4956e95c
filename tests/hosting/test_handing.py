"""Requests that come to a host which does not serve: over a real link to one that does, streamed both ways."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from PIL import Image

from parley import screening
from parley.handing.bodies import KEPT_BYTES
from parley.handing.door import TURNED_EVERY
from parley.hosting.hosts.certificates import (
    CA_CERTIFICATE,
    CA_KEY,
    ensure_authority,
    ensure_certificate,
    ensure_key,
)
from parley.hosting.hosts.link import HttpSide, Listener
from parley.hosting.hosts.records import HostRecord, Hosts, HostState, write_hosts, write_state
from parley.kit.db import connect
from parley.kit.gate import Gate, State, gate_of
from parley.kit.settings import Settings
from parley.main import create_app
from tests.conftest import World
from tests.live import free_port
from tests.media.helpers import upload
from tests.media.samples import png
from tests.streaming.ears import asgi_scope, events, next_event, next_message, say, socket

SECRET = base64.b64encode(bytes(32)).decode()
SOMEBODY = "203.0.113.7"


class Two:
    """Host `a`, to which people come, and host `b`, which serves. Both have the one database, as if it were copied."""

    def __init__(self, a: World, b: World, link: Listener) -> None:
        self.a, self.b, self.link = a, b, link
        self.gate_a: Gate = gate_of(a.settings)
        self.gate_b: Gate = gate_of(b.settings)

    async def client(self, who: str, *, address: str = SOMEBODY) -> httpx.AsyncClient:
        """`who`, as somebody who still comes to `a`."""
        headers = (await self.b.client(who)).headers
        return self.stranger(address=address, authorization=headers["authorization"])

    async def know(self, who: str) -> None:
        """Give `a`'s world a token of `who` for streaming; it cannot make one itself."""
        await self.b.client(who, scopes="read write follow")
        self.a.ids, self.a._clients = self.b.ids, self.b._clients

    def stranger(self, *, address: str = SOMEBODY, **headers: str) -> httpx.AsyncClient:
        """Somebody who is not signed in and comes to `a`."""
        transport = httpx.ASGITransport(app=self.a.app, client=(address, 4711))
        return httpx.AsyncClient(transport=transport, base_url=self.a.settings.base_url, headers=headers)

    async def direct(self, path: str, **headers: str) -> httpx.Response:
        """A GET at `b` itself, from this very machine."""
        async with httpx.AsyncClient() as client:
            return await client.get(f"http://127.0.0.1:{self.b.settings.port}{path}", headers=headers)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Those of the world, with limits by address."""
    return msgspec.structs.replace(settings, rate_limits="on", secret_key=SECRET, hold_seconds=3.0)


@pytest.fixture
async def two(settings: Settings, dsn: str, tmp_path: Path) -> AsyncIterator[Two]:
    screening.use_policy(None)
    homes = {}
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        link = f"127.0.0.1:{free_port()}"
        homes[name] = msgspec.structs.replace(
            settings, data_dir=tmp_path / name, link_listen=link, port=free_port(), host_name=name
        )
    ensure_authority(homes["a"])
    for one in (CA_KEY, CA_CERTIFICATE):
        homes["b"].path(one).write_bytes(homes["a"].path(one).read_bytes())
    records = []
    for name, home in homes.items():
        key = ensure_key(home)
        ensure_certificate(home, name)
        records.append(HostRecord(name=name, link=home.link_listen, key=key))
    for name, home in homes.items():
        write_hosts(home, Hosts(me=name, hosts=tuple(records)))
    write_state(homes["a"], HostState(role="away", epoch=1, to="b"))
    write_state(homes["b"], HostState(role="primary", epoch=1))
    gate_of(homes["a"]).turn(State.AWAY, epoch=1)
    gate_of(homes["b"]).turn(State.OPEN, epoch=1)
    hosts_of_b = Hosts(me="b", hosts=tuple(records))
    link_of_b = Listener(homes["b"], HttpSide(_nobody), lambda: hosts_of_b, None)
    apps = {name: create_app(home, dsn) for name, home in homes.items()}
    config = uvicorn.Config(
        apps["b"], port=homes["b"].port, ws="wsproto", lifespan="off", log_config=None, proxy_headers=False
    )
    server = uvicorn.Server(config)
    async with _alive(apps["a"]), _alive(apps["b"]):
        await link_of_b.start()
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.02)
        a, b = (World(apps[name], homes[name]) for name in ("a", "b"))
        try:
            yield Two(a, b, link_of_b)
        finally:
            await a.close()
            await b.close()
            server.should_exit = server.force_exit = True
            await serving
            await link_of_b.close()


@contextlib.asynccontextmanager
async def _alive(app: Any) -> AsyncIterator[None]:
    """The application's lifespan, in a task of its own: what a fixture begins, another task ends."""
    begun, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            begun.set()
            await ending.wait()

    task = asyncio.create_task(live())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
    try:
        yield
    finally:
        ending.set()
        await task


async def _nobody(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def test_a_post_is_made_where_the_instance_serves_now(two: Two) -> None:
    client = await two.client("alice")
    answer = await client.post("/api/v1/statuses", json={"status": "Hello from the old address"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["content"] == "<p>Hello from the old address</p>"
    seen = await client.get(f"/api/v1/statuses/{answer.json()['id']}")
    assert seen.json()["content"] == answer.json()["content"]
    assert (await client.get("/api/v1/statuses/1")).status_code == 404
    form = await client.post("/api/v1/statuses", data={"status": "As a form"})
    assert form.status_code == 200
    assert (await two.stranger().get("/about")).headers["content-type"].startswith("text/html")


async def test_a_long_body_is_streamed_on_and_a_file_comes_back_whole(two: Two) -> None:
    client = await two.client("alice")
    file = io.BytesIO()
    Image.effect_noise((1500, 1500), 80).convert("RGB").save(file, "PNG")
    assert len(file.getvalue()) > 2_000_000
    sent = await client.post("/api/v2/media", files={"file": ("noise.png", file.getvalue(), "image/png")})
    assert sent.status_code in (200, 202), sent.text
    for _ in range(100):
        if await two.b.run_jobs() == 0:
            break
    media = (await client.get(f"/api/v1/media/{sent.json()['id']}")).json()
    path = httpx.URL(media["url"]).raw_path.decode()
    got = await client.get(path)
    direct = await two.direct(path)
    assert got.status_code == direct.status_code
    assert got.content == direct.content


async def remaining(answer: httpx.Response) -> int:
    return int(answer.headers["x-ratelimit-remaining"])


async def test_limits_by_address_hold_for_requests_that_were_handed_on(two: Two) -> None:
    path = "/api/v1/timelines/public"
    one, other = two.stranger(), two.stranger(address="198.51.100.9")
    first, second = await one.get(path), await one.get(path)
    assert await remaining(second) == await remaining(first) - 1
    assert await remaining(await other.get(path)) == await remaining(first)


async def test_nobody_but_the_other_host_says_where_a_request_came_from(two: Two) -> None:
    path = "/api/v1/timelines/public"
    before = await remaining(await two.direct(path))
    forged = {"x-parley-handed": f"9999999999 {SOMEBODY} {'0' * 64}", "x-forwarded-for": SOMEBODY}
    assert await remaining(await two.direct(path, **forged)) == before - 1
    # What a client writes there at the first host reaches nobody either.
    client = two.stranger()
    first = await remaining(await client.get(path))
    assert await remaining(await client.get(path, headers=forged | {"x-forwarded-for": "192.0.2.1"})) == first - 1


async def test_events_come_through_and_the_way_is_closed_when_their_listener_goes(two: Two) -> None:
    await two.know("alice")
    async with events(two.a, "alice", "user") as ear:
        await two.b.post("alice", "Can you hear me?")
        await two.b.run_jobs()
        name, status = await next_event(ear)
        assert (name, status["content"]) == ("update", "<p>Can you hear me?</p>")
        assert len(two.link._open) >= 1
    async with asyncio.timeout(5):
        while two.link._open:
            await asyncio.sleep(0.05)


async def test_a_socket_comes_through_both_ways(two: Two) -> None:
    await two.know("alice")
    async with socket(two.a, "alice") as ear:
        await say(ear, type="subscribe", stream="public")
        await two.b.post("alice", "To everybody")
        await two.b.run_jobs()
        message = await next_message(ear)
        assert message["event"] == "update"
        assert message["payload"]["content"] == "<p>To everybody</p>"
        await say(ear, type="subscribe", stream="nonsense")
        assert (await next_message(ear))["status"] >= 400


async def test_a_socket_without_a_token_is_refused_by_the_other_host(two: Two) -> None:
    from tests.streaming.ears import opened

    async with opened(two.a, "websocket", "/api/v1/streaming") as ear:
        answer = await ear.take()
        assert answer["type"] == "websocket.close"


async def test_what_comes_while_the_gate_is_held_waits_and_is_then_handed_on(two: Two) -> None:
    client = await two.client("alice")
    two.gate_a.turn(State.OPEN, epoch=1)
    assert (await client.get("/api/v2/instance")).status_code == 200
    two.gate_a.turn(State.HOLD, hold=3)
    posting = asyncio.create_task(client.post("/api/v1/statuses", json={"status": "Held"}))
    reading = await client.get("/api/v2/instance")
    assert reading.status_code == 200, "reading goes on meanwhile"
    await asyncio.sleep(0.2)
    assert not posting.done()
    two.gate_a.turn(State.AWAY)
    assert (await asyncio.wait_for(posting, 2)).status_code == 200


async def test_a_hold_that_lasts_too_long_is_answered_with_503(two: Two) -> None:
    client = await two.client("alice")
    two.gate_a.turn(State.HOLD, hold=0.2)
    answer = await client.post("/api/v1/statuses", json={"status": "Held for ever"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert "changing over to another host" in answer.json()["error"]
    page = await two.stranger().post("/sign-in", data={})
    assert page.status_code == 503
    assert "We are moving to another host" in page.text


async def test_a_post_that_was_in_a_handler_when_the_gate_closed_is_made_once_by_the_other_host(
    two: Two, dsn: str
) -> None:
    client = await two.client("alice")
    await two.b.post("alice", "Before")
    two.gate_a.turn(State.OPEN, epoch=1)
    blocker = await connect(dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE statuses IN EXCLUSIVE MODE")
    posting = asyncio.create_task(client.post("/api/v1/statuses", json={"status": "Caught in the middle"}))
    await asyncio.sleep(0.5)
    assert not posting.done()
    two.gate_a.turn(State.AWAY)
    await transaction.rollback()
    answer = await asyncio.wait_for(posting, 5)
    assert answer.status_code == 200, answer.text
    count = await blocker.fetchval("SELECT count(*) FROM status_revisions WHERE text = 'Caught in the middle'")
    await blocker.close()
    assert count == 1


async def test_a_long_upload_that_was_in_a_handler_when_the_gate_closed_reaches_the_other_host(
    two: Two, dsn: str
) -> None:
    client = await two.client("alice")
    two.gate_a.turn(State.OPEN, epoch=1)
    file = io.BytesIO()
    Image.effect_noise((1200, 1200), 90).save(file, "PNG")
    assert len(file.getvalue()) > 4 * KEPT_BYTES
    blocker = await connect(dsn)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE media IN EXCLUSIVE MODE")
    uploading = asyncio.create_task(upload(client, file.getvalue(), "noise.png"))
    await asyncio.sleep(two.a.settings.hold_seconds + 0.5)  # a slow client has no less time to be handed on
    assert not uploading.done()
    two.gate_a.turn(State.AWAY)
    await transaction.rollback()
    answer = await asyncio.wait_for(uploading, 10)
    assert answer.status_code == 202, answer.text
    rows = await blocker.fetch("SELECT id FROM media")
    await blocker.close()
    assert [str(row["id"]) for row in rows] == [answer.json()["id"]]
    sizes = [path.stat().st_size for path in two.b.settings.path("uploads").rglob("*") if path.is_file()]
    assert sizes == [len(file.getvalue())]
    assert [path for path in two.a.settings.path("tmp").rglob("*") if path.is_file()] == []


async def test_streams_of_a_host_that_serves_no_longer_end_so_that_clients_connect_anew(two: Two) -> None:
    await two.know("alice")
    two.gate_a.turn(State.OPEN, epoch=1)
    async with events(two.a, "alice", "user") as ear, socket(two.a, "alice") as heard:
        two.gate_a.turn(State.AWAY)
        last = await ear.take()
        assert (last["body"], last["more_body"]) == (b"", False)
        ended = await heard.take()
        assert ended["type"] == "websocket.close"


async def test_a_standby_whose_primary_is_gone_shows_what_it_has_and_refuses_the_rest(two: Two) -> None:
    status = await two.b.post("alice", "Still here")
    client = await two.client("alice")
    await two.link.close()
    two.gate_a.turn(State.CLOSED)
    seen = await client.get(f"/api/v1/statuses/{status['id']}")
    assert seen.status_code == 200
    refused = await client.post("/api/v1/statuses", json={"status": "No"})
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    page = await two.stranger().post("/sign-in", data={})
    assert page.status_code == 503
    assert "takes no changes right now" in page.text
    for said in (refused.text, page.text):  # nobody moves: the primary is lost
        assert "We are moving" not in said
        assert "another host" not in said
    assert page.headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_standby_whose_primary_is_gone_shows_files_whole(two: Two) -> None:
    """An empty answer would be kept for a year by whoever asked: what has a name never changes."""
    path, content = await _shown_picture(two)
    await two.link.close()
    two.gate_a.turn(State.CLOSED)
    seen = await two.stranger().get(path)
    assert seen.status_code == 200
    assert seen.headers["content-length"] == str(len(content))
    assert seen.content == content
    part = await two.stranger().get(path, headers={"range": "bytes=100-299"})
    assert (part.status_code, part.content) == (206, content[100:300])


async def test_a_file_that_is_on_its_way_when_the_gate_is_turned_arrives_whole(two: Two) -> None:
    path, content = await _shown_picture(two)
    two.gate_a.turn(State.OPEN, epoch=1)
    assert (await two.stranger().get(path)).content == content
    got: list[dict[str, Any]] = []

    async def take_slowly(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and two.gate_a.state is State.OPEN:
            two.gate_a.turn(State.CLOSED)
            await asyncio.sleep(2 * TURNED_EVERY)
        got.append(message)

    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    said.put_nowait({"type": "http.request", "body": b""})
    serving = asyncio.create_task(two.a.app(asgi_scope(two.a, "http", path), said.get, take_slowly))
    async with asyncio.timeout(5):
        while not got or got[-1].get("more_body", True):
            assert not serving.done(), serving.result()
            await asyncio.sleep(0.02)
    said.put_nowait({"type": "http.disconnect"})
    await serving
    assert b"".join(part.get("body", b"") for part in got) == content


async def _shown_picture(two: Two) -> tuple[str, bytes]:
    """Where a picture is that both hosts have, and what it is."""
    client = await two.b.client("alice")
    sent = await upload(client, png(), "picture.png")
    while await two.b.run_jobs():
        pass
    media = (await client.get(f"/api/v1/media/{sent.json()['id']}")).json()
    path = httpx.URL(media["url"]).raw_path.decode()
    shutil.copytree(two.b.settings.path("media"), two.a.settings.path("media"), dirs_exist_ok=True)
    content = (await two.b.anonymous.get(path)).content
    assert content
    return path, content


async def test_two_hosts_that_both_hand_on_do_not_send_a_request_round_and_round(two: Two) -> None:
    client = await two.client("alice")
    write_state(two.b.settings, HostState(role="away", epoch=1, to="a"))
    two.gate_b.turn(State.AWAY)
    with contextlib.suppress(TimeoutError):
        answer = await asyncio.wait_for(client.post("/api/v1/statuses", json={"status": "Round"}), 5)
        assert answer.status_code == 503
        return
    raise AssertionError("no answer")


async def test_what_waits_at_the_other_host_is_given_back_when_the_instance_comes_back_here(two: Two) -> None:
    client = await two.client("alice")
    two.gate_b.turn(State.HOLD, hold=3)
    posting = asyncio.create_task(client.post("/api/v1/statuses", json={"status": "There and back"}))
    await asyncio.sleep(0.3)
    assert not posting.done()
    write_state(two.a.settings, HostState(role="primary", epoch=2))
    two.gate_a.turn(State.OPEN, epoch=1)
    write_state(two.b.settings, HostState(role="away", epoch=1, to="a"))
    two.gate_b.turn(State.AWAY)
    answer = await asyncio.wait_for(posting, 3)
    assert answer.status_code == 200, answer.text
    assert (await client.get(f"/api/v1/statuses/{answer.json()['id']}")).status_code == 200


async def test_each_host_speaks_for_itself_about_its_health(two: Two) -> None:
    assert (await two.stranger().get("/health")).status_code == 503
    assert (await two.direct("/health")).status_code == 200


async def test_a_host_that_begins_to_serve_first_looks_what_has_changed_meanwhile(two: Two) -> None:
    """Nobody listens to a standby: a token that was revoked on the other host may be good in this one's memory."""
    client = await two.client("alice")
    two.gate_a.turn(State.OPEN, epoch=1)
    assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 200
    two.gate_a.turn(State.CLOSED)
    await asyncio.sleep(0.2)
    heard: list[str] = []
    two.a.instance.live.subscribe(lambda message: heard.append(message.topic))
    two.gate_a.turn(State.OPEN, epoch=1)
    assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 200
    assert heard == ["resync"]
