"""The holding page: there when nothing else is, signed, and safe to look at."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import boto3
import msgspec
import pytest

from parley.hosting.holding import (
    HoldingError,
    current_status,
    post_announcement,
    publish_holding,
    read_announcements,
    render_page,
    verify_holding,
)
from parley.hosting.starting import answering_meanwhile
from parley.kit.settings import Settings
from parley.kit.signing import is_signed_by, public_key_of
from tests.conftest import World
from tests.hosting.stores import ENVIRONMENT, free_port, s3_server


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
    import base64

    key = bytes.fromhex(msgspec.json.decode(data.content)["signer"])
    assert is_signed_by(key, base64.b64decode(signature.text), data.content)
    assert (await world.anonymous.get("/status/secret.key")).status_code == 404
    assert (await world.anonymous.get("/status/..%2f..%2fsecret.key")).status_code == 404


async def test_who_cannot_write_now_is_told_where_to_look(world: World) -> None:
    client = await world.client("alice")
    async with world.instance.db.read() as tx:
        name = await tx.fetchval("SELECT current_database()")
        await tx.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        await world.instance.db.pool.expire_connections()
        answer = await client.post("/api/v1/statuses", data={"status": "now?"})
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "only be read right now" in answer.json()["error"]
        assert (await client.get("/api/v1/timelines/home")).status_code == 200
        assert (await client.get("/api/v1/accounts/verify_credentials")).status_code == 200
        assert (await world.anonymous.get("/health")).status_code == 503
    finally:
        async with world.instance.db.read() as tx:
            await tx.execute("SET default_transaction_read_only = off")
            await tx.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        await world.instance.db.pool.expire_connections()
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
