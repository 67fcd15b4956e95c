"""The holding page: there when nothing else is, signed, and safe to look at."""

from __future__ import annotations

import asyncio
import base64
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from xml.etree import ElementTree

import boto3
import msgspec
import pytest

from parley.hosting.holding import (
    HoldingError,
    Status,
    current_status,
    post_announcement,
    publish_holding,
    read_announcements,
    render_page,
    verify_holding,
)
from parley.hosting.starting import answering_meanwhile
from parley.kit.nodes import Nodes
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of
from parley.web.holding import LOOK_SECONDS
from tests.conftest import PASSWORD, World
from tests.hosting.stores import ENVIRONMENT, free_port, s3_server
from tests.web.forms import find_form, send, sign_in


async def test_a_published_page_can_be_told_from_a_forged_one(settings: Settings, tmp_path: Path) -> None:
    post_announcement(settings, "moving", "We are leaving our host", "It gave us **24 hours**.")
    post_announcement(settings, "operational", "We are back")
    folder = tmp_path / "elsewhere"
    assert await publish_holding(settings, str(folder)) == ["feed.xml", "index.html", "status.json", "status.json.sig"]
    status = await verify_holding(str(folder), signer=public_key_of(settings).hex())
    assert [one.title for one in status.announcements] == ["We are back", "We are leaving our host"]
    assert status.state == "operational"
    forged = (folder / "status.json").read_bytes().replace(b"We are back", b"Send us money")
    (folder / "status.json").write_bytes(forged)
    with pytest.raises(HoldingError, match="do not believe it"):
        await verify_holding(str(folder))
    with pytest.raises(HoldingError, match="not signed by 00000000"):
        await verify_holding(str(folder), signer="00" * 32)


async def test_a_bucket_serves_the_page_as_a_page(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server("away") as url:
        for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        post_announcement(settings, "down", "Our host has cut us off")
        await publish_holding(settings, "s3://away/parley")
        served = boto3.client("s3", endpoint_url=url).get_object(Bucket="away", Key="parley/index.html")
        assert served["ContentType"] == "text/html; charset=utf-8"
        assert b"Our host has cut us off" in served["Body"].read()
        assert (await verify_holding("s3://away/parley")).state == "down"


def test_the_page_runs_nothing_and_asks_nobody(settings: Settings) -> None:
    post_announcement(
        settings, "down", "<script>alert(1)</script>", "<img src=x onerror=alert(1)> [x](javascript:alert(1))"
    )
    page = render_page(current_status(settings), base_url=settings.base_url)
    assert "<script" not in page
    assert "<img" not in page
    assert 'href="javascript' not in page
    assert "default-src &#39;none&#39;" in page
    assert "http-equiv" in page


def test_the_feed_is_well_formed_whatever_is_announced(settings: Settings) -> None:
    from parley.hosting.holding import render_feed

    post_announcement(settings, "degraded", "Slow & steady <soon>", "Text with & and <b>tags</b> and ]]>")
    feed = ElementTree.fromstring(render_feed(current_status(settings), base_url=settings.base_url))
    titles = [node.text for node in feed.iter("{http://www.w3.org/2005/Atom}title")]
    assert titles == ["Test: announcements", "Slow & steady <soon>"]


def test_announcements_are_checked_and_a_damaged_file_is_named(settings: Settings) -> None:
    with pytest.raises(HoldingError, match="needs a title"):
        post_announcement(settings, "down", "   ")
    with pytest.raises(HoldingError, match="4000 characters at most"):
        post_announcement(settings, "down", "x", "y" * 4001)
    assert read_announcements(settings) == []
    post_announcement(settings, "down", "fine")
    path = settings.path("holding", "announcements.json")
    path.write_text("[{]")
    with pytest.raises(HoldingError, match="is damaged"):
        read_announcements(settings)


async def test_the_instance_shows_its_own_copy_without_a_query(world: World) -> None:
    post_announcement(world.settings, "maintenance", "New disks tonight")
    await world.anonymous.get("/status")  # whether the database takes writes is asked every other second
    with world.queries() as seen:
        page = await world.anonymous.get("/status")
        data = await world.anonymous.get("/status/status.json")
        signature = await world.anonymous.get("/status/status.json.sig")
        feed = await world.anonymous.get("/status/feed.xml")
    assert seen == []
    assert "New disks tonight" in page.text
    assert 'href="status/feed.xml"' in page.text
    assert "style-src 'sha256-" in page.headers["content-security-policy"]
    assert feed.headers["content-type"].startswith("application/atom+xml")
    key = bytes.fromhex(msgspec.json.decode(data.content)["signer"])
    assert is_signed_by(key, base64.b64decode(signature.text), data.content)
    assert (await world.anonymous.get("/status/secret.key")).status_code == 404
    assert (await world.anonymous.get("/status/..%2f..%2fsecret.key")).status_code == 404


@asynccontextmanager
async def read_only(world: World) -> AsyncIterator[None]:
    """The database takes no writes inside the block."""
    async with world.instance.db.read() as tx:
        name = await tx.fetchval("SELECT current_database()")
        await tx.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        await world.instance.db.pool.expire_connections()
        yield
    finally:
        async with world.instance.db.read() as tx:
            await tx.execute("SET default_transaction_read_only = off")
            await tx.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await world.instance.db.pool.expire_connections()


async def seen_status(world: World, state: str) -> Status:
    """What /status says as JSON, once it says so; the database is asked every other second."""
    async with asyncio.timeout(10):
        while True:
            data = await world.anonymous.get("/status/status.json")
            found = msgspec.json.decode(data.content, type=Status)
            if found.state == state:
                signature = await world.anonymous.get("/status/status.json.sig")
                assert is_signed_by(bytes.fromhex(found.signer), base64.b64decode(signature.text), data.content)
                return found
            await asyncio.sleep(0.1)


async def test_an_instance_that_can_only_be_read_says_so_on_its_own_page_in_json_and_in_the_feed(world: World) -> None:
    assert "Everything works" in (await world.anonymous.get("/status")).text
    async with read_only(world):
        status = await seen_status(world, "read_only")
        (told,) = status.announcements
        assert (told.state, told.title) == ("read_only", "This instance can only be read right now.")
        page = await world.anonymous.get("/status")
        assert page.status_code == 200
        assert "You can read, but not post" in page.text
        assert "Everything works" not in page.text
        assert page.headers["cache-control"] == "public, max-age=5"
        feed = ElementTree.fromstring((await world.anonymous.get("/status/feed.xml")).text)
        terms = [node.get("term") for node in feed.iter("{http://www.w3.org/2005/Atom}category")]
        assert terms == ["read_only"]
        post_announcement(world.settings, "moving", "We are moving tonight")
        moving = await seen_status(world, "moving")  # what its people say of the whole goes before
        assert [one.title for one in moving.announcements] == [told.title, "We are moving tonight"]
        post_announcement(world.settings, "operational", "We are there")
        assert (await seen_status(world, "read_only")).announcements[1].title == "We are there"
    assert (await seen_status(world, "operational")).announcements[0].title == "We are there"


async def test_many_who_look_at_the_page_ask_the_database_once(world: World) -> None:
    async with read_only(world):
        await seen_status(world, "read_only")
        await asyncio.sleep(LOOK_SECONDS)
        with world.queries() as seen:
            await asyncio.gather(*(world.anonymous.get("/status") for _ in range(20)))
        assert len(seen) == 1


async def test_who_sends_a_form_while_nothing_can_be_written_gets_the_holding_page(world: World) -> None:
    await world.account("alice")
    browser = await sign_in(world.browser(), "alice", PASSWORD)
    compose = (await browser.get("/")).text
    async with read_only(world):
        assert (await browser.get("/")).status_code == 200, "reading goes on"
        refused = await send(browser, find_form(compose, "/compose"), "/compose", text="now?")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert refused.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in refused.headers["content-security-policy"]
        assert "You can read, but not post" in refused.text
        assert "This instance can only be read right now. Please try again in a minute." in refused.text
        assert "Go back to have it again." in refused.text
        assert 'http-equiv="refresh"' not in refused.text, "it stays, so that going back leads to what was written"
        assert 'href="/status/feed.xml"' in refused.text
        browser.headers["HX-Request"] = "true"
        piece = await send(browser, find_form(compose, "/compose"), "/compose", text="now?")
        del browser.headers["HX-Request"]
        assert piece.status_code == 503
        assert piece.headers["hx-retarget"] == "#toasts"
        assert "can only be read right now" in piece.text
        assert "<html" not in piece.text
        assert (await seen_status(world, "read_only")).state == "read_only"
    sent = await send(browser, find_form(compose, "/compose"), "/compose", text="now!")
    assert sent.status_code == 200


async def test_the_page_says_when_the_database_does_not_answer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    db = world.instance.db
    with monkeypatch.context() as away:
        away.setattr(db, "_nodes", Nodes(f"postgresql://127.0.0.1:{free_port()}/parley"))  # nobody listens there
        await db.pool.expire_connections()
        status = await seen_status(world, "degraded")
        assert status.announcements[0].title == "The database does not answer right now."
        assert (await world.anonymous.get("/status")).status_code == 200
        page = await world.anonymous.get("/public")
        assert page.status_code == 503
        assert int(page.headers["retry-after"]) > 0
        assert "The database cannot be reached right now." in page.text
        assert "Some things do not work" in page.text
        assert "Go back" not in page.text, "nothing was sent"
    await seen_status(world, "operational")


async def test_who_cannot_write_now_is_told_where_to_look(world: World) -> None:
    client = await world.client("alice")
    async with read_only(world):
        answer = await client.post("/api/v1/statuses", data={"status": "now?"})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "only be read right now" in answer.json()["error"]
        assert (await client.get("/api/v1/timelines/home")).status_code == 200
        assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 200
        assert (await world.anonymous.get("/health")).status_code == 503
    answer = await client.post("/api/v1/statuses", data={"status": "now!"})
    assert answer.status_code == 200


def test_the_page_answers_while_the_instance_starts(settings: Settings) -> None:
    here = msgspec.structs.replace(settings, port=free_port(), host="127.0.0.1")
    url = f"http://127.0.0.1:{here.port}/home"
    with answering_meanwhile(here):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url, timeout=10)
        assert caught.value.code == 503
        assert caught.value.headers["Retry-After"] == "5"
        assert b"We are starting" in caught.value.read()
        with answering_meanwhile(here):
            pass  # somebody else has the port: no page, and no error
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=10)
